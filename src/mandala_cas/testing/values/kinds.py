"""A kind of value: what a recipe of it says, and how one is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mandala_cas.testing.values.parts import Items, Members, Part, Parts
from mandala_cas.testing.values.slots import Literal, Slot


@dataclass(frozen=True)
class Kind:
    """A kind of value; a recipe of it is its name, and a literal for each slot.

    ``make`` takes what the slots read, and returns a value that shares nothing with any other.
    ``family`` names the kinds that are made of the same slots: near misses of each other.
    ``is_key`` says that values are hashable, as long as their parts are. ``normal`` takes the
    literals of a recipe and returns those that stand for all of the same value, where several do
    beyond what each slot knows of itself.
    """

    make: Callable[..., Any]
    slots: tuple[Slot, ...] = ()
    family: str = ""
    is_key: bool = False
    normal: Callable[..., tuple[Literal, ...]] | None = None

    def holds_any(self) -> bool:
        """Tell whether values have parts that may be of every kind."""
        return any(
            isinstance(slot, Members | Items) or (isinstance(slot, Part | Parts) and not slot.kinds)
            for slot in self.slots
        )


def first_alike(shown: Sequence[Any], numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Return the first numbers of the same elements, which are alike where they are shown alike."""
    return tuple(shown.index(shown[number]) for number in numbers)
