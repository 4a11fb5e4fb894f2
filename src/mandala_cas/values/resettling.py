"""A commit that garbage collection has overtaken: found, and made good under fresh names.

A collector announces, looks at the log, deletes. A writer publishes, looks at the announcements,
resettles. Whoever comes second sees the other, so no value of a committed call is deleted.

What is put anew gets a name that nobody used before: what was announced may still be deleted
under the old one. The calls that use it are recorded again in the segment that places it, and the
records before it hidden, so that this segment, too, can be read by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore
from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import CorruptionError
from mandala_cas.log.part import LogPart
from mandala_cas.log.segment import Segment
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    TagRecord,
    TagTarget,
    Tier,
    Tombstone,
    TombstoneReason,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import ContentId, Dot
from mandala_cas.objectstore.layout import NONCE_SIZE, blob_name
from mandala_cas.values.batch import Held
from mandala_cas.values.broken import broken_calls
from mandala_cas.values.freed import PromisedAmong, nothing_promised
from mandala_cas.values.opening import open_verified


@dataclass(frozen=True, slots=True)
class Resettlement:
    """What makes a batch good: entries to record, and the values that they use.

    ``lost_count`` calls had a result that nobody has any more: they count as not made. Of
    ``lost_tag_count`` tags the value is gone: they are on nothing.
    """

    entries: Sequence[Entry]
    contents: Sequence[ContentId]
    lost_count: int
    lost_tag_count: int


def condemned_rows(
    segment: Segment, condemned: Container[str]
) -> dict[ContentId, list[ValueRecord]]:
    """Return the values of which every place that a segment names is condemned, with the rows."""
    locations = segment.values.text("location")
    doomed = [bool(word) and word in condemned for word in locations.words]
    if not any(doomed):
        return {}
    return condemned_among(
        (segment.value_record(row) for row in range(segment.values.row_count)), condemned
    )


def condemned_among(
    rows: Iterable[ValueRecord], condemned: Container[str]
) -> dict[ContentId, list[ValueRecord]]:
    """Return the values of which every place in ``rows`` is condemned, with their rows."""
    found: dict[ContentId, list[ValueRecord]] = {}
    safe: set[ContentId] = set()
    for row in rows:
        if row.tier is not Tier.INLINE and row.location in condemned:
            found.setdefault(row.content_id, []).append(row)
        else:
            safe.add(row.content_id)
    return {content_id: rows for content_id, rows in found.items() if content_id not in safe}


def renewed(held: Held, draw: Callable[[int], bytes]) -> Held:
    """Return a value to be put anew: a loose one has a fresh name, a packed one has none yet."""
    record = held.record
    name = ""
    if record.tier is Tier.LOOSE:
        name = blob_name(record.payload_hash, draw(NONCE_SIZE))
    return Held(replace(record, location=name, offset=0), held.source)


def read_copy(blobs: BlobStore, rows: Sequence[ValueRecord]) -> Held | None:
    """Return a value from the first of its places that still has it, verified; None if none has.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    for row in rows:
        (data,) = blobs.get_many([Placement(row.location, row.offset, row.stored_size)])
        if data is None:
            continue
        try:
            open_verified(data, name=row.location, record=row)
        except CorruptionError:
            continue
        return Held(replace(row, stored_size=len(data)), Sealed((data,), len(data)))
    return None


def contents_of(entry: Entry) -> list[ContentId]:
    """Return the values that an entry uses, and that a segment with it must therefore place."""
    if isinstance(entry, CallRecord):
        return [slot.content_id for slot in (*entry.inputs, *entry.outputs)]
    if isinstance(entry, TagRecord) and entry.target is TagTarget.REF:
        return [entry.content_id]
    return []


def plan_resettlement(
    entries: Iterable[tuple[Entry, Dot | None]],
    saved: Collection[ContentId],
    lost: Collection[ContentId],
) -> Resettlement:
    """Return what to record, so that ``saved`` are found at their new places.

    ``entries`` are those of the batch, with their dots. A call of which an output is ``lost``, or
    an element of one, was not made; one that merely used such a value was. A tag on such a value
    would keep nothing.
    """
    entries = list(entries)
    calls = (entry for entry, _ in entries if isinstance(entry, CallRecord))
    broken = broken_calls(calls, lost.__contains__) if lost else set()
    hidden: list[Entry] = []
    again: list[Entry] = []
    contents: dict[ContentId, None] = {}
    lost_count = lost_tag_count = 0
    for entry, dot in entries:
        if dot is None:
            continue
        used = contents_of(entry)
        if isinstance(entry, CallRecord):
            is_lost = entry.call_id in broken
            if not is_lost and not any(content_id in saved for content_id in used):
                continue
            hidden.append(Tombstone(dot.writer, dot.seq, dot.row, dot.row, TombstoneReason.LOST))
            if is_lost:
                lost_count += 1
                continue
        elif isinstance(entry, TagRecord):
            is_lost = any(content_id in lost for content_id in used)
            if not is_lost and not any(content_id in saved for content_id in used):
                continue
            hidden.append(Untag(dot.writer, dot.seq, dot.row, dot.row))
            if is_lost:
                lost_tag_count += 1
                continue
        else:
            continue
        again.append(entry)
        contents |= dict.fromkeys(used)
    return Resettlement((*hidden, *again), list(contents), lost_count, lost_tag_count)


def saved_and_lost(
    doomed: Mapping[ContentId, Sequence[ValueRecord]],
    held: Mapping[ContentId, Held],
    blobs: BlobStore,
    promised_among: PromisedAmong = nothing_promised,
) -> tuple[dict[ContentId, Held], set[ContentId]]:
    """Return the condemned values whose bytes can be had, and those whose bytes nobody has.

    Neither are those that were freed because another store holds them: they stay as they are.
    """
    saved: dict[ContentId, Held] = {}
    for content_id, rows in doomed.items():
        found = held.get(content_id) or read_copy(blobs, rows)
        if found is not None:
            saved[content_id] = found
    gone = {content_id: rows for content_id, rows in doomed.items() if content_id not in saved}
    # After reading: who evicts makes the promise before the object goes.
    return saved, set(without_promised(gone, promised_among))


def without_promised(
    doomed: Mapping[ContentId, Sequence[ValueRecord]],
    promised_among: PromisedAmong,
) -> dict[ContentId, Sequence[ValueRecord]]:
    """Return the values of which no place is promised, with their rows."""
    places = {c: [(row.location, c) for row in rows] for c, rows in doomed.items()}
    promised = promised_among([place for of_value in places.values() for place in of_value])
    return {c: doomed[c] for c, of_value in places.items() if promised.isdisjoint(of_value)}


def is_untagged(dot: Dot, parts: Iterable[LogPart]) -> bool:
    """Tell whether somebody took a tag off again, as far as ``parts`` say."""
    return any(
        (untag.writer, untag.seq) == (dot.writer, dot.seq) and untag.first <= dot.row <= untag.last
        for part in parts
        for untag in part.untags
    )
