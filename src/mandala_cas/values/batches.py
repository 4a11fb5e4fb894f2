"""The batches of one recorder: what is recorded goes into the open one, and into the journal.

Ctrl-C may come at any line. So the order is: bytes, then entries, then what says that they are
there; and closing a batch is one step of the log writer's.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.index.copies import ValueCopy
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.checks import entry_size
from mandala_cas.log.groups import JournalGroup, JournalValue, pack_group, unpack_group
from mandala_cas.log.journal import Journal
from mandala_cas.log.writer import Appended, LogWriter, Position
from mandala_cas.model.entries import Entry, Tier, ValueRecord
from mandala_cas.model.ids import ContentId
from mandala_cas.values.batch import Batch, Held
from mandala_cas.values.condemned import CondemnedNames
from mandala_cas.values.save import PreparedValue
from mandala_cas.values.spool import SpooledValue

_LOGGER: Final = logging.getLogger("mandala_cas")


@dataclass(frozen=True, slots=True)
class Clocks:
    """Two ways to tell how long ago something was.

    ``now_us`` are microseconds since 1970, which somebody may set; ``boot_s`` are seconds that
    only grow, also while the machine sleeps.
    """

    now_us: Callable[[], int]
    boot_s: Callable[[], float]


def system_clocks() -> Clocks:
    """Return the clocks of this machine."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return Clocks(
        lambda: time.time_ns() // 1000,
        # Others than Linux let their monotonic clock run on while they sleep, or say nothing.
        time.monotonic if boot is None else lambda: time.clock_gettime(boot),
    )


@dataclass(slots=True)
class _Gathered:
    """What goes into the batch with some entries: rows, and the values that nobody wrote down.

    ``placed`` are rows of values that have their bytes, or a place in the store; without any
    values that are held, these are all rows (``has_held``).
    """

    rows: dict[ContentId, ValueRecord] = field(default_factory=dict)
    placed: list[ValueRecord] = field(default_factory=list)
    held: dict[ContentId, Held] = field(default_factory=dict)
    has_held: bool = False


