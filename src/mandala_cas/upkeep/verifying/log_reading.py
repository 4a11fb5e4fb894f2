"""Every object of a log, read and checked, whether a view would need it or not.

A view reads as little as it can: no segment that a run covers, no announcement. Verification reads
all, and trusts no earlier reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.signatures import Signature
from mandala_cas.errors import CorruptionError, MandalaError, UnsupportedFormatError
from mandala_cas.log.part import LogPart
from mandala_cas.log.segment import NO_PREVIOUS, SEGMENT_SIZE_MAX, Segment, decode_segment
from mandala_cas.model.ids import KeyId, SegmentId, WriterId
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import (
    COLLECTIONS,
    MANIFEST,
    QUARANTINE,
    RUN_PARTS,
    RUNS,
    SEGMENTS,
    hole_name,
    name_before_quarantine,
    parse_hole_name,
    parse_segment_name,
)
from mandala_cas.upkeep.printing import as_count
from mandala_cas.upkeep.verifying.batches import read_batches
from mandala_cas.upkeep.verifying.findings import Problem, ProblemKind, Tally
from mandala_cas.upkeep.verifying.progress import Progress, silent
from mandala_cas.upkeep.verifying.run_reading import (
    RunReading,
    announcement_errors,
    held_elsewhere,
    read_runs,
)

# How often a listing may name objects that are gone when they are asked for.
_LISTINGS_MAX: Final = 4
_STEPS: Final = {
    ProblemKind.DAMAGED_LOG: "restore the object from a backup or another replica; or "
    "storage.repair() puts it aside, and its calls are made again",
    ProblemKind.FORGED: "ask whoever can write to this store; storage.repair() puts it aside",
    ProblemKind.DAMAGED_RUN: "restore the object from a backup or another replica; or "
    "storage.repair() puts it aside, and keeps the rows that can be read",
    ProblemKind.DAMAGED_PART: "restore the object from a backup or another replica; or "
    "storage.repair() makes a run of the rows that can be read",
    ProblemKind.LOST_ROWS: "tell the developers of mandala-cas, and keep the run; storage.repair() "
    "puts it aside if what it covers is still there",
    ProblemKind.DAMAGED_ANNOUNCEMENT: "storage.repair() puts it aside",
}


@dataclass(slots=True)
class LogReading:
    """A log as it was read: its parts by name, and what is wrong with its objects.

    ``chain`` is what each segment is, by digest, and what stood before it.
    """

    parts: dict[str, LogPart] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    runs: RunReading = field(default_factory=RunReading)
    problems: list[Problem] = field(default_factory=list)
    signatures: Counter[str] = field(default_factory=Counter)
    checked: dict[str, Tally] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    unknown_keys: set[KeyId] = field(default_factory=set)
    chain: dict[bytes, tuple[WriterId, int, bytes]] = field(default_factory=dict)
    orphan_parts: list[str] = field(default_factory=list)

    @property
    def visible(self) -> frozenset[SegmentId]:
        """The segments that can be read as objects of their own."""
        return frozenset(segment.segment_id for segment in self.segments.values())

    def covered(self) -> frozenset[SegmentId]:
        """Return the segments of which a run has all rows, readable."""
        found: set[SegmentId] = set()
        for run in self.runs.runs.values():
            if run.name in self.runs.unkept:
                continue
            for name, segments in run.segments_of_parts().items():
                if name in self.runs.parts and name not in self.runs.broken_inline:
                    found.update(segments)
        return frozenset(found)


def read_log(
    objects: ObjectStore,
    trusts: Callable[[KeyId | None], bool],
    progress: Progress = silent,
) -> LogReading:
    """Read and check every log object; what cannot be read is a problem, never an error.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    for attempt in range(_LISTINGS_MAX):
        # Segments before runs before announcements: the reverse of the order of writing.
        listed = {
            folder: {info.name: info for info in objects.list(folder)}
            for folder in (SEGMENTS, RUNS, COLLECTIONS)
        }
        reading = LogReading()
        damaged, gone = _read_segments(objects, listed[SEGMENTS], reading, progress)
        reading.runs = read_runs(objects, listed[RUNS], progress)
        # What was listed and is gone was compacted meanwhile; the next listing has the run.
        if not (gone or reading.runs.gone) or attempt == _LISTINGS_MAX - 1:
            break
    for name in gone:
        damaged[name] = corruption(name, "is listed and cannot be read")
    reading.parts |= reading.runs.parts
    _tally(objects, listed, reading)
    _report_segments(damaged, reading)
    _report_runs(reading)
    for name, error in announcement_errors(objects, listed[COLLECTIONS]).items():
        reading.problems.append(log_problem(ProblemKind.DAMAGED_ANNOUNCEMENT, name, error))
    _check_signatures(reading, trusts)
    _check_chains(objects, reading)
    _note_strangers(objects, reading)
    return reading


def log_problem(
    kind: ProblemKind, name: str, error: MandalaError, *, more: str = "", is_lost: bool = False
) -> Problem:
    """Return the problem that a log object has."""
    if isinstance(error, UnsupportedFormatError):
        return Problem(ProblemKind.UNSUPPORTED, name, str(error), "upgrade mandala-cas")
    return Problem(kind, name, f"{error}{more}", _STEPS[kind], is_lost=is_lost)


