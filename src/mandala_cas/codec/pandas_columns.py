"""What is in the columns of pandas, without regard to how it lies in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from mandala_cas.codec.arrow_columns import data_of, present_in, texts_of
from mandala_cas.codec.canonical_arrow import type_of
from mandala_cas.codec.encoder import Data, Record
from mandala_cas.codec.pieces import joined


def column_of(array: Any) -> Any:
    """Return a column as something that is encoded without regard to pandas' own layout."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        return _numpy_column(np.asarray(array))
    if isinstance(dtype, pd.StringDtype):
        kind = "string" if dtype.na_value is pd.NA else "str"
        if dtype.storage == "pyarrow":
            return _arrow_strings(kind, array)
        values = array.to_numpy(dtype=object, na_value=None)
        return _strings(kind, values.tolist())
    if isinstance(dtype, pd.CategoricalDtype):
        codes = np.asarray(array.codes, dtype=np.int64)
        categories = column_of(array.categories.array)
        return Record("pandas.categorical", categories, bool(array.ordered), codes)
    if isinstance(dtype, pd.DatetimeTZDtype):
        naive = np.asarray(array.tz_convert("UTC").tz_localize(None))
        return Record("pandas.zoned", zone_of(dtype.tz), naive)
    if isinstance(dtype, pd.PeriodDtype):
        return Record("pandas.periods", array.freqstr, np.asarray(array.asi8))
    if isinstance(dtype, pd.IntervalDtype):
        left, right = column_of(array.left.array), column_of(array.right.array)
        return Record("pandas.intervals", array.closed, left, right)
    return _other_column(array)


def _numpy_column(values: Any) -> Any:
    """Return a column that NumPy holds: as strings where its objects are."""
    if values.dtype.kind != "O":
        return values
    strings = _strings("str", values.tolist())
    return values if strings is None else strings


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
    if isinstance(array.dtype, pd.ArrowDtype):
        return _arrow_column(array)
    if isinstance(array.dtype, pd.SparseDtype):
        return _sparse_column(array)
    return Record("pandas.other", str(array.dtype), list(array))


def _arrow_column(array: Any) -> Record:
    """Return a column that Arrow holds, and pandas shows."""
    column = array.__arrow_array__()
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    return Record("pandas.arrow", type_of(column.type), data_of(chunks, column.type))


def _sparse_column(array: Any) -> Any:
    """Return a column of which only some values are kept: those that differ from the filling."""
    subtype = array.dtype.subtype
    try:
        fill = np.full(1, array.fill_value, subtype)
    except (ValueError, TypeError, OverflowError):
        # Some versions of pandas take a filling that is of another type than the values.
        fill = np.full(1, array.fill_value, object)
    values = np.asarray(array.sp_values)
    places = np.asarray(
        array.sp_index.indices
        if hasattr(array.sp_index, "indices")
        else array.sp_index.to_int_index().indices
    ).astype("<i8")
    # Nothing says that a value which is kept is not the filling.
    with np.errstate(invalid="ignore"):
        same = (values == fill) | ((values != values) & (fill != fill))  # noqa: PLR0124 (NaN)
    kept = ~np.asarray(same, dtype=bool)
    column = _numpy_column(values[kept])
    return Record("pandas.sparse", len(array), fill, places[kept], column)


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


def _arrow_strings(kind: str, array: Any) -> Record:
    """Return a column of strings that Arrow holds."""
    column = array.__arrow_array__()
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    sizes, text = texts_of(chunks)
    return Record("pandas.strings", kind, len(column), joined(map(present_in, chunks)), sizes, text)


def zone_of(zone: Any) -> Any:
    """Return a time zone as pandas 3 has it: pandas 2 makes those of pytz."""
    name = getattr(zone, "zone", None)
    if type(zone).__module__.partition(".")[0] == "pytz" and isinstance(name, str):
        return Record("zone", name)
    return zone
