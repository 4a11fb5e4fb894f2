"""What type checkers see of ops: checked by mypy, not run.

An op keeps its function's own signature, results included: to a type checker a ref is its value.
A line that must be an error says so with ``type: ignore``; mypy complains where it is none.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, assert_type

from mandala_cas.memo.op import Op, op
from mandala_cas.memo.special import NewArgDefault
from mandala_cas.model.ids import SourceHash
from mandala_cas.storage.storage import Storage


@op
def generate(random_seed: int = 42) -> tuple[list[float], list[int]]:
    """Return features and labels."""
    return [float(random_seed)], [random_seed]


@op(output_names=["model", "accuracy"], name="train", version="2")
def train_model(
    features: list[float], labels: list[int], *, trees: int = NewArgDefault(1)
) -> tuple[str, float]:
    """Return a model and its accuracy."""
    return f"{trees} trees", sum(features) / len(labels)


@op(nout=1)
def shape(features: list[float]) -> tuple[int, int]:
    """Return a pair that is one output."""
    return len(features), 1


def plain(x: int, /) -> str:
    """Return a text."""
    return str(x)


@dataclass(frozen=True)
class Model:
    """Something with an op for a method."""

    slope: float

    @op
    def predict(self, x: float, *, rounded: bool = False) -> float:
        """Return a prediction."""
        return round(self.slope * x) if rounded else self.slope * x

    @op(nout=1)
    def named(self) -> tuple[str, float]:
        """Return a pair."""
        return "slope", self.slope


def calls_keep_the_signature() -> None:
    """Parameters and results are the function's."""
    assert_type(generate(), tuple[list[float], list[int]])
    features, labels = generate(random_seed=1)
    assert_type(features, list[float])
    model, accuracy = train_model(features, labels, trees=10)
    assert_type(model, str)
    assert_type(accuracy, float)
    assert_type(shape(features), tuple[int, int])


def wrong_calls_are_errors() -> None:
    """As they are without ``@op``."""
    generate("1")  # type: ignore[arg-type]  # wrong on purpose
    generate(seed=1)  # type: ignore[call-arg]  # wrong on purpose
    train_model([1.0])  # type: ignore[call-arg]  # wrong on purpose
    train_model([1.0], [1], 10)  # type: ignore[call-arg]  # wrong on purpose
    train_model([1.0], [1], trees="10")  # type: ignore[arg-type]  # wrong on purpose


def wrong_decorations_are_errors() -> None:
    """Caught before the program runs."""
    op(plain, nout="all")  # type: ignore[call-overload]  # wrong on purpose
    op(plain, version=2)  # type: ignore[call-overload]  # wrong on purpose
    op(5)  # type: ignore[call-overload]  # wrong on purpose


def an_op_is_more_than_a_function() -> None:
    """It has a name, a source, and the function itself."""
    assert_type(op(plain), Op[[int], str])
    assert_type(op(name="text")(plain), Op[[int], str])
    assert_type(op(plain).f, Callable[[int], str])
    assert_type(op(plain).name, str)
    assert_type(op(plain).version, str)
    assert_type(op(plain).source_hash, SourceHash)


def methods_lose_their_first_parameter() -> None:
    """Through an instance; through the class it is given like any other."""
    model = Model(2.0)
    assert_type(model.predict(1.0), float)
    assert_type(model.predict(1.0, rounded=True), float)
    assert_type(model.named(), tuple[str, float])
    assert_type(Model.predict(model, 1.0), float)
    assert_type(Model.predict.name, str)
    model.predict("1")  # type: ignore[arg-type]  # wrong on purpose
    model.predict(1.0, True)  # type: ignore[call-arg]  # wrong on purpose


def an_op_passes_for_its_function() -> None:
    """Higher-order functions need not know of ops."""
    takes_a_callable: Callable[[int], str] = op(plain)
    assert_type(list(map(op(plain), [1, 2])), list[str])
    assert_type(takes_a_callable(1), str)


@op(record_failures=True)
async def fetch(page: int, *, retries: int = 1) -> str:
    """Return a text."""
    return str(page * retries)


async def awaited_ops_keep_the_signature() -> None:
    """Calling one gives what calling its function gives, to be awaited."""
    coroutine: Coroutine[Any, Any, str] = fetch(1)
    assert_type(await coroutine, str)
    assert_type(await fetch(1, retries=2), str)
    assert_type(await fetch.call(1), str)
    await fetch("1")  # type: ignore[arg-type]  # wrong on purpose


def one_call_can_be_asked_for_and_forced() -> None:
    """With the arguments of the op."""
    assert_type(shape.call([1.0]), tuple[int, int])
    assert_type(shape.is_cached([1.0]), bool)
    shape.is_cached("1")  # type: ignore[arg-type]  # wrong on purpose
    shape.lookup()  # type: ignore[call-arg]  # wrong on purpose
    shape.call(1.0)  # type: ignore[arg-type]  # wrong on purpose


def wrapped_functions_keep_their_signature(storage: Storage) -> None:
    """A pool is handed what it would be handed anyway."""
    assert_type(list(map(storage.wrap(plain), [1, 2])), list[str])
    storage.wrap(plain)("1")  # type: ignore[arg-type]  # wrong on purpose
    with storage(mode="recompute") as same, same.allow_new_calls(False) as again:
        assert_type(same, Storage)
        assert_type(again, Storage)


def a_new_argument_has_the_type_of_its_default() -> None:
    """So a parameter can be declared as what its body gets."""
    assert_type(NewArgDefault(1), int)
    wrong: str = NewArgDefault(1)  # type: ignore[assignment]  # wrong on purpose
    assert_type(wrong, str)
