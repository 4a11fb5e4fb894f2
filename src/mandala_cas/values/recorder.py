"""What was computed, on its way to the store: batches, each committed as a group.

The order of writes is payload, then segment. A crash between the two leaves payload that nothing
names; a crash before or after leaves nothing, or everything. What a failed flush did not write
stays here, and the next flush tries the same bytes under the same names.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from mandala_cas.blobs.store import BlobStore
from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import StoreUnavailableError
from mandala_cas.index.copies import ValueCopy
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.checks import entry_size
from mandala_cas.log.forks import ForkAware
from mandala_cas.log.segment import Segment
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter, Position
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    TagRecord,
    TagTarget,
    Tier,
    Tombstone,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import ContentId, Dot
from mandala_cas.values.batch import Batch, Held
from mandala_cas.values.save import PreparedValue

_LOGGER: Final = logging.getLogger("mandala_cas")

HELD_BYTES_MAX: Final = 64 << 20
HELD_RECORDS_MAX: Final = 100_000


class Recorder(ForkAware):
    """Holds what is not committed, and commits it. Safe to use from several threads.

    ``lock`` also guards the lookup, which this object keeps up to date. It is not held while the
    store is asked for anything, so other threads go on.
    """

    def __init__(
        self,
        *,
        blobs: BlobStore,
        writer: LogWriter,
        view: LogView,
        lookup: CallLookup,
        flush_after_us: float,
        is_readable: Callable[[ValueCopy], bool] = lambda _: True,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Start with an empty batch; a batch holding ``flush_after_us`` of compute is flushed.

        ``is_readable`` tells whether this user can decode a copy of a value.
        """
        self._blobs = blobs
        self._writer = writer
        self._view = view
        self._lookup = lookup
        self._flush_after_us = flush_after_us
        self._is_readable = is_readable
        self._draw = draw
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """Hold nothing: in a forked child, what was held is the parent's to write, once."""
        self.lock = threading.RLock()
        # One thread at a time asks the store; taken before `lock`, never while it is held.
        self._flushing = threading.Lock()
        # By the segment that each becomes, so that closing a batch is one step: the writer's.
        self._batches: dict[Position, Batch] = {}
        self._held: dict[ContentId, Held] = {}
        self._lookup.clear_open()

    @property
    def is_empty(self) -> bool:
        """Whether everything that was recorded is committed."""
        with self.lock:
            return not self._writer.unpublished and all(
                batch.is_empty for batch in self._batches.values()
            )

    def held(self, content_id: ContentId) -> tuple[ValueRecord, Sealed] | None:
        """Return a value that is encoded and not committed yet, if its bytes are here."""
        held = self._held.get(content_id)
        return None if held is None else (held.record, held.sealed)

    def record(self, call: CallRecord, values: Sequence[PreparedValue]) -> None:
        """Put the values and the call into the batch as one, and flush if it holds enough.

        A store that does not answer just now ends no sweep: the batch is kept, and tried again
        when it holds as much compute again, at the latest when the block ends.

        Raises:
            StoreUnavailableError: the batch holds all it may, and could not be flushed.
        """
        contents = [slot.content_id for slot in call.inputs]
        contents += [slot.content_id for slot in call.outputs]
        with self.lock:
            batch = self._add((call,), values, contents)
            batch.duration_us += call.duration_us
            size, record_count, duration_us = self._load(batch)
        if size > HELD_BYTES_MAX or record_count > HELD_RECORDS_MAX:
            self.flush()
        elif duration_us > self._flush_after_us:
            self._flush_if_idle()

    def drop(self, tombstones: Sequence[Tombstone]) -> None:
        """Put tombstones into the batch; a flush makes them known to others."""
        if tombstones:
            with self.lock:
                self._add(tombstones)

    def tag(self, tags: Sequence[TagRecord]) -> None:
        """Put tags into the batch, with what is needed to read the refs that they name."""
        if tags:
            contents = [tag.content_id for tag in tags if tag.target is TagTarget.REF]
            with self.lock:
                self._add(tags, contents=contents)

    def untag(self, untags: Sequence[Untag]) -> None:
        """Put what hides tags into the batch."""
        if untags:
            with self.lock:
                self._add(untags)

    def flush(self) -> None:
        """Commit what was recorded: when this returns, it is in the store.

        Raises:
            StoreUnavailableError: some of it is not; it is kept, and flushing again is safe.
        """
        with self._flushing:
            if not self.is_empty:
                self._flush()

    def refresh(self) -> None:
        """Take in what others published."""
        with self._flushing:
            self._refresh()

    def unpublished(self) -> Sequence[tuple[Entry, Dot | None]]:
        """Return the log entries that are not committed, in order, with the dots they will have."""
        return [entry for batch in self._batches.values() for entry in batch.entries]

    # Into the batch

    def _add(
        self,
        entries: Sequence[Entry],
        values: Sequence[PreparedValue] = (),
        contents: Iterable[ContentId] = (),
    ) -> Batch:
        """Put entries into the batch, with a row for each of ``contents`` that has none there.

        So whoever reads the segment finds every value of its calls without any other segment, and
        compaction may forget what no call needs.
        """
        batch = self._batch()
        rows = self._rows(batch, values, contents)
        group = (*rows, *entries)
        size = sum(map(entry_size, group))
        if not self._writer.has_room(size):
            self._close()
            batch = self._batch()
            rows = self._rows(batch, values, contents)
            group = (*rows, *entries)
            size = sum(map(entry_size, group))
        dots = self._writer.append_all(group, size)
        # Only now: were Ctrl-C to come between, the next call would bring these rows again.
        batch.rows.update([row.content_id for row in rows])
        batch.size += size
        added = list(zip(group, dots, strict=True))
        batch.entries += added
        for entry, dot in added:
            self._lookup.add_open(entry, dot)
        return batch

    def _batch(self) -> Batch:
        """Return the open batch."""
        position = self._writer.position
        batch = self._batches.get(position)
        if batch is None:
            batch = self._batches[position] = Batch(position)
        return batch

    def _rows(
        self, batch: Batch, values: Sequence[PreparedValue], contents: Iterable[ContentId]
    ) -> list[ValueRecord]:
        """Return the rows that the batch lacks; take the bytes of ``values`` into it."""
        rows: dict[ContentId, ValueRecord] = {}
        for value in values:
            if value.record is None:
                continue
            if value.sealed is not None and value.content_id not in self._held:
                self._hold(batch, Held(value.record, value.sealed))
            if value.record.tier is not Tier.PACK and value.content_id not in batch.rows:
                rows[value.content_id] = value.record
        for content_id in contents:
            if not batch.has(content_id) and content_id not in rows:
                known = self._known_row(content_id)
                if known is not None:
                    rows[content_id] = known
        return list(rows.values())

    def _hold(self, batch: Batch, held: Held) -> None:
        """Take the bytes of a value into the batch."""
        content_id = held.record.content_id
        waiting = batch.packed if held.record.tier is Tier.PACK else batch.loose
        # The batch first: what is found in `_held` is never asked for again.
        self._held[content_id] = waiting.setdefault(content_id, held)
        batch.size += held.sealed.size

    def _known_row(self, content_id: ContentId) -> ValueRecord | None:
        """Return where a value is, on the word of an earlier segment or batch."""
        held = self._held.get(content_id)
        if held is not None:
            return held.record
        copies = self._lookup.copies(content_id)
        return max(copies, key=self._is_readable).record if copies else None

    def _load(self, batch: Batch) -> tuple[int, int, int]:
        """Return bytes, records and compute time that are not committed."""
        if len(self._batches) == 1:
            return batch.size, len(batch.entries), batch.duration_us
        batches = self._batches.values()
        return (
            sum(batch.size for batch in batches),
            sum(len(batch.entries) for batch in batches),
            sum(batch.duration_us for batch in batches),
        )

    # Out of it

    def _flush_if_idle(self) -> None:
        """Flush, unless another thread is at it; a store that does not answer is no error yet."""
        if not self._flushing.acquire(blocking=False):
            return
        try:
            self._flush()
        except StoreUnavailableError as error:
            _LOGGER.warning("not committed yet, kept and tried again later: %s", error)
            with self.lock:
                for batch in self._batches.values():
                    batch.duration_us = 0
        finally:
            self._flushing.release()

    def _flush(self) -> None:
        """Write everything. The caller holds ``_flushing``."""
        # What an earlier flush left first: while a store is away, batches must not pile up.
        self._publish()
        with self.lock:
            self._close()
        self._publish()
        self._take_in()
        self._refresh()
        with self.lock:
            self._let_go()

    def _close(self) -> None:
        """Make a segment of the open batch; what is recorded from here on is in the next."""
        batch = self._batch()
        # One step of the writer's, rows of packed values included: Ctrl-C finds the batch open or
        # closed.
        self._writer.seal(batch.pack(self._draw))

    def _publish(self) -> None:
        """Put the payload of all closed batches, each before its segment."""
        for waiting in self._writer.outbox:
            batch = self._batches[waiting.position]
            batch.segment = waiting.segment
            if not batch.is_placed:
                for held in batch.loose.values():
                    self._blobs.put_at(held.record.location, held.sealed)
                self._blobs.put_packs(batch.packs)
                batch.is_placed = True
            # Only now the segment: it promises that its payload can be read, and a crash before
            # this line leaves payload that nothing names.
            self._writer.publish_oldest()

    def _take_in(self) -> None:
        """Count the segments that this process published as seen."""
        with self.lock:
            known = self._view.segments
            own = [segment for segment in self._published() if segment.name not in known]
            self._view.add(own)
            self._lookup.add_parts(own)

    def _refresh(self) -> None:
        """Take in what is new in the store. The caller holds ``_flushing``."""
        new = self._view.refresh()
        with self.lock:
            self._lookup.add_parts(new)

    def _let_go(self) -> None:
        """Forget the batches that are committed."""
        for segment in self._published():
            header = segment.header
            batch = self._batches[Position(header.writer, header.seq)]
            for content_id, held in (*batch.packed.items(), *batch.loose.items()):
                if self._held.get(content_id) is held:
                    del self._held[content_id]
            del self._batches[batch.position]
        self._lookup.clear_open()
        for batch in self._batches.values():
            for entry, dot in batch.entries:
                self._lookup.add_open(entry, dot)

    def _published(self) -> list[Segment]:
        """Return the segments that are in the store, and whose batches are still here."""
        waiting = {item.position for item in self._writer.outbox}
        return [
            batch.segment
            for batch in self._batches.values()
            if batch.segment is not None and batch.position not in waiting
        ]
