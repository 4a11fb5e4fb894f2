"""Which rows of the log still count: calls that no tombstone names, tags that nothing hides.

Columns are asked, not rows: a million calls take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from mandala_cas.log.columns import FixedColumn
from mandala_cas.log.part import Dots, LogPart
from mandala_cas.model.entries import TagRecord, Tombstone, Untag
from mandala_cas.objectstore.api import ObjectInfo

Mask = npt.NDArray[np.bool_]
Prefixes = npt.NDArray[np.uint64]

_ROW_BITS: Final = np.uint64(32)


class RunPartInfo(Protocol):
    """What a run says of one of its parts."""

    @property
    def name(self) -> str:
        """The name of the part's object."""
        ...


class VisibleRun(Protocol):
    """A manifest of a run, as far as upkeep asks it."""

    @property
    def parts(self) -> Sequence[RunPartInfo]:
        """The parts that belong to the run."""
        ...


class ManifestListing(Protocol):
    """One listing of the manifest, by name."""

    @property
    def segments(self) -> Mapping[str, ObjectInfo]:
        """The segments."""
        ...

    @property
    def runs(self) -> Mapping[str, ObjectInfo]:
        """The manifests of runs."""
        ...

    @property
    def announcements(self) -> Mapping[str, ObjectInfo]:
        """What collectors announced, and how that ended."""
        ...


class VisibleLog(Protocol):
    """What upkeep sees of the log; a ``LogView`` is one.

    ``refresh`` may tell its caller what is new: whoever shares a view with others hands in
    something whose ``refresh`` passes that on.
    """

    @property
    def parts(self) -> Mapping[str, LogPart]:
        """The rows, each dot once."""
        ...

    @property
    def runs(self) -> Mapping[str, VisibleRun]:
        """The manifests of all visible runs."""
        ...

    @property
    def listing(self) -> ManifestListing:
        """What the last refresh listed."""
        ...

    @property
    def damaged(self) -> Mapping[str, Exception]:
        """What lies in the log and cannot be read."""
        ...

    @property
    def unmissed(self) -> frozenset[str]:
        """What of that is gone, and all of it was read from elsewhere."""
        ...

    def refresh(self) -> object:
        """Read what is new."""
        ...


class Graves:
    """The dots that tombstones name, ready to be compared with many at once."""

    def __init__(self, tombstones: Iterable[Tombstone | Untag]) -> None:
        """Take in all tombstones of the log; they may overlap, and name what is not there."""
        ranges: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for grave in tombstones:
            key = (int.from_bytes(grave.writer, "big"), grave.seq)
            ranges.setdefault(key, []).append((grave.first, grave.last))
        self._segments = {key: number for number, key in enumerate(ranges)}
        bounds = [
            (number, first, last)
            for number, pairs in enumerate(ranges.values())
            for first, last in pairs
        ]
        table = np.array(bounds, np.uint64).reshape(-1, 3)
        firsts, lasts = _keys(table[:, 0], table[:, 1]), _keys(table[:, 0], table[:, 2])
        order = np.argsort(firsts)
        self._firsts = firsts[order]
        # A range may reach beyond later ones, never beyond its own segment.
        self._ends = np.maximum.accumulate(lasts[order])

    def mask(self, dots: Dots) -> Mask:
        """Tell of each of ``dots`` whether a tombstone names it."""
        dead = np.zeros(len(dots.rows), np.bool_)
        if not self._segments or not len(dead):
            return dead
        # Rows of one segment stand together, so each segment is looked up once.
        changes = (dots.writers[1:] != dots.writers[:-1]) | (dots.seqs[1:] != dots.seqs[:-1])
        starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
        keys = zip(dots.writers[starts].tolist(), dots.seqs[starts].tolist(), strict=True)
        numbers = np.array([self._segments.get(key, -1) for key in keys], np.int64)
        of_rows = np.repeat(numbers, np.diff(starts, append=len(dead)))
        touched = np.flatnonzero(of_rows >= 0)
        if len(touched):
            wanted = _keys(of_rows[touched].astype(np.uint64), dots.rows[touched])
            places = np.searchsorted(self._firsts, wanted, side="right")
            dead[touched] = (places > 0) & (self._ends[np.maximum(places, 1) - 1] >= wanted)
        return dead


def graves_of(parts: Iterable[LogPart]) -> Graves:
    """Return what hides calls, in all parts."""
    return Graves(tombstone for part in parts for tombstone in part.tombstones)


def tags_in_effect(parts: Iterable[LogPart]) -> Iterator[TagRecord]:
    """Yield the tags that nothing hides."""
    everything = list(parts)
    untags = [untag for part in everything for untag in part.untags]
    for part in everything:
        if part.tags.row_count:
            hidden = {row for untag in untags for row in part.tag_rows_named_by(untag)}
            for row in range(part.tags.row_count):
                if row not in hidden:
                    yield part.tag_record(row)


def prefixes_of(column: FixedColumn) -> Prefixes:
    """Return the first eight bytes of each id in a column, as numbers.

    They stand for the ids where a mix-up of two can only keep what could go.
    """
    layout = np.dtype([("prefix", "<u8"), ("rest", f"V{column.width - 8}")])
    return np.frombuffer(column.data, layout)["prefix"]


def prefix_of(id_: bytes) -> int:
    """Return what ``prefixes_of`` gives for one id."""
    return int.from_bytes(id_[:8], "little")


def among(wanted: npt.NDArray[Any], ascending: npt.NDArray[Any]) -> Mask:
    """Tell of each of ``wanted`` whether it is in an array that ascends."""
    if not len(ascending):
        return np.zeros(len(wanted), np.bool_)
    places = np.searchsorted(ascending, wanted)
    places[places == len(ascending)] = 0
    found: Mask = ascending[places] == wanted
    return found


def slot_counts(part: LogPart) -> npt.NDArray[np.int64]:
    """Return how many slots each call of a part has."""
    starts = part.calls.numbers("slot_start").astype(np.int64)
    return np.diff(starts, append=part.slots.row_count)


def _keys(segments: npt.NDArray[np.uint64], rows: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Return numbers that sort as (segment, row) do."""
    keys: npt.NDArray[np.uint64] = (segments << _ROW_BITS) | rows.astype(np.uint64)
    return keys
