"""Which calls on record gave a value, or use it: what a lost value costs, and how to get it back.

Columns are searched when somebody asks, which is when something is broken; nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mandala_cas.index.prefixes import prefix_of, prefixes_of
from mandala_cas.index.sorting import among
from mandala_cas.log.columns import FixedColumn
from mandala_cas.log.part import LogPart
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallId, ContentId, Dot, HistoryId
from mandala_cas.values.trust import Origin


class RecordedCall(NamedTuple):
    """One record of a call, with the dot that names it."""

    dot: Dot
    record: CallRecord


class Creators:
    """Searches the log for calls by what they gave and what they took."""

    def __init__(
        self,
        parts: Callable[[], Sequence[LogPart]],
        live_dots: Callable[[CallId], Collection[Dot]],
    ) -> None:
        """Search ``parts``, the unpublished batch among them; ``live_dots`` tells what counts."""
        self._parts = parts
        self._live_dots = live_dots

    def by_history(self, history_id: HistoryId) -> list[RecordedCall]:
        """Return the live records of the call whose output has this history."""
        return self._search("history_id", {history_id})

    def by_content(self, content_ids: Collection[ContentId]) -> list[RecordedCall]:
        """Return the live records of all calls that gave one of these values."""
        return self._search("content_id", set(content_ids))

    def origins_of(self, content_ids: Collection[ContentId]) -> dict[ContentId, Origin]:
        """Return the op and output that gave each of these values, of those that have one."""
        found: dict[ContentId, Origin] = {}
        for _, record in self.by_content(content_ids):
            for slot in record.outputs:
                if slot.content_id in content_ids:
                    found.setdefault(slot.content_id, Origin(record.op_name, slot.name))
        return found

    def _search(self, column: str, wanted: set[HistoryId] | set[ContentId]) -> list[RecordedCall]:
        """Return live records with an output that holds one of ``wanted``, each once, by dot."""
        found: dict[Dot, CallRecord] = {}
        for part in self._parts():
            is_output = part.slots.numbers("is_output")
            slots = [row for row in rows_of(part.slots.fixed(column), wanted) if is_output[row]]
            for row in _call_rows(part, slots):
                record = part.call_record(row)
                dot = part.dot(row)
                if dot in self._live_dots(record.call_id):
                    found[dot] = record
        return [RecordedCall(dot, found[dot]) for dot in sorted(found)]


def rows_of(column: FixedColumn, wanted: Collection[bytes]) -> list[int]:
    """Return the rows that hold one of ``wanted``, in order, without an object for each row."""
    if not len(column) or not wanted:
        return []
    # Ids are hashes, so their prefixes leave next to nothing to compare in full.
    sought = np.array(sorted(map(prefix_of, wanted)), np.uint64)
    candidates: list[int] = np.flatnonzero(among(prefixes_of(column), sought)).tolist()
    return [row for row in candidates if column[row] in wanted]


def _call_rows(part: LogPart, slot_rows: Sequence[int]) -> Iterator[int]:
    """Yield the rows of the calls that own these slots, each once."""
    starts = part.calls.numbers("slot_start")
    # The last call that begins at or before the slot: calls without slots begin there as well.
    rows = np.searchsorted(starts, np.asarray(slot_rows, dtype=np.int64), side="right") - 1
    yield from sorted(set(rows.tolist()))
