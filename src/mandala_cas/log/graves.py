"""Which records are hidden: ranges of dots as columns, merged, searched for many at once.

Tombstones hide calls, untags hide tags, by the same rule. A drop of scattered calls makes a range
of each, so nothing here loops over ranges or rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.log.part import Dots, LogPart
from mandala_cas.model.entries import Tombstone, TombstoneReason, Untag
from mandala_cas.model.ids import Dot, WriterId

Flags = npt.NDArray[np.bool_]

_SEGMENT: Final = np.dtype([("writer", ">u8"), ("seq", ">u4")])
# Big-endian numbers sort as their bytes do, and NumPy compares bytes of one size as they are.
_SORTABLE: Final = f"S{_SEGMENT.itemsize}"
_ROW_BITS: Final = np.uint64(32)


@dataclass(frozen=True, eq=False)
class Graves:
    """Ranges of dots, both ends included, sorted, no two of them touching."""

    writers: npt.NDArray[np.uint64]
    seqs: npt.NDArray[np.uint32]
    firsts: npt.NDArray[np.uint32]
    lasts: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        """Return the number of ranges."""
        return len(self.writers)

    @classmethod
    def of(cls, entries: Iterable[Tombstone | Untag]) -> Graves:
        """Return what ``entries`` hide."""
        items = list(entries)
        writers = np.frombuffer(b"".join(item.writer for item in items), ">u8")
        seqs, firsts, lasts = (
            np.array(values, np.uint32)
            for values in (
                [item.seq for item in items],
                [item.first for item in items],
                [item.last for item in items],
            )
        )
        return cls.merged(writers.astype(np.uint64), seqs, firsts, lasts)

    @classmethod
    def merged(
        cls,
        writers: npt.NDArray[np.uint64],
        seqs: npt.NDArray[np.uint32],
        firsts: npt.NDArray[np.uint32],
        lasts: npt.NDArray[np.uint32],
    ) -> Graves:
        """Return ranges in any order, which may overlap, as ranges that do not."""
        if not len(writers):
            return cls(writers, seqs, firsts, lasts)
        order = np.lexsort((firsts, seqs, writers))
        writers, seqs, firsts, lasts = writers[order], seqs[order], firsts[order], lasts[order]
        begins = np.ones(len(order), bool)
        begins[1:] = (writers[1:] != writers[:-1]) | (seqs[1:] != seqs[:-1])
        # With the number of its segment in front, the furthest end so far is one running maximum.
        segments = (np.cumsum(begins).astype(np.uint64)) << _ROW_BITS
        reached = np.maximum.accumulate(segments | lasts)
        begins[1:] |= (segments | firsts)[1:] > reached[:-1] + np.uint64(1)
        starts = np.flatnonzero(begins)
        ends = np.append(starts[1:], len(order)) - 1
        return cls(
            writers[starts],
            seqs[starts],
            firsts[starts],
            reached[ends].astype(np.uint32),  # the low half: the number of the row
        )

    @classmethod
    def union(cls, graves: Sequence[Graves]) -> Graves:
        """Return what any of ``graves`` hides."""
        if len(graves) == 1:
            return graves[0]
        if not graves:
            return cls.of(())
        return cls.merged(
            np.concatenate([part.writers for part in graves]),
            np.concatenate([part.seqs for part in graves]),
            np.concatenate([part.firsts for part in graves]),
            np.concatenate([part.lasts for part in graves]),
        )

    def hides(self, dots: Dots) -> Flags:
        """Tell for each of ``dots``, in any order, whether it lies in one of the ranges.

        Fast where rows of one segment stand together, as they do in the parts of a log.
        """
        hidden = np.zeros(len(dots.rows), bool)
        if not len(self) or not len(hidden):
            return hidden
        changes = (dots.writers[1:] != dots.writers[:-1]) | (dots.seqs[1:] != dots.seqs[:-1])
        starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
        numbers = self._numbers_of(dots.writers[starts], dots.seqs[starts])
        of_rows = np.repeat(numbers, np.diff(starts, append=len(hidden)))
        touched = np.flatnonzero(of_rows >= 0)
        wanted = _row_keys(of_rows[touched], dots.rows[touched])
        before = np.searchsorted(self._begin_keys, wanted, "right")
        hidden[touched] = (before > 0) & (self._end_keys[before - 1] >= wanted)
        return hidden

    def count_below(
        self,
        writers: npt.NDArray[np.uint64],
        seqs: npt.NDArray[np.uint32],
        row_counts: npt.NDArray[np.integer],
    ) -> npt.NDArray[np.int64]:
        """Return for each segment how many of its first ``row_counts`` rows are hidden."""
        counts = np.zeros(len(row_counts), np.int64)
        numbers = self._numbers_of(writers, seqs)
        touched = np.flatnonzero((numbers >= 0) & (row_counts > 0))
        if not len(touched):
            return counts
        ends = row_counts[touched].astype(np.int64)
        first = np.searchsorted(self._range_numbers, numbers[touched], "left")
        behind = np.searchsorted(self._begin_keys, _row_keys(numbers[touched], ends - 1), "right")
        sizes = self.lasts.astype(np.int64) - self.firsts + 1
        so_far = np.concatenate(([0], np.cumsum(sizes)))
        beyond = np.maximum(0, self.lasts[behind - 1].astype(np.int64) + 1 - ends)
        counts[touched] = so_far[behind] - so_far[first] - np.where(behind > first, beyond, 0)
        return counts

    @cached_property
    def _range_numbers(self) -> npt.NDArray[np.int64]:
        """The number of each range's segment, among those that have any."""
        begins = np.ones(len(self), bool)
        begins[1:] = (self.writers[1:] != self.writers[:-1]) | (self.seqs[1:] != self.seqs[:-1])
        return np.cumsum(begins) - 1

    @cached_property
    def _segment_keys(self) -> npt.NDArray[np.bytes_]:
        """The segments that have ranges, by their numbers."""
        _, first = np.unique(self._range_numbers, return_index=True)
        return _segment_keys(self.writers[first], self.seqs[first])

    @cached_property
    def _begin_keys(self) -> npt.NDArray[np.uint64]:
        """The first row of each range, behind its segment's number."""
        return _row_keys(self._range_numbers, self.firsts)

    @cached_property
    def _end_keys(self) -> npt.NDArray[np.uint64]:
        """The last row of each range, behind its segment's number."""
        return _row_keys(self._range_numbers, self.lasts)

    def _numbers_of(
        self, writers: npt.NDArray[np.uint64], seqs: npt.NDArray[np.uint32]
    ) -> npt.NDArray[np.int64]:
        """Return the numbers of segments, -1 for one that has no ranges."""
        known = self._segment_keys
        if not len(known):
            return np.full(len(seqs), -1, np.int64)
        keys = _segment_keys(writers, seqs)
        at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where(known[at] == keys, at, -1)

    def tombstones(self, reason: TombstoneReason) -> list[Tombstone]:
        """Return the ranges as entries that hide calls."""
        return [Tombstone(*item, reason) for item in self._ranges()]

    def untags(self) -> list[Untag]:
        """Return the ranges as entries that hide tags."""
        return [Untag(*item) for item in self._ranges()]

    def _ranges(self) -> Iterator[tuple[WriterId, int, int, int]]:
        """Yield the ranges one by one."""
        for writer, seq, first, last in zip(
            self.writers.tolist(),
            self.seqs.tolist(),
            self.firsts.tolist(),
            self.lasts.tolist(),
            strict=True,
        ):
            yield WriterId(writer.to_bytes(WriterId.SIZE, "big")), seq, first, last


