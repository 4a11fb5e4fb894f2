"""One number for the content of each cell, so that rows can be joined and sorted.

A cell with one element is numbered by that element's code. A cell with several is numbered from
the number of codes on, in the order of the sets, so that equal sets have equal numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from mandala_cas.frame.arrays import Codes, Rows, ranges
from mandala_cas.frame.histories import Passages

ABSENT = -1


@dataclass(frozen=True, slots=True)
class Column:
    """What the cells of one node hold, by row, and the sets behind numbers of ``base`` and up.

    ``numbers`` is ``ABSENT`` where a row has nothing. Set ``i`` is
    ``set_codes[set_offsets[i]:set_offsets[i + 1]]``, sorted.
    """

    numbers: Rows
    base: int
    set_offsets: Rows
    set_codes: Codes

    def first_elements(self, numbers: Rows) -> Rows:
        """Return the first element of each of these cells; none is absent."""
        firsts = numbers.copy()
        several = numbers >= self.base
        firsts[several] = self.set_codes[self.set_offsets[numbers[several] - self.base]]
        return firsts

    def elements(self, numbers: Rows) -> tuple[Codes, Rows]:
        """Return the elements of all these cells, and the offsets of each cell among them."""
        several = numbers >= self.base
        sets = np.where(several, numbers - self.base, 0)
        counts = np.ones(len(numbers), dtype=np.int64)
        counts[several] = np.diff(self.set_offsets)[sets[several]]
        offsets = np.zeros(len(numbers) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        codes = np.empty(int(offsets[-1]), dtype=np.uint32)
        codes[offsets[:-1][~several]] = numbers[~several]
        if several.any():
            places = ranges(offsets, np.flatnonzero(several))
            codes[places] = self.set_codes[ranges(self.set_offsets, sets[several])]
        return codes, offsets


def column_of(passages: Passages, row_count: int, base: int) -> Column:
    """Number the cells of a node; its elements have codes below ``base``."""
    numbers = np.full(row_count, ABSENT, dtype=np.int64)
    if passages.is_single:
        numbers[passages.rows] = passages.codes
        return Column(numbers, base, np.zeros(1, np.int64), np.empty(0, np.uint32))
    # Pairs that are not single were made distinct by sorting: each row's codes lie together.
    rows, codes = passages.rows, passages.codes
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    counts = np.diff(starts, append=len(rows))
    numbers[rows[starts]] = codes[starts]
    several = counts > 1
    offsets = np.zeros(int(several.sum()) + 1, dtype=np.int64)
    np.cumsum(counts[several], out=offsets[1:])
    members = codes[np.repeat(several, counts)]
    ranks, firsts = _ranks(members, offsets)
    numbers[rows[starts[several]]] = base + ranks
    set_offsets = np.zeros(len(firsts) + 1, dtype=np.int64)
    np.cumsum(np.diff(offsets)[firsts], out=set_offsets[1:])
    return Column(numbers, base, set_offsets, members[ranges(offsets, firsts)])


def _ranks(members: Codes, offsets: Rows) -> tuple[Rows, Rows]:
    """Return the place of each set among the distinct sets in order, and where each occurs.

    Codes written with the highest byte first compare as bytes as they do as numbers.
    """
    written = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(),
        len(offsets) - 1,
        [None, pa.py_buffer(offsets * 4), pa.py_buffer(members.astype(">u4"))],
    )
    sets = pl.Series("set", pl.from_arrow(written), dtype=pl.Binary)
    ranks = sets.rank("dense").to_numpy().astype(np.int64) - 1
    firsts = np.unique(ranks, return_index=True)[1]
    return ranks, firsts
