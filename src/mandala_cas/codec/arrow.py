"""Tables, arrays, types and scalars of Arrow: one IPC stream each.

The header says what the stream stands for; anything but a table is a table of one column.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.arrow_streams import read_stream, write_stream
from mandala_cas.codec.canonical_arrow import array_of_scalar
from mandala_cas.codec.encoder import RefusalError
from mandala_cas.objectstore.api import Buffer

_COLUMN: Final = ""


class ArrowCodec:
    """Values of pyarrow. How they are cut into chunks is not kept."""

    name = "arrow"
    version = 1
    runs_code = False
    is_fragile = True

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a value of Arrow; pyarrow is not imported to find out."""
        pyarrow = sys.modules.get("pyarrow")
        if pyarrow is None or not hasattr(pyarrow, "Table"):
            return False
        return _kind_of(value, pyarrow) is not None

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the value as one stream."""
        import pyarrow as pa  # noqa: PLC0415 (heavy)

        kind = _kind_of(value, pa)
        try:
            schema, batches = _as_batches(kind, value)
            payload = write_stream(schema, batches)
            _check(schema, batches)
        except DeclinedError:
            raise
        except (pa.ArrowException, RefusalError, ValueError, TypeError, OSError) as error:
            raise DeclinedError(f"Arrow cannot write this {kind}: {error}") from error
        return {"of": kind}, payload

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the value."""
        return _from_table(header["of"], read_stream(payload))


def _kind_of(value: Any, pyarrow: Any) -> str | None:
    """Return what a value of Arrow is; None if it is none."""
    for base, kind in (
        (pyarrow.Table, "table"),
        (pyarrow.RecordBatch, "batch"),
        (pyarrow.ChunkedArray, "chunked"),
        (pyarrow.Array, "array"),
        (pyarrow.Scalar, "scalar"),
        (pyarrow.Schema, "schema"),
        (pyarrow.Field, "field"),
        (pyarrow.DataType, "type"),
    ):
        if isinstance(value, base):
            return kind
    return None


def _as_batches(kind: str | None, value: Any) -> tuple[Any, list[Any]]:
    """Return a value as the schema and the batches of a table."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if kind == "schema":
        return value, []
    if kind == "field":
        return pa.schema([value]), []
    if kind == "type":
        return pa.schema([(_COLUMN, value)]), []
    if kind == "batch":
        if value.num_rows and not value.num_columns:
            raise DeclinedError("the rows of a batch without columns are not kept")
        return value.schema, [value]
    if kind == "table":
        table = value
    else:
        column = array_of_scalar(value) if kind == "scalar" else value
        table = pa.table([column], schema=pa.schema([(_COLUMN, column.type)]))
    batches = table.to_batches()
    if not batches:
        # One batch, even of no rows: dictionaries travel with it.
        columns = [column.combine_chunks() for column in table.columns]
        columns = [c.combine_chunks() if hasattr(c, "chunks") else c for c in columns]
        batches = [pa.record_batch(columns, schema=table.schema)]
    return table.schema, batches


def _check(schema: Any, batches: Sequence[Any]) -> None:
    """Decline what would come back as something else, by reading back the beginning of it."""
    beginning = b"".join(write_stream(schema, [batch[:0] for batch in batches[:1]]))
    found = read_stream(memoryview(beginning)).schema
    if not found.equals(schema, check_metadata=True):
        raise DeclinedError("a schema would come back as another")


def _from_table(kind: str, table: Any) -> Any:
    """Return what a table stands for."""
    if kind == "table":
        return table
    if kind == "schema":
        return table.schema
    if kind == "batch":
        import pyarrow as pa  # noqa: PLC0415 (heavy)

        return pa.record_batch([_only_chunk(c) for c in table.columns], schema=table.schema)
    if table.num_columns != 1:
        raise ValueError(f"a {kind} is one column, not {table.num_columns}")
    if kind in {"field", "type"}:
        field = table.schema.field(0)
        return field if kind == "field" else field.type
    column = table.column(0)
    if kind == "chunked":
        return column
    if kind not in {"array", "scalar"}:
        raise ValueError(f"{kind!r} is nothing of Arrow's")
    array = _only_chunk(column)
    if kind == "array":
        return array
    (scalar,) = array
    return scalar


def _only_chunk(column: Any) -> Any:
    """Return the one chunk of a column."""
    (chunk,) = column.chunks
    return chunk
