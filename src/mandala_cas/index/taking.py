"""Some rows of tables that lie one behind the other, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.index.gather import gather_bytes, gather_fixed, gather_numbers, gather_text
from mandala_cas.index.mapped import MappedFixedColumn
from mandala_cas.log.columns import (
    BytesColumn,
    Column,
    FixedColumn,
    NumberColumn,
    TextColumn,
    bytes_column,
)
from mandala_cas.log.tables import Table

Rows = npt.NDArray[np.integer]
Columns = Mapping[str, FixedColumn | NumberColumn | BytesColumn | TextColumn]

_NUMBER_TYPES: Final = {"u1": np.uint8, "u4": np.uint32, "u8": np.uint64, "i8": np.int64}


def table_of(name: str, columns: Columns) -> Table:
    """Return a table of columns that are equally long."""
    return Table(name, len(next(iter(columns.values()))), columns)


def take(name: str, schema: Mapping[str, str], tables: Sequence[Table], rows: Rows) -> Table:
    """Return some rows of ``tables`` with the columns of ``schema``."""
    columns: dict[str, Column] = {}
    for column, type_name in schema.items():
        if type_name in _NUMBER_TYPES:
            numbers = gather_numbers(tables, column)[rows]
            columns[column] = NumberColumn(numbers.astype(_NUMBER_TYPES[type_name], copy=False))
        elif type_name == "text":
            columns[column] = _take_text(gather_text(tables, column), rows)
        elif type_name == "bytes":
            columns[column] = _take_bytes(gather_bytes(tables, column), rows)
        else:
            columns[column] = _take_fixed(gather_fixed(tables, column), rows)
    return Table(name, len(rows), columns)


def _take_fixed(whole: FixedColumn, rows: Rows) -> FixedColumn:
    """Return some rows of fixed size."""
    if _is_all(rows, len(whole)):
        return whole
    taken = np.frombuffer(whole.data, f"V{whole.width}")[rows]
    return MappedFixedColumn.of(whole.width, taken.view(np.uint8).data)


def _take_text(whole: TextColumn, rows: Rows) -> TextColumn:
    """Return some rows of text, with the words that they have."""
    codes = whole.codes[rows]
    words = whole.words
    used = np.bincount(codes, minlength=len(words)) > 0
    if used.all():
        return TextColumn(codes, words)
    kept = tuple(word for word, is_used in zip(words, used.tolist(), strict=True) if is_used)
    return TextColumn((np.cumsum(used) - 1).astype(np.uint32)[codes], kept)


def _take_bytes(whole: BytesColumn, rows: Rows) -> BytesColumn:
    """Return some rows of any size."""
    if _is_all(rows, len(whole)):
        return whole
    return bytes_column([whole[row] for row in rows.tolist()])


def _is_all(rows: Rows, row_count: int) -> bool:
    """Tell whether ``rows`` are all rows in their order, as nearly always."""
    return len(rows) == row_count and bool((rows[1:] > rows[:-1]).all())
