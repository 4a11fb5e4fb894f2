"""Polars frames and series: one Arrow IPC stream.

Columns are stored by position, under the names ``"0"``, ``"1"``, ...; names and dtypes stand in
the metadata of the schema, as a plain value. The stream is read and checked by Arrow: Polars' own
readers abort the process on some streams.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.arrow_streams import read_stream, write_stream
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.canonical_polars import refusing_panics, to_storage
from mandala_cas.codec.encoder import RefusalError
from mandala_cas.codec.plain import from_plain, to_plain
from mandala_cas.codec.polars_dtypes import dtype_of, form_of, storage_of
from mandala_cas.errors import MandalaError
from mandala_cas.objectstore.api import Buffer

# So many rows are read back and compared; the dtypes of the others are the same.
_COMPARED_ROWS: Final = 1000
_FORM: Final = b"mandala-cas"


class PolarsCodec:
    """Frames and series of Polars' own classes, but of objects."""

    name = "polars"
    version = 1
    runs_code = False
    is_fragile = True

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a table; Polars is not imported to find out."""
        polars = sys.modules.get("polars")
        if polars is None or not hasattr(polars, "LazyFrame"):
            return False
        return type(value) in {polars.DataFrame, polars.Series}

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the table as one Arrow stream."""
        batch = _disassemble(value)
        payload = write_stream(batch.schema, [batch])
        head = value.head(_COMPARED_ROWS)
        rows = batch if len(head) == len(value) else _disassemble(head)
        _check(rows, head)
        return {}, payload

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the table."""
        if header:
            raise ValueError("the header of a table says nothing")
        return _assemble(read_stream(payload))


def _disassemble(value: Any) -> Any:
    """Return a table as one batch of Arrow's."""
    import polars as pl  # noqa: PLC0415 (heavy)
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    is_frame = isinstance(value, pl.DataFrame)
    columns = value.get_columns() if is_frame else [value]
    if is_frame and value.height and not columns:
        raise DeclinedError("the rows of a table without columns are not kept")
    form = {
        "of": "frame" if is_frame else "series",
        "names": [column.name for column in columns],
        "dtypes": [_form(column.dtype) for column in columns],
    }
    try:
        arrays = [_to_arrow(column) for column in columns]
    except RefusalError as error:
        raise DeclinedError(error.reason) from error
    batch = pa.record_batch(arrays, names=[str(i) for i in range(len(arrays))])
    return batch.replace_schema_metadata({_FORM: to_plain(form)})


def _form(dtype: Any) -> Any:
    """Return the form of a dtype whose columns come back."""
    form = form_of(dtype)
    if form is None or form == "Object":
        raise DeclinedError(f"columns of dtype {dtype} are not kept in tables")
    try:
        made = dtype_of(form)
    except ValueError as error:
        raise DeclinedError(f"a column of dtype {dtype} would not come back: {error}") from error
    if made != dtype:
        raise DeclinedError(f"a column of dtype {dtype} would come back as {made}")
    return form


def _to_arrow(column: Any) -> Any:
    """Return the Arrow array of a column."""
    with refusing_panics(column.dtype):
        array = to_storage(column)
        if storage_of(column.dtype) == column.dtype:
            return array
        # What a cast left where values are missing is not the same each time.
        return array.take(np.arange(len(array)))


def _assemble(table: Any) -> Any:
    """Return the table of an Arrow table."""
    import polars as pl  # noqa: PLC0415 (heavy)

    form = from_plain(table.schema.metadata[_FORM])
    dtypes = [dtype_of(part) for part in form["dtypes"]]
    columns = [
        _read_column(name, dtype, column)
        for name, dtype, column in zip(form["names"], dtypes, table.columns, strict=True)
    ]
    if form["of"] == "frame":
        # By name: a list of series would give one without a name another.
        frame = pl.DataFrame({column.name: column for column in columns})
        if frame.width != len(columns):
            raise ValueError("two columns have one name")
        return frame
    (series,) = columns
    return series


def _read_column(name: str, dtype: Any, column: Any) -> Any:
    """Return one column, after checking that Arrow and the form speak of the same dtype."""
    import polars as pl  # noqa: PLC0415 (heavy)

    if type(name) is not str:
        raise ValueError(f"{name!r} is no name of a column")
    storage = storage_of(dtype)
    expected = pl.Series([], dtype=storage).to_arrow().type
    if column.type != expected:
        raise ValueError(f"a column of dtype {dtype} is of type {column.type}, not {expected}")
    (array,) = column.chunks
    series = pl.Series(name, array, storage)
    return series if storage == dtype else series.cast(dtype)


def _check(batch: Any, value: Any) -> None:
    """Decline what would not come back as it is, by reading it back."""
    stream = b"".join(write_stream(batch.schema, [batch]))
    try:
        with refusing_panics("a column"):
            made = _assemble(read_stream(memoryview(stream)))
        same = type(made) is type(value) and content_id(made) == content_id(value)
    except (RefusalError, MandalaError, TypeError, LookupError, OSError) as error:
        raise DeclinedError(f"this table would not come back: {error}") from error
    if not same:
        raise DeclinedError("a value in it would come back as another")
