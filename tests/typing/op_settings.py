"""What type checkers see of special arguments and settings: checked by mypy and pyright, not run.

A line that must be an error says so with ``type: ignore``; both complain where it is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import assert_type

from mandala_cas.imports import Ignore, NewArgDefault, ValuePointer, op


@dataclass(frozen=True)
class Model:
    """A class of a user's."""

    slope: float

    @staticmethod
    @op
    def zero(x: float) -> float:
        """Return nothing."""
        return 0 * x

    @classmethod
    @op
    def steep(cls, by: float) -> Model:
        """Return a model."""
        return cls(100.0 * by)

    def plain(self, x: float) -> float:
        """Return a prediction."""
        return self.slope * x

    def __call__(self, x: float) -> float:
        """Return a prediction."""
        return self.slope * x


@op(nout="var")
def halves(count: int) -> tuple[float, ...]:
    """Return some numbers."""
    return tuple(i / 2 for i in range(count))


@op(
    ignore_args=("verbose",),
    ttl=timedelta(hours=1),
    save_inputs=False,
    check_mutation=True,
    on_stale="recompute",
    previous_names=["train_model"],
    renamed_args={"features": "x"},
)
def train(
    x: float, *, depth: int = NewArgDefault(3), jobs: int = Ignore(4), verbose: bool = False
) -> Model:
    """Return a model."""
    return Model(x + depth + jobs + verbose)


@op
def predict(model: Model, x: float) -> float:
    """Return a prediction."""
    return model.plain(x)


def scaled(factor: float, x: float) -> float:
    """Return a product."""
    return factor * x


def special_arguments_have_the_type_of_what_they_hold() -> None:
    """So a parameter is declared as what its body gets."""
    assert_type(Ignore(5), int)
    assert_type(ValuePointer("main", Model(1.0)), Model)
    assert_type(train(1.0, jobs=Ignore(8), depth=2), Model)
    assert_type(predict(ValuePointer(id="main", obj=Model(1.0)), x=Ignore(2.0)), float)
    predict(Ignore("x"), 2.0)  # type: ignore[arg-type]  # wrong on purpose
    predict(ValuePointer("main", 5), 2.0)  # type: ignore[arg-type]  # wrong on purpose
    predict(ValuePointer(5, Model(1.0)), 2.0)  # type: ignore[arg-type]  # wrong on purpose
    ValuePointer("main")  # type: ignore[call-arg]  # wrong on purpose


def a_varying_number_is_a_tuple() -> None:
    """As the function says."""
    assert_type(halves(3), tuple[float, ...])
    first, *_ = halves(3)
    assert_type(first, float)


def settings_are_checked() -> None:
    """Before the program runs."""
    op(scaled, name="scaled", ttl=2.5, on_stale="error", nout="var")
    op(scaled, on_stale="ask")  # type: ignore[call-overload]  # wrong on purpose
    op(scaled, ttl="1h")  # type: ignore[call-overload]  # wrong on purpose
    op(scaled, nout="all")  # type: ignore[call-overload]  # wrong on purpose
    op(scaled, renamed_args=["x"])  # type: ignore[call-overload]  # wrong on purpose
    op(scaled, save_inputs="no")  # type: ignore[call-overload]  # wrong on purpose


def callables_of_all_kinds_keep_their_parameters() -> None:
    """Bound methods, callable objects, partials."""
    assert_type(op(Model(1.0).plain, name="plain")(2.0), float)
    assert_type(op(Model(1.0), name="model")(2.0), float)
    assert_type(op(partial(scaled, 2.0), name="doubled")(3.0), float)
    plain: Callable[[float], float] = op(Model(1.0).plain, name="plain")
    assert_type(plain(1.0), float)
    op(Model(1.0), name="model")("2")  # type: ignore[arg-type]  # wrong on purpose


def methods_of_classes_and_of_nobody() -> None:
    """Both checkers bind only functions behind ``@classmethod``, so there a call looks wrong."""
    assert_type(Model.zero(2.0), float)
    Model.steep(2.0)  # type: ignore[call-arg, arg-type]  # right, and not understood
    assert_type(Model.steep(Model, 2.0), Model)
