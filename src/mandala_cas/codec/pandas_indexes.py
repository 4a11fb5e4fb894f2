"""The indexes of pandas tables, between pandas and Arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.arrow_carried import carried_by, in_one_run
from mandala_cas.codec.columns import Form, read_column, write_column

# Arrow does not read dictionaries of what has dictionaries or parts itself.
_NO_DICTIONARY: Final = frozenset({"category", "interval"})


class ColumnWriter:
    """Collects the Arrow arrays of one table, which are numbered as they come."""

    def __init__(self) -> None:
        """Have none."""
        self.arrays: list[Any] = []

    def column(self, array: Any) -> Form:
        """Add a column; return its form."""
        form, arrow = write_column(array)
        form["at"] = len(self.arrays)
        self.arrays.append(arrow)
        return form

    def index(self, index: Any) -> Form:
        """Add the columns of an index; return its form."""
        import pandas as pd  # noqa: PLC0415 (heavy)

        if isinstance(index, pd.RangeIndex):
            ends = [index.start, index.stop, index.step]
            return {"kind": "range", "range": ends, "name": index.name}
        if isinstance(index, pd.MultiIndex):
            parts = zip(index.levels, index.codes, strict=True)
            levels = [self._level(level, np.asarray(codes)) for level, codes in parts]
            return {"kind": "multi", "levels": levels, "names": list(index.names)}
        form = self.column(index.array)
        _note_frequency(form, index)
        return {"kind": "plain", "column": form, "name": index.name}

    def _level(self, level: Any, codes: Any) -> Form:
        """Add one level of an index as a dictionary; return its form."""
        import pyarrow as pa  # noqa: PLC0415 (heavy)

        form, arrow = write_column(level.array)
        _note_frequency(form, level)
        form["at"] = len(self.arrays)
        if form["kind"] in _NO_DICTIONARY and len(codes):
            self.arrays.append(pa.array(codes))
            form["carried"] = len(self.arrays)
            values = pa.LargeListArray.from_arrays([0, len(arrow)], arrow)
            self.arrays.append(in_one_run(values, len(codes)))
            return form
        numbers = pa.array(codes, mask=codes < 0)
        self.arrays.append(pa.DictionaryArray.from_arrays(numbers, arrow))
        return form


def read_index(form: Mapping[str, Any], columns: Sequence[Any]) -> Any:
    """Return the index of a form."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    if form["kind"] == "range":
        start, stop, step = form["range"]
        return pd.RangeIndex(start, stop, step, name=form["name"])
    if form["kind"] == "multi":
        pairs = [_read_level(level, columns) for level in form["levels"]]
        levels, codes = [level for level, _ in pairs], [codes for _, codes in pairs]
        return pd.MultiIndex(levels=levels, codes=codes, names=form["names"])
    column = form["column"]
    return _read_plain_index(column, take(columns, column), form["name"])


def _read_level(form: Mapping[str, Any], columns: Sequence[Any]) -> tuple[Any, Any]:
    """Return the values of a level, and their number in each row."""
    array = take(columns, form)
    if "carried" in form:
        values = carried_by(take(columns, {"at": form["carried"]})).flatten()
        return _read_plain_index(form, values), array.to_numpy()
    return _read_plain_index(form, array.dictionary), array.indices.fill_null(-1).to_numpy()


def take(columns: Sequence[Any], form: Mapping[str, Any]) -> Any:
    """Return the Arrow array that a form speaks of."""
    at = form["at"]
    if type(at) is not int or not 0 <= at < len(columns):
        raise ValueError(f"there is no column {at!r}")
    return columns[at]


def index_of(values: Any, name: Any = None) -> Any:
    """Return an index of exactly these values: pandas likes to find a better dtype."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    return pd.Index(values, name=name, dtype=values.dtype, copy=False)


def check_index(new: Any, old: Any) -> None:
    """Decline an index of which more than the values would differ."""
    same = type(new) is type(old) and new.dtype == old.dtype and new.names == old.names
    frequencies = getattr(new, "freq", None), getattr(old, "freq", None)
    if not same or frequencies[0] != frequencies[1]:
        raise DeclinedError(f"an index {old!r:.100} would come back as {new!r:.100}")
    levels = (new.levels, old.levels) if hasattr(old, "levels") else ((), ())
    for new_level, old_level in zip(*levels, strict=True):
        check_index(new_level, old_level)


def _read_plain_index(form: Mapping[str, Any], array: Any, name: Any = None) -> Any:
    """Return an index of one level, with its frequency."""
    index = index_of(read_column(form, array), name)
    if "freq" in form:
        index.freq = read_frequency(form["freq"])
    return index


def _note_frequency(form: Form, index: Any) -> None:
    """Write the frequency of an index into the form of its column."""
    frequency = getattr(index, "freq", None)
    # That of periods is part of their dtype.
    if frequency is not None and type(index).__name__ != "PeriodIndex":
        form["freq"] = write_frequency(frequency)


def write_frequency(offset: Any) -> Form:
    """Return the form of a frequency; its short name changed between versions of pandas."""
    kind = type(offset)
    if kind.__module__.partition(".")[0] != "pandas":
        raise DeclinedError(f"a frequency of class {kind.__qualname__} is not kept")
    # A calendar of business days has no plain form, so `to_plain` declines it.
    keywords = dict(offset.kwds)
    form = {"class": kind.__name__, "n": offset.n, "normalize": offset.normalize, **keywords}
    if read_frequency(form) != offset:
        raise DeclinedError(f"the frequency {offset!r:.100} would come back as another")
    return form


def read_frequency(form: Mapping[str, Any]) -> Any:
    """Return the frequency of a form."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    keywords = dict(form)
    name, count = keywords.pop("class"), keywords.pop("n")
    kind = getattr(pd.offsets, name)
    if not (isinstance(kind, type) and issubclass(kind, pd.offsets.BaseOffset)):
        raise TypeError(f"{name!r} is no frequency of pandas")
    return kind(count, **keywords)
