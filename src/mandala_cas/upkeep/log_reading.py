"""Every object of a log, read and checked, whether a view would need it or not.

A view reads as little as it can: no segment that a run covers, no announcement. Verification reads
all, and trusts no earlier reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.signatures import Signature
from mandala_cas.errors import CorruptionError, MandalaError, NotFoundError, UnsupportedFormatError
from mandala_cas.log.part import LogPart
from mandala_cas.log.segment import NO_PREVIOUS, SEGMENT_SIZE_MAX, Segment, decode_segment
from mandala_cas.model.ids import KeyId, WriterId
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import (
    COLLECTIONS,
    MANIFEST,
    QUARANTINE,
    RUNS,
    SEGMENTS,
    parse_segment_name,
)
from mandala_cas.upkeep.findings import Problem, ProblemKind, Tally
from mandala_cas.upkeep.progress import Progress, silent
from mandala_cas.upkeep.quarantine import hole_name, parse_hole_name, segment_put_aside

# How often a listing may name objects that are gone when they are asked for.
_LISTINGS_MAX: Final = 4
BATCH_COUNT: Final = 256
BATCH_SIZE: Final = 64 << 20


@dataclass(slots=True)
class LogReading:
    """A log as it was read: its parts by name, and what is wrong with its objects."""

    parts: dict[str, LogPart] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    signatures: Counter[str] = field(default_factory=Counter)
    checked: dict[str, Tally] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    unknown_keys: set[KeyId] = field(default_factory=set)
    # What each segment is, by digest, and what stood before it.
    chain: dict[bytes, tuple[WriterId, int, bytes]] = field(default_factory=dict)


def read_log(
    objects: ObjectStore,
    trusts: Callable[[KeyId | None], bool],
    progress: Progress = silent,
) -> LogReading:
    """Read and check every log object; what cannot be read is a problem, never an error.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    reading = LogReading()
    for _ in range(_LISTINGS_MAX):
        # Segments before runs before announcements: the reverse of the order of writing.
        listed = {
            folder: {info.name: info for info in objects.list(folder)}
            for folder in (SEGMENTS, RUNS, COLLECTIONS)
        }
        reading = LogReading()
        gone = _read_segments(objects, listed[SEGMENTS], reading, progress)
        # What was listed and is gone was compacted meanwhile; the next listing has the run.
        if not gone:
            break
    for name in sorted(gone):
        error = NotFoundError(f"{name} is listed and cannot be read", name=name)
        reading.problems.append(log_problem(ProblemKind.DAMAGED_LOG, name, error))
    for name, signature in [(n, s.signature) for n, s in reading.segments.items()]:
        check_signature(name, signature, trusts, reading)
    if reading.signatures["missing"]:
        count = reading.signatures["missing"]
        reading.notices.append(f"{count} log objects are not signed: anyone may have written them")
    if reading.unknown_keys:
        keys = ", ".join(key.short for key in sorted(reading.unknown_keys))
        reading.notices.append(f"log objects are signed by keys that are not trusted here: {keys}")
    _check_chains(objects, reading)
    _note_strangers(objects, reading)
    return reading


def batches(infos: Sequence[ObjectInfo]) -> Iterator[list[ObjectInfo]]:
    """Split objects into batches that are bounded in number and in bytes."""
    batch: list[ObjectInfo] = []
    size = 0
    for info in infos:
        if batch and (size + info.size > BATCH_SIZE or len(batch) == BATCH_COUNT):
            yield batch
            batch, size = [], 0
        batch.append(info)
        size += info.size
    if batch:
        yield batch


def log_problem(kind: ProblemKind, name: str, error: MandalaError) -> Problem:
    """Return the problem that a log object has."""
    if isinstance(error, UnsupportedFormatError):
        return Problem(ProblemKind.UNSUPPORTED, name, str(error), "upgrade mandala-cas")
    steps = {
        ProblemKind.DAMAGED_LOG: "restore the object from a backup; or storage.repair() puts it "
        "aside, and its calls are made again",
        ProblemKind.FORGED: "ask whoever can write to this store; storage.repair() puts it aside",
    }
    step = steps.get(kind, "storage.repair() puts it aside")
    return Problem(kind, name, str(error), step)


