"""Arrays of codes, and the few operations on them that everything else is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Number = TypeVar("Number", np.uint32, np.int64, np.uint64)


@dataclass(frozen=True, slots=True)
class Grouping:
    """Rows of a table, put together by key: those of key ``k`` are one slice of ``order``."""

    order: Rows
    offsets: Rows

    def rows(self, keys: Codes | Rows) -> Rows:
        """Return the rows of all ``keys``, key by key."""
        return self.order[ranges(self.offsets, keys)]

    def counts(self, keys: Codes | Rows) -> Rows:
        """Return how many rows each of ``keys`` has."""
        counts: Rows = self.offsets[keys.astype(np.int64) + 1] - self.offsets[keys]
        return counts


def ranges(offsets: Rows, keys: Codes | Rows) -> Rows:
    """Return the concatenation of ``range(offsets[k], offsets[k + 1])`` for every key."""
    starts = offsets[keys]
    counts = offsets[keys.astype(np.int64) + 1] - starts
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    rows: Rows = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - counts), counts)
    return rows


def group_rows(keys: Codes, key_count: int) -> Grouping:
    """Group the rows of a column of codes below ``key_count``."""
    offsets = np.zeros(key_count + 1, dtype=np.int64)
    np.cumsum(np.bincount(keys, minlength=key_count), out=offsets[1:])
    return Grouping(np.argsort(keys, kind="stable"), offsets)


def distinct(numbers: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Return the distinct numbers, sorted.

    By sorting: the hash tables that newer numpy uses for this are slow on packed pairs.
    """
    ordered = np.sort(numbers)
    is_first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered if is_first.all() else ordered[is_first]


def numbered(flags: Mask) -> Rows:
    """Return a number for each row of a table of flags; equal rows have equal numbers.

    Numbers are below the count of rows, and do not depend on other things than the table.
    """
    bits = np.packbits(flags, axis=1)
    words = -(-bits.shape[1] // 8)
    padded = np.zeros((len(bits), 8 * words), dtype=np.uint8)
    padded[:, : bits.shape[1]] = bits
    numbers: Rows = np.zeros(len(bits), dtype=np.int64)
    for word in padded.view(np.uint64).T:
        halves = np.unique(word, return_inverse=True)[1]
        numbers = np.unique(numbers * (len(bits) + 1) + halves, return_inverse=True)[1]
    return numbers.astype(np.int64, copy=False)
