"""One writing session: takes entries, seals them into segments, publishes those in order.

Architecture invariant: segment ``n`` of a writer is put after segment ``n - 1`` is known to be
there, and what failed to be put is put again with the same bytes and the same name.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from mandala_cas._version import __version__
from mandala_cas.envelope.packing import pack
from mandala_cas.envelope.seal import HEADER_MAX
from mandala_cas.envelope.signatures import Signer
from mandala_cas.errors import UsageError
from mandala_cas.log.checks import SEQ_MAX, entry_size
from mandala_cas.log.forks import ForkAware
from mandala_cas.log.groups import pack_rows, unpack_group
from mandala_cas.log.rows import CALLS, TOMBS, build_tables_of_groups
from mandala_cas.log.segment import (
    NO_PREVIOUS,
    READER_VERSION,
    SealedSegment,
    Segment,
    SegmentHeader,
    decode_segment,
    seal_tables,
)
from mandala_cas.model.entries import CallRecord, Entry, TagRecord, ValueRecord
from mandala_cas.model.ids import Dot, WriterId
from mandala_cas.objectstore.api import ObjectStore

# A batch that grows beyond is sealed, long before a reader's limit on segments.
BATCH_SIZE_MAX: Final = 64 << 20

SESSION_SIZE_MAX: Final = HEADER_MAX // 2

_LIBRARY: Final = f"mandala-cas {__version__}"


class Position(NamedTuple):
    """Which segment of which writer."""

    writer: WriterId
    seq: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sealed segment that is not known to be in the store."""

    position: Position
    sealed: SealedSegment
    segment: Segment


class Appended(NamedTuple):
    """A group in the open batch: where it is, and its bytes.

    ``first_call`` and ``first_tag`` are the rows that the first of its calls and tags have.
    """

    position: Position
    first_call: int
    first_tag: int
    packed: bytes


class _Counts(NamedTuple):
    """What is in an open batch."""

    group_count: int
    call_count: int
    tag_count: int
    size: int


_NOTHING: Final = _Counts(0, 0, 0, 0)


@dataclass(slots=True)
class _OpenBatch:
    """What goes into the next segment; ``groups`` grows by one at a time."""

    position: Position
    previous: bytes
    groups: list[bytes] = field(default_factory=list)
    counted: _Counts = _NOTHING

    def counts(self) -> _Counts:
        """Return what is in ``groups``."""
        while self.counted.group_count < len(self.groups):
            # Ctrl-C came right after they had grown.
            late = unpack_group(self.groups[self.counted.group_count])
            size = sum(entry_size(value.record) for value in late.values)
            size += sum(map(entry_size, late.entries))
            self.counted = _grown(self.counted, late.entries, size)
        return self.counted

    def take(self, rows: Sequence[ValueRecord], entries: Sequence[Entry], size: int) -> Appended:
        """Append values and entries of that size as one."""
        before = self.counts()
        _, first_call, first_tag, _ = before
        packed = pack_rows(rows, entries, first_call, first_tag)
        after = _grown(before, entries, size)
        self.groups.append(packed)
        self.counted = after
        return Appended(self.position, first_call, first_tag, packed)


def _grown(before: _Counts, entries: Sequence[Entry], size: int) -> _Counts:
    """Return the counts with those of a group added."""
    group_count, call_count, tag_count, batch_size = before
    for entry in entries:
        if isinstance(entry, CallRecord):
            call_count += 1
        elif isinstance(entry, TagRecord):
            tag_count += 1
    return _Counts(group_count + 1, call_count, tag_count, batch_size + size)


class _State(NamedTuple):
    """What a writer holds. Replaced as a whole, so that Ctrl-C at any line leaves one or the other.

    ``outbox`` is in the order of the chain.
    """

    outbox: tuple[Waiting, ...]
    open: _OpenBatch


