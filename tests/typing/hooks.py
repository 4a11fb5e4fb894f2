"""What type checkers see of registrations and markers: checked by mypy, not run.

A line that must be an error says so with ``type: ignore``; mypy complains where it is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, assert_type

from mandala_cas.imports import Codec, Hash, op, register_codec, register_hasher


class Model:
    """A class of a user's."""

    weights: list[float]


class ModelCodec:
    """A codec without a base class."""

    name = "example.model"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a model."""
        return type(value) is Model

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[bytes]]:
        """Return a model as bytes."""
        return {}, (repr(value.weights).encode(),)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Model:
        """Return a model."""
        del header, payload
        return Model()


def weights_of(model: Model) -> list[float]:
    """Return what tells models apart."""
    return model.weights


@register_hasher(Model)
def first_weight(model: Model) -> float:
    """Return another thing that does."""
    return model.weights[0]


@op
def train(
    size: Annotated[int, Hash(abs)], start: Annotated[Model | None, Codec("pickle")] = None
) -> tuple[Annotated[Model, Codec("example.model"), Hash(weights_of)], float]:
    """Return a model and its accuracy."""
    return start or Model(), float(size)


def registrations_are_checked() -> None:
    """A codec by its methods, a hasher by what it takes."""
    register_codec(ModelCodec())
    register_codec(Model())  # type: ignore[arg-type]  # wrong on purpose
    assert_type(register_hasher(Model, weights_of), Callable[[Model], Any])
    assert_type(first_weight, Callable[[Model], Any])
    register_hasher(str, weights_of)  # type: ignore[arg-type]  # wrong on purpose


def markers_are_invisible() -> None:
    """An annotated parameter has the type that it has."""
    model, accuracy = train(5)
    assert_type(model, Model)
    assert_type(accuracy, float)
    train("5")  # type: ignore[arg-type]  # wrong on purpose


def markers_are_checked() -> None:
    """Where they are made."""
    Codec(5)  # type: ignore[arg-type]  # wrong on purpose
    Hash("abs")  # type: ignore[arg-type]  # wrong on purpose
