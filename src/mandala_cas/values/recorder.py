"""What was computed, on its way to the store: batches, each committed as a group.

The order of writes is payload, then segment, then a look at what garbage collection announced. A
crash between the first two leaves payload that nothing names; a crash before or after leaves
nothing, or everything. What a failed flush did not write stays here, and the next flush tries the
same bytes under the same names.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mandala_cas.blobs.store import BlobStore
from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import StoreUnavailableError
from mandala_cas.index.copies import ValueCopy
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.forks import ForkAware
from mandala_cas.log.journal import Journal
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter, Position
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    TagRecord,
    TagTarget,
    Tombstone,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import ContentId, Dot
from mandala_cas.values.batch import Batch, Held
from mandala_cas.values.batches import Batches, Clocks, sealed_of, system_clocks
from mandala_cas.values.condemned import CondemnedNames, ReadsAnnouncements
from mandala_cas.values.exits import commit_at_exit
from mandala_cas.values.repair import (
    condemned_among,
    condemned_rows,
    is_untagged,
    plan_repair,
    renewed,
    saved_and_lost,
)
from mandala_cas.values.save import PreparedValue

_LOGGER: Final = logging.getLogger("mandala_cas")

HELD_BYTES_MAX: Final = 64 << 20
HELD_RECORDS_MAX: Final = 100_000
# Announcements are kept for twice as long: whoever decided later than this has seen them all.
DECISION_AGE_MAX_S: Final = 15 * 24 * 3600


class _Everything:
    """Has every name."""

    def __contains__(self, name: object) -> bool:
        """Tell so."""
        return True


_EVERYTHING: Final = _Everything()


class Recorder(ForkAware):
    """Holds what is not committed, and commits it. Safe to use from several threads.

    ``lock`` also guards the lookup, which this object keeps up to date. It is not held while the
    store is asked for anything, so other threads go on. ``after_flush`` is called when something
    was committed; ``is_promised`` tells whether another store holds what was in an object.
    """

    def __init__(
        self,
        *,
        blobs: BlobStore,
        writer: LogWriter,
        view: LogView,
        lookup: CallLookup,
        flush_after_us: float,
        announcements: ReadsAnnouncements | None = None,
        is_readable: Callable[[ValueCopy], bool] = lambda _: True,
        journal: Journal | None = None,
        clocks: Clocks | None = None,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Start with an empty batch; a batch holding ``flush_after_us`` of compute is flushed.

        ``is_readable`` tells whether this user can decode a copy of a value. With a ``journal``,
        what was recorded outlives the process.
        """
        self._blobs = blobs
        self._writer = writer
        self._view = view
        self._lookup = lookup
        self._flush_after_us = flush_after_us
        self._journal = journal
        self._clocks = clocks or system_clocks()
        self._draw = draw
        # What the view had when the lookup was made is in it.
        self._seen = set(view.parts)
        self.condemned = CondemnedNames(announcements)
        self.after_flush: Callable[[], None] = lambda: None
        self.is_promised: Callable[[str], bool] = lambda _: False
        self._batches = Batches(
            writer=writer,
            lookup=lookup,
            condemned=self.condemned,
            is_readable=is_readable,
            journal=journal,
            clocks=self._clocks,
            draw=draw,
        )
        self.renew()
        super().__init__()
        commit_at_exit(self)

    def renew(self) -> None:
        """Hold nothing: in a forked child, what was held is the parent's to write, once."""
        self.lock = threading.RLock()
        # One thread at a time asks the store; taken before `lock`, never while it is held.
        self._flushing = threading.Lock()
        self._batches.renew()

    @property
    def is_empty(self) -> bool:
        """Whether everything that was recorded is committed."""
        with self.lock:
            return self._batches.is_empty

    def held(self, content_id: ContentId) -> tuple[ValueRecord, Sealed] | None:
        """Return a value that is encoded and not committed yet, if its bytes are here."""
        return sealed_of(self._batches.held(content_id))

    def is_held(self, content_id: ContentId) -> bool:
        """Tell whether the bytes of a value are here, without reading them."""
        return self._batches.held(content_id) is not None

    def record(
        self,
        call: CallRecord,
        values: Sequence[PreparedValue],
        hides: Sequence[Tombstone] = (),
    ) -> None:
        """Put the values and the call into the batch as one, and flush if it holds enough.

        ``hides`` are records that this one replaces; they go into the same segment, so a crash
        leaves either the old ones or this one.

        A store that does not answer just now ends no sweep: the batch is kept, and tried again
        when it holds as much compute again, at the latest when the block ends.

        Raises:
            StoreUnavailableError: the batch holds all it may, and could not be flushed.
        """
        contents = [slot.content_id for slot in call.inputs]
        contents += [slot.content_id for slot in call.outputs]
        with self.lock:
            batch = self._batches.add((*hides, call), values, contents)
            batch.duration_us += call.duration_us
            # What is on record already was looked up before the op ran.
            batch.decided_us = min(batch.decided_us, call.started_us)
            size, record_count, duration_us = self._load()
        if size > HELD_BYTES_MAX or record_count > HELD_RECORDS_MAX:
            self.flush()
        elif duration_us > self._flush_after_us or batch.is_exposed:
            self._flush_if_idle()

    def drop(self, tombstones: Sequence[Tombstone]) -> None:
        """Put tombstones into the batch; a flush makes them known to others."""
        self._add(tombstones)

    def tag(self, tags: Sequence[TagRecord]) -> None:
        """Put tags into the batch, with what is needed to read the refs that they name."""
        self._add(tags, [tag.content_id for tag in tags if tag.target is TagTarget.REF])

    def untag(self, untags: Sequence[Untag]) -> None:
        """Put what hides tags into the batch."""
        self._add(untags)

    def flush(self) -> None:
        """Commit what was recorded: when this returns, it is in the store.

        Raises:
            StoreUnavailableError: some of it is not; it is kept, and flushing again is safe.
        """
        with self._flushing:
            if self.is_empty:
                return
            self._flush()
        self.after_flush()

    def refresh(self) -> None:
        """Take in what others published."""
        with self._flushing:
            self._refresh()

    def close(self) -> None:
        """Let go of the journal. What could not be committed stays in it."""
        if self._journal is not None:
            self._journal.close()

    def unpublished(self) -> Sequence[tuple[Entry, Dot | None]]:
        """Return the log entries that are not committed, in order, with the dots they will have."""
        return [entry for batch in self._batches.all for entry in batch.entries]

    def adopt(
        self,
        make_entries: Callable[[Position], Sequence[Entry]],
        values: Sequence[PreparedValue],
        decided_us: int,
        before: Callable[[Position], None],
        forget: Callable[[], None],
    ) -> None:
        """Record what a dead process recorded, as a batch of its own; a flush commits it.

        ``make_entries`` gives the entries of the segment. ``before`` is called when they are taken
        and nothing was put, ``forget`` when they are committed: until then the dead one's journal
        has them.
        """
        with self._flushing, self.lock:
            self._batches.close()
            entries = make_entries(self._writer.position)
            contents = [content_id for entry in entries for content_id in _contents_of(entry)]
            batch = self._batches.add(entries, values, contents, is_journaled=False)
            batch.decided_us = min(batch.decided_us, decided_us)
            batch.forget = forget
            # After the entries: a crash between the two records them twice, the other way round
            # they would count as recorded when they are not.
            before(batch.position)
            self._batches.close()

    def abandon(self) -> None:
        """Forget all that was recorded, because its journal has it, and others may publish it."""
        with self._flushing:
            self._writer.renew()
            self.renew()

    def look_again(
        self, entries: Sequence[tuple[Entry, Dot | None]], held: Mapping[ContentId, Held]
    ) -> None:
        """Repair what a dead process published and did not look at again; a flush commits that.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._flushing:
            with self.lock:
                rows = [copy.record for content_id in held for copy in self._copies(content_id)]
            doomed = condemned_among(rows, self.condemned)
            if doomed:
                self._repair(entries, doomed, held)

    def _copies(self, content_id: ContentId) -> Sequence[ValueCopy]:
        """Return the places of a value on record."""
        return self._lookup.copies(content_id)

    def _add(self, entries: Sequence[Entry], contents: Sequence[ContentId] = ()) -> None:
        """Put entries that are no calls into the batch."""
        if entries:
            with self.lock:
                batch = self._batches.add(entries, (), contents)
            if batch.is_exposed:
                self._flush_if_idle()

    def _load(self) -> tuple[int, int, int]:
        """Return bytes, records and compute time that are not committed."""
        size = record_count = duration_us = 0
        for batch in self._batches.by_position.values():
            size += batch.size
            record_count += len(batch.groups)
            duration_us += batch.duration_us
        return size, record_count, duration_us

    def _flush_if_idle(self) -> None:
        """Flush, unless another thread is at it; a store that does not answer is no error yet."""
        if self._flushing.locked():
            return
        try:
            # Another thread may have been faster; then this one waits, which harms nobody. Taking
            # the lock by hand would not do: Ctrl-C right after would leave it taken for ever.
            with self._flushing:
                self._flush()
        except StoreUnavailableError as error:
            _LOGGER.warning("not committed yet, kept and tried again later: %s", error)
            with self.lock:
                for batch in self._batches.all:
                    batch.duration_us = 0
            return
        self.after_flush()

    def _flush(self) -> None:
        """Write everything. The caller holds ``_flushing``."""
        # What an earlier flush left first: while a store is away, batches must not pile up.
        self._publish()
        while True:
            with self.lock:
                self._batches.close()
            self._publish()
            self._take_in()
            # What is announced from here on was announced by one who looks at the log after that,
            # and finds these segments.
            self._refresh()
            if not self._look():
                break
        with self.lock:
            for batch in self._batches.published:
                self._batches.let_go(batch)

    def _publish(self) -> None:
        """Put the payload of all closed batches, each before its segment."""
        for waiting in self._writer.outbox:
            batch = self._batches.at(waiting.position)
            batch.segment = waiting.segment
            batch.place(self._blobs)
            # Only now the segment: it promises that its payload can be read, and a crash before
            # this line leaves payload that nothing names.
            self._writer.publish_oldest()

    def _take_in(self) -> None:
        """Count the segments that this process published as seen."""
        with self.lock:
            published = [batch.segment for batch in self._batches.published]
            self._view.add(item for item in published if item is not None)
            self._add_seen()
            self._batches.reopen_lookup()

    def _refresh(self) -> None:
        """Take in what is new in the store. The caller holds ``_flushing``."""
        self._view.refresh()
        self.take_in_view()

    def take_in_view(self) -> None:
        """Take in what the view has seen, whoever refreshed it: upkeep does so as well."""
        with self.lock:
            self._add_seen()
        self.condemned.update(self._view.listing.announcements)

    def _add_seen(self) -> None:
        """Make what the view has findable. The caller holds ``lock``."""
        parts = self._view.parts
        self._lookup.add_parts(part for name, part in parts.items() if name not in self._seen)
        self._seen.update(parts)

    def _look(self) -> bool:
        """Repair what was condemned when it was published; tell whether anything was."""
        is_repaired = False
        for batch in self._batches.published:
            if batch.is_checked or batch.segment is None:
                continue
            is_old = self._is_old(batch)
            doomed = condemned_rows(batch.segment, _EVERYTHING if is_old else self.condemned)
            if doomed:
                self._repair(batch.entries, doomed, batch.held, is_old=is_old)
                is_repaired = True
            batch.is_checked = True
        return is_repaired

    def _is_old(self, batch: Batch) -> bool:
        """Tell whether an announcement may have come and gone since the batch was begun.

        Whoever slept for that long relies on nothing: every value is put anew.
        """
        age_s = max(
            (self._clocks.now_us() - batch.decided_us) / 1e6,
            self._clocks.boot_s() - batch.decided_s,
        )
        return age_s > DECISION_AGE_MAX_S

    def _repair(
        self,
        entries: Sequence[tuple[Entry, Dot | None]],
        doomed: Mapping[ContentId, Sequence[ValueRecord]],
        held: Mapping[ContentId, Held],
        *,
        is_old: bool = False,
    ) -> None:
        """Record again, with values under fresh names, the calls whose values are condemned."""
        with self.lock:
            copies = {content_id: self._copies(content_id) for content_id in doomed}
        elsewhere = {
            content_id
            for content_id, places in copies.items()
            if not is_old and any(c.record.location not in self.condemned for c in places)
        }
        sought = {c: rows for c, rows in doomed.items() if c not in elsewhere}
        saved, lost = saved_and_lost(sought, held, self._blobs, self.is_promised)
        with self.lock:
            alive = [item for item in entries if self._is_alive(*item)]
            repair = plan_repair(alive, elsewhere | saved.keys(), lost)
            if repair.entries:
                anew = [renewed(found, self._draw) for found in saved.values()]
                self._batches.add(repair.entries, (), repair.contents, anew=anew)
        if repair.lost_count:
            _LOGGER.warning(
                "garbage collection deleted the results of %d calls while they were committed; "
                "they count as not made, and are computed again when they are asked for",
                repair.lost_count,
            )
        if repair.lost_tag_count:
            _LOGGER.warning(
                "garbage collection deleted %d values while they were tagged; they are not tagged",
                repair.lost_tag_count,
            )

    def _is_alive(self, entry: Entry, dot: Dot | None) -> bool:
        """Tell whether nobody has dropped an entry since it was published, nor untagged it."""
        if isinstance(entry, TagRecord) and dot is not None:
            return not is_untagged(dot, self._view.parts.values())
        return not isinstance(entry, CallRecord) or dot in self._lookup.dots(entry.call_id)


def _contents_of(entry: Entry) -> list[ContentId]:
    """Return the values that an entry uses."""
    if isinstance(entry, CallRecord):
        return [slot.content_id for slot in (*entry.inputs, *entry.outputs)]
    if isinstance(entry, TagRecord) and entry.target is TagTarget.REF:
        return [entry.content_id]
    return []
