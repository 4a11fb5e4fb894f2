"""Reading the log's objects: what is new, each part whole or named as damaged.

Runs come before the segments that they cover, so that a segment is fetched only where no run that
can be read has its rows. A part that cannot be read covers nothing: its segments are read instead,
if they are still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

from mandala_cas.envelope.packing import corruption
from mandala_cas.errors import CorruptionError, MandalaError, NotFoundError
from mandala_cas.log.listing import Listing
from mandala_cas.log.part import LogPart
from mandala_cas.log.recovering import recover_payloads
from mandala_cas.log.run import RUN_SIZE_MAX, Run, RunPartInfo, decode_run
from mandala_cas.log.run_part import PART_SIZE_MAX, RunPart, decode_run_part
from mandala_cas.log.segment import SEGMENT_SIZE_MAX, Segment, decode_segment
from mandala_cas.model.ids import SegmentId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import parse_run_name, parse_segment_name

# Bounds what is held in memory before it is decoded.
_BATCH: Final = 256
_PART_BATCH: Final = 4

_T = TypeVar("_T")


@dataclass(slots=True)
class Reading:
    """What one refresh has read so far; ``held`` are the segments whose rows are known.

    ``suspects`` are names of what could not be read before; it is tried again, also where its rows
    came from elsewhere. Several listings may be read into one, when objects vanish in between.
    """

    objects: ObjectStore
    held: set[SegmentId]
    known_runs: Mapping[str, Run]
    suspects: set[str]
    parts: dict[str, LogPart] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    damaged: dict[str, MandalaError] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def read_runs(self, listing: Listing) -> None:
        """Read the runs that are listed and not known; only what they say, not their parts."""
        self.suspects |= self.damaged.keys() | self.gone
        self.damaged.clear()
        self.gone.clear()
        wanted = []
        for name, info in listing.runs.items():
            known = self.runs.get(name) or self.known_runs.get(name)
            if known is not None:
                self.runs[name] = known
            elif info.size > RUN_SIZE_MAX or parse_run_name(name) is None:
                self.damaged[name] = corruption(name, "is not a run, by its name or its size")
            else:
                wanted.append(name)
        self.runs.update(self._fetch(sorted(wanted), decode_run, _BATCH))
        self.runs = {name: run for name, run in self.runs.items() if name in listing.runs}

    def read_parts(self) -> None:
        """Read the parts whose segments are not all known; the greatest run first."""
        for run in sorted(self.runs.values(), key=_precedence, reverse=True):
            segments = run.segments_of_parts()
            wanted = [
                info
                for info in run.records
                if info.name in self.suspects or not self.held.issuperset(segments[info.name])
            ]
            # What is hidden is said once, by the first part: asking each of them would cost as
            # many times as there are parts.
            tombstones, untags = run.tombstones, run.untags
            for name, part in self._fetch_parts(run, wanted):
                fresh = part.without(self.held)
                if fresh.segment_ids:
                    self.parts[name] = replace(fresh, tombstones=tombstones, untags=untags)
                    self.held |= fresh.segment_ids
                    tombstones, untags = (), ()

    def read_segments(self, listing: Listing) -> None:
        """Read the segments whose rows are in no part that was read."""
        wanted = []
        for name, info in listing.segments.items():
            parsed = parse_segment_name(name)
            if parsed is None or info.size > SEGMENT_SIZE_MAX:
                self.damaged[name] = corruption(name, "is not a segment, by its name or its size")
            elif parsed.segment_id not in self.held:
                wanted.append(name)
        for name, segment in self._fetch(sorted(wanted), decode_segment, _BATCH):
            self.parts[name] = segment
            self.held.add(segment.segment_id)

    def name_what_is_gone(self) -> None:
        """Count as damaged what is listed, or spoken of, and was not there when asked for."""
        for name in self.gone:
            self.damaged[name] = NotFoundError(
                f"{name} is listed and cannot be read; ask again later", name=name
            )

    def _fetch_parts(self, run: Run, infos: Sequence[RunPartInfo]) -> Iterator[tuple[str, RunPart]]:
        """Yield those parts of a run that can be read, speaking with the run's word."""
        for info in infos:
            if info.size > PART_SIZE_MAX:
                self.damaged[info.name] = corruption(info.name, "is too large for a part of a run")
        names = [info.name for info in infos if info.name not in self.damaged]
        segments, keys = run.segments_of_parts(), run.keys_of_parts()

        def decode(name: str, data: bytes) -> RunPart:
            part = decode_run_part(name, data, self.objects.get)
            if part.ordered_segment_ids != segments[name]:
                raise corruption(name, f"has rows of other segments than {run.name} says")
            part.payloads.recover = partial(recover_payloads, self.objects, part)
            return replace(part, signature=run.signature, keys=keys[name])

        yield from self._fetch(names, decode, _PART_BATCH)

    def _fetch(
        self, names: Sequence[str], decode: Callable[[str, bytes], _T], batch_size: int
    ) -> Iterator[tuple[str, _T]]:
        """Yield what can be read of the objects; the others are gone, or damaged."""
        for start in range(0, len(names), batch_size):
            batch = names[start : start + batch_size]
            for name, data in zip(batch, self.objects.get_many(batch), strict=True):
                if data is None:
                    self.gone.add(name)
                    continue
                try:
                    decoded = decode(name, data)
                except CorruptionError as error:
                    # One bad object must not hide the good ones; the view names it instead.
                    self.damaged[name] = error
                else:
                    yield name, decoded


def fetch_segments(
    objects: ObjectStore, listing: Listing, names: Sequence[str]
) -> Iterator[Segment]:
    """Yield those of some listed segments that are there and whole, for what only people ask.

    One that is too large to be a segment is not fetched.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    sized = [name for name in names if listing.segments[name].size <= SEGMENT_SIZE_MAX]
    for start in range(0, len(sized), _BATCH):
        batch = sized[start : start + _BATCH]
        for name, data in zip(batch, objects.get_many(batch), strict=True):
            if data is None:
                continue
            try:
                yield decode_segment(name, data)
            except MandalaError:
                # Of its calls more is known elsewhere, or the view names it as damaged.
                continue


def whole_segments(parts: Mapping[str, LogPart]) -> dict[str, Segment]:
    """Return those of ``parts`` that are segments."""
    return {name: part for name, part in parts.items() if isinstance(part, Segment)}


def _precedence(run: Run) -> tuple[int, int, str]:
    """Return what decides which of two runs with rows in common gives them."""
    return len(run.covers), run.header.generation, run.name
