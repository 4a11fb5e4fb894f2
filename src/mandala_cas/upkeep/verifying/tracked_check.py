"""Whether the files that values in use are tracked by still lie where they did, on this machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore
from mandala_cas.codec.tracked_checks import changed_places, is_anything_at, places_of
from mandala_cas.codec.tracked_files import MAY_TRACK
from mandala_cas.errors import CorruptionError, UnsupportedFormatError
from mandala_cas.log.part import LogPart
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.upkeep.code_values import rows_running_code
from mandala_cas.upkeep.verifying.live import LiveLog
from mandala_cas.upkeep.verifying.progress import Progress
from mandala_cas.upkeep.verifying.sampling import Sample
from mandala_cas.upkeep.verifying.tracked import Tracked
from mandala_cas.values.opening import check_payload, open_verified


def check_tracked(
    objects: ObjectStore,
    parts: Mapping[str, LogPart],
    live: LiveLog,
    sample: Sample | None,
    progress: Progress,
) -> Tracked:
    """Return what is tracked by values in use, and what of it is not as it was.

    Without a ``sample`` it is a look, as a listing is for payload; with one, the files of the
    values in it are read. A value of which any record leads to what it was is in order.
    """
    by_content: dict[ContentId, list[ValueRecord]] = defaultdict(list)
    for record in _records(parts, live):
        by_content[record.content_id].append(record)
    blobs = BlobStore(objects)
    missing: set[str] = set()
    changed: set[str] = set()
    for done, records in enumerate(by_content.values(), 1):
        is_read = sample is not None and sample.has(records[0].content_id.hex())
        wrong = [_wrong_places(blobs, record, is_read=is_read) for record in records]
        if all(wrong):
            for path in set().union(*wrong):
                (changed if is_anything_at(path) else missing).add(path)
        progress("tracked files", done, len(by_content))
    return Tracked(len(by_content), tuple(sorted(missing)), tuple(sorted(changed)))


def _records(parts: Mapping[str, LogPart], live: LiveLog) -> Iterator[ValueRecord]:
    """Yield the records of values in use whose header tells of tracked files."""
    for part in parts.values():
        rows = rows_running_code(part, MAY_TRACK.__contains__)
        if not len(rows):
            continue
        codecs, headers = part.values.text("codec_name"), part.values.bytes("codec_header")
        used = live.is_used(part.values.fixed("content_id"))
        for row in rows[used[rows]].tolist():
            if _tells_of_any(codecs[row], headers[row]):
                yield part.value_record(row)


def _tells_of_any(codec_name: str, header: bytes) -> bool:
    """Tell whether anything is tracked, without a look at the disk; containers mostly have none."""
    return codec_name != "nested" or b"tracked" in header


def _wrong_places(blobs: BlobStore, record: ValueRecord, *, is_read: bool) -> set[str]:
    """Return the places of one record where something is not as it was."""
    there = places_of(record.codec_name, record.codec_header)
    wrong = {path for path, is_there in there.items() if not is_there}
    if wrong or not is_read:
        return wrong
    payload = _payload(blobs, record)
    if payload is None:
        # A problem of its own in the report.
        return wrong
    return set(changed_places(record.codec_name, record.codec_header, payload))


def _payload(blobs: BlobStore, record: ValueRecord) -> memoryview | None:
    """Return the verified payload of a record; None where it cannot be read."""
    try:
        if record.tier is Tier.INLINE:
            payload = memoryview(record.inline)
            check_payload(record, payload)
            return payload
        place = Placement(record.location, record.offset, record.stored_size)
        (data,) = blobs.get_many([place])
        if data is None:
            return None
        return open_verified(data, name=record.location, record=record).payload
    except (CorruptionError, UnsupportedFormatError):
        return None
