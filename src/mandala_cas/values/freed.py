"""Values that were freed here because another store holds them, told from those that are lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

Freed = tuple[str, bytes]
"""The name of an object that was here, and the content id of a value in it.

Not the object alone: it may have held more than the other store has.
"""

PromisedAmong = Callable[[Sequence[Freed]], AbstractSet[Freed]]
"""Picks those of some places that are empty because another store holds the value."""


def nothing_promised(places: Sequence[Freed]) -> AbstractSet[Freed]:
    """Pick none: there is no other store."""
    del places
    return set()
