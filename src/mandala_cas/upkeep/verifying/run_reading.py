"""The runs of a log and the announcements, read and checked: names, hashes, parts, conservation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from mandala_cas.envelope.packing import corruption
from mandala_cas.errors import CorruptionError, MandalaError, UnsupportedFormatError
from mandala_cas.log.announcements import (
    ANNOUNCEMENT_SIZE_MAX,
    CONDEMNED,
    decode_condemned,
    decode_done,
)
from mandala_cas.log.conservation import check_conservation
from mandala_cas.log.run import RUN_SIZE_MAX, PartKind, Run, RunPartInfo, decode_run
from mandala_cas.log.run_part import PART_SIZE_MAX, RunPart, decode_inline_part, decode_run_part
from mandala_cas.model.ids import SegmentId
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import parse_collection_name, parse_run_name
from mandala_cas.upkeep.verifying.batches import read_batches
from mandala_cas.upkeep.verifying.progress import Progress

_PART_BATCH: Final = 4
_T = TypeVar("_T")


@dataclass(slots=True)
class RunReading:
    """Runs as they were read. ``errors`` are those of objects, by name; ``gone`` were not there.

    ``parts`` are those of records that can be read, ``broken_inline`` those of them whose inline
    payloads cannot. ``unkept`` are the runs that break the law of conservation.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    parts: dict[str, RunPart] = field(default_factory=dict)
    errors: dict[str, MandalaError] = field(default_factory=dict)
    unkept: dict[str, MandalaError] = field(default_factory=dict)
    broken_inline: dict[str, MandalaError] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def broken_parts(self, run: Run) -> list[RunPartInfo]:
        """Return the parts of a run that cannot be read."""
        return [info for info in run.parts if info.name in self.errors]


def read_runs(
    objects: ObjectStore, listed: Mapping[str, ObjectInfo], progress: Progress
) -> RunReading:
    """Read and check all runs that are listed, with all their parts."""
    reading = RunReading()
    good = []
    for name, info in sorted(listed.items()):
        if info.size > RUN_SIZE_MAX or parse_run_name(name) is None:
            reading.errors[name] = corruption(name, "is not a run, by its name or its size")
        else:
            good.append(info)
    for batch in read_batches(objects, good):
        for name, data in batch:
            run = _decoded(decode_run, name, data, reading)
            if run is not None:
                reading.runs[name] = run
        progress("runs", len(reading.runs), len(good))
    for run in reading.runs.values():
        _read_parts(objects, run, reading)
        if not reading.broken_parts(run):
            try:
                check_conservation(run, reading.parts)
            except CorruptionError as error:
                reading.unkept[run.name] = error
    return reading


def announcement_errors(
    objects: ObjectStore, listed: Mapping[str, ObjectInfo]
) -> dict[str, MandalaError]:
    """Return what is wrong with announcements of garbage collection, by name."""
    errors: dict[str, MandalaError] = {}
    good = []
    for name, info in sorted(listed.items()):
        if info.size > ANNOUNCEMENT_SIZE_MAX or parse_collection_name(name) is None:
            errors[name] = corruption(name, "is no announcement, by its name or its size")
        else:
            good.append(info)
    for batch in read_batches(objects, good):
        for name, data in batch:
            # One that is gone was old: announcements are kept for a month.
            if data is None:
                continue
            parsed = parse_collection_name(name)
            is_condemned = parsed is not None and parsed.kind == CONDEMNED
            try:
                if is_condemned:
                    decode_condemned(name, data)
                else:
                    decode_done(name, data)
            except (CorruptionError, UnsupportedFormatError) as error:
                errors[name] = error
    return errors


def held_elsewhere(
    run: Run, reading: RunReading, visible: Collection[SegmentId], wanted: Collection[SegmentId]
) -> bool:
    """Tell whether segments of ``run`` are visible themselves, or whole in another run."""
    have = set(visible)
    for other in reading.runs.values():
        if other.name != run.name:
            segments = other.segments_of_parts()
            for info in other.records:
                if info.name in reading.parts and info.name not in reading.broken_inline:
                    have.update(segments[info.name])
    return have.issuperset(wanted)


def _read_parts(objects: ObjectStore, run: Run, reading: RunReading) -> None:
    """Read all parts of one run; a part that two runs share is read once."""
    wanted = [info for info in run.parts if info.name not in reading.parts]
    segments, keys = run.segments_of_parts(), run.keys_of_parts()
    # What is hidden is said once, by the first part that can be read.
    tombstones, untags = run.tombstones, run.untags
    for start in range(0, len(wanted), _PART_BATCH):
        batch = wanted[start : start + _PART_BATCH]
        small = [info for info in batch if info.size <= PART_SIZE_MAX]
        found = dict(
            zip(
                [info.name for info in small],
                objects.get_many([info.name for info in small]),
                strict=True,
            )
        )
        for info in batch:
            data = found.get(info.name)
            if info.kind is PartKind.INLINE:
                _decoded(decode_inline_part, info.name, data, reading)
                continue
            part = _decoded(
                lambda name, data: decode_run_part(name, data, objects.get),
                info.name,
                data,
                reading,
            )
            if part is None:
                continue
            if part.ordered_segment_ids != segments[info.name]:
                reading.errors[info.name] = corruption(
                    info.name, f"has rows of other segments than {run.name} says"
                )
                continue
            reading.parts[info.name] = replace(
                part,
                signature=run.signature,
                keys=keys[info.name],
                tombstones=tombstones,
                untags=untags,
            )
            tombstones, untags = (), ()
    for info in run.records:
        part = reading.parts.get(info.name)
        inline = None if part is None else part.payloads.name
        if inline is not None and inline in reading.errors:
            reading.broken_inline[info.name] = reading.errors[inline]


def _decoded(
    decode: Callable[[str, bytes], _T], name: str, data: bytes | None, reading: RunReading
) -> _T | None:
    """Return what is in an object; put down what is wrong with it."""
    if data is None:
        reading.gone.add(name)
        reading.errors[name] = corruption(name, "is not there")
        return None
    try:
        return decode(name, data)
    except (CorruptionError, UnsupportedFormatError) as error:
        reading.errors[name] = error
        return None
