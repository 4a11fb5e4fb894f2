"""The union of the segments in a store, as far as this process has read them.

Architecture invariant: a view only grows. It never depends on the order in which segments arrive,
and what it cannot read it names.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mandala_cas.envelope.packing import corruption
from mandala_cas.errors import CorruptionError, MandalaError, NotFoundError, UnsupportedFormatError
from mandala_cas.log.forks import ForkAware
from mandala_cas.log.segment import SEGMENT_SIZE_MAX, Segment, decode_segment
from mandala_cas.model.ids import WriterId
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import (
    COLLECTIONS,
    MANIFEST,
    SEGMENTS,
    parse_segment_name,
)

# How often a listing may name objects that are gone when they are asked for.
_LISTINGS_MAX: Final = 4
# Bounds what is held in memory before it is decoded.
_BATCH: Final = 256


@dataclass(frozen=True, slots=True, order=True)
class ChainHole:
    """A segment of ``writer`` was there, for another follows it, and this view has not got it."""

    writer: WriterId
    seq: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What the last listing showed beside the segments."""

    announcements: Mapping[str, ObjectInfo]


class LogView(ForkAware):
    """The segments of a store. May be used by several threads at once."""

    def __init__(self, objects: ObjectStore) -> None:
        """See nothing yet; ``refresh`` reads."""
        self._objects = objects
        # Replaced, never changed: who iterates over one goes on undisturbed.
        self._segments: Mapping[str, Segment] = {}
        self._damaged: Mapping[str, MandalaError] = {}
        self.listing = Listing({})
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """Keep what was read; forget who was reading."""
        self._lock = threading.Lock()

    @property
    def segments(self) -> Mapping[str, Segment]:
        """The segments by name, as they were at this moment."""
        return MappingProxyType(self._segments)

    @property
    def damaged(self) -> Mapping[str, MandalaError]:
        """What lies among the segments and could not be read, by name, with the reason.

        Each is tried again at every ``refresh``, so that one that was repaired comes back.
        """
        return MappingProxyType(self._damaged)

    def refresh(self) -> list[Segment]:
        """Read the segments that are new in the store, and return them.

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
                listed = self._list()
                damaged = {
                    name: corruption(name, "is not a segment, by its name or its size")
                    for name, size in listed.items()
                    if size > SEGMENT_SIZE_MAX or parse_segment_name(name) is None
                }
                known = self._segments.keys() | new.keys() | damaged.keys()
                gone = self._read(sorted(listed.keys() - known), new, damaged)
                # A name that was listed and is gone may have been compacted meanwhile. Then
                # what covers it is in the next listing; if nothing is, it is lost.
                if not gone:
                    break
            for name in gone:
                damaged[name] = NotFoundError(
                    f"{name} is listed and cannot be read; ask again later", name=name
                )
            self._segments = {**self._segments, **new}
            self._damaged = damaged
            return list(new.values())

    def add(self, segments: Iterable[Segment]) -> None:
        """Take in segments that this process published: they need no reading back."""
        with self._lock:
            self._segments = {**self._segments, **{item.name: item for item in segments}}

    def chain_holes(self) -> list[ChainHole]:
        """Return what a writer's later segments say was there and this view has not got.

        A store that lost, replaced or rolled back a segment shows here, to anyone who has read a
        later one of the same writer.
        """
        digests = {segment.digest for segment in self._segments.values()}
        return sorted(
            ChainHole(segment.header.writer, segment.header.seq - 1)
            for segment in self._segments.values()
            if segment.header.seq > 0 and segment.header.previous not in digests
        )

    def _list(self) -> dict[str, int]:
        """Return the sizes of the objects among the segments, by name."""
        # One listing for all of the manifest: its prefixes are numbered so that a store that
        # lists in the order of names shows segments before runs, the reverse of the order in
        # which a compactor writes and deletes. One that does not could show neither a run nor
        # what it covers; the next refresh then shows the run, and is refused below.
        sizes: dict[str, int] = {}
        announcements: dict[str, ObjectInfo] = {}
        for info in self._objects.list(MANIFEST):
            if info.name.startswith(SEGMENTS):
                sizes[info.name] = info.size
            elif info.name.startswith(COLLECTIONS):
                announcements[info.name] = info
            elif _is_log_object(info.name):
                raise UnsupportedFormatError(
                    f"this store has {info.name}, which this mandala-cas does not read: "
                    "upgrade it, results would be missing",
                    name=info.name,
                )
        self.listing = Listing(announcements)
        return sizes

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


def _is_log_object(name: str) -> bool:
    """Tell whether a name in the manifest is one of a kind of log object, known or to come.

    Those are in folders with a number. Others are what file managers leave behind.
    """
    return name.removeprefix(MANIFEST)[:1].isdigit()
