"""Recording again what dead processes had recorded and did not commit.

The order is: the entries into a batch of their own, word of it into the dead one's journal, the
batch into the store, the journal removed. A crash before the word, or between the word and the
segment, leaves a journal that the next process adopts; one after the segment leaves a journal
whose word the next process looks up in the log, and removes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import CorruptionError, MandalaError, NotFoundError, StoreUnavailableError
from mandala_cas.log.groups import JournalValue
from mandala_cas.log.journal import SPOOL_FOLDER
from mandala_cas.log.orphans import Orphan, OrphanBatch, Place, find_orphans
from mandala_cas.log.writer import Position
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    TagRecord,
    Tier,
    Tombstone,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import ContentId, Dot
from mandala_cas.values.batch import Held
from mandala_cas.values.broken import broken_calls
from mandala_cas.values.opening import open_verified
from mandala_cas.values.recorder import Recorder
from mandala_cas.values.save import PreparedValue
from mandala_cas.values.spool import SpooledValue

_LOGGER: Final = logging.getLogger("mandala_cas")
_NEVER_US: Final = 1 << 62


@dataclass(slots=True)
class Adoption:
    """What became of the journals that were found.

    ``calls`` were recorded again. ``left`` says of each journal file that stays why it does.
    ``error`` is what kept the calls from being committed now; they are not lost.
    """

    calls: int = 0
    left: dict[str, str] = field(default_factory=dict)
    error: MandalaError | None = None


class _Renaming:
    """What the records of a dead writer are called now, by what they would have been called."""

    def __init__(self) -> None:
        """Know none yet."""
        self._calls: dict[Dot, Dot] = {}
        self._tags: dict[Dot, Dot] = {}

    def add(self, entries: Sequence[tuple[Entry, Dot | None]], position: Position) -> None:
        """Take in the entries of one batch, which becomes the segment ``position``."""
        for kind, names in ((CallRecord, self._calls), (TagRecord, self._tags)):
            old = [dot for entry, dot in entries if isinstance(entry, kind) and dot is not None]
            names.update({dot: Dot(*position, row) for row, dot in enumerate(old)})

    def of(self, entry: Entry) -> Iterator[Entry]:
        """Yield an entry; what hides records does so under the names that these have now."""
        names = {Tombstone: self._calls, Untag: self._tags}.get(type(entry))
        if not isinstance(entry, Tombstone | Untag) or not names:
            yield entry
            return
        dots = (Dot(entry.writer, entry.seq, row) for row in range(entry.first, entry.last + 1))
        moved = [names[dot] for dot in dots if dot in names]
        if not moved:
            yield entry
        for writer, seq, row in moved:
            yield replace(entry, writer=writer, seq=seq, first=row, last=row)


def adopt_orphans(
    place: Place,
    *,
    recorder: Recorder,
    is_published: Callable[[Position], bool],
    has_value: Callable[[ContentId], bool],
    is_there: Callable[[ValueRecord], bool],
) -> Adoption:
    """Record and commit what the journals at ``place`` have and the log has not.

    ``is_published`` tells whether a segment is in the log, by itself or in a run; ``has_value``
    whether a record says where a value is, ``is_there`` whether its bytes are where one says. The
    view must be fresh.
    """
    adopter = _Adopter(recorder, is_published, has_value, is_there)
    adoption = adopter.adoption
    try:
        for orphan in find_orphans(place):
            adopter.adopt(orphan)
        recorder.flush()
    except StoreUnavailableError as error:
        # What was taken is committed later, or by somebody else; its journal is there until then.
        adoption.error = error
    except MandalaError as error:
        # Whoever may not write here must be able to read: this is for somebody who may.
        recorder.abandon()
        adoption.error = error
    return adoption


@dataclass(slots=True)
class _Adopter:
    """Records again what dead writers had recorded, one after the other."""

    recorder: Recorder
    is_published: Callable[[Position], bool]
    has_value: Callable[[ContentId], bool]
    is_there: Callable[[ValueRecord], bool]
    adoption: Adoption = field(default_factory=Adoption)

    def adopt(self, orphan: Orphan) -> None:
        """Record again what one dead writer had recorded."""
        renaming = _Renaming()
        published: list[tuple[OrphanBatch, Position, Sequence[PreparedValue]]] = []
        try:
            for batch, values in self._readable(orphan):
                known = [p for p in (batch.position, *batch.adopted) if self.is_published(p)]
                if known:
                    published.append((batch, known[0], values))
                elif batch.groups:
                    self._record(orphan, batch, values, renaming)
                else:
                    orphan.remove(batch)
            # Only then: of several batches the last may be the repair of the first.
            for batch, position, values in published:
                self._look_again(batch, position, values)
            if published:
                # Before the journal goes, which has the bytes.
                self.recorder.flush()
            for batch, _, _ in published:
                orphan.remove(batch)
        finally:
            self.adoption.left |= {str(path): reason for path, reason in orphan.left.items()}
            orphan.close_if_done()

    def _readable(self, orphan: Orphan) -> list[tuple[OrphanBatch, Sequence[PreparedValue]]]:
        """Return the batches with their values; one of which a value is damaged is left."""
        found: list[tuple[OrphanBatch, Sequence[PreparedValue]]] = []
        for batch in list(orphan.batches):
            try:
                values = [
                    self._prepared(value, orphan)
                    for group in batch.groups
                    for value in group.values
                ]
            except (CorruptionError, NotFoundError) as error:
                orphan.leave(batch, str(error))
            else:
                found.append((batch, values))
        return found

    def _record(
        self,
        orphan: Orphan,
        batch: OrphanBatch,
        values: Sequence[PreparedValue],
        renaming: _Renaming,
    ) -> None:
        """Record one batch again, without the calls of which a result is nowhere."""
        brought = {value.content_id for value in values if value.record is not None}
        entries = list(_with_dots(batch))
        broken = broken_calls(
            (entry for entry, _ in entries if isinstance(entry, CallRecord)),
            lambda content_id: content_id not in brought and not self._is_known(content_id),
        )
        kept = [
            (entry, dot)
            for entry, dot in entries
            if not (isinstance(entry, CallRecord) and entry.call_id in broken)
        ]

        def make_entries(position: Position) -> list[Entry]:
            """Return the entries, with the names that records have in that segment."""
            renaming.add(kept, position)
            return [renamed for entry, _ in kept for renamed in renaming.of(entry)]

        def forget() -> None:
            """Remove the journal: what it has is committed."""
            orphan.remove(batch)
            orphan.close_if_done()

        started = [entry.started_us for entry, _ in kept if isinstance(entry, CallRecord)]
        self.recorder.adopt(
            make_entries,
            values,
            min(started, default=_NEVER_US),
            lambda position: _mark(orphan, batch, position),
            forget,
        )
        self.adoption.calls += len(started)

    def _prepared(self, value: JournalValue, orphan: Orphan) -> PreparedValue:
        """Return a value of a journal as if it had just been made.

        Of one that the dead writer found on record the journal has only the place. The log may
        have forgotten that since, and the place may be empty.

        Raises:
            CorruptionError: the spooled file does not have the bytes that were written.
            NotFoundError: it is gone.
            StoreUnavailableError: the store does not answer.
        """
        record = value.record
        is_placed = value.sealed is None and value.spooled is None
        if is_placed and record.tier is not Tier.INLINE:
            is_of_use = not self._is_known(record.content_id) and self.is_there(record)
            return PreparedValue(record.content_id, record if is_of_use else None)
        return _prepared(value, orphan)

    def _is_known(self, content_id: ContentId) -> bool:
        """Tell whether a value is held here or on record."""
        return self.recorder.is_held(content_id) or self.has_value(content_id)

    def _look_again(
        self, batch: OrphanBatch, position: Position, values: Sequence[PreparedValue]
    ) -> None:
        """Do for a published batch what its writer did not come to: look at the announcements."""
        held = {
            value.content_id: Held(value.record, source)
            for value in values
            if value.record is not None and (source := value.sealed or value.spooled) is not None
        }
        entries = [(e, d and Dot(*position, d.row)) for e, d in _with_dots(batch)]
        self.recorder.look_again(entries, held)


def _mark(orphan: Orphan, batch: OrphanBatch, position: Position) -> None:
    """Leave word of an adoption; on a disk that is full, going on without is the lesser evil."""
    try:
        orphan.mark(batch, position)
    except MandalaError as error:
        _LOGGER.warning("calls of a process that died may be recorded twice: %s", error)


def _with_dots(batch: OrphanBatch) -> Iterator[tuple[Entry, Dot | None]]:
    """Yield the entries of a batch with the dots that they would have had."""
    for group in batch.groups:
        yield from group.with_dots(*batch.position)


def _prepared(value: JournalValue, orphan: Orphan) -> PreparedValue:
    """Return a value of a journal as if it had just been made, its bytes verified.

    Raises:
        CorruptionError: the spooled file does not have the bytes that were written.
        NotFoundError: it is gone.
    """
    record = value.record
    if value.spooled is None:
        sealed = None if value.sealed is None else Sealed((value.sealed,), len(value.sealed))
        if sealed is not None and record.tier is Tier.PACK:
            _verify(record, sealed, "a value of a journal")
        return PreparedValue(record.content_id, record, sealed)
    folder = orphan.place.directory / SPOOL_FOLDER
    path = folder / value.spooled
    if path.parent != folder:
        raise CorruptionError(f"{value.spooled!r} names no spooled value", name=value.spooled)
    spooled = SpooledValue(path, record.stored_size, is_kept=True)
    _verify(record, spooled.sealed(), value.spooled)
    return PreparedValue(record.content_id, record, spooled=spooled)


def _verify(record: ValueRecord, sealed: Sealed, name: str) -> None:
    """Check that these are the bytes of the value, whatever happened to the disk since."""
    open_verified(sealed.whole(), name=name, record=record)
