"""Tables as Parquet files, for who asks for it by name.

pyarrow writes and reads the file. The header says whose table it is, how many rows it has, how
many bytes it takes in memory, and the types of its columns, of which Parquet has fewer than Arrow.
Columns are not compressed within the file: the store compresses
the whole, and a reader need not fear pages that claim to unfold into more than there is.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.tables import TableCodec
from mandala_cas.objectstore.api import Buffer

# By name: each extension module written in Rust has a class of its own for this.
_PANIC: Final = "PanicException"
# What a value of a physical type takes in memory at least: numbers of 32 bits may be kept as 8,
# and in place of one of 64 bits, a list may have an offset and no element.
_BITS_MIN: Final[Mapping[str, int]] = {"BOOLEAN": 1, "INT64": 32, "FLOAT": 32, "DOUBLE": 32}


class ParquetCodec:
    """Frames, series and indexes of pandas, frames of Polars, and tables of Arrow."""

    name = "parquet"
    version = 1
    # A crafted file can abort the process, and who knows what else: only files of trusted writers
    # are read.
    runs_code = True
    is_fragile = True

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a table; nothing is imported to find out."""
        return _owner_of(value) is not None

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the table as one file, after reading it back."""
        import pyarrow as pa  # noqa: PLC0415 (heavy)

        owner = _owner_of(value)
        try:
            table, inner = _to_arrow(owner, value)
            rows, types = table.num_rows, _types_of(table)
            payload = _write(table)
            made = _read_all(_open(payload), types)
            _check_same(made, table)
            if owner == "polars":
                _check_polars(made, value)
        except DeclinedError:
            raise
        except BaseException as error:
            is_panic = type(error).__name__ == _PANIC
            foreign = ValueError | TypeError | LookupError | OverflowError | pa.ArrowException
            if not is_panic and not isinstance(error, foreign | NotImplementedError):
                raise
            raise DeclinedError(f"Parquet cannot hold this table: {error}") from error
        # Of what was read: what is there in memory now may be part of something larger.
        sizes = {"rows": rows, "size": made.nbytes}
        return {"of": owner, "types": types, "inner": inner, **sizes}, (payload,)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the table."""
        file = _open(payload)
        _check_claims(file, header["rows"], header["size"], len(payload))
        return _from_arrow(header["of"], header["inner"], _read_all(file, header["types"]))


def _owner_of(value: Any) -> str | None:
    """Return whose table this is, None if it is none."""
    if TableCodec().can_encode(value):
        return "pandas"
    kind = type(value)
    if kind is getattr(sys.modules.get("polars"), "DataFrame", None):
        return "polars"
    return "arrow" if kind is getattr(sys.modules.get("pyarrow"), "Table", None) else None


def _to_arrow(owner: str | None, value: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return the table as one of Arrow, and the header of the codec that made it one."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if owner == "pandas":
        # What the codec of pandas makes comes back exactly; so does the table if this does.
        inner, parts = TableCodec().encode(value)
        return pa.ipc.open_stream(b"".join(parts)).read_all(), inner
    if owner == "polars":
        import polars as pl  # noqa: PLC0415 (heavy)

        return value.to_arrow(compat_level=pl.CompatLevel.oldest()), {}
    return value, {}


def _from_arrow(owner: Any, inner: Any, table: Any) -> Any:
    """Return the table that an Arrow table stands for."""
    if owner == "arrow":
        return table
    if owner == "polars":
        import polars as pl  # noqa: PLC0415 (heavy)

        return pl.DataFrame(pl.from_arrow(table))
    if owner != "pandas" or not isinstance(inner, dict):
        raise ValueError(f"a table of {owner!r} is not known here")
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        # One batch, even of no rows: categories travel with it.
        columns = [_whole(column) for column in table.columns]
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=table.schema))
    return TableCodec().decode(inner, memoryview(sink.getvalue()))


def _write(table: Any) -> memoryview:
    """Return a table as the bytes of a file with one group of rows."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)
    import pyarrow.parquet as pq  # noqa: PLC0415 (heavy)

    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=max(1, table.num_rows),
        compression="none",
        write_page_checksum=True,
    )
    return memoryview(sink.getvalue())


def _open(payload: memoryview) -> Any:
    """Return a file whose columns are not read yet."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)
    import pyarrow.parquet as pq  # noqa: PLC0415 (heavy)

    source = pa.BufferReader(pa.py_buffer(payload))
    return pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=False)


