"""The tables of a log that grows: built when asked for, kept until something changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mandala_cas.index.replay import build_tables
from mandala_cas.index.schema import IndexTables
from mandala_cas.log.part import LogPart


class TableCache:
    """Gives the tables of the parts there are now; asking again is free until they change."""

    def __init__(self, parts: Callable[[], Sequence[LogPart]]) -> None:
        """``parts`` gives all visible parts of the log, the unpublished batch among them."""
        self._parts = parts
        self._built: IndexTables | None = None
        self._built_from: tuple[tuple[str, int, int], ...] = ()

    @property
    def held(self) -> IndexTables | None:
        """The tables that are held now, which may be old; None where none were asked for."""
        return self._built

    def tables(self) -> IndexTables:
        """Return the tables."""
        parts = self._parts()
        # A part never changes; the open batch, which has no name, only grows.
        made_of = tuple((p.name, p.calls.row_count, len(p.tombstones)) for p in parts)
        if self._built is None or made_of != self._built_from:
            self._built, self._built_from = build_tables(parts), made_of
        return self._built
