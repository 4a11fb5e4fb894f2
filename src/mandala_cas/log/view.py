"""The union of what the log of a store says, as far as this process has read it.

Architecture invariant: a view only grows. It never depends on the order in which log objects
arrive, no record is in it twice, and what it cannot read it names.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Protocol

from mandala_cas.errors import MandalaError, NotFoundError
from mandala_cas.log.forks import ForkAware
from mandala_cas.log.listing import EMPTY, Listing, list_manifest
from mandala_cas.log.part import LogPart
from mandala_cas.log.reading import Reading, whole_segments
from mandala_cas.log.run import Run
from mandala_cas.log.segment import Segment
from mandala_cas.model.ids import SegmentId, WriterId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import parse_segment_name

# How often a listing may name objects that are gone when they are asked for.
_LISTINGS_MAX: Final = 4


class LogBase(Protocol):
    """Rows that an earlier process read and kept: what a view begins with.

    A base is used only while every segment in it is still in the store, or covered there.
    """

    @property
    def names(self) -> frozenset[str]:
        """The log objects that it was made from."""
        ...

    @property
    def segment_ids(self) -> frozenset[SegmentId]:
        """The segments whose rows it has."""
        ...

    @property
    def parts(self) -> Sequence[LogPart]:
        """Its rows."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class ChainHole:
    """A segment of ``writer`` was there, for another follows it, and this view has not got it."""

    writer: WriterId
    seq: int


