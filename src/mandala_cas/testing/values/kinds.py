"""A kind of value: what a recipe of it says, and how one is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mandala_cas.testing.values.parts import Items, Members, Part, Parts
from mandala_cas.testing.values.slots import Slot


@dataclass(frozen=True)
class Kind:
    """A kind of value; a recipe of it is its name, and a literal for each slot.

    ``make`` takes what the slots read, and returns a value that shares nothing with any other.
    ``family`` names the kinds that are made of the same slots: near misses of each other.
    ``is_key`` says that values are hashable, as long as their parts are.
    """

    make: Callable[..., Any]
    slots: tuple[Slot, ...] = ()
    family: str = ""
    is_key: bool = False

    def holds_any(self) -> bool:
        """Tell whether values have parts that may be of every kind."""
        return any(
            isinstance(slot, Members | Items) or (isinstance(slot, Part | Parts) and not slot.kinds)
            for slot in self.slots
        )