def _check_claims(file: Any, rows: Any, size: Any, file_size: int) -> None:
    """Refuse a file that claims more than its header, before room is made for it.

    Each value counts as what it takes at least, so a file of this codec always passes.
    """
    bits = 0
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    if not file.metadata.num_rows == sum(group.num_rows for group in groups) == rows:
        raise ValueError("the file has another number of rows than its header")
    for group in groups:
        for position in range(group.num_columns):
            column = group.column(position)
            if column.compression != "UNCOMPRESSED" or column.total_uncompressed_size > file_size:
                raise ValueError("a column is compressed, or larger than the file")
            if file.schema.column(position).logical_type.type != "NULL":
                bits += column.num_values * _BITS_MIN.get(column.physical_type, 8)
    if bits > 8 * size:
        raise ValueError("the file has more values than its header has room for")


def _read_all(file: Any, types: Any) -> Any:
    """Return the table in a file, with these types."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    table = file.read().combine_chunks()
    table.validate(full=True)
    kinds = pa.ipc.read_schema(pa.py_buffer(types)).types
    columns = [_restored(*pair) for pair in zip(table.columns, kinds, strict=True)]
    fields = [field.with_type(kind) for field, kind in zip(table.schema, kinds, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, table.schema.metadata))


def _types_of(table: Any) -> bytes:
    """Return the types of the columns in a form of Arrow's."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    fields = [pa.field(str(i), kind) for i, kind in enumerate(table.schema.types)]
    return bytes(pa.schema(fields).serialize())


def _restored(column: Any, kind: Any) -> Any:
    """Return a column as one of the type that it had before it was in a file."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if column.type == kind:
        return column
    if not (pa.types.is_dictionary(column.type) and pa.types.is_dictionary(kind)):
        return column.cast(kind)
    array = _whole(column)
    return pa.DictionaryArray.from_arrays(
        array.indices.cast(kind.index_type),
        array.dictionary.cast(kind.value_type),
        ordered=kind.ordered,
    )


def _check_same(made: Any, table: Any) -> None:
    """Decline a table that would come back as another."""
    if not made.schema.equals(table.schema, check_metadata=True):
        pairs = zip(table.schema, made.schema, strict=True)
        old, new = next(
            ((a, b) for a, b in pairs if not a.equals(b, check_metadata=True)), (None, None)
        )
        what = (
            "its metadata" if old is None or new is None else f"column {old.name!r} of {old.type}"
        )
        raise DeclinedError(f"{what} would come back as something else")
    for name, new, old in zip(table.column_names, made.columns, table.columns, strict=True):
        if not _is_same(_whole(new), _whole(old)):
            raise DeclinedError(f"column {name!r} would come back with other values")


def _whole(column: Any) -> Any:
    """Return a column in one piece."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _is_same(new: Any, old: Any) -> bool:
    """Compare two arrays of one type; every NaN is itself."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy)

    kind = old.type
    if pa.types.is_dictionary(kind):
        # Arrow itself does not compare categories that no row has.
        return _is_same(new.indices, old.indices) and _is_same(new.dictionary, old.dictionary)
    if "dictionary<" not in str(kind) and new.equals(old):
        return True
    if len(new) != len(old) or not new.is_valid().equals(old.is_valid()):
        return False
    if pa.types.is_floating(kind):
        bits = f"u{kind.bit_width // 8}"
        numbers = (
            array.drop_null().to_numpy(zero_copy_only=False).view(bits) for array in (new, old)
        )
        return bool(np.array_equal(*numbers))
    if pa.types.is_struct(kind):
        return all(map(_is_same, new.flatten(), old.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = [pc.list_value_length(array) for array in (new, old)]
        return lengths[0].equals(lengths[1]) and _is_same(new.flatten(), old.flatten())
    return False


def _check_polars(table: Any, value: Any) -> None:
    """Decline a frame that Arrow does not give back as it was."""
    made = _from_arrow("polars", {}, table)
    if made.schema != value.schema or not made.equals(value, null_equal=True):
        raise DeclinedError("a column of Polars would come back as something else")
