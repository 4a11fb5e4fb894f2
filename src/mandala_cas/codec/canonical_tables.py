"""How the frames, series, indexes and scalars of pandas are encoded."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from mandala_cas.codec.encoder import Data, Encoder, Record, Rule
from mandala_cas.codec.names import name_of


def find_table_rule(kind: type) -> Rule | None:
    """Return how to encode values of a type of pandas'; None if it is none.

    pandas is not imported for this: who has such a value has imported it.
    """
    pandas = sys.modules.get("pandas")
    if pandas is None or not hasattr(pandas, "DataFrame"):
        return None
    for base, rule in (
        (pandas.DataFrame, _encode_frame),
        (pandas.Series, _encode_series),
        (pandas.Index, _encode_index),
    ):
        if issubclass(kind, base):
            return rule if _is_of_pandas(kind) else _subclass_rule(base)
    if issubclass(kind, pandas.api.extensions.ExtensionArray):
        return _encode_column
    if issubclass(kind, pandas.api.extensions.ExtensionDtype):
        return _encode_dtype
    return {
        pandas.Timestamp: _encode_timestamp,
        pandas.Timedelta: lambda e, v: e.record("pandas.Timedelta", v.asm8),
        type(pandas.NaT): lambda e, _: e.record("pandas.NaT"),
        type(pandas.NA): lambda e, _: e.record("pandas.NA"),
        pandas.Period: lambda e, v: e.record("pandas.Period", v.freqstr, v.ordinal),
        pandas.Interval: lambda e, v: e.record("pandas.Interval", v.closed, v.left, v.right),
    }.get(kind)


def _is_of_pandas(kind: type) -> bool:
    """Tell whether a class is one of pandas' own."""
    return kind.__module__.partition(".")[0] == "pandas"


def _encode_frame(encoder: Encoder, frame: Any) -> bytes:
    """Return the encoding of a frame: both its indexes, and its columns by position."""
    columns = [column_of(frame.iloc[:, i].array) for i in range(frame.shape[1])]
    return encoder.record("pandas.DataFrame", frame.index, frame.columns, columns)


def _encode_series(encoder: Encoder, series: Any) -> bytes:
    """Return the encoding of a series."""
    return encoder.record("pandas.Series", series.index, column_of(series.array), series.name)


def _encode_index(encoder: Encoder, index: Any) -> bytes:
    """Return the encoding of an index: a range is the numbers in it."""
    if index.nlevels > 1 or type(index).__name__ == "MultiIndex":
        # By value: levels may hold what no row has, in any order.
        levels = [column_of(index.get_level_values(i).array) for i in range(index.nlevels)]
        return encoder.record("pandas.MultiIndex", tuple(index.names), levels)
    return encoder.record("pandas.Index", index.name, column_of(index.array))


