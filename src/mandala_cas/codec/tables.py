"""pandas frames, series and indexes: one Arrow IPC stream.

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
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.columns import read_column, write_column
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
)


class TableCodec:
    """Frames, series and indexes of pandas' own classes."""

    name = "pandas"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a table; pandas is not imported to find out."""
        pandas = sys.modules.get("pandas")
        if pandas is None or not hasattr(pandas, "DataFrame"):
            return False
        kind = type(value)
        return kind in {pandas.DataFrame, pandas.Series} or (
            issubclass(kind, pandas.Index) and kind.__module__.partition(".")[0] == "pandas"
        )

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the table as one Arrow stream."""
        import pyarrow as pa  # noqa: PLC0415 (heavy)

        try:
            table = _disassemble(value)
            _check(table, value)
            return {}, (_to_stream(table),)
        except DeclinedError:
            raise
        except (*_NOT_HELD, pa.ArrowException) as error:
            raise DeclinedError(f"Arrow cannot hold this table: {error}") from error

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the table."""
        if header:
            raise ValueError("the header of a table says nothing")
        return _assemble(_from_stream(payload))


def _to_stream(table: Any) -> memoryview:
    """Return a table as the bytes of an Arrow stream."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        # One batch, even of no rows: categories travel with it.
        writer.write_batch(table)
    return memoryview(sink.getvalue())


def _from_stream(payload: memoryview) -> Any:
    """Return the table in a stream, after checking what Arrow itself takes on trust."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    table = pa.ipc.open_stream(pa.py_buffer(payload)).read_all()
    # Without this, offsets that point elsewhere are followed.
    table.validate(full=True)
    return table


def _disassemble(value: Any) -> Any:
    """Return a pandas table as one batch of Arrow's."""
    import pandas as pd  # noqa: PLC0415 (heavy)
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    writer = _Writer()
    form: dict[str, Any] = {}
    if isinstance(value, pd.Index):
        form["of"] = "index"
        form["index"] = writer.index(value)
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
    if not isinstance(value, pd.Index):
        if not value.flags.allows_duplicate_labels:
            raise DeclinedError("flags are not kept")
        if value.attrs:
            form["attrs"] = value.attrs
    names = [str(i) for i in range(len(writer.arrays))]
    table = pa.record_batch(writer.arrays, names=names)
    return table.replace_schema_metadata({_FORM: to_plain(form)})


def _assemble(table: Any) -> Any:
    """Return the pandas table of an Arrow table."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    form = from_plain(table.schema.metadata[_FORM])
    columns = [table.column(i).combine_chunks() for i in range(table.num_columns)]
    index = _read_index(form["index"], columns)
    if form["of"] == "index":
        return index
    values = [read_column(part, _take(columns, part)) for part in form["columns"]]
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
    return made


class _Writer:
    """Collects the Arrow arrays of one table, which are numbered as they come."""

    def __init__(self) -> None:
        """Have none."""
        self.arrays: list[Any] = []

    def column(self, array: Any) -> dict[str, Any]:
        """Add a column; return its form."""
        form, arrow = write_column(array)
        form["at"] = len(self.arrays)
        self.arrays.append(arrow)
        return form

    def index(self, index: Any) -> dict[str, Any]:
        """Add the columns of an index; return its form."""
        import pandas as pd  # noqa: PLC0415 (heavy)
        import pyarrow as pa  # noqa: PLC0415 (heavy)

        if isinstance(index, pd.RangeIndex):
            ends = [index.start, index.stop, index.step]
            return {"kind": "range", "range": ends, "name": index.name}
        if isinstance(index, pd.MultiIndex):
            levels = []
            for level, codes in zip(index.levels, index.codes, strict=True):
                form, arrow = write_column(level.array)
                numbers = np.asarray(codes)
                form["at"] = len(self.arrays)
                form["index"] = type(level).__name__
                masked = pa.array(numbers, mask=numbers < 0)
                self.arrays.append(pa.DictionaryArray.from_arrays(masked, arrow))
                levels.append(form)
            return {"kind": "multi", "levels": levels, "names": list(index.names)}
        form = self.column(index.array)
        frequency = getattr(index, "freq", None)
        if frequency is not None and not isinstance(index, pd.PeriodIndex):
            form["frequency"] = frequency.freqstr
        return {"kind": "plain", "column": form, "name": index.name}


def _take(columns: Sequence[Any], form: Mapping[str, Any]) -> Any:
    """Return the Arrow array that a form speaks of."""
    at = form["at"]
    if type(at) is not int or not 0 <= at < len(columns):
        raise ValueError(f"there is no column {at!r}")
    return columns[at]


def _read_index(form: Mapping[str, Any], columns: Sequence[Any]) -> Any:
    """Return the index of a form."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    if form["kind"] == "range":
        start, stop, step = form["range"]
        return pd.RangeIndex(start, stop, step, name=form["name"])
    if form["kind"] == "multi":
        arrays = [_take(columns, level) for level in form["levels"]]
        return pd.MultiIndex(
            levels=[
                _index_of(read_column(level, array.dictionary))
                for level, array in zip(form["levels"], arrays, strict=True)
            ],
            codes=[array.indices.fill_null(-1).to_pylist() for array in arrays],
            names=form["names"],
        )
    column = form["column"]
    values = read_column(column, _take(columns, column))
    index = _index_of(values, form["name"])
    if "frequency" in column:
        index.freq = column["frequency"]
    return index


