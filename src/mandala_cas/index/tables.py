"""The tables of a log that grows: built when asked for, kept until something changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mandala_cas.index.replay import build_tables
from mandala_cas.index.schema import IndexTables
from mandala_cas.log.segment import Segment


class TableCache:
    """Gives the tables of the segments there are now; asking again is free until they change."""

    def __init__(self, segments: Callable[[], Sequence[Segment]]) -> None:
        """``segments`` gives all visible segments, the unpublished batch among them."""
        self._segments = segments
        self._built: IndexTables | None = None
        self._built_from: tuple[tuple[str, int, int], ...] = ()

    def tables(self) -> IndexTables:
        """Return the tables."""
        segments = self._segments()
        # A segment never changes; the open batch, which has no name, only grows.
        made_of = tuple((s.name, s.calls.row_count, len(s.tombstones)) for s in segments)
        if self._built is None or made_of != self._built_from:
            self._built, self._built_from = build_tables(segments), made_of
        return self._built
