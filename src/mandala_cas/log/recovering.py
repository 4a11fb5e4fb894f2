"""Inline payloads of a part whose object is gone, found again in what else has the same rows.

A process may hold the rows of a run for weeks, and ask for a payload only after the run was
superseded and its parts were collected: then a run has them that took its place. Or the parts of a
run were collected while it was put, because nothing named them yet: then the segments that it
covers are still there, for a run that cannot be read whole makes room for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mandala_cas.errors import CorruptionError, NotFoundError
from mandala_cas.log.columns import BytesColumn, bytes_column
from mandala_cas.log.listing import Listing, list_manifest
from mandala_cas.log.packed import CONTENTS
from mandala_cas.log.rows import VALUES
from mandala_cas.log.run import decode_run
from mandala_cas.log.run_part import RunPart, decode_run_part
from mandala_cas.log.segment import Segment, decode_segment
from mandala_cas.model.entries import Tier
from mandala_cas.model.ids import SegmentId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import parse_segment_name

_Key = tuple[SegmentId, bytes]


def recover_payloads(objects: ObjectStore, part: RunPart) -> BytesColumn:
    """Return the payloads of ``part`` in their order, from what has them now.

    Those that only hidden calls used may be gone for good; they are empty.

    Raises:
        NotFoundError: nothing has any of them.
        StoreUnavailableError: the store does not answer.
    """
    found: dict[_Key, bytes] = {}
    listing = list_manifest(objects)
    for segment in _segments_now(objects, listing, part):
        for row in np.flatnonzero(segment.values.numbers("tier") == Tier.INLINE).tolist():
            record = segment.value_record(row)
            found[segment.segment_id, record.content_id] = record.inline
    for other in _parts_now(objects, listing, part):
        payloads = other.payloads.column()
        for key, code in _codes(other):
            found[key] = payloads[code - 1]
    rows = [b""] * part.payloads.count
    missing = True
    for key, code in _codes(part):
        if key in found:
            rows[code - 1] = found[key]
            missing = False
    if missing:
        raise NotFoundError(
            f"the small values of {part.name} are gone, and nothing has them in its place; "
            "compute them again",
            name=part.name,
        )
    return bytes_column(rows)


def _segments_now(objects: ObjectStore, listing: Listing, part: RunPart) -> Iterator[Segment]:
    """Yield those of the part's segments that are still there, as far as they can be read."""
    for name in sorted(listing.segments):
        parsed = parse_segment_name(name)
        if parsed is not None and parsed.segment_id in part.segment_ids:
            try:
                yield decode_segment(name, objects.get(name))
            except (NotFoundError, CorruptionError):
                # It was merged meanwhile, or is damaged: a run may have its rows.
                continue


def _parts_now(objects: ObjectStore, listing: Listing, part: RunPart) -> Iterator[RunPart]:
    """Yield the parts that have rows of the same segments, as far as they can be read."""
    for name in sorted(listing.runs, reverse=True):
        try:
            run = decode_run(name, objects.get(name))
            for other_name, segments in run.segments_of_parts().items():
                if not part.segment_ids.isdisjoint(segments):
                    other = decode_run_part(other_name, objects.get(other_name), objects.get)
                    other.payloads.column()
                    yield other
        except (NotFoundError, CorruptionError):
            # One that is superseded itself, or damaged: the next one may have them.
            continue


def _codes(part: RunPart) -> Iterator[tuple[_Key, int]]:
    """Yield which of a part's payloads each of its inline values has."""
    values, contents = part.tables[VALUES], part.tables[CONTENTS].fixed("content_id")
    codes = values.numbers("inline").tolist()
    segments, content_codes = values.numbers("segment"), values.numbers("content")
    for row in np.flatnonzero(values.numbers("inline")).tolist():
        segment = part.ordered_segment_ids[int(segments[row])]
        yield (segment, contents[int(content_codes[row])]), codes[row]
