"""Point lookups: the record of a call by history id or content id, the places of a value.

Dictionaries from ids to row numbers over the visible segments, plus what this process has not
published yet. Records are made from their columns when somebody asks for one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mandala_cas.envelope.signatures import Signature
from mandala_cas.log.segment import Segment
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    TagRecord,
    Tombstone,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import CallContentId, CallId, ContentId, Dot, WriterId

_SegmentKey = tuple[WriterId, int]


@dataclass(frozen=True, slots=True)
class ValueCopy:
    """One place where a value is, on the word of one segment.

    ``segment`` is its name, None for what this process wrote and has not published; ``signature``
    is that segment's.
    """

    record: ValueRecord
    segment: str | None
    signature: Signature | None
    created_us: int


class _Rows:
    """From ids to the rows that carry them: nearly always one, sometimes several."""

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


class CallLookup:
    """Finds records by id. Not thread-safe by itself: the storage holds a lock around it.

    A call with several live records (two machines computed it) has one answer: the record that
    started first, ties by dot, among those that were seen together. A process keeps the answer
    that it gave once, until that record is dropped.
    """

    def __init__(self) -> None:
        """Start with nothing known."""
        self._segments: list[Segment] = []
        self._call_bases: list[int] = []
        self._value_bases: list[int] = []
        self._call_count = 0
        self._value_count = 0
        self._by_history = _Rows()
        self._by_content = _Rows()
        self._by_value = _Rows()
        self._places: dict[_SegmentKey, list[tuple[int, int]]] = defaultdict(list)
        self._tombstones: dict[_SegmentKey, list[Tombstone]] = defaultdict(list)
        self._dead: set[int] = set()
        self._answers: dict[bytes, tuple[int, CallRecord]] = {}
        self._open_calls: dict[bytes, tuple[CallRecord, Dot]] = {}
        self._open_equal: dict[bytes, CallRecord] = {}
        self._open_values: dict[bytes, ValueRecord] = {}

    def add_segments(self, segments: Iterable[Segment]) -> None:
        """Take in segments that became visible together."""
        first_new_row = self._call_count
        repeated: list[tuple[_Rows, bytes]] = []
        arrived = list(segments)
        for segment in arrived:
            key = (segment.header.writer, segment.header.seq)
            self._segments.append(segment)
            self._call_bases.append(self._call_count)
            self._value_bases.append(self._value_count)
            self._places[key].append((self._call_count, segment.calls.row_count))
            for rows, column in ((self._by_history, "call_id"), (self._by_content, "content_id")):
                ids = segment.calls.fixed(column).rows()
                repeated += [(rows, id_) for id_ in rows.add(ids, self._call_count)]
            value_ids = segment.values.fixed("content_id").rows()
            self._by_value.add(value_ids, self._value_count)
            self._call_count += segment.calls.row_count
            self._value_count += segment.values.row_count
            for tombstone in segment.tombstones:
                self._tombstones[tombstone.writer, tombstone.seq].append(tombstone)
        # Tombstones of old segments can name new ones and the other way round: a drop may be
        # listed before the call that it drops.
        for segment in arrived:
            self._bury((segment.header.writer, segment.header.seq))
            for tombstone in segment.tombstones:
                self._bury((tombstone.writer, tombstone.seq))
        for rows, id_ in repeated:
            self._choose(rows, id_, first_new_row)

    def clear_open(self) -> None:
        """Forget the unpublished entries: they were published, or are another process's."""
        self._open_calls.clear()
        self._open_equal.clear()
        self._open_values.clear()

    def add_open(self, entry: Entry, dot: Dot | None) -> None:
        """Take in one entry that is not published yet."""
        match entry:
            case CallRecord():
                assert dot is not None, "the writer gives every call a dot"
                self._open_calls.setdefault(entry.call_id, (entry, dot))
                self._open_equal.setdefault(entry.content_id, entry)
            case ValueRecord():
                self._open_values.setdefault(entry.content_id, entry)
            case Tombstone():
                self._tombstones[entry.writer, entry.seq].append(entry)
                self._bury((entry.writer, entry.seq))
            case TagRecord() | Untag():
                pass  # no call and no value is found by a tag

    def find(self, call_id: CallId) -> CallRecord | None:
        """Return the live record of the call, if there is one."""
        opened = self._open_calls.get(call_id)
        if opened is not None:
            return opened[0]
        answered = self._answers.get(call_id)
        if answered is not None:
            return answered[1]
        row = self._live(self._by_history, call_id)
        if row is None:
            return None
        record = self._call_record(row)
        self._answers[call_id] = (row, record)
        return record

    def find_equal(self, content_id: CallContentId) -> CallRecord | None:
        """Return a live record of a call with equal op and input contents, if there is one."""
        opened = self._open_equal.get(content_id)
        if opened is not None:
            return opened
        row = self._live(self._by_content, content_id)
        return None if row is None else self._call_record(row)

    def dots(self, call_id: CallId) -> list[Dot]:
        """Return the dots of all live records of the call, published or not."""
        found = [self._dot(row) for row in self._by_history.of(call_id) if row not in self._dead]
        opened = self._open_calls.get(call_id)
        return found if opened is None else [*found, opened[1]]

    def count_equal(self, content_id: CallContentId) -> int:
        """Return how many live published records have this content id."""
        return sum(row not in self._dead for row in self._by_content.of(content_id))

    def has_value(self, content_id: ContentId) -> bool:
        """Tell whether a record says where the value is."""
        return content_id in self._open_values or content_id in self._by_value.first

    def has_open_value(self, content_id: ContentId) -> bool:
        """Tell whether an unpublished record says where the value is."""
        return content_id in self._open_values

    def copies(self, content_id: ContentId) -> list[ValueCopy]:
        """Return all places of a value, this process's own first."""
        found = []
        opened = self._open_values.get(content_id)
        if opened is not None:
            found.append(ValueCopy(opened, None, None, 0))
        for row in self._by_value.of(content_id):
            at = bisect_right(self._value_bases, row) - 1
            segment = self._segments[at]
            record = segment.value_record(row - self._value_bases[at])
            found.append(
                ValueCopy(record, segment.name, segment.signature, segment.header.created_us)
            )
        return found

    def _live(self, rows: _Rows, id_: bytes) -> int | None:
        """Return the row that answers for an id; a dropped one makes room for the next."""
        first = rows.first.get(id_)
        if first is None or first not in self._dead:
            return first
        alive = [row for row in rows.of(id_) if row not in self._dead]
        if not alive:
            return None
        best = min(alive, key=self._precedence)
        rows.prefer(id_, best)
        return best

    def _choose(self, rows: _Rows, id_: bytes, first_new_row: int) -> None:
        """Settle which of several records answers, unless one answered before."""
        if rows.first[id_] >= first_new_row:
            alive = [row for row in rows.of(id_) if row not in self._dead]
            rows.prefer(id_, min(alive or rows.of(id_), key=self._precedence))

    def _bury(self, key: _SegmentKey) -> None:
        """Mark the rows of a segment that its tombstones name."""
        graves = self._tombstones.get(key)
        if not graves:
            return
        for base, row_count in self._places.get(key, ()):
            for tombstone in graves:
                last = min(tombstone.last, row_count - 1)
                self._dead.update(range(base + tombstone.first, base + last + 1))
        for call_id, (row, _) in list(self._answers.items()):
            if row in self._dead:
                del self._answers[call_id]

    def _precedence(self, row: int) -> tuple[int, Dot]:
        """Return what decides between two records of one call: start, then dot."""
        at = bisect_right(self._call_bases, row) - 1
        started = self._segments[at].calls.numbers("started_us")[row - self._call_bases[at]]
        return int(started), self._dot(row)

    def _dot(self, row: int) -> Dot:
        """Return the dot of a published record."""
        at = bisect_right(self._call_bases, row) - 1
        return self._segments[at].dot(row - self._call_bases[at])

    def _call_record(self, row: int) -> CallRecord:
        """Return the published record in a row."""
        at = bisect_right(self._call_bases, row) - 1
        return self._segments[at].call_record(row - self._call_bases[at])
