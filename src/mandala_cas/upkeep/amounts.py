"""How many objects, and how many bytes in them: what reports of upkeep count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from mandala_cas.objectstore.api import ObjectInfo


@dataclass(frozen=True, slots=True)
class Amount:
    """Some objects."""

    object_count: int = 0
    size: int = 0

    @classmethod
    def of(cls, infos: Iterable[ObjectInfo]) -> Self:
        """Return how much some objects are."""
        sizes = [info.size for info in infos]
        return cls(len(sizes), sum(sizes))

    def to_dict(self) -> dict[str, int]:
        """Return the numbers by name."""
        return {"object_count": self.object_count, "size": self.size}
