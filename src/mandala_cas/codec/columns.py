"""One column of a pandas table, as Arrow has it.

A form is a dict of plain values; ``"kind"`` says how the Arrow array is to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.arrow_carried import carried_by, check_type, in_one_run, one_chunk
from mandala_cas.codec.plain import from_plain, to_plain
from mandala_cas.codec.registered_dtypes import is_registered

Form = dict[str, Any]


def write_column(array: Any) -> tuple[Form, Any]:
    """Return form and Arrow array of an array of pandas.

    Raises:
        DeclinedError: it would not come back as it is.
    """
    import pandas as pd  # noqa: PLC0415 (heavy)

    dtype = array.dtype
    if isinstance(dtype, pd.StringDtype):
        # First, for arrays of Python strings are also among the next.
        return _write_strings(array)
    if isinstance(array, pd.arrays.NumpyExtensionArray):
        array = array.to_numpy()
        dtype = array.dtype
    if isinstance(dtype, np.dtype):
        return _write_numpy(np.asarray(array), dtype)
    for kind, write in (
        (pd.CategoricalDtype, _write_categories),
        (pd.DatetimeTZDtype, _write_zoned),
        (pd.PeriodDtype, _write_periods),
        (pd.IntervalDtype, _write_intervals),
        (pd.SparseDtype, _write_sparse),
        (pd.ArrowDtype, _write_arrow),
    ):
        if isinstance(dtype, kind):
            return write(array)
    if isinstance(array, pd.arrays.IntegerArray | pd.arrays.FloatingArray | pd.arrays.BooleanArray):
        return _write_nullable(array)
    raise DeclinedError(f"columns of dtype {dtype} are not kept in tables")


def read_column(form: Mapping[str, Any], column: Any) -> Any:
    """Return the array of pandas, writable and of its own."""
    read = _READERS.get(form["kind"])
    if read is None:
        raise ValueError(f"a column of kind {form['kind']!r} is not known here")
    return read(form, column)


def _write_numpy(array: Any, dtype: np.dtype[Any]) -> tuple[Form, Any]:
    """Return form and Arrow array of a column that is a NumPy array."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if is_registered(dtype):
        raise DeclinedError(f"columns of dtype {dtype} are not kept in tables")
    form = {"kind": "numpy", "dtype": dtype.str}
    if dtype.kind in "iuf" and dtype.isnative and dtype.itemsize <= 8:
        return form, pa.array(np.ascontiguousarray(array))
    if dtype.kind in "mM" and dtype.isnative:
        return form, pa.array(np.ascontiguousarray(array).view("i8"))
    if dtype.kind == "b":
        return form, pa.array(np.ascontiguousarray(array).view(np.uint8))
    if dtype.kind in "iufcmM" and dtype.char not in "gG":
        # Complex numbers, and the byte order of another machine: Arrow knows neither.
        data = pa.py_buffer(np.ascontiguousarray(array))
        fixed = pa.binary(dtype.itemsize)
        form["kind"] = "bytes"
        return form, pa.FixedSizeBinaryArray.from_buffers(fixed, len(array), [None, data])
    if dtype.kind != "O":
        raise DeclinedError(f"columns of dtype {dtype} are not kept in tables")
    return _write_objects(array.tolist())


