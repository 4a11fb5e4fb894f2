"""A store in memory that counts how often somebody waits for an answer to a read."""

from __future__ import annotations

from collections.abc import Sequence

from mandala_cas.objectstore.api import ByteRange
from mandala_cas.objectstore.memory import MemoryObjectStore


class RoundTripStore(MemoryObjectStore):
    """Counts a batch of reads once: its requests travel together."""

    def __init__(self) -> None:
        """Start at zero."""
        super().__init__()
        self.trips: list[list[str]] = []

    def taken(self) -> list[list[str]]:
        """Return the names asked for in each trip, and forget them."""
        trips, self.trips = self.trips, []
        return trips

    def get(self, name: str) -> bytes:
        """Count, and give."""
        self.trips.append([name])
        return super().get(name)

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Count, and give."""
        self.trips.append([name])
        return super().get_range(name, offset, size)

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Count, and give."""
        counted, found = len(self.trips), super().get_many(names)
        self.trips[counted:] = [list(names)] if names else []
        return found

    def get_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | None]:
        """Count, and give."""
        counted, found = len(self.trips), super().get_ranges(ranges)
        self.trips[counted:] = [[item.name for item in ranges]] if ranges else []
        return found