class LogView(ForkAware):
    """The log of a store. May be used by several threads at once."""

    def __init__(self, objects: ObjectStore, base: LogBase | None = None) -> None:
        """See nothing yet; ``refresh`` reads, and takes ``base`` in if it is still true."""
        self._objects = objects
        self._base = base
        self._base_refused = False
        # Replaced, never changed: who iterates over one goes on undisturbed.
        self._state = _State()
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """Keep what was read; forget who was reading."""
        self._lock = threading.Lock()

    @property
    def parts(self) -> Mapping[str, LogPart]:
        """The rows by the name of their object; no segment has rows in two of them."""
        return MappingProxyType(self._state.parts)

    @property
    def segments(self) -> Mapping[str, Segment]:
        """Those of ``parts`` that are whole segments."""
        return whole_segments(self._state.parts)

    @property
    def runs(self) -> Mapping[str, Run]:
        """The runs that the last refresh saw, by name."""
        return MappingProxyType(self._state.runs)

    @property
    def listing(self) -> Listing:
        """What the last refresh saw of names."""
        return self._state.listing

    @property
    def base_refused(self) -> bool:
        """Whether the base has rows that the store no longer has, and was not used."""
        return self._base_refused

    @property
    def damaged(self) -> Mapping[str, MandalaError]:
        """What lies in the log and could not be read, by name, with the reason.

        Each is tried again at every ``refresh``, so that one that was repaired comes back.
        """
        return MappingProxyType(self._state.damaged)

    @property
    def unmissed(self) -> frozenset[str]:
        """The parts in ``damaged`` that are gone, and whose run's rows all came from elsewhere.

        A collector may take the parts of a run that a compactor is about to put. Where that one
        then dies, the run stands for nothing, and nothing is missing.
        """
        state = self._state
        return frozenset(
            part.name
            for run in state.runs.values()
            if run.covers <= state.held
            for part in run.parts
            if isinstance(state.damaged.get(part.name), NotFoundError)
        )

    @property
    def segment_ids(self) -> frozenset[SegmentId]:
        """The segments whose rows ``parts`` have."""
        return self._state.held

    def object_names(self) -> frozenset[str]:
        """Return the log objects all of whose rows ``parts`` have."""
        state = self._state
        names = set(whole_segments(state.parts))
        if state.has_base and self._base is not None:
            names |= self._base.names
        return frozenset(
            names | {name for name, run in state.runs.items() if run.covers <= state.held}
        )

    def refresh(self) -> list[LogPart]:
        """Read what is new in the store, and return it.

        Costs one listing where the store lists in the order of names, and a batch of reads where
        there is something new. A base is not new: whoever gave it has it.

        Raises:
            UnsupportedFormatError: a newer mandala-cas writes to this store; results would be
                missing. The view stays as it was.
            StoreUnavailableError: the store does not answer. The view stays as it was.
        """
        with self._lock:
            state = self._state
            reading = Reading(
                self._objects, set(state.held), state.runs, suspects=set(state.damaged)
            )
            gone_for_good = {
                name for name, error in state.damaged.items() if isinstance(error, NotFoundError)
            }
            listing, base_parts = self._begin(reading)
            for attempt in range(_LISTINGS_MAX):
                if attempt:
                    listing = list_manifest(self._objects)
                    reading.read_runs(listing)
                reading.read_parts()
                reading.read_segments(listing)
                # A name that was listed and is gone may have been compacted meanwhile. Then
                # what covers it is in the next listing; if nothing is, it is lost.
                if reading.gone <= gone_for_good:
                    break
            reading.name_what_is_gone()
            self._state = _State(
                parts={**state.parts, **base_parts, **reading.parts},
                runs=dict(reading.runs),
                damaged=dict(reading.damaged),
                listing=listing,
                held=frozenset(reading.held),
                is_begun=True,
                has_base=state.has_base or bool(base_parts),
            )
            return list(reading.parts.values())

    def add(self, segments: Iterable[Segment]) -> None:
        """Take in segments that this process published: they need no reading back."""
        with self._lock:
            state = self._state
            new = [item for item in segments if item.segment_id not in state.held]
            self._state = replace(
                state,
                parts={**state.parts, **{item.name: item for item in new}},
                held=state.held | {item.segment_id for item in new},
            )

    def chain_holes(self) -> list[ChainHole]:
        """Return what a writer's later segments say was there and this view has not got.

        A store that lost, replaced or rolled back a segment shows here, to anyone who has read a
        later one of the same writer. Of a base, nothing is known of what came before its segments.
        """
        state = self._state
        links = [
            (item.header.writer, item.header.seq, item.digest, item.header.previous)
            for item in whole_segments(state.parts).values()
        ]
        for run in state.runs.values():
            covered = run.covered
            links += zip(
                map(WriterId, covered.writers.rows()),
                covered.seqs.tolist(),
                covered.digests.rows(),
                covered.previous.rows(),
                strict=True,
            )
        digests = {digest for _, _, digest, _ in links}
        return sorted(
            {
                ChainHole(writer, seq - 1)
                for writer, seq, _, previous in links
                if seq > 0
                and previous not in digests
                and SegmentId(writer + (seq - 1).to_bytes(4, "big") + previous[:8])
                not in state.held
            }
        )

    def _begin(self, reading: Reading) -> tuple[Listing, dict[str, LogPart]]:
        """List, read what runs say, and return what to take of the base: all or nothing.

        A base must not bring back what the store has lost, nor what somebody rolled back.
        """
        listing = list_manifest(self._objects)
        reading.read_runs(listing)
        base = self._base
        if self._state.is_begun or base is None:
            return listing, {}
        for _ in range(1, _LISTINGS_MAX):
            if not reading.gone or base.segment_ids <= _visible(reading, listing):
                break
            # A run that is gone was superseded: the next listing has what covers the same.
            listing = list_manifest(self._objects)
            reading.read_runs(listing)
        self._base_refused = not base.segment_ids <= _visible(reading, listing)
        if self._base_refused:
            return listing, {}
        reading.held |= base.segment_ids
        return listing, {f"base:{number}": part for number, part in enumerate(base.parts)}


@dataclass(frozen=True, slots=True)
class _State:
    """What a view has seen, at one moment; ``held`` are the segments whose rows it has."""

    parts: Mapping[str, LogPart] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)
    damaged: Mapping[str, MandalaError] = field(default_factory=dict)
    listing: Listing = EMPTY
    held: frozenset[SegmentId] = frozenset()
    is_begun: bool = False
    has_base: bool = False


def _visible(reading: Reading, listing: Listing) -> set[SegmentId]:
    """Return the segments that are listed, or covered by a run that can be read."""
    parsed = map(parse_segment_name, listing.segments)
    found = {name.segment_id for name in parsed if name is not None}
    return found.union(*(run.covers for run in reading.runs.values()))
