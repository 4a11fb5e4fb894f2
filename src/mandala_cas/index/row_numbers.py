"""From ids to the rows that carry them, for rows that are in memory."""

from __future__ import annotations

from collections.abc import Sequence


class RowNumbers:
    """Rows by id: nearly always one, sometimes several."""

    __slots__ = ("first", "others")

    def __init__(self) -> None:
        """Start empty."""
        self.first: dict[bytes, int] = {}
        self.others: dict[bytes, list[int]] = {}

    def add(self, ids: Sequence[bytes], base: int) -> list[bytes]:
        """Number ``ids`` from ``base`` on; return those that had a row already."""
        fresh = dict(zip(ids, range(base, base + len(ids)), strict=True))
        if len(fresh) == len(ids) and self.first.keys().isdisjoint(fresh):
            self.first.update(fresh)
            return []
        repeated = []
        for row, id_ in enumerate(ids, base):
            if self.first.setdefault(id_, row) != row:
                self.others.setdefault(id_, []).append(row)
                repeated.append(id_)
        return repeated

    def of(self, id_: bytes) -> Sequence[int]:
        """Return all rows of an id, the first one first."""
        row = self.first.get(id_)
        if row is None:
            return ()
        return (row, *self.others.get(id_, ()))

    def prefer(self, id_: bytes, row: int) -> None:
        """Make ``row``, one of the id's rows, its first."""
        first = self.first[id_]
        if row != first:
            self.others[id_][self.others[id_].index(row)] = first
            self.first[id_] = row
