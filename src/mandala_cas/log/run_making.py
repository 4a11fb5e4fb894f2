"""A run made of segments and other runs: its objects, ready to be put in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mandala_cas._version import __version__
from mandala_cas.envelope.seal import Sealed
from mandala_cas.envelope.signatures import Signer
from mandala_cas.errors import UsageError
from mandala_cas.log.covered import Covered, cover_segments, unite
from mandala_cas.log.graves import Graves, merge_tombstones
from mandala_cas.log.merge import PartLimits, merge, split
from mandala_cas.log.packed import INLINE, SEGMENTS, Tables
from mandala_cas.log.packing import pack_segments
from mandala_cas.log.rows import CALLS, TAGS, VALUES
from mandala_cas.log.run import (
    PartKind,
    Run,
    RunHeader,
    RunPartInfo,
    SealedRun,
    encode_run,
)
from mandala_cas.log.run_part import RunPart, SealedPart, encode_inline_part, encode_run_part
from mandala_cas.log.segment import READER_VERSION, Segment
from mandala_cas.log.tables import Table
from mandala_cas.model.ids import KeyId, SegmentId
from mandala_cas.objectstore.layout import GENERATION_MAX, NONCE_SIZE

_LIBRARY: Final = f"mandala-cas {__version__}"


@dataclass(frozen=True, slots=True)
class WholeRun:
    """A run with all its parts, by name."""

    run: Run
    parts: Mapping[str, RunPart]


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What a run is to cover: verified segments, each with the key that signed it, and runs.

    They may overlap. ``generation_above`` is one that the new run must exceed.
    """

    segments: Sequence[tuple[Segment, KeyId | None]]
    runs: Sequence[WholeRun] = ()
    generation_above: int = 0


@dataclass(frozen=True, slots=True)
class MadeRun:
    """The objects of a run: put ``parts`` first, then ``run``, which makes them count."""

    run: SealedRun
    parts: Mapping[str, Sealed]
    infos: Sequence[RunPartInfo]
    header: RunHeader


def make_run(
    inputs: RunInputs,
    *,
    created_us: int,
    draw: Callable[[int], bytes],
    signer: Signer | None,
    limits: PartLimits = PartLimits(),  # noqa: B008 (immutable)
    level: int | None = 3,
    library: str = _LIBRARY,
) -> MadeRun:
    """Return the run that covers ``inputs``. ``draw`` gives that many random bytes.

    Raises:
        UsageError: there is nothing to cover, or no generation is left.
    """
    segments = [segment for segment, _ in inputs.segments]
    runs = [whole.run for whole in inputs.runs]
    if not segments and not runs:
        raise UsageError("a run covers something; there is nothing")
    generation = 1 + max([inputs.generation_above, *(run.header.generation for run in runs)])
    if generation > GENERATION_MAX:
        raise UsageError(f"a run has a generation up to {GENERATION_MAX}, this would be one more")
    sources: list[Segment | Run] = [*segments, *runs]
    tombstones = merge_tombstones(t for source in sources for t in source.tombstones)
    untags = Graves.of(u for source in sources for u in source.untags).untags()
    covered = unite([cover_segments(inputs.segments), *(run.covered for run in runs)])
    rows = merge(_rows_of(inputs), tombstones, untags)
    parts: dict[str, Sealed] = {}
    infos: list[RunPartInfo] = []
    for tables in split(rows, limits):
        for sealed, info in _part_objects(tables, draw, level):
            parts[sealed.name] = sealed.sealed
            infos.append(info)
    header = _header(
        covered,
        infos,
        generation=generation,
        created_us=created_us,
        library=library,
        nonce=draw(NONCE_SIZE),
    )
    run = encode_run(
        header, covered, infos, tombstones=tombstones, untags=untags, signer=signer, level=level
    )
    return MadeRun(run, parts, infos, header)


def _rows_of(inputs: RunInputs) -> list[Tables]:
    """Return the rows of all inputs, those of each segment once."""
    found: list[Tables] = []
    taken: set[SegmentId] = set()
    for whole in inputs.runs:
        for info in whole.run.records:
            part = whole.parts[info.name].without(taken)
            if part.segment_ids:
                payloads = part.payloads.column()
                inline = Table(INLINE, len(payloads), {"payload": payloads})
                found.append({**part.tables, INLINE: inline})
                taken |= part.segment_ids
    fresh = {
        segment.segment_id: segment
        for segment, _ in inputs.segments
        if segment.segment_id not in taken
    }
    if fresh:
        found.append(pack_segments(list(fresh.values())))
    return found


def _part_objects(
    tables: Tables, draw: Callable[[int], bytes], level: int | None
) -> list[tuple[SealedPart, RunPartInfo]]:
    """Return one part of records, behind the part of its inline payloads if it has some."""
    objects: list[tuple[SealedPart, RunPartInfo]] = []
    inline = None
    payloads = tables[INLINE].bytes("payload")
    if len(payloads):
        inline = encode_inline_part(payloads, nonce=draw(NONCE_SIZE), level=level)
        size = inline.sealed.size
        info = RunPartInfo(inline.name, PartKind.INLINE, size, 0, 0, len(payloads), 0)
        objects.append((inline, info))
    records = encode_run_part(tables, inline, len(payloads), nonce=draw(NONCE_SIZE), level=level)
    counts = (tables[name].row_count for name in (SEGMENTS, CALLS, VALUES, TAGS))
    info = RunPartInfo(records.name, PartKind.RECORDS, records.sealed.size, *counts)
    return [*objects, (records, info)]


def _header(
    covered: Covered,
    infos: Sequence[RunPartInfo],
    *,
    generation: int,
    created_us: int,
    library: str,
    nonce: bytes,
) -> RunHeader:
    """Return what the run says of itself."""
    return RunHeader(
        generation=generation,
        created_us=created_us,
        min_reader=READER_VERSION,
        library=library,
        nonce=nonce,
        segment_count=len(covered),
        covered_call_count=sum(covered.call_counts.tolist()),
        call_count=sum(info.call_count for info in infos),
        covered_tag_count=sum(covered.tag_counts.tolist()),
        tag_count=sum(info.tag_count for info in infos),
    )
