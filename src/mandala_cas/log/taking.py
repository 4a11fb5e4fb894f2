"""Rows of columns taken out, and columns put together, without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from mandala_cas.log.columns import (
    BytesColumn,
    Column,
    DeltaColumn,
    FixedColumn,
    NumberColumn,
    RawColumn,
    TextColumn,
)

Rows = npt.NDArray[np.intp]


def take_rows(column: Column, rows: Rows) -> Column:
    """Return some rows of a column, in the order given."""
    match column:
        case FixedColumn():
            return take_fixed(column, rows)
        case DeltaColumn(array):
            return DeltaColumn(array[rows])
        case NumberColumn(array):
            return NumberColumn(array[rows])
        case TextColumn(codes, words):
            return _without_unused(codes[rows], words)
        case BytesColumn():
            return _take_bytes(column, rows)
        case RawColumn():
            raise AssertionError("rows of a column that is not known cannot be told apart")


def take_fixed(column: FixedColumn, rows: Rows) -> FixedColumn:
    """Return some rows of one size, in the order given."""
    return FixedColumn(column.width, np.frombuffer(column.data, f"V{column.width}")[rows].tobytes())


def join_columns(columns: Sequence[Column]) -> Column:
    """Return columns of one type, one behind the other."""
    match columns[0]:
        case FixedColumn():
            return join_fixed(cast("Sequence[FixedColumn]", columns))
        case DeltaColumn():
            deltas = cast("Sequence[DeltaColumn]", columns)
            return DeltaColumn(np.concatenate([column.array for column in deltas]))
        case NumberColumn():
            numbers = cast("Sequence[NumberColumn]", columns)
            return NumberColumn(np.concatenate([column.array for column in numbers]))
        case TextColumn():
            return join_text(cast("Sequence[TextColumn]", columns))
        case BytesColumn():
            return _join_bytes(cast("Sequence[BytesColumn]", columns))
        case RawColumn():
            raise AssertionError("columns that are not known cannot be put together")


def join_fixed(columns: Sequence[FixedColumn]) -> FixedColumn:
    """Return rows of one size, one column behind the other."""
    if len(columns) == 1:
        return columns[0]
    return FixedColumn(columns[0].width, b"".join([column.data for column in columns]))


def join_text(columns: Sequence[TextColumn]) -> TextColumn:
    """Return text with one dictionary, its words in order of arrival."""
    if len(columns) == 1:
        return columns[0]
    numbers: dict[str, int] = {}
    codes = []
    for column in columns:
        own = [numbers.setdefault(word, len(numbers)) for word in column.words]
        codes.append(np.array(own, np.uint32)[column.codes])
    return TextColumn(np.concatenate(codes), tuple(numbers))


def _without_unused(codes: npt.NDArray[np.uint32], words: tuple[str, ...]) -> TextColumn:
    """Return text without the words that no row has; the others keep their order."""
    used = np.zeros(len(words), bool)
    used[codes] = True
    if used.all():
        return TextColumn(codes, words)
    numbers = (np.cumsum(used) - 1).astype(np.uint32)
    kept = tuple(word for word, is_used in zip(words, used.tolist(), strict=True) if is_used)
    return TextColumn(numbers[codes], kept)


def _take_bytes(column: BytesColumn, rows: Rows) -> BytesColumn:
    """Return some rows of bytes of any size."""
    begins = column.offsets[:-1].astype(np.intp)[rows]
    sizes = np.diff(column.offsets.astype(np.intp))[rows]
    offsets = np.zeros(len(rows) + 1, np.uint64)
    np.cumsum(sizes, out=offsets[1:])
    # One index for each byte would take eight times the bytes; slices are as fast where rows are
    # few, and small rows are many but cheap.
    ends = begins + sizes
    data = column.data
    pieces = [data[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
    return BytesColumn(offsets, b"".join(pieces))


def _join_bytes(columns: Sequence[BytesColumn]) -> BytesColumn:
    """Return bytes of any size, one column behind the other."""
    if len(columns) == 1:
        return columns[0]
    offsets = [np.zeros(1, np.uint64)]
    base = np.uint64(0)
    for column in columns:
        offsets.append(column.offsets[1:] + base)
        base += column.offsets[-1]
    return BytesColumn(np.concatenate(offsets), b"".join([column.data for column in columns]))
