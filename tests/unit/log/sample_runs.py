"""Runs that tests make and read, and the state that log objects say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

from mandala_cas.envelope.signatures import Signer
from mandala_cas.log.graves import Graves
from mandala_cas.log.merge import PartLimits
from mandala_cas.log.part import LogPart
from mandala_cas.log.rows import VALUES, build_tables
from mandala_cas.log.run import decode_run
from mandala_cas.log.run_making import MadeRun, RunInputs, WholeRun, make_run
from mandala_cas.log.run_part import RunPart, decode_run_part
from mandala_cas.log.segment import (
    NO_PREVIOUS,
    Segment,
    decode_segment,
    seal_tables,
    segment_header,
)
from mandala_cas.log.tables import Table
from mandala_cas.model.entries import CallRecord, Entry, TagRecord, Tombstone, Untag, ValueRecord
from mandala_cas.model.ids import Dot, SegmentId, WriterId

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class State:
    """What log objects say: live calls and tags by dot, their places, and what is hidden.

    ``places`` are those that a segment gives for what its own live calls and tags use. Others may
    be left out of one run and be in another.
    """

    calls: dict[Dot, CallRecord]
    tags: dict[Dot, TagRecord]
    places: frozenset[tuple[SegmentId, ValueRecord]]
    hidden: list[Untag]
    unnamed: list[Untag]


def nonce(size: int) -> bytes:
    """Return bytes that were never returned before, and are the same in every run of the tests."""
    return sha256(str(next(_numbers)).encode()).digest()[:size]


def segment_of(
    entries: Sequence[Entry],
    *,
    writer: int = 1,
    seq: int = 0,
    previous: bytes = b"p" * 32,
    other: Sequence[Table] = (),
    signer: Signer | None = None,
) -> Segment:
    """Return a segment as a reader would see it."""
    header = segment_header(
        entries,
        writer=WriterId(writer.to_bytes(8, "big")),
        seq=seq,
        previous=previous if seq else NO_PREVIOUS,
        created_us=1_700_000_000_000_000 + seq,
        library="test",
        session={"writer": writer},
    )
    sealed = seal_tables([*build_tables(entries).values(), *other], header, signer)
    return decode_segment(sealed.name, sealed.sealed.to_bytes())


def made_of(
    segments: Sequence[Segment] = (),
    runs: Sequence[WholeRun] = (),
    *,
    limits: PartLimits | None = None,
) -> MadeRun:
    """Return the unsigned run of segments and runs."""
    return make_run(
        RunInputs([(segment, None) for segment in segments], runs),
        created_us=1_700_000_000_000_000,
        draw=nonce,
        signer=None,
        limits=limits or PartLimits(),
    )


def read_back(made: MadeRun) -> WholeRun:
    """Return a run as a reader would see it."""
    objects = {name: sealed.to_bytes() for name, sealed in made.parts.items()}
    run = decode_run(made.run.name, made.run.sealed.to_bytes())
    parts = {
        info.name: decode_run_part(info.name, objects[info.name], objects.__getitem__)
        for info in run.records
    }
    return WholeRun(run, parts)


def run_of(
    segments: Sequence[Segment] = (),
    runs: Sequence[WholeRun] = (),
    *,
    limits: PartLimits | None = None,
) -> WholeRun:
    """Return the unsigned run of segments and runs, after it was written and read."""
    return read_back(made_of(segments, runs, limits=limits))


def state_of(parts: Iterable[LogPart | WholeRun]) -> State:
    """Return what log objects say together; no segment may be there twice."""
    calls: dict[Dot, CallRecord] = {}
    tags: dict[Dot, TagRecord] = {}
    values: set[tuple[SegmentId, ValueRecord]] = set()
    origins: dict[tuple[WriterId, int], set[SegmentId]] = {}
    tombstones: list[Tombstone] = []
    untags: list[Untag] = []
    seen: set[SegmentId] = set()
    for item in parts:
        if isinstance(item, WholeRun):
            tombstones += item.run.tombstones
            untags += item.run.untags
        for part in item.parts.values() if isinstance(item, WholeRun) else [item]:
            assert seen.isdisjoint(part.segment_ids)
            seen |= part.segment_ids
            tombstones += part.tombstones
            untags += part.untags
            calls |= {part.dot(row): part.call_record(row) for row in range(part.calls.row_count)}
            tags |= {part.tag_dot(row): part.tag_record(row) for row in range(part.tags.row_count)}
            values |= set(_places_of(part))
            for id_ in part.segment_ids:
                key = WriterId(id_[:8]), int.from_bytes(id_[8:12], "big")
                origins.setdefault(key, set()).add(id_)
    hidden, unnamed = Graves.of(tombstones).untags(), Graves.of(untags).untags()
    calls = {dot: call for dot, call in calls.items() if not _is_named(dot, hidden)}
    tags = {dot: tag for dot, tag in tags.items() if not _is_named(dot, unnamed)}
    used = {
        (id_, slot.content_id)
        for dot, call in calls.items()
        for slot in (*call.inputs, *call.outputs)
        for id_ in origins[dot.writer, dot.seq]
    }
    used |= {
        (id_, tag.content_id) for dot, tag in tags.items() for id_ in origins[dot.writer, dot.seq]
    }
    places = frozenset((id_, value) for id_, value in values if (id_, value.content_id) in used)
    return State(calls, tags, places, hidden, unnamed)


def _is_named(dot: Dot, named: list[Untag]) -> bool:
    """Tell whether a dot is in one of the ranges."""
    return any(
        (item.writer, item.seq) == (dot.writer, dot.seq) and item.first <= dot.row <= item.last
        for item in named
    )


def _places_of(part: LogPart) -> list[tuple[SegmentId, ValueRecord]]:
    """Return the values of a part, each with the segment that placed it."""
    rows = range(part.values.row_count)
    if isinstance(part, RunPart):
        codes = part.tables[VALUES].numbers("segment").tolist()
        return [(part.ordered_segment_ids[codes[row]], part.value_record(row)) for row in rows]
    (segment_id,) = part.segment_ids
    return [(segment_id, part.value_record(row)) for row in rows]
