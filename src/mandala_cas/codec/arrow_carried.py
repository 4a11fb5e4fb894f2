"""Columns of Arrow that carry one array of any length, whatever the number of rows."""

from __future__ import annotations

from typing import Any


def in_one_run(array: Any, count: int) -> Any:
    """Return a column of ``count`` rows that carries an array of one element, once.

    All columns of a batch have the same number of rows, and what is carried has its own.
    """
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    ends = pa.array([count] if count else [], pa.int64())
    return pa.RunEndEncodedArray.from_arrays(ends, array if count else array[:0])


def carried_by(column: Any) -> Any:
    """Return the array of one element that such a column carries."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if not pa.types.is_run_end_encoded(column.type):
        raise ValueError(f"a column of {column.type} carries nothing")
    carried = column.values
    if len(carried) != 1:
        raise ValueError(f"a column carries {len(carried)} things")
    return carried


def check_type(column: Any, name: str) -> None:
    """Refuse a column of another type: of nulls a few bytes claim any number of rows."""
    if str(column.type) != name:
        raise ValueError(f"a column is of type {column.type}, not {name}")


def one_chunk(column: Any) -> Any:
    """Return a column in one piece."""
    if not hasattr(column, "chunks"):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.combine_chunks()
    return combined.chunk(0) if hasattr(combined, "chunks") else combined
