"""New arguments: parameters that calls on record do not have."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.unit.memo.fake_book import FakeBook, content_id_of

from mandala_cas.errors import UsageError
from mandala_cas.memo.op import op
from mandala_cas.memo.special import NewArgDefault, NewArgument
from mandala_cas.model.ids import constant_history_id
from mandala_cas.model.refs import AtomRef, Ref


class Training:
    """One op in the three forms it has in the tutorial, and what its body was given."""

    def __init__(self) -> None:
        """Define the ops."""
        self.seen: list[Any] = []
        seen = self.seen

        @op(name="train")
        def first(x: int) -> str:
            seen.append(x)
            return f"model of {x}"

        @op(name="train")
        def second(x: int, trees: int = NewArgDefault(1)) -> str:
            seen.append((x, trees))
            return f"model of {x} with {trees}"

        @op(name="train")
        def third(
            x: int, trees: int = NewArgDefault(1), depth: int | None = NewArgDefault(None)
        ) -> str:
            seen.append((x, trees, depth))
            return f"model of {x} with {trees} of {depth}"

        self.first, self.second, self.third = first, second, third


@pytest.fixture
def training() -> Training:
    """Return fresh ops."""
    return Training()


def test_a_new_argument_at_its_default_is_answered_by_old_calls(
    entered: FakeBook, training: Training
) -> None:
    """An argument added to an op leaves its results valid."""
    old = training.first(5)

    new = [training.second(5), training.second(5, 1), training.second(5, trees=1)]
    newer = [training.third(5), training.third(5, depth=None), training.third(5, 1, None)]

    assert new + newer == [old] * 6
    assert training.seen == [5]
    assert len(entered.calls) == 1


def test_a_new_argument_at_another_value_is_another_call(
    entered: FakeBook, training: Training
) -> None:
    """It is an input then, like any other."""
    training.first(5)

    training.second(5, trees=10)
    training.third(5, 10)
    training.third(5, 10, depth=2)

    assert training.seen == [5, (5, 10), (5, 10, 2)]
    assert [[slot.name for slot in call.inputs] for call in entered.calls.values()] == [
        ["x"],
        ["x", "trees"],
        ["x", "trees", "depth"],
    ]


def test_a_body_gets_the_default_and_never_its_wrapper(
    entered: FakeBook, training: Training
) -> None:
    """The body computes with it; what was dropped is not stored either."""
    training.third(5, 10)

    assert training.seen == [(5, 10, None)]
    assert len(entered.values) == 3  # 5, 10 and the output


def test_the_plain_function_gets_the_default_too(training: Training) -> None:
    """Outside every storage nothing unwraps it but the op."""
    assert training.second(5) == "model of 5 with 1"
    assert training.second(x=5, trees=3) == "model of 5 with 3"


@pytest.mark.usefixtures("entered")
def test_a_ref_is_compared_with_the_default_without_loading_it(
    entered: FakeBook, training: Training
) -> None:
    """Its content id is known, and that is all that counts."""
    old = training.first(5)
    one = AtomRef(old.history_id, entered.content_id(1))  # type: ignore[attr-defined]  # a ref inside a storage

    assert training.second(5, trees=one) == old  # type: ignore[arg-type]  # refs pass for values

    assert entered.asked["load"] == 0


def test_a_ref_that_equals_the_default_is_not_loaded_for_the_body(
    entered: FakeBook, training: Training
) -> None:
    """The default itself is at hand."""
    content_id = content_id_of(1)
    nowhere: Any = AtomRef(constant_history_id(content_id), content_id)

    training.second(5, trees=nowhere)

    assert training.seen == [(5, 1)]
    assert [slot.name for slot in entered.only_call().inputs] == ["x"]


def test_a_default_may_be_a_ref(entered: FakeBook) -> None:
    """The result of another op as a default: compared by its id, unwrapped for the body."""

    @op(name="base")
    def base() -> int:
        return 3

    @op(name="add")
    def add_nothing(x: int) -> int:
        return x

    three = base()

    @op(name="add")
    def add(x: int, y: int = NewArgDefault(three)) -> int:
        return x + y

    old = add_nothing(1)

    assert add(1) == old
    assert add(1, 3) == old
    assert value_of(add(2)) == 5
    assert len(entered.calls) == 3


@pytest.mark.parametrize(
    ("default", "equal", "other"),
    [
        (np.zeros(3), np.zeros(3), np.ones(3)),
        (np.zeros(3), np.zeros(3), np.zeros((3, 1))),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})),
        (1, 1, True),
        (1, 1, 1.0),
        (float("nan"), float("nan"), 0.0),
    ],
    ids=["array", "shape", "frame", "bool", "float", "nan"],
)
def test_defaults_are_compared_by_content(
    entered: FakeBook, default: Any, equal: Any, other: Any
) -> None:
    """``==`` of an array is no bool, ``1 == True``, and nan is not even equal to itself."""
    runs: list[Any] = []

    @op(name="f")
    def f(x: Any = NewArgDefault(default)) -> int:
        runs.append(x)
        return len(runs)

    f()
    f(equal)
    assert len(runs) == 1
    f(other)
    assert len(runs) == 2
    assert [len(call.inputs) for call in entered.calls.values()] == [0, 1]


def test_the_default_is_hashed_once(entered: FakeBook) -> None:
    """It may be large, and every call that gives the argument compares with it."""

    @op(name="f")
    def f(x: int = NewArgDefault(1)) -> int:
        return x

    f(2)
    f(2)

    assert entered.asked["content_id"] == 3  # 2, twice, and the default


@pytest.mark.usefixtures("entered")
def test_a_default_that_cannot_be_hashed_says_so() -> None:
    """Only where it must be compared: the default itself is recognised as the same object."""
    lock = threading.Lock()

    @op(name="f")
    def f(x: object = NewArgDefault({"lock": lock})) -> int:
        return 1 if x else 0

    f()
    with pytest.raises(UsageError, match=r"f: argument 'x': the default x\['lock'\] cannot be ha"):
        f(2)


def test_it_has_an_id_for_each_hasher_and_is_asked_once_for_each() -> None:
    """One default may stand at several parameters."""
    book = FakeBook()
    default = NewArgument(-2)

    ids = [default.content_id(book, hasher) for hasher in (None, abs, None, abs)]

    assert ids[:2] == ids[2:] == [content_id_of(-2), content_id_of(("custom", 2))]
    assert book.asked["content_id"] == 2


def test_it_prints_as_it_is_written() -> None:
    """Signatures in help() show it."""
    assert repr(NewArgDefault("a")) == "NewArgDefault('a')"


def value_of(ref: object) -> Any:
    """Return the value of what is a ref inside a storage."""
    assert isinstance(ref, Ref)
    return ref.value
