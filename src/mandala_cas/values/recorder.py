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
from dataclasses import dataclass
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
from mandala_cas.values.batch import Held
from mandala_cas.values.batches import Batches, Clocks, sealed_of, system_clocks
from mandala_cas.values.condemned import CondemnedNames
from mandala_cas.values.exits import commit_at_exit
from mandala_cas.values.lookout import Lookout
from mandala_cas.values.recheck import Recheck
from mandala_cas.values.resettling import contents_of
from mandala_cas.values.save import PreparedValue

_LOGGER: Final = logging.getLogger("mandala_cas")

HELD_BYTES_MAX: Final = 64 << 20
HELD_RECORDS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class RecorderRules:
    """When what is recorded is written, when others are looked at, and on whose word.

    A batch that holds ``flush_after_us`` microseconds of compute is flushed. Where the store may
    not be written to (``writes``), what is recorded stays in memory, and is forgotten when it is
    too much. A look at the store that is older than ``stale_after_s`` is stale. ``may_vouch`` tells
    whether this user may say where a value is on the word of a copy.
    """

    flush_after_us: float
    writes: bool = True
    stale_after_s: float = 0.0
    may_vouch: Callable[[ValueCopy], bool] = lambda _: True


class Recorder(ForkAware):
    """Holds what is not committed, and commits it. Safe to use from several threads.

    ``lock`` also guards the lookup, which this object keeps up to date. It is not held while the
    store is asked for anything, so other threads go on. ``after_flush`` is called when something
    was committed.
    """

    def __init__(
        self,
        *,
        blobs: BlobStore,
        writer: LogWriter,
        view: LogView,
        lookup: CallLookup,
        rules: RecorderRules,
        condemned: CondemnedNames | None = None,
        is_readable: Callable[[ValueCopy], bool] = lambda _: True,
        journal: Journal | None = None,
        clocks: Clocks | None = None,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Start with an empty batch.

        ``is_readable`` tells whether a copy of a value can be had. With a ``journal``, what was
        recorded outlives the process.
        """
        self._blobs = blobs
        self._writer = writer
        self._view = view
        self._lookup = lookup
        self._rules = rules
        self._journal = journal
        clocks = clocks or system_clocks()
        self.condemned = condemned or CondemnedNames()
        self.after_flush: Callable[[], None] = lambda: None
        self._batches = Batches(
            writer=writer,
            lookup=lookup,
            condemned=self.condemned,
            is_readable=is_readable,
            may_vouch=rules.may_vouch,
            journal=journal,
            clocks=clocks,
            draw=draw,
        )
        self._recheck = Recheck(
            blobs,
            view,
            lookup,
            self._batches,
            self.condemned,
            may_vouch=rules.may_vouch,
            clocks=clocks,
            draw=draw,
        )
        self.lookout = Lookout(
            view,
            lookup,
            self.condemned,
            lock=lambda: self.lock,
            clocks=clocks,
            stale_after_s=rules.stale_after_s,
        )
        self.renew()
        super().__init__()
        commit_at_exit(self)

    def renew(self) -> None:
        """Hold nothing: in a forked child, what was held is the parent's to write, once."""
        # One thread at a time asks the store; taken before `lock`, never while it is held.
        self._flushing = threading.Lock()
        self._batches.renew()

    @property
    def lock(self) -> threading.RLock:
        """What guards the batches and the lookup."""
        return self._batches.lock

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
        return self._batches.is_held(content_id)

    def record(
        self,
        call: CallRecord,
        values: Sequence[PreparedValue],
        hides: Sequence[Tombstone] = (),
        structural: Sequence[CallRecord] = (),
    ) -> None:
        """Put the values and the call into the batch as one, and flush if it holds enough.

        ``hides`` are records that this one replaces, ``structural`` the calls that tie its
        collections to their elements; they go into the same segment, so a crash leaves either the
        old ones or this one, and no call without its elements.

        A store that does not answer just now ends no sweep: the batch is kept, and tried again
        when it holds as much compute again, at the latest when the block ends.

        Raises:
            StoreUnavailableError: the batch holds all it may, and could not be flushed.
        """
        contents = [slot.content_id for slot in call.inputs + call.outputs]
        for record in structural:
            contents += [slot.content_id for slot in record.inputs + record.outputs]
        with self.lock:
            batch = self._batches.add((*hides, call, *structural), values, contents)
            batch.duration_us += call.duration_us
            # What is on record already was looked up before the op ran.
            batch.decided_us = min(batch.decided_us, call.started_us)
            size, record_count, duration_us = self._load()
        if size > HELD_BYTES_MAX or record_count > HELD_RECORDS_MAX:
            self.flush() if self._rules.writes else self.abandon()
        elif duration_us > self._rules.flush_after_us or batch.is_exposed:
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
        if not self._rules.writes:
            return
        with self._flushing:
            if self.is_empty:
                return
            self._flush()
        self.after_flush()

    def refresh(self) -> None:
        """Take in what others published."""
        with self._flushing:
            self.lookout.refresh()

    def look(self, *, worth_s: float) -> bool:
        """Take in what others published, if that may spare ``worth_s`` seconds; tell whether so.

        Not if the last look is fresh, or if a look takes more than a twentieth of what it may
        spare. A store that does not answer shows nothing, and is no error here.
        """
        if not self.lookout.is_worth(worth_s):
            return False
        try:
            self.refresh()
        except StoreUnavailableError as error:
            _LOGGER.warning("cannot see what others computed: %s", error)
            return False
        return True

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
            contents = [content_id for entry in entries for content_id in contents_of(entry)]
            batch = self._batches.add(entries, values, contents, is_journaled=False)
            batch.decided_us = min(batch.decided_us, decided_us)
            batch.forget = forget
            # After the entries: a crash between the two records them twice, the other way round
            # they would count as recorded when they are not.
            before(batch.position)
            self._batches.close()

    def abandon(self) -> None:
        """Forget all that was recorded: its journal has it, or it may not be written anywhere."""
        with self._flushing:
            self._writer.renew()
            self.renew()

    def look_again(
        self, entries: Sequence[tuple[Entry, Dot | None]], held: Mapping[ContentId, Held]
    ) -> None:
        """Resettle what a dead process published and did not look at again; a flush commits that.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._flushing:
            self._recheck.look_again(entries, held)

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
            record_count += batch.record_count
            duration_us += batch.duration_us
        return size, record_count, duration_us

    def _flush_if_idle(self) -> None:
        """Flush, unless another thread is at it; a store that does not answer is no error yet."""
        if not self._rules.writes or self._flushing.locked():
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
            self.lookout.refresh()
            if not self._recheck.look():
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
            self.lookout.add_seen()
            self._batches.reopen_lookup()
