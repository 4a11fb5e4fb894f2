"""Kinds of values of pandas."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from mandala_cas.testing.values.array_kinds import elements_of
from mandala_cas.testing.values.kinds import Kind, first_alike
from mandala_cas.testing.values.parts import Part, Parts
from mandala_cas.testing.values.slots import Choice, Elements, Integer, Spelling

Numbers = tuple[int, ...]
ROWS: Final = 3

_TEXT: Final = ["", "a", None, "b", "\u00e9", "A"]
_WHOLE: Final = [0, 1, None, 3, -1, 100]
_REAL: Final = [0.0, -0.0, None, 1.5, float("inf"), 2.0]
_DAYS: Final = [None if n == 2 else dt.date(2024, 1, 1 + n) for n in range(6)]
_EXACT: Final = [None if n == 2 else Decimal(n).scaleb(-2) for n in range(6)]
_LISTS: Final = [[], [None], None, [1], [1, 2], [2, 1]]
_STRUCTS: Final = [{"a": 1, "b": "x"}, {"a": 1, "b": None}, None, {"a": None, "b": None}] + [
    {"a": n, "b": "y"} for n in (2, 3)
]
_MIXED: Final = [0, False, None, "0", (0,), [0]]
_LABELS: Final = ["u", "v", None, "w", "v", "u"]


def _of(values: list[Any], dtype: Any) -> Callable[[Numbers], Any]:
    """Return a function from numbers to an array of pandas."""
    return lambda numbers: pd.array([values[number] for number in numbers], dtype=dtype())


def _numpy(dtype: str) -> Callable[[Numbers], Any]:
    """Return a function from numbers to an array of NumPy."""
    return lambda numbers: elements_of(np.dtype(dtype), numbers)


def _objects(numbers: Numbers) -> Any:
    """Return objects, of which the first is no str: a column of strings would be hashed as such."""
    made = np.empty(len(numbers), object)
    for place, number in enumerate(numbers):
        made[place] = _MIXED[number]
    made[0] = (numbers[0],)
    return made


def _zoned(zone: str, unit: str) -> Callable[[Numbers], Any]:
    """Return a function from numbers to moments in a zone."""
    return lambda numbers: (
        pd.DatetimeIndex(elements_of(np.dtype(f"M8[{unit}]"), tuple(n % 5 for n in numbers)))
        .tz_localize("UTC")
        .tz_convert(zone)
        .array
    )


def _periods(frequency: str) -> Callable[[Numbers], Any]:
    """Return a function from numbers to periods."""
    return lambda numbers: pd.array(
        [pd.NaT if n == 2 else pd.Period(ordinal=n, freq=frequency) for n in numbers],
        dtype=pd.PeriodDtype(frequency),
    )


def _intervals(closed: Any) -> Callable[[Numbers], Any]:
    """Return a function from numbers to intervals."""
    return lambda numbers: pd.arrays.IntervalArray.from_tuples(
        [(np.nan, np.nan) if n == 2 else (float(n), n + 1.5) for n in numbers], closed=closed
    )


def _sparse(filling: Any, kind: Any) -> Callable[[Numbers], Any]:
    """Return a function from numbers to a sparse array."""
    return lambda numbers: pd.arrays.SparseArray(
        [[0.0, 1.0, np.nan, 2.0, 3.0, -1.0][number] for number in numbers],
        fill_value=filling,
        kind=kind,
    )


def _arrow(values: list[Any], kind: Callable[[], Any]) -> Callable[[Numbers], Any]:
    """Return a function from numbers to an array that Arrow keeps."""
    return _of(values, lambda: pd.ArrowDtype(kind()))


COLUMNS: Final[Mapping[str, Callable[[Numbers], Any]]] = {
    **{name: _numpy(name) for name in ("<i8", "i1", "<u8", "<f4", "<f8", "?", "<c16")},
    **{name: _numpy(name) for name in ("<M8[ns]", "<M8[s]", "<m8[us]")},
    "objects": _objects,
    "str": _of(_TEXT, lambda: "str" if int(pd.__version__[0]) > 2 else object),
    "string": _of(_TEXT, lambda: pd.StringDtype("python")),
    **{name: _of(_WHOLE, functools.partial(str, name)) for name in ("Int8", "Int64")},
    "UInt8": _of([0, 1, None, 3, 4, 255], lambda: "UInt8"),
    "Float32": _of(_REAL, lambda: "Float32"),
    "boolean": _of([False, True, None, True, False, True], lambda: "boolean"),
    "Berlin s": _zoned("Europe/Berlin", "s"),
    "Berlin ns": _zoned("Europe/Berlin", "ns"),
    "Paris s": _zoned("Europe/Paris", "s"),
    "UTC s": _zoned("UTC", "s"),
    "months": _periods("M"),
    "days": _periods("D"),
    "right intervals": _intervals("right"),
    "left intervals": _intervals("left"),
    "sparse 0": _sparse(0.0, "integer"),
    "sparse NaN": _sparse(np.nan, "integer"),
    "arrow ints": _arrow(_WHOLE, pa.int16),
    "arrow text": _arrow(_TEXT, pa.string),
    "arrow days": _arrow(_DAYS, pa.date32),
    "arrow exact": _arrow(_EXACT, lambda: pa.decimal128(7, 2)),
    "arrow exacter": _arrow(_EXACT, lambda: pa.decimal128(7, 3)),
    "arrow lists": _arrow(_LISTS, lambda: pa.list_(pa.int8())),
    "arrow structs": _arrow(_STRUCTS, lambda: pa.struct([("a", pa.int8()), ("b", pa.string())])),
}


@functools.cache
def _shown(name: str) -> list[str]:
    """Return what tells the elements of six numbers apart: some columns have fewer."""
    return [repr(list(COLUMNS[name]((number,)))) for number in range(6)]


def _normal_column(name: str, numbers: Numbers) -> tuple[Any, ...]:
    """Return the literals of the same column that come first."""
    return name, first_alike(_shown(name), numbers)


_FREQUENCIES: Final = ("", "D", "B", "2D", "MS", "W-WED", "h", "bh")
_LABEL_MAKERS: Final[Mapping[str, Callable[[int], Any]]] = {
    "letters": lambda count: pd.Index(list("abc")[:count]),
    "other letters": lambda count: pd.Index(list("bca")[:count]),
    "numbers": pd.RangeIndex,
    "from one": lambda count: pd.RangeIndex(1, count + 1),
    "floats": lambda count: pd.Index(np.arange(count) / 2),
    "one name": lambda count: pd.Index(["d"] * count),
    "pairs": lambda count: pd.MultiIndex.from_tuples([("a", n) for n in range(count)]),
    "named pairs": lambda count: pd.MultiIndex.from_tuples(
        [("a", n) for n in range(count)], names=["u", 3]
    ),
    "days": lambda count: pd.date_range("2024", periods=count),
    "categories": lambda count: pd.CategoricalIndex(list("abc")[:count]),
    "named": lambda count: pd.Index(list("abc")[:count], name="n"),
}
_ATTRS: Final[Mapping[str, dict[Any, Any]]] = {
    "": {},
    "unit": {"unit": "m"},
    "other unit": {"unit": "s"},
    "list": {"unit": ["m"]},
}
_NAME: Final = Choice([None, "n", "m", 0, ("a", 1)])


def _categorical(order: str, is_ordered: Any, numbers: Numbers) -> Any:
    """Return labels out of some categories."""
    labels = [_LABELS[number] for number in numbers]
    return pd.Categorical(labels, categories=list(order), ordered=bool(is_ordered))


def _series(column: Any, index: Any, name: Any, attrs: str) -> Any:
    """Return a series."""
    made = pd.Series(column, index=index, name=name)
    made.attrs = dict(_ATTRS[attrs])
    return made


def _marked(column: Any, index: Any, attrs: str, is_free: Any) -> Any:
    """Return a series that may have a label twice, or may not."""
    made = _series(column, index, None, attrs)
    return made.set_flags(allows_duplicate_labels=bool(is_free))


def _frame(columns: list[Any], index: Any, labels: str, attrs: str, way: str) -> Any:
    """Return a frame, of blocks that were put together in one of two ways."""
    made = pd.DataFrame(dict(enumerate(columns)), index=index)
    if way == "one by one":
        made = pd.DataFrame(index=index)
        for place, column in enumerate(columns):
            made[place] = column
    made.columns = _LABEL_MAKERS[labels](len(columns))
    made.attrs = dict(_ATTRS[attrs])
    return made


def _days(year: int, frequency: str, zone: str, name: Any) -> Any:
    """Return an index of days, which knows its frequency or does not."""
    made = pd.date_range(f"{year}-01-01", periods=3, freq=frequency or "D", tz=zone or None)
    made.name = name
    return made if frequency else made._with_freq(None)  # type: ignore[attr-defined]  # noqa: SLF001


def _levels(one: Any, other: Any, names: tuple[Any, Any]) -> Any:
    """Return an index of two levels."""
    return pd.MultiIndex.from_arrays([one, other], names=names)


def _moment(nanos: int, zone: str, unit: Any) -> Any:
    """Return a moment."""
    return pd.Timestamp(nanos, unit="s", tz=zone or None).as_unit(unit)


_COLUMN: Final = Part(("column", "categorical"))
_LEVEL: Final = Part(("level", "categorical"))
_INDEX: Final = Part(("index", "range index", "days", "levels"))
_HASHED: Final = [n for n in COLUMNS if n not in {"objects", "arrow lists", "arrow structs"}]
_ZONE: Final = Choice(["", "UTC", "Europe/Berlin", "Europe/Paris"])

TABLES: Final[dict[str, Kind]] = {
    "column": Kind(
        lambda name, numbers: COLUMNS[name](numbers),
        (Choice([*COLUMNS]), Elements(ROWS)),
        normal=_normal_column,
    ),
    "level": Kind(
        lambda name, numbers: COLUMNS[name](numbers),
        (Choice(["<i8", "str", "<M8[s]"]), Elements(ROWS)),
        normal=_normal_column,
    ),
    "categorical": Kind(
        _categorical,
        (Choice(["uvw", "wuv", "uvwx"]), Choice([0, 1]), Elements(ROWS)),
        normal=lambda order, is_ordered, numbers: (
            *(order, is_ordered, first_alike(_LABELS, numbers)),
        ),
    ),
    "index": Kind(
        lambda column, name: pd.Index(column, name=name, copy=True),
        (Part(("column of an index", "categorical")), _NAME),
    ),
    "column of an index": Kind(
        lambda name, numbers: COLUMNS[name](numbers),
        (Choice(_HASHED), Elements(ROWS)),
        normal=_normal_column,
    ),
    "range index": Kind(
        lambda start, step, name: pd.RangeIndex(start, start + 3 * step, step, name=name),
        (Integer(-9, 9), Integer(1, 9), _NAME),
    ),
    "days": Kind(_days, (Choice([2019, 2020, 2024]), Choice(_FREQUENCIES), _ZONE, _NAME)),
    "levels": Kind(
        _levels, (_LEVEL, _LEVEL, Choice([(None, None), ("u", None), (None, "u"), ("u", "v")]))
    ),
    "series": Kind(_series, (_COLUMN, _INDEX, _NAME, Choice([*_ATTRS]))),
    # Its index never has a label twice, so that it can be marked as one that must not.
    "marked series": Kind(
        _marked, (_COLUMN, Part(("range index",)), Choice([*_ATTRS]), Choice([0, 1]))
    ),
    "frame": Kind(
        _frame,
        (
            Parts(1, 3, ("column", "categorical")),
            _INDEX,
            Choice([*_LABEL_MAKERS]),
            Choice([*_ATTRS]),
            Spelling(["at once", "one by one"]),
        ),
    ),
    "Timestamp": Kind(
        _moment, (Integer(-(10**9), 10**9), _ZONE, Choice(["s", "ms", "ns"])), is_key=True
    ),
    "Timedelta": Kind(
        lambda seconds, unit: pd.Timedelta(seconds, unit="s").as_unit(unit),
        (Integer(-(10**9), 10**9), Choice(["s", "us", "ns"])),
        is_key=True,
    ),
    "Period": Kind(
        lambda number, frequency: pd.Period(ordinal=number, freq=frequency),
        (Integer(-999, 9999), Choice(["M", "D", "Q", "h"])),
        is_key=True,
    ),
    "Interval": Kind(
        lambda left, size, closed: pd.Interval(left, left + size, closed),
        (Integer(-99, 99), Integer(1, 9), Choice(["left", "right", "both", "neither"])),
        is_key=True,
    ),
    "offset": Kind(
        lambda count, kind: getattr(pd.offsets, kind)(count),
        (Integer(1, 9), Choice(["Day", "Hour", "MonthEnd", "BusinessDay", "YearBegin"])),
        is_key=True,
    ),
    "missing": Kind(lambda name: getattr(pd, name), (Choice(["NA", "NaT"]),), is_key=True),
}