def _read_numpy(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of numbers, truth values or times."""
    return _numbers(column).view(_fixed_dtype(form["dtype"], "iufbmM"))


def _read_bytes(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of numbers that Arrow does not know."""
    dtype = _fixed_dtype(form["dtype"], "iufcmM")
    if column.null_count or str(column.type) != f"fixed_size_binary[{dtype.itemsize}]":
        raise ValueError(f"a column of {column.type} does not hold {dtype}")
    if len(column) == 0:
        return np.zeros(0, dtype)
    start = column.offset * dtype.itemsize
    return (
        np.frombuffer(column.buffers()[1], np.uint8)[start : start + len(column) * dtype.itemsize]
        .copy()
        .view(dtype)
    )


def _write_objects(values: list[Any]) -> tuple[Form, Any]:
    """Return form and Arrow array of a column of objects: strings, or plain values."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    kinds = set(map(type, values))
    numbered = any(type(value) is float and value == value for value in values)  # noqa: PLR0124 (NaN)
    if numbered or not (kinds <= {str, type(None)} or kinds <= {str, float}):
        document = pa.array([to_plain(values)], pa.large_binary())
        return {"kind": "plain"}, in_one_run(document, len(values))
    strings = [value if type(value) is str else None for value in values]
    missing = "nan" if float in kinds else "none"
    return {"kind": "object", "missing": missing}, pa.array(strings, pa.large_string())


def _read_objects(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of objects that are strings, or missing."""
    missing = float("nan") if form["missing"] == "nan" else None
    check_type(column, "large_string")
    values = np.empty(len(column), dtype=object)
    values[:] = column.to_pylist()
    values[[not valid for valid in column.is_valid().to_pylist()]] = missing
    return values


def _read_plain(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of objects that are plain values."""
    del form
    carried = carried_by(column)
    check_type(carried, "large_binary")
    (document,) = carried.to_pylist()
    found = from_plain(document)
    if type(found) is not list or len(found) != len(column):
        raise ValueError("a column of plain values has more or fewer than its rows")
    values = np.empty(len(found), dtype=object)
    for i, value in enumerate(found):
        # One by one: from lists of one size NumPy would make another dimension.
        values[i] = value
    return values


def _write_strings(array: Any) -> tuple[Form, Any]:
    """Return form and Arrow array of a column of a dtype for strings."""
    import pandas as pd  # noqa: PLC0415 (heavy)
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    dtype = array.dtype
    if dtype.storage == "pyarrow":
        strings = one_chunk(array.__arrow_array__()).cast(pa.large_string())
    else:
        strings = pa.array(array.to_numpy(dtype=object, na_value=None), pa.large_string())
    nullable = dtype.na_value is pd.NA
    return {"kind": "string", "storage": dtype.storage, "nullable": nullable}, strings


def _read_strings(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of a dtype for strings."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    check_type(column, "large_string")
    dtype = _string_dtype(form["storage"], nullable=form["nullable"])
    if getattr(dtype, "storage", None) == "pyarrow":
        return dtype.__from_arrow__(column)
    return pd.array(column.to_pylist(), dtype=dtype)


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


def _write_categories(array: Any) -> tuple[Form, Any]:
    """Return form and Arrow array of a column of categories."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    form, categories = write_column(array.categories.array)
    codes = np.asarray(array.codes)
    ordered = bool(array.ordered)
    numbers = pa.array(codes, mask=codes < 0)
    dictionary = pa.DictionaryArray.from_arrays(numbers, categories, ordered=ordered)
    return {"kind": "category", "categories": form, "ordered": ordered}, dictionary


def _read_categories(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of categories."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    values = read_column(form["categories"], column.dictionary)
    categories = pd.Index(values, dtype=values.dtype, copy=False)
    codes = _numbers(column.indices.fill_null(-1))
    dtype = pd.CategoricalDtype(categories, ordered=form["ordered"])
    return pd.Categorical.from_codes(codes, dtype=dtype)


def _write_zoned(array: Any) -> tuple[Form, Any]:
    """Return form and Arrow array of a column of times in a zone."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    ticks = np.asarray(array.tz_convert("UTC").tz_localize(None)).view("i8")
    form = {"kind": "zoned", "unit": array.dtype.unit, "zone": plain_zone(array.dtype.tz)}
    return form, pa.array(ticks)


def plain_zone(zone: Any) -> Any:
    """Return a zone as a plain value: those of pytz, which pandas 2 makes of names, by name."""
    is_of_pytz = type(zone).__module__.partition(".")[0] == "pytz"
    return str(zone) if is_of_pytz else zone


def _read_zoned(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of times in a zone."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    naive = pd.Series(_numbers(column).view(_fixed_dtype(f"<M8[{form['unit']}]", "M")))
    return naive.dt.tz_localize("UTC").dt.tz_convert(form["zone"]).array


def _write_periods(array: Any) -> tuple[Form, Any]:
    """Return form and Arrow array of a column of periods."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    return {"kind": "period", "frequency": array.freqstr}, pa.array(array.asi8)


def _read_periods(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of periods."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    ordinals = _numbers(column)
    return pd.arrays.PeriodArray(ordinals, dtype=pd.PeriodDtype(form["frequency"]))


def _write_intervals(array: Any) -> tuple[Form, Any]:
    """Return form and Arrow array of a column of intervals."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    (left, starts), (right, ends) = map(write_column, (array.left.array, array.right.array))
    form = {"kind": "interval", "closed": array.closed, "left": left, "right": right}
    return form, pa.StructArray.from_arrays([starts, ends], names=["0", "1"])


def _read_intervals(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of intervals."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    starts, ends = column.flatten()
    left = _ends(read_column(form["left"], starts))
    right = _ends(read_column(form["right"], ends))
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=form["closed"])


def _ends(values: Any) -> Any:
    """Return one side of intervals, as an index of exactly these values."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    return pd.Index(values, dtype=values.dtype, copy=False)


def _write_sparse(array: Any) -> tuple[Form, Any]:
    """Return form and Arrow array of a column of which only some values are kept."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    filling = array.fill_value
    if isinstance(filling, np.generic):
        filling = filling.item()
    values, kept = write_column(_as_array(array.sp_values))
    places = pa.array(np.asarray(array.sp_index.to_int_index().indices).astype(np.int32))
    pairs = pa.StructArray.from_arrays([places, kept], names=["0", "1"])
    pair_list = pa.LargeListArray.from_arrays([0, len(pairs)], pairs)
    form = {
        "kind": "sparse",
        "values": values,
        "filling": filling,
        "dtype": array.dtype.subtype.str,
        "blocks": array.kind == "block",
    }
    return form, in_one_run(pair_list, len(array))


def _as_array(values: Any) -> Any:
    """Return a NumPy array as one of pandas."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    return pd.Series(values, dtype=values.dtype, copy=False).array


def _read_sparse(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of which only some values are kept."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    subtype = _fixed_dtype(form["dtype"], "iufbmMcO")
    dtype = pd.SparseDtype(subtype, form["filling"])
    kind: Any = "block" if form["blocks"] else "integer"
    if len(column) == 0:
        return pd.arrays.SparseArray(np.zeros(0, subtype), dtype=dtype, kind=kind)
    if len(column) > np.iinfo(np.int32).max:
        raise ValueError("a sparse column is too long")
    places, values = carried_by(column).flatten().flatten()
    kept = np.asarray(read_column(form["values"], values))
    return _sparse_array(kept, _numbers(places).astype(np.int32), len(column), dtype, kind)


def _sparse_array(kept: Any, places: Any, count: int, dtype: Any, kind: Any) -> Any:
    """Return a sparse array of what is kept, by whatever this pandas has for it."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    make: Any = getattr(pd.arrays.SparseArray, "from_indices", None)
    if make is not None:
        return make(kept, places, count, fill_value=dtype.fill_value, kind=kind)
    from pandas._libs import sparse  # noqa: PLC0415 (heavy; pandas 3.0 and older have no other)

    number: Any = sparse.IntIndex
    index = number(count, places)
    index = index.to_block_index() if kind == "block" else index
    return pd.arrays.SparseArray(kept, sparse_index=index, dtype=dtype)


def _write_arrow(array: Any) -> tuple[Form, Any]:
    """Return form and Arrow array of a column that Arrow holds, and pandas shows."""
    return {"kind": "arrow"}, one_chunk(array.__arrow_array__())


def _read_arrow(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column that Arrow holds."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    del form
    dtype: Any = pd.ArrowDtype(column.type)
    return dtype.__from_arrow__(column)


def _write_nullable(array: Any) -> tuple[Form, Any]:
    """Return form and Arrow array of a column of nullable numbers or truth values."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    plain = array.dtype.numpy_dtype
    mask = np.asarray(array.isna())
    values = array.to_numpy(dtype=plain, na_value=np.zeros((), plain).item())
    return {"kind": "nullable", "dtype": array.dtype.name}, pa.array(values, mask=mask)


def _read_nullable(form: Mapping[str, Any], column: Any) -> Any:
    """Return a column of nullable numbers or truth values."""
    import pandas as pd  # noqa: PLC0415 (heavy)
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    dtype = pd.api.types.pandas_dtype(form["dtype"])
    read: Callable[[Any], Any] | None = getattr(dtype, "__from_arrow__", None)
    if read is None or not pa.types.is_primitive(column.type):
        raise ValueError(f"{form['dtype']!r} is no nullable dtype of {column.type}")
    return read(column)


def _numbers(column: Any) -> Any:
    """Return an Arrow column of numbers as an array of its own."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if column.null_count or not pa.types.is_primitive(column.type):
        raise ValueError("a number is missing where none can be")
    return np.array(column.to_numpy(zero_copy_only=False))


def _fixed_dtype(text: str, kinds: str) -> np.dtype[Any]:
    """Return the dtype of numbers, truth values or times."""
    dtype = np.dtype(text)
    if dtype.kind not in kinds:
        raise ValueError(f"{text!r} is no dtype of such a column")
    return dtype


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any], Any], Any]]] = {
    "numpy": _read_numpy,
    "bytes": _read_bytes,
    "object": _read_objects,
    "plain": _read_plain,
    "string": _read_strings,
    "category": _read_categories,
    "zoned": _read_zoned,
    "period": _read_periods,
    "interval": _read_intervals,
    "sparse": _read_sparse,
    "arrow": _read_arrow,
    "nullable": _read_nullable,
}