def graves_of(parts: Iterable[LogPart]) -> Graves:
    """Return what the tombstones of ``parts`` hide, of these parts or any other."""
    return Graves.of(tombstone for part in parts for tombstone in part.tombstones)


def merge_tombstones(tombstones: Iterable[Tombstone]) -> list[Tombstone]:
    """Return as few tombstones as say the same, sorted; those of two reasons stay apart."""
    items = list(tombstones)
    return sorted(
        merged
        for reason in {item.reason for item in items}
        for merged in Graves.of(t for t in items if t.reason is reason).tombstones(reason)
    )


def merge_dots(
    dots: Iterable[Dot], reason: TombstoneReason = TombstoneReason.DROPPED
) -> list[Tombstone]:
    """Return tombstones that hide exactly ``dots``, one for each run of consecutive rows."""
    return Graves.of(Untag(dot.writer, dot.seq, dot.row, dot.row) for dot in dots).tombstones(
        reason
    )


def _segment_keys(
    writers: npt.NDArray[np.uint64], seqs: npt.NDArray[np.uint32]
) -> npt.NDArray[np.bytes_]:
    """Return segments in a form that sorts as they do."""
    keys = np.empty(len(seqs), _SEGMENT)
    keys["writer"], keys["seq"] = writers, seqs
    return keys.view(_SORTABLE)


def _row_keys(
    numbers: npt.NDArray[np.int64], rows: npt.NDArray[np.integer]
) -> npt.NDArray[np.uint64]:
    """Return numbers that sort as segment and row do."""
    return (numbers.astype(np.uint64) << _ROW_BITS) | rows.astype(np.uint64)