class Batches:
    """What is not committed, by the segment it becomes; whoever uses it holds ``lock``."""

    def __init__(
        self,
        *,
        writer: LogWriter,
        lookup: CallLookup,
        condemned: CondemnedNames,
        is_readable: Callable[[ValueCopy], bool],
        may_vouch: Callable[[ValueCopy], bool] = lambda _: True,
        journal: Journal | None,
        clocks: Clocks,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Start with nothing. ``is_readable`` tells whether a copy can be had.

        ``may_vouch`` tells whether this user may say where a value is on the word of a copy.
        """
        self._writer = writer
        self._lookup = lookup
        self._condemned = condemned
        self._is_readable = is_readable
        self._may_vouch = may_vouch
        self._journal = journal
        self._clocks = clocks
        self._draw = draw
        self.renew()

    def renew(self) -> None:
        """Hold nothing."""
        self.lock = threading.RLock()
        self.by_position: dict[Position, Batch] = {}
        self._held: dict[ContentId, Held] = {}
        self._lookup.clear_open()

    @property
    def is_empty(self) -> bool:
        """Whether everything that was recorded is committed."""
        return not self._writer.unpublished and all(b.is_empty for b in self.by_position.values())

    @property
    def all(self) -> list[Batch]:
        """The batches, the oldest first."""
        return list(self.by_position.values())

    @property
    def published(self) -> list[Batch]:
        """The batches whose segments are in the store."""
        waiting = {item.position for item in self._writer.outbox}
        return [b for b in self.all if b.segment is not None and b.position not in waiting]

    def is_held(self, content_id: ContentId) -> bool:
        """Tell whether the bytes of a value are here."""
        return content_id in self._held

    def held(self, content_id: ContentId) -> Held | None:
        """Return a value whose bytes are here."""
        return self._held.get(content_id)

    def at(self, position: Position) -> Batch:
        """Return the batch that becomes a segment."""
        batch = self.by_position.get(position)
        if batch is None:
            clocks = self._clocks
            groups = self._writer.groups_at(position)
            batch = Batch(position, clocks.now_us(), clocks.boot_s(), groups)
            if self._journal is not None:
                batch.forget = _Forget(self._journal, position)
            self.by_position[position] = batch
        return batch

    def add(
        self,
        entries: Sequence[Entry],
        values: Sequence[PreparedValue] = (),
        contents: Iterable[ContentId] = (),
        *,
        anew: Sequence[Held] = (),
        is_journaled: bool = True,
    ) -> Batch:
        """Put entries into the open batch, with a row for each of ``contents`` that has none there.

        So whoever reads the segment finds every value of its calls without any other segment, and
        compaction may forget what no call needs. ``anew`` are values to be put once more, wherever
        else they are.

        Raises:
            UsageError: the format has no place for an entry; none was taken.
        """
        batch = self.at(self._writer.position)
        gathered = self._gather(batch, values, contents, anew)
        rows = tuple(gathered.rows.values())
        size = sum(map(entry_size, rows)) + sum(map(entry_size, entries))
        if not self._writer.has_room(size):
            self.close()
            batch = self.at(self._writer.position)
            gathered = self._gather(batch, values, contents, anew)
            rows = tuple(gathered.rows.values())
            size = sum(map(entry_size, rows)) + sum(map(entry_size, entries))
        appended = self._writer.append_group(rows, entries, size)
        # Only now: were Ctrl-C to come between, the next call would bring these rows again.
        batch.rows.update(map(bytes, gathered.rows))
        batch.size += size
        if self._journal is not None and is_journaled and not batch.is_exposed:
            self._write_down(self._journal, batch, entries, appended, gathered)
        batch.record_count += 1
        self._lookup.add_open(rows, entries, appended)
        return batch

    def close(self) -> None:
        """Make a segment of the open batch; what is recorded from here on is in the next."""
        position = self._writer.position
        batch = self.by_position.get(position)
        if batch is not None:
            # One step of the writer's, rows of packed values included: Ctrl-C finds the batch
            # open or closed.
            self._writer.seal(batch.pack(self._draw))

    def reopen_lookup(self) -> None:
        """Have the lookup know as open what is not in the store, and nothing else."""
        published = self.published
        self._lookup.clear_open()
        for batch in self.all:
            if batch not in published:
                for packed in batch.groups:
                    group = unpack_group(packed)
                    rows = [value.record for value in group.values]
                    at = Appended(batch.position, group.first_call, group.first_tag, packed)
                    self._lookup.add_open(rows, group.entries, at)

    def let_go(self, batch: Batch) -> None:
        """Forget a batch that is committed."""
        batch.let_go()
        for content_id, held in batch.held.items():
            if self._held.get(content_id) is held:
                del self._held[content_id]
        del self.by_position[batch.position]

    def _gather(
        self,
        batch: Batch,
        values: Sequence[PreparedValue],
        contents: Iterable[ContentId],
        anew: Sequence[Held],
    ) -> _Gathered:
        """Return what the batch lacks; take the bytes of values into it."""
        found = _Gathered()
        for value in values:
            self._take(batch, value, found)
        for held in anew:
            self._hold(batch, held, found)
        for content_id in contents:
            held_value = self._held.get(content_id) if self._held else None
            if held_value is not None and not held_value.is_journaled:
                found.held[content_id] = held_value
                found.has_held = True
            if not batch.has(content_id) and content_id not in found.rows:
                known = self._known_row(content_id)
                if known is not None:
                    found.rows[content_id] = known
                    # What is on record now may be merged away before somebody adopts the journal.
                    found.placed.append(known)
        return found

    def _take(self, batch: Batch, value: PreparedValue, found: _Gathered) -> None:
        """Take one value that came with a call."""
        record, source = value.record, value.sealed or value.spooled
        if record is None:
            return
        if source is None:
            if record.content_id not in batch.rows and record.content_id not in found.rows:
                found.rows[record.content_id] = record
                found.placed.append(record)
        elif record.content_id not in self._held:
            self._hold(batch, Held(record, source), found)

    def _hold(self, batch: Batch, held: Held, found: _Gathered) -> None:
        """Take the bytes of a value into the batch."""
        content_id = held.record.content_id
        is_packed = held.record.tier is Tier.PACK
        # The batch first: what is found in `_held` is never asked for again.
        (batch.packed if is_packed else batch.loose)[content_id] = held
        self._held[content_id] = held
        found.has_held = True
        batch.size += held.source.size
        if not is_packed:
            found.rows[content_id] = held.record

    def _known_row(self, content_id: ContentId) -> ValueRecord | None:
        """Return where a value is, on the word of an earlier batch or segment.

        Not on anybody's: this batch will be signed, so a pickle in a row of it would be decoded
        here, and by all who trust this user. A value is then where its writer's segment says.
        """
        held = self._held.get(content_id)
        if held is not None and held.record.location not in self._condemned:
            return held.record
        copies = [copy for copy in self._lookup.copies(content_id) if self._may_vouch(copy)]
        return max(copies, key=self._precedence).record if copies else None

    def _precedence(self, copy: ValueCopy) -> tuple[bool, bool]:
        """Return how good a copy is: it stays, and can be had."""
        return copy.record.location not in self._condemned, self._is_readable(copy)

    def _write_down(
        self,
        journal: Journal,
        batch: Batch,
        entries: Sequence[Entry],
        appended: Appended,
        gathered: _Gathered,
    ) -> None:
        """Put a group into the journal; where that fails, the batch is to be committed soon."""
        try:
            journal.append_packed(batch.position, _frame_body(entries, appended, gathered))
        except StoreUnavailableError as error:
            batch.is_exposed = True
            _LOGGER.warning(
                "the journal cannot be written, so this is committed at once: %s", error
            )
            return
        except UsageError as error:
            self._journal = None
            _LOGGER.warning(
                "there is no journal, so a process that is killed loses what it has not committed: "
                "%s",
                error,
            )
            return
        for held in gathered.held.values():
            # The file first: from here on the journal names it.
            if isinstance(held.source, SpooledValue):
                held.source.keep()
            held.is_journaled = True


def _frame_body(entries: Sequence[Entry], appended: Appended, gathered: _Gathered) -> bytes:
    """Return what the journal says of a group: nearly always what the batch has of it."""
    if not gathered.has_held:
        return appended.packed
    values = [JournalValue(record) for record in gathered.placed]
    for held in gathered.held.values():
        if isinstance(held.source, SpooledValue):
            values.append(JournalValue(held.record, None, held.source.name))
        else:
            values.append(JournalValue(held.record, held.source.to_bytes()))
    return pack_group(JournalGroup(entries, values, appended.first_call, appended.first_tag))


@dataclass(frozen=True, slots=True)
class _Forget:
    """Removes the journal of a batch; a part of no batch, which would refer to itself."""

    journal: Journal
    position: Position

    def __call__(self) -> None:
        """Remove it."""
        self.journal.remove(self.position)


def sealed_of(held: Held | None) -> tuple[ValueRecord, Sealed] | None:
    """Return a value as those ask for it who read it."""
    return None if held is None else (held.record, held.sealed)
