"""The union of what the log of a store says, as far as this process has read it.

Architecture invariant: a view only grows. It never depends on the order in which log objects
arrive, no record is in it twice, and what it cannot read it names.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from mandala_cas.envelope.packing import corruption
from mandala_cas.errors import CorruptionError, MandalaError, NotFoundError
from mandala_cas.log.forks import ForkAware
from mandala_cas.log.listing import EMPTY, Listing, list_manifest
from mandala_cas.log.part import LogPart
from mandala_cas.log.run import Run
from mandala_cas.log.segment import SEGMENT_SIZE_MAX, Segment, decode_segment
from mandala_cas.model.ids import SegmentId, WriterId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import parse_segment_name

# How often a listing may name objects that are gone when they are asked for.
_LISTINGS_MAX: Final = 4
# Bounds what is held in memory before it is decoded.
_BATCH: Final = 256


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
        self._parts: Mapping[str, LogPart] = {}
        self._runs: Mapping[str, Run] = {}
        self._damaged: Mapping[str, MandalaError] = {}
        self._listing = EMPTY
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """Keep what was read; forget who was reading."""
        self._lock = threading.Lock()

    @property
    def parts(self) -> Mapping[str, LogPart]:
        """The rows by the name of their object; no segment has rows in two of them."""
        return MappingProxyType(self._parts)

    @property
    def segments(self) -> Mapping[str, Segment]:
        """Those of ``parts`` that are whole segments."""
        return {name: part for name, part in self._parts.items() if isinstance(part, Segment)}

    @property
    def runs(self) -> Mapping[str, Run]:
        """The runs that the last refresh saw, by name."""
        return MappingProxyType(self._runs)

    @property
    def listing(self) -> Listing:
        """What the last refresh saw of names."""
        return self._listing

    @property
    def base_refused(self) -> bool:
        """Whether the base has rows that the store no longer has, and was not used."""
        return self._base_refused

    @property
    def damaged(self) -> Mapping[str, MandalaError]:
        """What lies in the log and could not be read, by name, with the reason.

        Each is tried again at every ``refresh``, so that one that was repaired comes back.
        """
        return MappingProxyType(self._damaged)

    def object_names(self) -> frozenset[str]:
        """Return the log objects whose rows ``parts`` hold: what a kept index is made from."""
        return frozenset(self._parts)

    def refresh(self) -> list[LogPart]:
        """Read what is new in the store, and return it.

        Costs one listing, and a batch of reads where there is something new.

        Raises:
            UnsupportedFormatError: a newer mandala-cas writes to this store; results would be
                missing. The view stays as it was.
            StoreUnavailableError: the store does not answer. The view stays as it was.
        """
        with self._lock:
            new: dict[str, Segment] = {}
            damaged: dict[str, MandalaError] = {}
            gone: set[str] = set()
            for _ in range(_LISTINGS_MAX):
                listing = list_manifest(self._objects)
                listed = listing.segments
                damaged = {
                    name: corruption(name, "is not a segment, by its name or its size")
                    for name, info in listed.items()
                    if info.size > SEGMENT_SIZE_MAX or parse_segment_name(name) is None
                }
                known = self._parts.keys() | new.keys() | damaged.keys()
                gone = self._read(sorted(listed.keys() - known), new, damaged)
                # A name that was listed and is gone may have been compacted meanwhile. Then
                # what covers it is in the next listing; if nothing is, it is lost.
                if not gone:
                    break
            for name in gone:
                damaged[name] = NotFoundError(
                    f"{name} is listed and cannot be read; ask again later", name=name
                )
            self._parts = {**self._parts, **new}
            self._listing = listing
            self._damaged = damaged
            return list(new.values())

    def add(self, segments: Iterable[Segment]) -> None:
        """Take in segments that this process published: they need no reading back."""
        with self._lock:
            self._parts = {**self._parts, **{item.name: item for item in segments}}

    def chain_holes(self) -> list[ChainHole]:
        """Return what a writer's later segments say was there and this view has not got.

        A store that lost, replaced or rolled back a segment shows here, to anyone who has read a
        later one of the same writer.
        """
        digests = {segment.digest for segment in self.segments.values()}
        return sorted(
            ChainHole(segment.header.writer, segment.header.seq - 1)
            for segment in self.segments.values()
            if segment.header.seq > 0 and segment.header.previous not in digests
        )

    def _read(
        self, names: Sequence[str], new: dict[str, Segment], damaged: dict[str, MandalaError]
    ) -> set[str]:
        """Read segments into ``new`` or ``damaged``; return the names of those not there."""
        gone = set()
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            for name, data in zip(batch, self._objects.get_many(batch), strict=True):
                if data is None:
                    gone.add(name)
                    continue
                try:
                    new[name] = decode_segment(name, data)
                except CorruptionError as error:
                    # One bad object must not hide the good ones; the view names it instead.
                    damaged[name] = error
        return gone
