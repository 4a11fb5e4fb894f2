"""pandas frames, series, indexes, arrays and dtypes: one Arrow IPC stream.

Columns are stored by position, under the names ``"0"``, ``"1"``, ...; labels, dtypes and indexes
stand in the metadata of the schema, as a plain value, so that nothing depends on how a version of
pandas or Arrow reads the other's. What does not come back exactly is declined: encoding tries it
out.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.arrow_carried import one_chunk
from mandala_cas.codec.arrow_streams import read_stream, write_stream
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.columns import Form, read_column
from mandala_cas.codec.pandas_indexes import ColumnWriter, check_index, read_index, take
from mandala_cas.codec.plain import from_plain, to_plain
from mandala_cas.objectstore.api import Buffer

# So many rows are read back and compared; the dtypes of the others are the same.
_COMPARED_ROWS: Final = 1000
_FORM: Final = b"mandala-cas"
# What pandas, NumPy and Arrow raise for what they cannot hold.
_NOT_HELD: Final = (
    ValueError,
    TypeError,
    NotImplementedError,
    OverflowError,
    LookupError,
    AttributeError,
    OSError,
)


class TableCodec:
    """Frames, series, indexes, arrays and dtypes of pandas' own classes."""

    name = "pandas"
    version = 1
    runs_code = False
    is_fragile = True

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a table; pandas is not imported to find out."""
        pandas = sys.modules.get("pandas")
        if pandas is None or not hasattr(pandas, "DataFrame"):
            return False
        kind = type(value)
        if kind in {pandas.DataFrame, pandas.Series}:
            return True
        parts = pandas.api.extensions.ExtensionArray | pandas.api.extensions.ExtensionDtype
        return kind.__module__.partition(".")[0] == "pandas" and issubclass(
            kind, pandas.Index | parts
        )

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the table as one Arrow stream."""
        import pyarrow as pa  # noqa: PLC0415 (heavy)

        try:
            table = _disassemble(value)
            _check(table, value)
            return {}, write_stream(table.schema, [table])
        except DeclinedError:
            raise
        except (*_NOT_HELD, pa.ArrowException) as error:
            raise DeclinedError(f"Arrow cannot hold this table: {error}") from error

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the table."""
        if header:
            raise ValueError("the header of a table says nothing")
        return _assemble(read_stream(payload))


def _disassemble(value: Any) -> Any:
    """Return a value of pandas as one batch of Arrow's."""
    import pandas as pd  # noqa: PLC0415 (heavy)
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    writer = ColumnWriter()
    form: Form = {}
    if isinstance(value, pd.Index):
        form["of"] = "index"
        form["index"] = writer.index(value)
    elif isinstance(value, pd.api.extensions.ExtensionArray):
        form["of"] = "array"
        form["columns"] = [writer.column(value)]
    elif isinstance(value, pd.api.extensions.ExtensionDtype):
        form["of"] = "dtype"
        form["columns"] = [writer.column(_empty_array(value))]
    elif isinstance(value, pd.Series):
        form["of"] = "series"
        form["index"] = writer.index(value.index)
        form["columns"] = [writer.column(value.array)]
        form["name"] = value.name
    else:
        form["of"] = "frame"
        form["index"] = writer.index(value.index)
        form["columns"] = [writer.column(value.iloc[:, i].array) for i in range(value.shape[1])]
        form["labels"] = _labels(value.columns)
    if isinstance(value, pd.DataFrame | pd.Series):
        if not value.flags.allows_duplicate_labels:
            form["unique"] = True
        if value.attrs:
            form["attrs"] = value.attrs
    names = [str(i) for i in range(len(writer.arrays))]
    table = pa.record_batch(writer.arrays, names=names)
    return table.replace_schema_metadata({_FORM: to_plain(form)})


def _empty_array(dtype: Any) -> Any:
    """Return the array of no rows that tells of a dtype."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    return pd.array([], dtype=dtype)


def _assemble(table: Any) -> Any:
    """Return what an Arrow table stands for."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    form = from_plain(table.schema.metadata[_FORM])
    columns = [one_chunk(column) for column in table.columns]
    if form["of"] in {"array", "dtype"}:
        (part,) = form["columns"]
        array = _array_of(read_column(part, take(columns, part)))
        return array if form["of"] == "array" else array.dtype
    index = read_index(form["index"], columns)
    if form["of"] == "index":
        return index
    values = [read_column(part, take(columns, part)) for part in form["columns"]]
    if any(len(column) != len(index) for column in values):
        raise ValueError("columns and index of a table differ in length")
    if form["of"] == "series":
        made: Any = _series_of(values[0], index)
        made.name = form["name"]
    else:
        # By position first: labels may occur twice.
        series = {number: _series_of(column, index) for number, column in enumerate(values)}
        made = pd.DataFrame(series, index=index, copy=False)
        made.columns = _read_labels(form["labels"])
    if "attrs" in form:
        made.attrs = form["attrs"]
    if "unique" in form:
        made.flags.allows_duplicate_labels = False
    return made


