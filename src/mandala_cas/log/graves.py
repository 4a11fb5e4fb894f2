"""Which records are hidden: ranges of dots as columns, merged, searched for many at once.

Tombstones hide calls, untags hide tags, by the same rule. A drop of scattered calls makes a range
of each, so nothing here loops over ranges or rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.log.part import Dots, LogPart
from mandala_cas.model.entries import Tombstone, TombstoneReason, Untag
from mandala_cas.model.ids import Dot, WriterId

Flags = npt.NDArray[np.bool_]

_KEY: Final = np.dtype([("writer", ">u8"), ("seq", ">u4"), ("row", ">u4")])
# Big-endian numbers sort as their bytes do, and NumPy compares bytes of one size as they are.
_SORTABLE: Final = f"S{_KEY.itemsize}"
_SEQ_BITS: Final = np.uint64(32)


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
        segments = (np.cumsum(begins).astype(np.uint64)) << _SEQ_BITS
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
        """Tell for each of ``dots``, in any order, whether it lies in one of the ranges."""
        if not len(self) or not len(dots.rows):
            return np.zeros(len(dots.rows), bool)
        keys = _keys(dots.writers, dots.seqs, dots.rows)
        before = np.searchsorted(self._begin_keys, keys, "right")
        hidden: Flags = (before > 0) & (self._end_keys[before - 1] >= keys)
        return hidden

    @cached_property
    def _begin_keys(self) -> npt.NDArray[np.bytes_]:
        """The first dot of each range."""
        return _keys(self.writers, self.seqs, self.firsts)

    @cached_property
    def _end_keys(self) -> npt.NDArray[np.bytes_]:
        """The last dot of each range."""
        return _keys(self.writers, self.seqs, self.lasts)

    def tombstones(self, reason: TombstoneReason) -> list[Tombstone]:
        """Return the ranges as entries."""
        return [
            Tombstone(WriterId(writer.to_bytes(WriterId.SIZE, "big")), seq, first, last, reason)
            for writer, seq, first, last in zip(
                self.writers.tolist(),
                self.seqs.tolist(),
                self.firsts.tolist(),
                self.lasts.tolist(),
                strict=True,
            )
        ]


def graves_of(parts: Iterable[LogPart]) -> Graves:
    """Return what the tombstones of ``parts`` hide, of these parts or any other."""
    return Graves.of(tombstone for part in parts for tombstone in part.tombstones)


def merge_dots(
    dots: Iterable[Dot], reason: TombstoneReason = TombstoneReason.DROPPED
) -> list[Tombstone]:
    """Return tombstones that hide exactly ``dots``, one for each run of consecutive rows."""
    return Graves.of(Untag(dot.writer, dot.seq, dot.row, dot.row) for dot in dots).tombstones(
        reason
    )


def _keys(
    writers: npt.NDArray[np.uint64], seqs: npt.NDArray[np.uint32], rows: npt.NDArray[np.uint32]
) -> npt.NDArray[np.bytes_]:
    """Return dots in a form that sorts as they do."""
    keys = np.empty(len(rows), _KEY)
    keys["writer"], keys["seq"], keys["row"] = writers, seqs, rows
    return keys.view(_SORTABLE)
