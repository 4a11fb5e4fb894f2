"""Point lookups: the record of a call by history id or content id, the places of a value.

Dictionaries from ids to row numbers over the visible parts of the log, plus what this process has
not published yet. Records are made from their columns when somebody asks for one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from mandala_cas.errors import CorruptionError, NotFoundError
from mandala_cas.index.copies import KnownCopies, ValueCopy
from mandala_cas.index.durations import MeanDurations
from mandala_cas.index.gather import gather_dots, gather_fixed, gather_numbers
from mandala_cas.index.hidden_rows import HiddenRows
from mandala_cas.index.kept import KeptIndex
from mandala_cas.index.kept_part import KeptPart
from mandala_cas.index.open_entries import OpenEntries
from mandala_cas.index.prefixes import PrefixIndex, order_of
from mandala_cas.index.row_numbers import RowNumbers
from mandala_cas.index.stored import StoredCall
from mandala_cas.log.part import LogPart
from mandala_cas.log.segment import Segment
from mandala_cas.log.writer import Appended
from mandala_cas.model.entries import CallRecord, Entry, Tombstone, ValueRecord
from mandala_cas.model.ids import CallContentId, CallId, ContentId, Dot

# From so many rows that came at once on, they are sorted.
_MANY: Final = 20_000
_SORTED_MAX: Final = 2


class CallLookup:
    """Finds records by id. Not thread-safe by itself: the storage holds a lock around it.

    A call with several live records (two machines computed it) has one answer: the record that
    started first, ties by dot, among those that were seen together. A process keeps the answer
    that it gave once, until that record is dropped.
    """

    def __init__(self, base: KeptIndex | None = None) -> None:
        """Start with what ``base`` holds, whose part counts as seen."""
        self._base = None if base is None else base.part
        self._parts: list[LogPart] = []
        self._call_bases: list[int] = []
        self._value_bases: list[int] = []
        self._value_count = 0
        self._by_history = RowNumbers()
        self._by_content = RowNumbers()
        self._by_value = RowNumbers()
        self._durations = MeanDurations()
        self._hidden = HiddenRows(self._base)
        self._dead = self._hidden.flags
        self._answers: dict[bytes, tuple[int, CallRecord]] = {}
        self._open = OpenEntries()
        self._known_copies = KnownCopies(self._copy)
        if base is not None:
            self._take(base.part, base.part.call_count, base.part.value_count)
            self._by_history.add_sorted(base.by_call)
            self._by_content.add_sorted(base.by_content)
            self._by_value.add_sorted(base.by_value)

    def add_parts(self, parts: Iterable[LogPart]) -> None:
        """Take in parts of the log that became visible together, none of them seen before."""
        arriving = [part for part in parts if part is not self._base]
        first_new_row = len(self._dead)
        repeated = self._number(arriving)
        self._hidden.settle(len(arriving))
        for rows, id_ in repeated:
            self._choose(rows, id_, first_new_row)

    def clear_open(self) -> None:
        """Forget the unpublished entries: they were published, or are another process's."""
        self._open.clear()

    def add_open(
        self, rows: Sequence[ValueRecord], entries: Sequence[Entry], appended: Appended
    ) -> None:
        """Take in a group that is not published yet: its values, and its other entries."""
        tombstones = [entry for entry in entries if isinstance(entry, Tombstone)]
        if tombstones:
            # First, for the group may have what takes their place.
            self._hidden.hide(tombstones)
            self._open.hide(tombstones)
        self._open.add(rows, entries, appended)

    def find(self, call_id: CallId) -> CallRecord | None:
        """Return the live record of the call, if there is one."""
        opened = self._open.find(call_id)
        if opened is not None:
            return opened
        answered = self._answers.get(call_id)
        if answered is not None and not self._dead[answered[0]]:
            return answered[1]
        row = self._live(self._by_history, call_id)
        if row is None:
            return None
        record = self._call_record(row)
        self._answers[call_id] = (row, record)
        return record

    @property
    def answer_count(self) -> int:
        """How many records were made from their columns, and are kept."""
        return len(self._answers)

    def forget_answers(self) -> None:
        """Let go of the records that were made; which ones answer does not change."""
        self._answers.clear()

    def find_equal(self, content_id: CallContentId) -> CallRecord | None:
        """Return a live record of a call with equal op and input contents, if there is one."""
        opened = self._open.find_equal(content_id)
        if opened is not None:
            return opened
        row = self._live(self._by_content, content_id)
        return None if row is None else self._call_record(row)

    def dots(self, call_id: CallId) -> list[Dot]:
        """Return the dots of all live records of the call, published or not."""
        found = [self._dot(row) for row in self._by_history.of(call_id) if not self._dead[row]]
        opened = self._open.dot(call_id)
        return found if opened is None else [*found, opened]

    def count_equal(self, content_id: CallContentId) -> int:
        """Return how many live published records have this content id."""
        return sum(not self._dead[row] for row in self._by_content.of(content_id))

    def has_value(self, content_id: ContentId) -> bool:
        """Tell whether a record says where the value is."""
        return self._open.has_value(content_id) or content_id in self._by_value

    def has_open_value(self, content_id: ContentId) -> bool:
        """Tell whether an unpublished record says where the value is."""
        return self._open.has_value(content_id)

    def codec_of(self, content_id: ContentId) -> tuple[str, bytes] | None:
        """Return which codec wrote a value, and its header; None where no record can be read.

        By one record, and the index alone: nothing is fetched.
        """
        opened = self._open.value(content_id)
        if opened is not None:
            return opened.codec_name, opened.codec_header
        row = self._by_value.first(content_id)
        if row is None:
            return None
        at = bisect_right(self._value_bases, row) - 1
        part, row_in_part = self._parts[at], row - self._value_bases[at]
        if isinstance(part, KeptPart):
            return part.value_codec(row_in_part)
        values = part.values
        return values.text("codec_name")[row_in_part], values.bytes("codec_header")[row_in_part]

    def copies(self, content_id: ContentId) -> list[ValueCopy]:
        """Return all places of a value that can be told, each once, this process's own first.

        None where a value is known, and all records of it are in damaged parts of the log.
        """
        opened, rows = self._open.value(content_id), self._by_value.of(content_id)
        # Of most values that are asked for, new ones, there is nothing.
        copies = self._known_copies.of(content_id, rows) if rows else []
        return copies if opened is None else [ValueCopy(opened, None, None, 0), *copies]

    def ops_mean_duration(self, op_name: str) -> float | None:
        """Return the seconds that a computed call of an op took on average, as far as recorded.

        None where none is on record. Calls that an equal one answered do not count; dropped ones
        do, for they took that time.
        """
        return self._durations.of(op_name)

    def _number(self, parts: Sequence[LogPart]) -> list[tuple[RowNumbers, bytes]]:
        """Give the rows of ``parts`` their numbers; return ids of which one row must be chosen."""
        call_count = sum(part.calls.row_count for part in parts)
        value_count = sum(part.values.row_count for part in parts)
        # Each sorted column is one more to search at every miss: what opening brings is sorted,
        # what a long session adds to it goes into the dictionaries.
        if call_count + value_count > _MANY and self._by_history.sorted_count < _SORTED_MAX:
            self._number_sorted(parts)
            return []
        repeated: list[tuple[RowNumbers, bytes]] = []
        for part in parts:
            first_call, first_value = len(self._dead), self._value_count
            self._take(part, part.calls.row_count, part.values.row_count)
            for rows, column in ((self._by_history, "call_id"), (self._by_content, "content_id")):
                ids = part.calls.fixed(column).rows()
                repeated += [(rows, id_) for id_ in rows.add(ids, first_call)]
            self._by_value.add(part.values.fixed("content_id").rows(), first_value)
        return repeated

    def _number_sorted(self, parts: Sequence[LogPart]) -> None:
        """Give many rows their numbers: sorting them takes a fraction of a dictionary's time."""
        calls, values = [part.calls for part in parts], [part.values for part in parts]
        dots, started = gather_dots(parts), gather_numbers(calls, "started_us")
        precedence = (dots.rows, dots.seqs, dots.writers, started)
        for rows, column in ((self._by_history, "call_id"), (self._by_content, "content_id")):
            ids = gather_fixed(calls, column)
            rows.add_sorted(PrefixIndex(order_of(column, ids, *precedence), ids, len(self._dead)))
        ids = gather_fixed(values, "content_id")
        self._by_value.add_sorted(PrefixIndex(order_of("value", ids), ids, self._value_count))
        for part in parts:
            self._take(part, part.calls.row_count, part.values.row_count)

    def _take(self, part: LogPart, call_count: int, value_count: int) -> None:
        """Make room for the rows of a part."""
        self._parts.append(part)
        self._call_bases.append(len(self._dead))
        self._value_bases.append(self._value_count)
        self._hidden.take(part, call_count)
        self._value_count += value_count
        self._durations.add(part)

    def _copy(self, row: int) -> ValueCopy | None:
        """Return what a row says of a value's place."""
        at = bisect_right(self._value_bases, row) - 1
        part, row_in_part = self._parts[at], row - self._value_bases[at]
        try:
            record = part.value_record(row_in_part)
        except (CorruptionError, NotFoundError):
            # Small values of a run are fetched when first asked for, and may be gone by then.
            # Another record may name another place.
            return None
        created_us = part.value_created_us(row_in_part)
        name, signature, writer_key = (
            part.origins.source(row_in_part)
            if isinstance(part, KeptPart)
            else (part.name, part.signature, part.value_key(row_in_part))
        )
        return ValueCopy(record, name, signature, created_us, writer_key)

    def _live(self, rows: RowNumbers, id_: bytes) -> int | None:
        """Return the row that answers for an id; a dropped one makes room for the next."""
        first = rows.first(id_)
        if first is None or not self._dead[first]:
            return first
        alive = [row for row in rows.of(id_) if not self._dead[row]]
        if not alive:
            return None
        best = min(alive, key=self._precedence)
        rows.choose(id_, best)
        return best

    def _choose(self, rows: RowNumbers, id_: bytes, first_new_row: int) -> None:
        """Settle which of several records answers, unless one answered before."""
        first = rows.first(id_)
        if first is not None and first >= first_new_row:
            alive = [row for row in rows.of(id_) if not self._dead[row]]
            rows.choose(id_, min(alive or rows.of(id_), key=self._precedence))

    def _precedence(self, row: int) -> tuple[int, Dot]:
        """Return what decides between two records of one call: start, then dot."""
        return self._call_record(row).started_us, self._dot(row)

    def _dot(self, row: int) -> Dot:
        """Return the dot of a published record."""
        at = bisect_right(self._call_bases, row) - 1
        return self._parts[at].dot(row - self._call_bases[at])

    def _call_record(self, row: int) -> CallRecord:
        """Return the published record in a row."""
        at = bisect_right(self._call_bases, row) - 1
        part, row_in_part = self._parts[at], row - self._call_bases[at]
        if isinstance(part, Segment):
            return StoredCall.at(part, row_in_part)
        # A run has columns that it makes when they are asked for, all rows at once.
        return part.call_record(row_in_part)