def _read_segments(
    objects: ObjectStore,
    listed: Mapping[str, ObjectInfo],
    reading: LogReading,
    progress: Progress,
) -> tuple[dict[str, MandalaError], set[str]]:
    """Read all segments into ``reading``; return what is wrong with others, and which are gone."""
    damaged: dict[str, MandalaError] = {}
    gone: set[str] = set()
    good = []
    for name, info in sorted(listed.items()):
        if info.size > SEGMENT_SIZE_MAX or parse_segment_name(name) is None:
            damaged[name] = corruption(name, "is not a segment, by its name or its size")
        else:
            good.append(info)
    for batch in read_batches(objects, good):
        for name, data in batch:
            if data is None:
                gone.add(name)
                continue
            try:
                segment = decode_segment(name, data)
            except (CorruptionError, UnsupportedFormatError) as error:
                damaged[name] = error
                continue
            reading.segments[name] = reading.parts[name] = segment
            header = segment.header
            reading.chain[segment.digest] = (header.writer, header.seq, header.previous)
        progress("segments", len(reading.segments), len(good))
    return damaged, gone


def _tally(
    objects: ObjectStore, listed: Mapping[str, Mapping[str, ObjectInfo]], reading: LogReading
) -> None:
    """Count the objects of the log."""
    folders = ((SEGMENTS, "segments"), (RUNS, "runs"), (COLLECTIONS, "announcements"))
    for folder, what in folders:
        infos = listed[folder].values()
        reading.checked[what] = Tally(len(infos), sum(info.size for info in infos))
    named = {info.name for run in reading.runs.runs.values() for info in run.parts}
    sizes = {info.name: info.size for info in objects.list(RUN_PARTS)}
    used = [size for name, size in sizes.items() if name in named]
    reading.checked["parts of runs"] = Tally(len(used), sum(used))
    reading.orphan_parts = sorted(sizes.keys() - named)
    unused = [sizes[name] for name in reading.orphan_parts]
    reading.checked["parts that no run names"] = Tally(len(unused), sum(unused))


def _report_segments(damaged: Mapping[str, MandalaError], reading: LogReading) -> None:
    """Report segments that cannot be read, and whether a run has what they said."""
    covered = reading.covered()
    for name, error in sorted(damaged.items()):
        parsed = parse_segment_name(name)
        is_lost = parsed is not None and parsed.segment_id not in covered
        if parsed is None:
            more = ""
        elif is_lost:
            more = f"; no run has what segment {parsed.seq} of writer {parsed.writer.hex()} said"
        else:
            more = "; a run has what it said, so nothing is lost"
        reading.problems.append(
            log_problem(ProblemKind.DAMAGED_LOG, name, error, more=more, is_lost=is_lost)
        )


def _report_runs(reading: LogReading) -> None:
    """Report runs and parts that cannot be read, and whether something else has their rows."""
    runs = reading.runs
    for name, error in sorted(runs.errors.items()):
        if name.startswith(RUNS):
            reading.problems.append(log_problem(ProblemKind.DAMAGED_RUN, name, error))
    for run in runs.runs.values():
        segments = run.segments_of_parts()
        broken = {info.name for info in runs.broken_parts(run)}
        for name in sorted(broken):
            wanted = segments.get(name) or [
                id_
                for records, ids in segments.items()
                if runs.broken_inline.get(records) is runs.errors[name]
                for id_ in ids
            ]
            is_lost = not held_elsewhere(run, runs, reading.visible, wanted)
            more = f"; {run.name} names it, and what was in it is " + (
                "nowhere else" if is_lost else "elsewhere as well"
            )
            reading.problems.append(
                log_problem(
                    ProblemKind.DAMAGED_PART, name, runs.errors[name], more=more, is_lost=is_lost
                )
            )
    for name, error in sorted(runs.unkept.items()):
        reading.problems.append(log_problem(ProblemKind.LOST_ROWS, name, error))
    for run in runs.runs.values():
        covered = run.covered
        links = zip(
            covered.digests.rows(),
            covered.writers.rows(),
            covered.seqs.tolist(),
            covered.previous.rows(),
            strict=True,
        )
        for digest, writer, seq, previous in links:
            reading.chain[digest] = (WriterId(writer), seq, previous)


def _check_signatures(reading: LogReading, trusts: Callable[[KeyId | None], bool]) -> None:
    """Count by whom log objects are signed; a signature that does not fit is a problem."""
    signed: dict[str, Signature | None] = {n: s.signature for n, s in reading.segments.items()}
    signed |= {name: run.signature for name, run in reading.runs.runs.items()}
    for name, signature in signed.items():
        if signature is None:
            reading.signatures["not needed" if trusts(None) else "missing"] += 1
            continue
        try:
            key = signature.verified_key()
        except CorruptionError as error:
            reading.problems.append(log_problem(ProblemKind.FORGED, name, error))
            continue
        if trusts(key):
            reading.signatures["by trusted keys"] += 1
        else:
            reading.signatures["by other keys"] += 1
            reading.unknown_keys.add(key)
    if reading.signatures["missing"]:
        unsigned = as_count(reading.signatures["missing"], "log object is", "log objects are")
        reading.notices.append(f"{unsigned} not signed: anyone may have written such")
    reading.signatures = +reading.signatures
    if reading.unknown_keys:
        keys = ", ".join(str(key) for key in sorted(reading.unknown_keys))
        reading.notices.append(f"log objects are signed by keys that are not trusted here: {keys}")


def _check_chains(objects: ObjectStore, reading: LogReading) -> None:
    """Find the segments that a writer's later ones say were there."""
    damaged = [parse_segment_name(problem.name) for problem in reading.problems]
    known = {(item.writer, item.seq) for item in damaged if item is not None}
    aside: set[tuple[WriterId, int] | None] = set()
    for info in objects.list(QUARANTINE):
        parsed = parse_segment_name(name_before_quarantine(info.name) or "")
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
            reading.problems.append(log_problem(ProblemKind.DAMAGED_LOG, name, error))
        else:
            reading.notices.append(f"{name} is no object of a store")
