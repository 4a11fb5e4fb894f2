"""Columns of many parts as one column, by name, without a Python loop over rows.

``mandala_cas.log.taking`` puts columns together; here is which columns of the log belong together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mandala_cas.log.columns import FixedColumn, Numbers, TextColumn
from mandala_cas.log.part import Dots, LogPart
from mandala_cas.log.tables import Table
from mandala_cas.log.taking import join_fixed, join_text


def gather_fixed(tables: Sequence[Table], column: str) -> FixedColumn:
    """Return a column of fixed size, that of the first table first."""
    return join_fixed([table.fixed(column) for table in tables])


def gather_numbers(tables: Sequence[Table], column: str) -> Numbers:
    """Return a column of numbers, that of the first table first, however they are stored."""
    columns = [table.numbers(column) for table in tables]
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def gather_text(tables: Sequence[Table], column: str) -> TextColumn:
    """Return a column of text, with one dictionary; words in order of first appearance."""
    return join_text([table.text(column) for table in tables])


def gather_slot_starts(parts: Sequence[LogPart]) -> npt.NDArray[np.int64]:
    """Return where the slots of each call begin and the last one's end, counted over all parts."""
    starts = gather_numbers([part.calls for part in parts], "slot_start").astype(np.int64)
    slot_counts = [part.slots.row_count for part in parts]
    starts += _offsets(slot_counts, [part.calls.row_count for part in parts])
    return np.append(starts, np.int64(sum(slot_counts)))


def gather_dots(parts: Sequence[LogPart]) -> Dots:
    """Return the dots of the calls of all parts."""
    dots = [part.call_dots() for part in parts]
    if len(dots) == 1:
        return dots[0]
    return Dots(
        np.concatenate([part.writers for part in dots]),
        np.concatenate([part.seqs for part in dots]),
        np.concatenate([part.rows for part in dots]),
    )


def _offsets(sizes: Sequence[int], row_counts: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return for each row the sum of the sizes of all parts before its own."""
    before = np.cumsum(np.array(sizes, np.int64)) - np.array(sizes, np.int64)
    return np.repeat(before, row_counts)