def _encode_timestamp(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of a point in time."""
    return encoder.record("pandas.Timestamp", value.asm8, _zone(value.tz))


def _encode_dtype(encoder: Encoder, dtype: Any) -> bytes:
    """Return the encoding of a dtype of pandas."""
    categories = getattr(dtype, "categories", None)
    if categories is not None:
        return encoder.record("pandas.dtype", "category", categories, dtype.ordered)
    return encoder.record("pandas.dtype", str(dtype))


def _subclass_rule(base: Any) -> Rule:
    """Return the rule for a class that somebody derived from one of pandas'."""

    def encode(encoder: Encoder, value: Any) -> bytes:
        """Return the encoding of what the class adds, and of the rest as pandas' own."""
        names = getattr(value, "_metadata", ())
        metadata = {name: getattr(value, name, None) for name in names if name != "_name"}
        name = name_of(type(value))
        return encoder.record("pandas.subclass", name, base(value), metadata)

    return encode


def _zone(zone: Any) -> Any:
    """Return a time zone as pandas 3 has it: pandas 2 makes those of pytz."""
    name = getattr(zone, "zone", None)
    if type(zone).__module__.partition(".")[0] == "pytz" and isinstance(name, str):
        return Record("zone", name)
    return zone


def _encode_column(encoder: Encoder, array: Any) -> bytes:
    """Return the encoding of an array of pandas."""
    return encoder.stand_in(column_of(array))


def column_of(array: Any) -> Any:
    """Return a column as something that is encoded without regard to pandas' own layout."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    dtype = array.dtype
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return np.asarray(array)
    if isinstance(dtype, np.dtype):
        values = np.asarray(array, dtype=object)
        strings = _strings("str", values.tolist())
        return values if strings is None else strings
    if isinstance(dtype, pd.StringDtype):
        kind = "string" if dtype.na_value is pd.NA else "str"
        if dtype.storage == "pyarrow":
            strings = _arrow_strings(kind, array)
            if strings is not None:
                return strings
        values = array.to_numpy(dtype=object, na_value=None)
        return _strings(kind, values.tolist())
    if isinstance(dtype, pd.CategoricalDtype):
        codes = np.asarray(array.codes, dtype=np.int64)
        categories = column_of(array.categories.array)
        return Record("pandas.categorical", categories, bool(array.ordered), codes)
    if isinstance(dtype, pd.DatetimeTZDtype):
        naive = np.asarray(array.tz_convert("UTC").tz_localize(None))
        return Record("pandas.zoned", _zone(dtype.tz), naive)
    if isinstance(dtype, pd.PeriodDtype):
        return Record("pandas.periods", array.freqstr, np.asarray(array.asi8))
    if isinstance(dtype, pd.IntervalDtype):
        left, right = column_of(array.left.array), column_of(array.right.array)
        return Record("pandas.intervals", array.closed, left, right)
    return _other_column(array)


def _other_column(array: Any) -> Any:
    """Return a plain or nullable column, or any other by its elements."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    if isinstance(array, pd.arrays.NumpyExtensionArray):
        return column_of(array.to_numpy())
    if isinstance(array, pd.arrays.IntegerArray | pd.arrays.FloatingArray | pd.arrays.BooleanArray):
        plain = np.dtype(array.dtype.type)
        zero = np.zeros((), plain).item()
        values = array.to_numpy(dtype=plain, na_value=zero)
        return Record("pandas.nullable", values, np.asarray(array.isna()))
    return Record("pandas.other", str(array.dtype), list(array))


def _strings(kind: str, values: list[Any]) -> Record | None:
    """Return a column of strings, or None if something else is among them."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    kinds = set(map(type, values))
    if not kinds <= {str, type(None), float, type(pd.NA)}:
        return None
    present = np.ones(len(values), np.uint8)
    if kinds - {str}:
        if any(type(value) is float and value == value for value in values):  # noqa: PLR0124 (NaN)
            return None
        present = np.fromiter((type(value) is str for value in values), np.uint8, len(values))
        values = [value if type(value) is str else "" for value in values]
    whole = "".join(values)
    text = whole.encode("utf-8", "surrogatepass")
    if len(text) == len(whole):
        sizes = np.fromiter(map(len, values), "<u8", len(values))
    else:
        encoded = (value.encode("utf-8", "surrogatepass") for value in values)
        sizes = np.fromiter(map(len, encoded), "<u8", len(values))
    count = len(values)
    parts = (Data(present), Data(sizes.view(np.uint8)), Data(text))
    return Record("pandas.strings", kind, count, *parts)


def _arrow_strings(kind: str, array: Any) -> Record | None:
    """Return a column of strings that Arrow holds, or None if its missing ones have letters."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    column = array.__arrow_array__()
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    column = column.cast(pa.large_string())
    count = len(column)
    present = column.is_valid().to_numpy(zero_copy_only=False).astype(np.uint8)
    _, places, letters = column.buffers()
    offsets = (
        np.frombuffer(places, "<i8")[column.offset :][: count + 1] if count else np.zeros(1, "<i8")
    )
    sizes = np.diff(offsets)
    if sizes[present == 0].any():
        return None
    text = b"" if letters is None else memoryview(letters)[offsets[0] : offsets[-1]]
    parts = (Data(present), Data(sizes.view(np.uint8)), Data(text))
    return Record("pandas.strings", kind, count, *parts)
