"""From ids to the rows that carry them: sorted where there are many, in a dictionary else."""

from __future__ import annotations

from collections.abc import Sequence

from mandala_cas.index.prefixes import PrefixIndex


class RowNumbers:
    """Rows by id: nearly always one, sometimes several, of which one answers.

    Rows are numbered in the order in which they came. What came together and is sorted has the
    best row of each id in front.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._sorted: list[PrefixIndex] = []
        self._first: dict[bytes, int] = {}
        self._others: dict[bytes, list[int]] = {}
        self._chosen: dict[bytes, int] = {}

    def __contains__(self, id_: bytes) -> bool:
        """Tell whether an id has a row."""
        return id_ in self._first or any(index.of(id_) for index in self._sorted)

    @property
    def sorted_count(self) -> int:
        """How many sorted columns there are to search."""
        return len(self._sorted)

    def add_sorted(self, index: PrefixIndex) -> None:
        """Take in many rows that are sorted."""
        self._sorted.append(index)

    def add(self, ids: Sequence[bytes], base: int) -> list[bytes]:
        """Number ``ids`` from ``base`` on; return those that the dictionary has a row of."""
        fresh = dict(zip(ids, range(base, base + len(ids)), strict=True))
        if len(fresh) == len(ids) and self._first.keys().isdisjoint(fresh):
            self._first.update(fresh)
            return []
        repeated = []
        for row, id_ in enumerate(ids, base):
            if self._first.setdefault(id_, row) != row:
                self._others.setdefault(id_, []).append(row)
                repeated.append(id_)
        return repeated

    def of(self, id_: bytes) -> list[int]:
        """Return all rows of an id."""
        rows: list[int] = []
        for index in self._sorted:
            rows += index.of(id_)
        row = self._first.get(id_)
        if row is not None:
            rows += (row, *self._others.get(id_, ()))
        return rows

    def first(self, id_: bytes) -> int | None:
        """Return the row of an id that answers: the chosen one, else the best that came first."""
        first = self._chosen.get(id_)
        if first is None:
            first = self._first.get(id_)
            for index in self._sorted:
                rows = index.of(id_)
                # Of rows that came at different times the lower number is the earlier one.
                if rows and (first is None or rows[0] < first):
                    first = rows[0]
        return first

    def choose(self, id_: bytes, row: int) -> None:
        """Let ``row``, one of the id's rows, answer from now on."""
        self._chosen[id_] = row
