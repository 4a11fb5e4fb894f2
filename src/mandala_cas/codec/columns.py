"""One column of a table, between pandas and Arrow.

A form is a dict of plain values; ``"kind"`` says how the Arrow array is to be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mandala_cas.codec.api import DeclinedError


def write_column(array: Any) -> tuple[dict[str, Any], Any]:
    """Return form and Arrow array of an array of pandas.

    Raises:
        DeclinedError: it would not come back as it is.
    """
    import pandas as pd  # noqa: PLC0415 (heavy)
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    dtype = array.dtype
    if isinstance(dtype, pd.StringDtype):
        strings = pa.array(array.to_numpy(dtype=object, na_value=None), pa.large_string())
        nullable = dtype.na_value is pd.NA
        return {"kind": "string", "storage": dtype.storage, "nullable": nullable}, strings
    if isinstance(array, pd.arrays.NumpyExtensionArray):
        array = array.to_numpy()
        dtype = array.dtype
    if isinstance(dtype, np.dtype):
        return _write_numpy(np.asarray(array), dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        form, categories = write_column(array.categories.array)
        codes = np.asarray(array.codes)
        dictionary = pa.DictionaryArray.from_arrays(
            pa.array(codes, mask=codes < 0), categories, ordered=bool(array.ordered)
        )
        header = {"kind": "category", "categories": form, "ordered": bool(array.ordered)}
        return header, dictionary
    if isinstance(dtype, pd.DatetimeTZDtype):
        ticks = np.asarray(array.tz_convert("UTC").tz_localize(None)).view("i8")
        header = {"kind": "zoned", "unit": dtype.unit, "zone": _zone(dtype.tz)}
        return header, pa.array(ticks)
    if isinstance(dtype, pd.PeriodDtype):
        return {"kind": "period", "frequency": array.freqstr}, pa.array(array.asi8)
    if isinstance(array, pd.arrays.IntegerArray | pd.arrays.FloatingArray | pd.arrays.BooleanArray):
        plain = dtype.numpy_dtype
        mask = np.asarray(array.isna())
        values = array.to_numpy(dtype=plain, na_value=np.zeros((), plain).item())
        return {"kind": "nullable", "dtype": dtype.name}, pa.array(values, mask=mask)
    raise DeclinedError(f"columns of dtype {dtype} are not kept in tables")


def read_column(form: Mapping[str, Any], column: Any) -> Any:
    """Return the array of pandas, writable and of its own."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    kind = form["kind"]
    if kind == "numpy":
        return _numbers(column).view(_fixed_dtype(form["dtype"]))
    if kind == "object":
        missing = float("nan") if form["missing"] == "nan" else None
        values = np.empty(len(column), dtype=object)
        values[:] = column.to_pylist()
        values[[not valid for valid in column.is_valid().to_pylist()]] = missing
        return values
    if kind == "string":
        dtype = _string_dtype(form["storage"], nullable=form["nullable"])
        return pd.array(column.to_pylist(), dtype=dtype)
    if kind == "category":
        values = read_column(form["categories"], column.dictionary)
        categories = pd.Index(values, dtype=values.dtype, copy=False)
        codes = _numbers(column.indices.fill_null(-1))
        dtype = pd.CategoricalDtype(categories, ordered=form["ordered"])
        return pd.Categorical.from_codes(codes, dtype=dtype)
    if kind == "zoned":
        naive = pd.Series(_numbers(column).view(_fixed_dtype(f"<M8[{form['unit']}]")))
        return naive.dt.tz_localize("UTC").dt.tz_convert(form["zone"]).array
    if kind == "period":
        dtype = pd.PeriodDtype(form["frequency"])
        return pd.arrays.PeriodArray(_numbers(column), dtype=dtype)
    if kind == "nullable":
        dtype = pd.api.types.pandas_dtype(form["dtype"])
        read = getattr(dtype, "__from_arrow__", None)
        if read is None:
            raise ValueError(f"{form['dtype']!r} is no nullable dtype")
        return read(column)
    raise ValueError(f"a column of kind {kind!r} is not known here")


def _zone(zone: Any) -> Any:
    """Return a zone as a plain value: those of pytz, which pandas 2 makes of names, by name."""
    is_of_pytz = type(zone).__module__.partition(".")[0] == "pytz"
    return str(zone) if is_of_pytz else zone


def _write_numpy(array: Any, dtype: np.dtype[Any]) -> tuple[dict[str, Any], Any]:
    """Return form and Arrow array of a column that is a NumPy array."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if dtype.kind in "iuf" and dtype.isnative and dtype.itemsize <= 8:
        return {"kind": "numpy", "dtype": dtype.str}, pa.array(np.ascontiguousarray(array))
    if dtype.kind in "mM" and dtype.isnative:
        ticks = np.ascontiguousarray(array).view("i8")
        return {"kind": "numpy", "dtype": dtype.str}, pa.array(ticks)
    if dtype.kind == "b":
        bits = np.ascontiguousarray(array).view(np.uint8)
        return {"kind": "numpy", "dtype": dtype.str}, pa.array(bits)
    if dtype.kind != "O":
        raise DeclinedError(f"columns of dtype {dtype} are not kept in tables")
    values = array.tolist()
    kinds = set(map(type, values))
    if not kinds <= {str, type(None)} and not kinds <= {str, float}:
        raise DeclinedError("a column of objects holds other things than strings")
    if any(type(value) is float and value == value for value in values):  # noqa: PLR0124 (NaN)
        raise DeclinedError("a column of objects holds numbers")
    strings = [value if type(value) is str else None for value in values]
    missing = "nan" if float in kinds else "none"
    return {"kind": "object", "missing": missing}, pa.array(strings, pa.large_string())


def _numbers(column: Any) -> Any:
    """Return an Arrow column of numbers as an array of its own."""
    if column.null_count:
        raise ValueError("a number is missing where none can be")
    return np.array(column.to_numpy(zero_copy_only=False))


def _fixed_dtype(text: str) -> np.dtype[Any]:
    """Return the dtype of numbers, truth values or times."""
    dtype = np.dtype(text)
    if dtype.kind not in "iufbmM":
        raise ValueError(f"{text!r} is no dtype of a column of numbers")
    return dtype


def _string_dtype(storage: str, *, nullable: bool) -> Any:
    """Return the dtype of strings, or the nearest that this pandas has."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    if nullable:
        return pd.StringDtype(storage)
    try:
        return pd.StringDtype(storage, na_value=np.nan)
    except TypeError:
        # Before pandas 2.3 these were objects.
        return np.dtype(object)
