"""Values of the test vectors whose classes say what their ids are taken of."""

from __future__ import annotations

from typing import Any


class Model:
    """A value of a user's that says what its id is taken of."""

    def __init__(self, weights: Any) -> None:
        """Hold weights, and what has no content."""
        self.weights = weights
        self.cache = object()

    def __mandala_hash__(self) -> Any:
        """Return what tells models apart."""
        return self.weights


class Layer(Model):
    """Another class, with what it inherits."""


for kind in (Model, Layer):
    kind.__module__ = "example"


NAMES: dict[str, Any] = {"Model": Model, "Layer": Layer}

VALUES = [
    "Model([0.5, 2.0])",
    "Model('a' * 1100)",
    "Layer([0.5, 2.0])",
    "[Model(None), Model(Layer({'a': 1}))]",
]