def _index_of(values: Any, name: Any = None) -> Any:
    """Return an index of exactly these values: pandas likes to find a better dtype."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    return pd.Index(values, name=name, dtype=values.dtype, copy=False)


def _series_of(values: Any, index: Any) -> Any:
    """Return a series of exactly these values."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    return pd.Series(values, index=index, dtype=values.dtype, copy=False)


def _labels(columns: Any) -> dict[str, Any]:
    """Return the labels of a frame: an index that is small enough for a header."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    if isinstance(columns, pd.RangeIndex):
        ends = [columns.start, columns.stop, columns.step]
        return {"kind": "range", "range": ends, "name": columns.name}
    if isinstance(columns, pd.MultiIndex):
        labels, names = list(columns), list(columns.names)
        return {"kind": "multi", "labels": labels, "names": names}
    if isinstance(columns.dtype, np.dtype):
        dtype = "object" if columns.dtype.kind == "O" else columns.dtype.str
    elif isinstance(columns.dtype, pd.StringDtype) and columns.dtype.na_value is not pd.NA:
        dtype = "str"
    else:
        raise DeclinedError(f"labels of dtype {columns.dtype} are not kept in tables")
    labels = columns.tolist()
    form = {"kind": "plain", "dtype": dtype, "name": columns.name}
    return {**form, "labels": labels}


def _read_labels(form: Mapping[str, Any]) -> Any:
    """Return the labels of a frame."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    if form["kind"] == "range":
        start, stop, step = form["range"]
        return pd.RangeIndex(start, stop, step, name=form["name"])
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

    if len(value) > _COMPARED_ROWS:
        # The types of a long table show in a few of its rows.
        value = value[:_COMPARED_ROWS]
        table = _disassemble(value)
    made = _assemble(_from_stream(_to_stream(table)))
    if type(made) is not type(value):
        raise DeclinedError(f"a {type(value).__name__} would come back as {type(made).__name__}")
    parts = [(made, value)]
    if not isinstance(value, pd.Index):
        parts = [(made.index, value.index)]
        if isinstance(value, pd.DataFrame):
            parts.append((made.columns, value.columns))
        if list(_dtypes(made)) != list(_dtypes(value)) or made.attrs != value.attrs:
            raise DeclinedError("a column would come back with another dtype")
    for new, old in parts:
        _check_index(new, old)
    if content_id(made) != content_id(value):
        raise DeclinedError("a value in it would come back as another")


def _check_index(new: Any, old: Any) -> None:
    """Decline an index of which more than the values would differ."""
    same = type(new) is type(old) and new.dtype == old.dtype and new.names == old.names
    frequencies = getattr(new, "freq", None), getattr(old, "freq", None)
    if not same or frequencies[0] != frequencies[1]:
        raise DeclinedError(f"an index {old!r:.100} would come back as {new!r:.100}")
    levels = (new.levels, old.levels) if hasattr(old, "levels") else ((), ())
    for new_level, old_level in zip(*levels, strict=True):
        _check_index(new_level, old_level)


def _dtypes(value: Any) -> Sequence[Any]:
    """Return the dtypes of the columns."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    return [value.dtype] if isinstance(value, pd.Series) else value.dtypes.tolist()
