"""Some rows of tables that lie one behind the other, as one table with columns of one type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from mandala_cas.index.gather import gather_numbers
from mandala_cas.log.columns import BytesColumn, Column, FixedColumn, NumberColumn, TextColumn
from mandala_cas.log.tables import Table
from mandala_cas.log.taking import Rows, join_columns, take_rows

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
            # A run stores numbers in another way than a segment, perhaps of another size.
            numbers = gather_numbers(tables, column)[rows]
            columns[column] = NumberColumn(numbers.astype(_NUMBER_TYPES[type_name], copy=False))
        else:
            whole = join_columns([table.columns[column] for table in tables])
            is_whole = isinstance(whole, FixedColumn | BytesColumn) and _is_all(rows, len(whole))
            columns[column] = whole if is_whole else take_rows(whole, rows)
    return Table(name, len(rows), columns)


def _is_all(rows: Rows, row_count: int) -> bool:
    """Tell whether ``rows`` are all rows in their order, as nearly always."""
    return len(rows) == row_count and bool((rows[1:] > rows[:-1]).all())