def _array_of(values: Any) -> Any:
    """Return an array of pandas': what NumPy holds is wrapped in one."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    if not isinstance(values, np.ndarray):
        return values
    return pd.Series(values, dtype=values.dtype, copy=False).array


def _series_of(values: Any, index: Any) -> Any:
    """Return a series of exactly these values."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    return pd.Series(values, index=index, dtype=values.dtype, copy=False)


def _labels(columns: Any) -> Form:
    """Return the labels of a frame: in a short form if that brings them back."""
    form = _short_labels(columns)
    if form is not None:
        made = _read_labels(form)
        try:
            check_index(made, columns)
            if content_id(made) == content_id(columns):
                return form
        except DeclinedError:
            pass
    # An index of its own, which has another length than the columns.
    batch = _disassemble(columns)
    return {"kind": "stream", "stream": b"".join(write_stream(batch.schema, [batch]))}


def _short_labels(columns: Any) -> Form | None:
    """Return labels as a list; None where that would not tell what they are."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    if isinstance(columns, pd.RangeIndex):
        ends = [columns.start, columns.stop, columns.step]
        return {"kind": "range", "range": ends, "name": columns.name}
    if isinstance(columns, pd.MultiIndex):
        return {"kind": "multi", "labels": list(columns), "names": list(columns.names)}
    if isinstance(columns.dtype, np.dtype) and columns.dtype.kind in "Oiufb":
        dtype = "object" if columns.dtype.kind == "O" else columns.dtype.str
    elif isinstance(columns.dtype, pd.StringDtype) and columns.dtype.na_value is not pd.NA:
        dtype = "str"
    else:
        return None
    form = {"kind": "plain", "dtype": dtype, "name": columns.name}
    return {**form, "labels": columns.tolist()}


def _read_labels(form: Mapping[str, Any]) -> Any:
    """Return the labels of a frame."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    if form["kind"] == "range":
        start, stop, step = form["range"]
        return pd.RangeIndex(start, stop, step, name=form["name"])
    if form["kind"] == "stream":
        return _assemble(read_stream(memoryview(form["stream"])))
    labels = form["labels"]
    if form["kind"] == "multi":
        return pd.MultiIndex.from_tuples(labels, names=form["names"])
    dtype: Any = form["dtype"]
    if dtype == "str":
        # Where pandas has no such dtype, these are objects.
        return pd.Index(labels, name=form["name"])
    return pd.Index(labels, name=form["name"], dtype=dtype)


def _check(table: Any, value: Any) -> None:
    """Decline what would not come back as it is, by reading it back."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    is_table = isinstance(value, pd.DataFrame | pd.Series)
    is_dtype = isinstance(value, pd.api.extensions.ExtensionDtype)
    if not is_dtype and len(value) > _COMPARED_ROWS:
        # The types of a long table show in a few of its rows.
        value = value.iloc[:_COMPARED_ROWS] if is_table else value[:_COMPARED_ROWS]
        table = _disassemble(value)
    made = _assemble(read_stream(memoryview(b"".join(write_stream(table.schema, [table])))))
    if type(made) is not type(value):
        raise DeclinedError(f"a {type(value).__name__} would come back as {type(made).__name__}")
    if is_dtype and made != value:
        raise DeclinedError(f"the dtype {value} would come back as {made}")
    if isinstance(value, pd.Index):
        check_index(made, value)
    elif is_table:
        check_index(made.index, value.index)
    if isinstance(value, pd.DataFrame):
        check_index(made.columns, value.columns)
    if not is_dtype and _dtypes(made) != _dtypes(value):
        raise DeclinedError("a column would come back with another dtype")
    if isinstance(value, pd.api.extensions.ExtensionArray) and _frequency(made) != _frequency(
        value
    ):
        raise DeclinedError("an array would lose its frequency")
    if content_id(made) != content_id(value):
        raise DeclinedError("a value in it would come back as another")


def _frequency(array: Any) -> Any:
    """Return the frequency that some arrays of times know."""
    return getattr(array, "freq", None)


def _dtypes(value: Any) -> Sequence[Any]:
    """Return the dtypes of the columns."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    return list(value.dtypes) if isinstance(value, pd.DataFrame) else [value.dtype]