def check_signature(
    name: str,
    signature: Signature | None,
    trusts: Callable[[KeyId | None], bool],
    reading: LogReading,
) -> None:
    """Count by whom an object is signed; a signature that does not fit is a problem."""
    if signature is None:
        reading.signatures["not needed" if trusts(None) else "missing"] += 1
        return
    try:
        key = signature.verified_key()
    except CorruptionError as error:
        reading.problems.append(log_problem(ProblemKind.FORGED, name, error))
        return
    if trusts(key):
        reading.signatures["by trusted keys"] += 1
    else:
        reading.signatures["by other keys"] += 1
        reading.unknown_keys.add(key)


def _read_segments(
    objects: ObjectStore,
    listed: Mapping[str, ObjectInfo],
    reading: LogReading,
    progress: Progress,
) -> set[str]:
    """Read all segments into ``reading``; return the names of those that are not there."""
    gone: set[str] = set()
    good = []
    for name, info in sorted(listed.items()):
        if info.size > SEGMENT_SIZE_MAX or parse_segment_name(name) is None:
            error = corruption(name, "is not a segment, by its name or its size")
            reading.problems.append(log_problem(ProblemKind.DAMAGED_LOG, name, error))
        else:
            good.append(info)
    for batch in batches(good):
        names = [info.name for info in batch]
        for name, data in zip(names, objects.get_many(names), strict=True):
            if data is None:
                gone.add(name)
                continue
            try:
                segment = decode_segment(name, data)
            except (CorruptionError, UnsupportedFormatError) as error:
                reading.problems.append(log_problem(ProblemKind.DAMAGED_LOG, name, error))
                continue
            reading.segments[name] = reading.parts[name] = segment
            header = segment.header
            reading.chain[segment.digest] = (header.writer, header.seq, header.previous)
        progress("segments", len(reading.segments), len(good))
    reading.checked["segments"] = Tally(len(listed), sum(info.size for info in listed.values()))
    return gone


def _check_chains(objects: ObjectStore, reading: LogReading) -> None:
    """Find the segments that a writer's later ones say were there."""
    damaged = [parse_segment_name(problem.name) for problem in reading.problems]
    known = {(item.writer, item.seq) for item in damaged if item is not None}
    aside: set[tuple[WriterId, int] | None] = set()
    for info in objects.list(QUARANTINE):
        parsed = segment_put_aside(info.name)
        if parsed is not None:
            aside.add((parsed.writer, parsed.seq))
        aside.add(parse_hole_name(info.name))
    holes = {
        (writer, seq - 1)
        for writer, seq, previous in reading.chain.values()
        if previous != NO_PREVIOUS and previous not in reading.chain
    }
    for writer, seq in sorted(holes - known):
        where = f"segment {seq} of writer {writer.hex()}"
        if (writer, seq) in aside:
            reading.notices.append(f"{where} is lost, and put down as lost")
            continue
        reading.problems.append(
            Problem(
                ProblemKind.CHAIN_HOLE,
                hole_name(writer, seq),
                f"{where} was there, for the next one names it, and no object here has it: the "
                "store lost or rolled back what was acknowledged",
                "restore the object from a backup or another replica; or storage.repair() puts "
                "it down as lost, and its calls are made again",
                is_lost=True,
            )
        )


def _note_strangers(objects: ObjectStore, reading: LogReading) -> None:
    """Note what lies in the manifest and is no log object."""
    strangers = sorted(
        info.name
        for info in objects.list(MANIFEST)
        if not info.name.startswith((SEGMENTS, RUNS, COLLECTIONS))
    )
    for name in strangers:
        if name.removeprefix(MANIFEST)[:1].isdigit():
            error = UnsupportedFormatError(
                f"{name} is a log object of a kind that this mandala-cas does not read", name=name
            )
            reading.problems.append(log_problem(ProblemKind.UNSUPPORTED, name, error))
        else:
            reading.notices.append(f"{name} is no object of a store")
