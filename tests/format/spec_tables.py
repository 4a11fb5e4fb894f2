"""The tables of ``docs/reference/hashing.md``, by the letter: what each value is a record of.

Values are taken one by one, as Python has them, so nothing here knows how a library lays them out.
``spec_hashing`` encodes what this gives.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa


@dataclass(frozen=True)
class Rec:
    """A record of the page."""

    name: str
    fields: tuple[Any, ...]


def rec(name: str, *fields: Any) -> Rec:
    """Return a record."""
    return Rec(name, fields)


def described(value: Any) -> Any:
    """Return what the page says a value of a table library is; None for any other value."""
    for kind, describe in DESCRIPTIONS:
        if isinstance(value, kind):
            return describe(value)
    return None


def number8(count: int) -> bytes:
    """Return a size as 8 bytes."""
    return struct.pack("<Q", count)


NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}
FORMATS = {"float16": "<e", "float32": "<f", "float64": "<d"}
QUIET_NANS = {"float16": "007e", "float32": "0000c07f", "float64": "000000000000f87f"}


def arrow_type(kind: Any) -> Rec:
    """Return a type of Arrow."""
    types = pa.types
    if types.is_decimal(kind):
        return rec("arrow.type", f"decimal{kind.bit_width}", kind.precision, kind.scale)
    if types.is_temporal(kind):
        zone = [kind.tz] if types.is_timestamp(kind) else []
        unit = [] if types.is_date(kind) else [kind.unit]
        return rec("arrow.type", str(kind).split("[", maxsplit=1)[0], *unit, *zone)
    if types.is_fixed_size_binary(kind):
        return rec("arrow.type", "fixed_size_binary", kind.byte_width)
    if types.is_fixed_size_list(kind):
        return rec("arrow.type", "fixed_size_list", arrow_field(kind.value_field), kind.list_size)
    if types.is_list(kind) or types.is_large_list(kind):
        name = "list" if types.is_list(kind) else "large_list"
        return rec("arrow.type", name, arrow_field(kind.value_field))
    if types.is_struct(kind):
        return rec("arrow.type", "struct", [arrow_field(field) for field in kind])
    if types.is_map(kind):
        key, item = arrow_field(kind.key_field), arrow_field(kind.item_field)
        return rec("arrow.type", "map", key, item, kind.keys_sorted)
    if types.is_dictionary(kind):
        index, value = arrow_type(kind.index_type), arrow_type(kind.value_type)
        return rec("arrow.type", "dictionary", index, value, kind.ordered)
    return rec("arrow.type", NAMES.get(str(kind), str(kind)))


def arrow_field(field: Any) -> Rec:
    """Return a field."""
    metadata = arrow_metadata(field.metadata)
    return rec("arrow.field", field.name, arrow_type(field.type), field.nullable, metadata)


def arrow_metadata(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, Any] | None:
    """Return notes, without the versions that pandas notes."""
    notes: dict[bytes, Any] = dict(metadata or {})
    if b"pandas" in notes:
        note = json.loads(notes[b"pandas"])
        del note["pandas_version"], note["creator"]
        notes[b"pandas"] = note
    return notes or None


def arrow_schema(schema: Any) -> Rec:
    """Return a schema."""
    return rec(
        "arrow.Schema", [arrow_field(field) for field in schema], arrow_metadata(schema.metadata)
    )


def arrow_data(values: Sequence[Any], kind: Any) -> Rec:
    """Return the data of a column, given its values as Python has them."""
    types = pa.types
    present = None
    if None in values and not types.is_null(kind):
        present = bytes(value is not None for value in values)
    there = [value for value in values if value is not None]
    parts: tuple[Any, ...]
    if types.is_null(kind):
        parts = ()
    elif types.is_boolean(kind):
        parts = (bytes(value is True for value in values),)
    elif types.is_string(kind) or types.is_large_string(kind):
        texts = [b"" if value is None else value.encode() for value in values]
        parts = (b"".join(number8(len(text)) for text in texts), b"".join(texts))
    elif types.is_binary(kind) or types.is_large_binary(kind):
        parts = (sizes_of(values), b"".join(there))
    elif types.is_fixed_size_list(kind):
        parts = (arrow_data([part for value in there for part in value], kind.value_type),)
    elif types.is_list(kind) or types.is_large_list(kind):
        elements = [part for value in there for part in value]
        parts = (sizes_of(values), arrow_data(elements, kind.value_type))
    elif types.is_map(kind):
        pairs = [pair for value in there for pair in value]
        keys = arrow_data([key for key, _ in pairs], kind.key_type)
        parts = (sizes_of(values), keys, arrow_data([item for _, item in pairs], kind.item_type))
    elif types.is_struct(kind):
        children = [
            arrow_data(
                [None if value is None else value[field.name] for value in values], field.type
            )
            for field in kind
        ]
        parts = (children,)
    else:
        parts = (b"".join(fixed_bytes(value, kind) for value in values),)
    return rec("arrow.data", len(values), present, *parts)


def sizes_of(values: Sequence[Any]) -> bytes:
    """Return the sizes of strings, bytes, lists or maps."""
    return b"".join(number8(0 if value is None else len(value)) for value in values)


def fixed_bytes(value: Any, kind: Any) -> bytes:
    """Return one value of a fixed size."""
    size = kind.bit_width // 8
    if value is None:
        return bytes(size)
    if pa.types.is_floating(kind):
        name = NAMES[str(kind)]
        if value != value:  # noqa: PLR0124 (NaN)
            return bytes.fromhex(QUIET_NANS[name])
        return struct.pack(FORMATS[name], float(value))
    if pa.types.is_fixed_size_binary(kind):
        return bytes(value)
    if pa.types.is_decimal(kind):
        return int(value.scaleb(kind.scale)).to_bytes(size, "little", signed=True)
    signed = not str(kind).startswith("u")
    return int(value).to_bytes(size, "little", signed=signed)


def python_values(array: Any) -> list[Any]:
    """Return the values of a column; of times, the numbers that count them."""
    kind = array.type
    if pa.types.is_temporal(kind) or pa.types.is_time(kind):
        return list(array.cast(f"int{kind.bit_width}").to_pylist())
    return list(array.to_pylist())


def arrow_column(column: Any) -> Rec:
    """Return the data of an array or of chunks."""
    if pa.types.is_dictionary(column.type):
        # The vectors have one dictionary a column.
        one = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        indices = arrow_data(one.indices.to_pylist(), column.type.index_type)
        dictionary = arrow_data(one.dictionary.to_pylist(), column.type.value_type)
        missing = None in one.indices.to_pylist()
        present = bytes(i is not None for i in one.indices.to_pylist()) if missing else None
        return rec("arrow.data", len(one), present, indices, dictionary)
    return arrow_data(python_values(column), column.type)


def arrow_table(name: str) -> Callable[[Any], Rec]:
    """Return how tables and batches are described."""
    return lambda table: rec(
        name,
        arrow_schema(table.schema),
        table.num_rows,
        [arrow_column(table.column(i)) for i in range(table.num_columns)],
    )


TEXTS = {"Categorical", "Enum", "Int128", "UInt128"}


def polars_form(dtype: Any) -> Any:
    """Return a dtype among parameters."""
    name = str(dtype.base_type())
    if isinstance(dtype, pl.Datetime):
        return [name, dtype.time_unit, dtype.time_zone]
    if isinstance(dtype, pl.Duration):
        return [name, dtype.time_unit]
    if isinstance(dtype, pl.Decimal):
        return [name, dtype.precision, dtype.scale]
    if isinstance(dtype, pl.Array):
        return [name, polars_form(dtype.inner), dtype.size]
    if isinstance(dtype, pl.List):
        return [name, polars_form(dtype.inner)]
    if isinstance(dtype, pl.Struct):
        return [name, [[field.name, polars_form(field.dtype)] for field in dtype.fields]]
    if isinstance(dtype, pl.Enum):
        return [name, list(dtype.categories)]
    # The vectors are of the common set of categories.
    return [name] if name == "Categorical" else name


def polars_dtype(dtype: Any) -> Rec:
    """Return a dtype."""
    form = polars_form(dtype)
    return rec("polars.dtype", *([form] if isinstance(form, str) else form))


def polars_arrow_type(dtype: Any) -> Any:
    """Return the type of Arrow whose data a column has."""
    name = str(dtype.base_type())
    if name in TEXTS or name == "String":
        return pa.large_string()
    if isinstance(dtype, pl.List):
        return pa.large_list(polars_arrow_type(dtype.inner))
    if isinstance(dtype, pl.Array):
        return pa.list_(polars_arrow_type(dtype.inner), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pa.struct([(f.name, polars_arrow_type(f.dtype)) for f in dtype.fields])
    if isinstance(dtype, pl.Decimal):
        return pa.decimal128(dtype.precision, dtype.scale)
    if isinstance(dtype, pl.Date):
        return pa.int32()
    if isinstance(dtype, pl.Datetime | pl.Duration | pl.Time):
        return pa.int64()
    others = {"Boolean": pa.bool_(), "Binary": pa.large_binary(), "Null": pa.null()}
    return others.get(name) or getattr(pa, name.lower())()


def polars_values(series: pl.Series) -> list[Any]:
    """Return the values of a column; numbers of 128 bits as text, times as counts."""
    if series.dtype.is_temporal():
        return series.to_physical().to_list()
    values = series.to_list()
    if str(series.dtype) in TEXTS:
        return [None if value is None else str(value) for value in values]
    return values


def polars_column(series: pl.Series) -> tuple[str, Rec, Any]:
    """Return name, dtype and data of a column."""
    if series.dtype == pl.Object:
        return series.name, polars_dtype(series.dtype), series.to_list()
    data = arrow_data(polars_values(series), polars_arrow_type(series.dtype))
    return series.name, polars_dtype(series.dtype), data


def polars_frame(frame: pl.DataFrame) -> Rec:
    """Return a frame."""
    columns = [polars_column(series) for series in frame.iter_columns()]
    return rec("polars.DataFrame", frame.height, columns)


def frequency(offset: Any) -> Rec:
    """Return a frequency of pandas."""
    name = type(offset).__qualname__
    return rec("pandas.frequency", name, offset.n, offset.normalize, dict(offset.kwds))


def pandas_index(index: Any) -> Rec:
    """Return an index."""
    if isinstance(index, pd.MultiIndex):
        levels = [pandas_column(index.get_level_values(i).array) for i in range(index.nlevels)]
        return rec("pandas.MultiIndex", tuple(index.names), levels)
    offset = None if isinstance(index, pd.PeriodIndex) else getattr(index, "freq", None)
    more = () if offset is None else (frequency(offset),)
    return rec("pandas.Index", index.name, pandas_column(index.array), *more)


def notes(table: Any) -> tuple[Any, ...]:
    """Return what was noted on a table."""
    unique = not table.flags.allows_duplicate_labels
    return (table.attrs, unique) if table.attrs or unique else ()


def pandas_series(series: Any) -> Rec:
    """Return a series."""
    return rec(
        "pandas.Series",
        pandas_index(series.index),
        pandas_column(series.array),
        series.name,
        *notes(series),
    )


def pandas_frame(frame: Any) -> Rec:
    """Return a frame."""
    columns = [pandas_column(frame.iloc[:, i].array) for i in range(frame.shape[1])]
    return rec(
        "pandas.DataFrame",
        pandas_index(frame.index),
        pandas_index(frame.columns),
        columns,
        *notes(frame),
    )


def is_text(value: Any) -> bool:
    """Tell whether a value in a column of objects may stand in one of strings."""
    return value is None or value is pd.NA or isinstance(value, str) or value != value  # noqa: PLR0124 (NaN)


def strings(kind: str, values: Sequence[Any]) -> Rec:
    """Return a column of strings."""
    texts = [value.encode() if isinstance(value, str) else None for value in values]
    present = bytes(text is not None for text in texts)
    sizes = b"".join(number8(len(text or b"")) for text in texts)
    return rec(
        "pandas.strings", kind, len(values), present, sizes, b"".join(t or b"" for t in texts)
    )


def pandas_column(array: Any) -> Any:
    """Return a column."""
    dtype = array.dtype
    if isinstance(dtype, pd.StringDtype):
        kind = "string" if dtype.na_value is pd.NA else "str"
        return strings(kind, list(array))
    if isinstance(dtype, np.dtype) or isinstance(array, pd.arrays.NumpyExtensionArray):
        values = np.asarray(array)
        text = values.dtype.kind == "O" and all(map(is_text, values))
        return strings("str", list(values)) if text else values
    if isinstance(dtype, pd.CategoricalDtype):
        categories = pandas_column(array.categories.array)
        codes = np.array(array.codes, "<i8")
        return rec("pandas.categorical", categories, dtype.ordered, codes)
    if isinstance(dtype, pd.DatetimeTZDtype):
        utc = [np.datetime64("NaT") if t is pd.NaT else t.asm8 for t in array]
        return rec("pandas.zoned", zone(dtype.tz), np.array(utc, f"<M8[{dtype.unit}]"))
    if isinstance(dtype, pd.PeriodDtype):
        return rec("pandas.periods", array.freqstr, np.array(array.asi8, "<i8"))
    if isinstance(dtype, pd.IntervalDtype):
        sides = (pandas_column(array.left.array), pandas_column(array.right.array))
        return rec("pandas.intervals", dtype.closed, *sides)
    if isinstance(dtype, pd.SparseDtype):
        filling = dtype.fill_value
        dense = np.array(list(array), dtype.subtype)
        same = [v == filling or (v != v and filling != filling) for v in dense]  # noqa: PLR0124 (NaN)
        places = np.array([i for i, s in enumerate(same) if not s], "<i8")
        one = np.array([filling], dtype.subtype)
        return rec("pandas.sparse", len(dense), one, places, dense[places])
    if isinstance(dtype, pd.ArrowDtype):
        column = pa.array([None if v is pd.NA else v for v in array], dtype.pyarrow_dtype)
        return rec("pandas.arrow", arrow_type(column.type), arrow_column(column))
    plain = np.dtype(dtype.name.lower() if dtype.name != "boolean" else "bool")
    missing = [value is pd.NA for value in array]
    filled = [plain.type(0) if gone else v for v, gone in zip(array, missing, strict=True)]
    return rec("pandas.nullable", np.array(filled, plain), np.array(missing, bool))


def zone(found: Any) -> Any:
    """Return a zone, one of pytz by its name."""
    return rec("zone", found.zone) if "pytz" in sys.modules and hasattr(found, "zone") else found


def pandas_dtype(dtype: Any) -> Rec:
    """Return a dtype of pandas."""
    if isinstance(dtype, pd.CategoricalDtype):
        return rec("pandas.dtype", "category", pandas_index(dtype.categories), dtype.ordered)
    if isinstance(dtype, pd.ArrowDtype):
        return rec("pandas.dtype", "arrow", arrow_type(dtype.pyarrow_dtype))
    return rec("pandas.dtype", str(dtype))


DESCRIPTIONS: Sequence[tuple[Any, Callable[[Any], Any]]] = [
    (Rec, lambda value: value),
    (pa.Table, arrow_table("arrow.Table")),
    (pa.RecordBatch, arrow_table("arrow.RecordBatch")),
    (
        pa.ChunkedArray,
        lambda v: rec("arrow.ChunkedArray", arrow_type(v.type), arrow_column(v)),
    ),
    (pa.Array, lambda v: rec("arrow.Array", arrow_type(v.type), arrow_column(v))),
    (
        pa.Scalar,
        lambda v: rec(
            "arrow.Scalar", arrow_type(v.type), arrow_column(pa.array([v.as_py()], v.type))
        ),
    ),
    (pa.Schema, arrow_schema),
    (pa.Field, arrow_field),
    (pa.DataType, arrow_type),
    (pl.DataFrame, polars_frame),
    (pl.Series, lambda series: rec("polars.Series", *polars_column(series))),
    (pl.DataType, polars_dtype),
    (pd.DataFrame, pandas_frame),
    (pd.Series, pandas_series),
    (pd.Index, pandas_index),
    (pd.api.extensions.ExtensionArray, pandas_column),
    (pd.api.extensions.ExtensionDtype, pandas_dtype),
    (type(pd.NaT), lambda _: rec("pandas.NaT")),
    (type(pd.NA), lambda _: rec("pandas.NA")),
    (pd.Timestamp, lambda v: rec("pandas.Timestamp", v.asm8, zone(v.tz))),
    (pd.Timedelta, lambda v: rec("pandas.Timedelta", v.asm8)),
    (pd.Period, lambda v: rec("pandas.Period", v.freqstr, v.ordinal)),
    (pd.Interval, lambda v: rec("pandas.Interval", v.closed, v.left, v.right)),
    (pd.offsets.BaseOffset, frequency),
]
