"""From ids to the rows that carry them: those of a kept index first, then those in memory."""

from __future__ import annotations

from collections.abc import Sequence

from mandala_cas.index.prefixes import PrefixIndex


class RowNumbers:
    """Rows by id: nearly always one, sometimes several, of which one answers.

    Rows of the kept index have the lowest numbers, and the best of an id comes first there.
    """

    def __init__(self, kept: PrefixIndex | None = None) -> None:
        """Start with the rows of ``kept``."""
        self._kept = kept
        self._first: dict[bytes, int] = {}
        self._others: dict[bytes, list[int]] = {}
        self._chosen: dict[bytes, int] = {}

    def __contains__(self, id_: object) -> bool:
        """Tell whether an id has a row."""
        return id_ in self._first or (
            self._kept is not None and isinstance(id_, bytes) and bool(self._kept.of(id_))
        )

    def add(self, ids: Sequence[bytes], base: int) -> list[bytes]:
        """Number ``ids`` from ``base`` on; return those that had a row in memory already."""
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
        rows = [] if self._kept is None else self._kept.of(id_)
        row = self._first.get(id_)
        if row is not None:
            rows += (row, *self._others.get(id_, ()))
        return rows

    def first(self, id_: bytes) -> int | None:
        """Return the row of an id that answers: the chosen one, else the first that came."""
        chosen = self._chosen.get(id_)
        if chosen is not None:
            return chosen
        if self._kept is not None:
            rows = self._kept.of(id_)
            if rows:
                return rows[0]
        return self._first.get(id_)

    def choose(self, id_: bytes, row: int) -> None:
        """Let ``row``, one of the id's rows, answer from now on."""
        self._chosen[id_] = row