class LogWriter(ForkAware):
    """Appends entries to a log. May be used by several threads at once.

    An entry is on record when the ``publish`` that follows its ``append`` has returned. Values
    that it speaks of must be in the store before that: a segment is a promise that they can be
    read. A forked child is another writer, with nothing to publish: what was open at the fork is
    its parent's.
    """

    def __init__(
        self,
        objects: ObjectStore,
        *,
        signer: Signer | None,
        session: Callable[[], Mapping[str, Any]],
        clock_us: Callable[[], int],
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Write to ``objects``; nothing is written yet.

        ``session`` describes this process to people, in what msgpack can hold; it is asked for
        each segment, since a process may import more before the next. ``clock_us`` gives
        microseconds since 1970, ``draw`` that many random bytes.
        """
        self._objects = objects
        self._signer = signer
        self._session = session
        self._clock_us = clock_us
        self._draw = draw
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """Become another writer, with nothing to publish."""
        self._lock = threading.Lock()
        # Held while objects are put: `append` must not wait for a slow store.
        self._publishing = threading.Lock()
        self._published: list[Segment] = []
        self._state = _State((), self._first_batch())

    @property
    def position(self) -> Position:
        """The segment that the open batch will be."""
        return self._state.open.position

    def groups_at(self, position: Position) -> list[bytes]:
        """Return the groups of the open batch, if it is the one at ``position``; the list grows."""
        opened = self._state.open
        return opened.groups if opened.position == position else []

    @property
    def outbox(self) -> tuple[Waiting, ...]:
        """The sealed segments that are not known to be in the store, the oldest first."""
        return self._state.outbox

    @property
    def unpublished(self) -> bool:
        """Whether ``publish`` has anything to do."""
        state = self._state
        return bool(state.open.groups or state.outbox)

    def has_room(self, size: int) -> bool:
        """Tell whether entries of that size still fit into the open batch."""
        opened = self._state.open
        return not opened.groups or opened.counts().size + size <= BATCH_SIZE_MAX

    def append(self, entry: Entry) -> Dot | None:
        """Take an entry into the open batch; return what names its record, if anything does.

        Raises:
            UsageError: the format has no place for the entry; it was not taken.
        """
        appended = self.append_all((entry,))
        dots = [dot for _, dot in unpack_group(appended.packed).with_dots(*appended.position)]
        return dots[0] if dots else None

    def append_all(self, entries: Sequence[Entry]) -> Appended:
        """Take entries that belong together: they will be in one segment.

        Raises:
            UsageError: the format has no place for one of them; none was taken.
        """
        size = sum(map(entry_size, entries))
        rows = [entry for entry in entries if isinstance(entry, ValueRecord)]
        others = [entry for entry in entries if not isinstance(entry, ValueRecord)]
        return self.append_group(rows, others, size)

    def append_group(
        self, rows: Sequence[ValueRecord], entries: Sequence[Entry], size: int
    ) -> Appended:
        """Take values and other entries that belong together: they will be in one segment.

        ``size`` is the sum of ``entry_size`` of all, which the caller asked for: what the format
        has no place for is found out by that.
        """
        with self._lock:
            if not self.has_room(size):
                self._seal(())
            return self._state.open.take(rows, entries, size)

    def seal(self, last: Sequence[ValueRecord] = ()) -> None:
        """Close the open batch with the values ``last``: what is appended next is in another.

        Nothing is closed where nothing was appended.

        Raises:
            UsageError: the format has no place for one of ``last``; nothing has changed.
        """
        with self._lock:
            if self._state.open.groups or last:
                self._seal(last)

    def publish(self) -> list[Segment]:
        """Put every entry appended before on record; return the segments that are so now.

        On an error what is not on record stays, and the next ``publish`` tries again with the
        same objects: so one that did arrive, or arrives late, is there once. Segments that were
        put before the error are returned by the ``publish`` that succeeds.

        Raises:
            StoreUnavailableError: try again later; nothing is lost.
            UsageError: the store refuses.
        """
        with self._publishing:
            self.seal()
            for _ in range(len(self._state.outbox)):
                self._published.append(self._put_oldest())
            published, self._published = self._published, []
            return published

    def publish_oldest(self) -> None:
        """Put the oldest sealed segment on record; it leaves the outbox.

        One at a time, oldest first: were the second there without the first, a reader would see a
        hole in this writer's chain.

        Raises:
            StoreUnavailableError: try again later; nothing is lost.
            UsageError: the store refuses.
        """
        with self._publishing:
            self._put_oldest()

    def _put_oldest(self) -> Segment:
        """Put the segment at the head of the outbox, and take it out."""
        waiting = self._state.outbox[0]
        self._objects.put(waiting.sealed.name, waiting.sealed.sealed.parts)
        with self._lock:
            # Ctrl-C before this line has the same bytes put again, under the same name.
            self._state = self._state._replace(outbox=self._state.outbox[1:])
        return waiting.segment

    def _first_batch(self) -> _OpenBatch:
        """Draw a writer id, and start its chain."""
        return _OpenBatch(Position(WriterId(self._draw(WriterId.SIZE)), 0), NO_PREVIOUS)

    def _seal(self, last: Sequence[ValueRecord]) -> None:
        """Move the open batch to the outbox, as a segment; if that fails, nothing has changed."""
        outbox, opened = self._state
        for entry in last:
            entry_size(entry)
        tables = build_tables_of_groups(opened.groups, last)
        header = SegmentHeader(
            writer=opened.position.writer,
            seq=opened.position.seq,
            previous=opened.previous,
            created_us=self._clock_us(),
            call_count=tables[CALLS].row_count,
            tombstone_count=tables[TOMBS].row_count,
            min_reader=READER_VERSION,
            library=_LIBRARY,
            session=self._description(),
        )
        sealed = seal_tables(tuple(tables.values()), header, self._signer)
        # Read back before it is put: what nobody could read must not become the truth.
        segment = decode_segment(sealed.name, sealed.sealed.to_bytes())
        if opened.position.seq == SEQ_MAX:
            following = self._first_batch()
        else:
            position = opened.position._replace(seq=opened.position.seq + 1)
            following = _OpenBatch(position, sealed.digest)
        waiting = Waiting(opened.position, sealed, segment)
        self._state = _State((*outbox, waiting), following)

    def _description(self) -> Mapping[str, Any]:
        """Return what describes this process; one that no header holds is left out.

        The calls of the batch have been made, so nothing that is only for people may keep them
        from being written.
        """
        session = self._session()
        try:
            fits = len(pack(session)) <= SESSION_SIZE_MAX
        except UsageError:
            fits = False
        return session if fits else {"omitted": f"not msgpack of at most {SESSION_SIZE_MAX} bytes"}
