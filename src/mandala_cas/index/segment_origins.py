"""Who wrote segments, when, and from where, as the log has it: what people ask of a result.

Segments that were read whole say it themselves, runs of those that they cover. Of what a kept
index holds, segments that no run covers are fetched, all at once, when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mandala_cas.envelope.signatures import Signature
from mandala_cas.errors import CorruptionError
from mandala_cas.log.covered import CoveredSegment
from mandala_cas.log.reading import fetch_segments
from mandala_cas.log.run import Run
from mandala_cas.log.segment import Segment
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import KeyId, WriterId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import parse_segment_name

# What names a segment inside dots.
Place = tuple[WriterId, int]


@dataclass(frozen=True, slots=True)
class SegmentOrigin:
    """What is known of a segment; ``session`` is what its writer said, which may be anything.

    ``key_id`` is the key that signed it; None where nobody did, the signature is forged, or only a
    run says so that nobody trusted made.
    """

    created_us: int
    library: str
    session: Mapping[str, Any]
    key_id: KeyId | None


def find_origins(
    view: LogView,
    objects: ObjectStore,
    wanted: Collection[Place],
    *,
    trusts: Callable[[KeyId | None], bool],
) -> dict[Place, SegmentOrigin]:
    """Return what the log says of some segments; of those it cannot tell of, nothing.

    ``trusts`` tells whose runs are believed when they say who signed what they cover.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    sought = set(wanted)
    found = {
        (segment.header.writer, segment.header.seq): _of_segment(segment)
        for segment in view.segments.values()
        if (segment.header.writer, segment.header.seq) in sought
    }
    for run in view.runs.values():
        missing = sought - found.keys()
        if not missing:
            break
        signer = _key_of(run.signature)
        is_believed = trusts(signer)
        for covered in _covered(run, missing):
            key_id = covered.key_id if is_believed else None
            found[covered.writer, covered.seq] = SegmentOrigin(
                covered.created_us, covered.library, covered.session, key_id
            )
    for segment in _fetch(view, objects, sought - found.keys()):
        found[segment.header.writer, segment.header.seq] = _of_segment(segment)
    return found


def _of_segment(segment: Segment) -> SegmentOrigin:
    """Return what a segment says of itself."""
    header = segment.header
    return SegmentOrigin(
        header.created_us, header.library, header.session, _key_of(segment.signature)
    )


def _key_of(signature: Signature | None) -> KeyId | None:
    """Return whose signature it is, if it holds."""
    if signature is None:
        return None
    try:
        return signature.verified_key()
    except CorruptionError:
        return None


def _covered(run: Run, wanted: Collection[Place]) -> Iterable[CoveredSegment]:
    """Return what a run remembers of those of the segments that it covers."""
    covered = run.covered
    writers = np.frombuffer(covered.writers.data, ">u8")
    sought = np.array(sorted({int.from_bytes(writer, "big") for writer, _ in wanted}), np.uint64)
    # Their writers first, all rows at once: a run may cover a hundred thousand segments.
    rows = np.flatnonzero(np.isin(writers.astype(np.uint64), sought)).tolist()
    return [
        covered[row]
        for row in rows
        if (WriterId(covered.writers[row]), int(covered.seqs[row])) in wanted
    ]


def _fetch(view: LogView, objects: ObjectStore, wanted: Collection[Place]) -> Iterable[Segment]:
    """Yield those of the segments that are in the store and whole."""
    if not wanted:
        return
    parsed = {name: parse_segment_name(name) for name in view.listing.segments}
    names = sorted(
        name
        for name, parts in parsed.items()
        if parts is not None and (parts.writer, parts.seq) in wanted
    )
    yield from fetch_segments(objects, view.listing, names)
