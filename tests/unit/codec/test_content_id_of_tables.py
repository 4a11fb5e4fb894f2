"""Content ids of pandas' values: by schema, index and values, whatever the version and layout."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import threading
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandala_cas.codec import columns, pandas_columns
from mandala_cas.codec.canonical import content_id
from mandala_cas.errors import UsageError

PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
needs_str = pytest.mark.skipif(PANDAS < (2, 3), reason="this pandas has no dtype for str")

texts = st.lists(st.none() | st.text(max_size=5), max_size=8)


class Table(pd.DataFrame):
    """A frame with more to it."""

    _metadata = ["unit"]  # noqa: RUF012 (pandas asks for it)
    unit = "m"

    @property
    def _constructor(self) -> type[Table]:
        """Keep the class in what pandas derives."""
        return Table


def table(unit: str) -> Table:
    """Return a table with a unit."""
    made = Table({"a": [1]})
    made.unit = unit
    return made


VALUES: list[Callable[[], Any]] = [
    lambda: pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    lambda: pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    lambda: pd.DataFrame({"b": ["x", None], "a": [1, 2]}),
    lambda: pd.DataFrame({"a": [1, 2]}),
    lambda: pd.DataFrame({"a": [1, 2]}, index=["x", "y"]),
    lambda: pd.DataFrame({"a": [1, 2]}, index=[1, 2]),
    lambda: pd.DataFrame({"a": [1.0, 2.0]}),
    lambda: pd.DataFrame({"a": [1, 2]}).rename_axis("i"),
    lambda: pd.DataFrame({"a": [1, 2]}).rename_axis(columns="c"),
    lambda: pd.DataFrame({1: [1, 2]}),
    lambda: pd.DataFrame({("a", "b"): [1, 2]}),
    lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
    pd.DataFrame,
    lambda: pd.DataFrame(index=[1, 2]),
    lambda: pd.Series([1, 2]),
    lambda: pd.Series([1, 2], name="a"),
    lambda: pd.Series([1, 2], dtype="Int64"),
    lambda: pd.Series([1, None], dtype="Int64"),
    lambda: pd.Series([0, None], dtype="Int8"),
    lambda: pd.Series([0, None], dtype="Int64"),
    lambda: pd.Series([0, 0], dtype="Int64"),
    lambda: pd.Series([0.0, None], dtype="Float64"),
    lambda: pd.Series([True, None], dtype="boolean"),
    lambda: pd.Series(["a", None], dtype="string"),
    lambda: pd.Series(["a", None], dtype=object),
    lambda: pd.Series(["", "a"], dtype=object),
    lambda: pd.Series(["a", ""], dtype=object),
    lambda: pd.Series(["a", 1], dtype=object),
    lambda: pd.Series(["a", 1.0], dtype=object),
    lambda: pd.Series(["a", "\ud800"], dtype=object),
    lambda: pd.Series(["b", "a"], dtype="category"),
    lambda: pd.Series(["a", "b"], dtype="category"),
    lambda: pd.Series(pd.Categorical(["a", "b"], categories=["b", "a"])),
    lambda: pd.Series(pd.Categorical(["a", "b"], categories=["a", "b", "c"])),
    lambda: pd.Series(pd.Categorical(["a", "b"], ordered=True)),
    lambda: pd.Series(pd.Categorical(["a", None], categories=["a", "b"])),
    lambda: pd.Series(pd.date_range("2024", periods=2)),
    lambda: pd.Series(pd.date_range("2024", periods=2)).dt.as_unit("s"),
    lambda: pd.Series(pd.date_range("2024", periods=2, tz="UTC")),
    lambda: pd.Series(pd.date_range("2024", periods=2, tz="Europe/Berlin")),
    lambda: pd.Series(pd.to_timedelta([1, 2], "s")),
    lambda: pd.Series(pd.period_range("2024", periods=2, freq="M")),
    lambda: pd.Series(pd.period_range("2024", periods=2, freq="D")),
    lambda: pd.Series(pd.interval_range(0, 2)),
    lambda: pd.Series(pd.interval_range(0, 2, closed="left")),
    lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1])),
    lambda: pd.Series([0, 0, 1]),
    lambda: pd.Series([1, 2], dtype="int64[pyarrow]"),
    lambda: pd.Series([], dtype=object),
    lambda: pd.Series([], dtype="float64"),
    lambda: pd.Index([1, 2]),
    lambda: pd.Index([1, 2], name="a"),
    lambda: pd.Index(["a", "b"]),
    lambda: pd.MultiIndex.from_product([[1, 2], ["a", "b"]]),
    lambda: pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["x", None]),
    lambda: pd.MultiIndex.from_arrays([[1, 2]]),
    lambda: pd.Categorical(["a"]),
    lambda: pd.array([1, None], dtype="Int64"),
    lambda: pd.Timestamp("2024-01-01"),
    lambda: pd.Timestamp("2024-01-01", tz="UTC"),
    lambda: pd.Timestamp("2024-01-01").as_unit("ns"),
    lambda: dt.datetime(2024, 1, 1),  # noqa: DTZ001 (naive)
    lambda: pd.Timedelta(1, "s"),
    lambda: dt.timedelta(seconds=1),
    lambda: pd.NaT,
    lambda: pd.NA,
    lambda: pd.Period("2024", "M"),
    lambda: pd.Interval(0, 1),
    lambda: pd.Interval(0, 1, closed="both"),
    pd.Int64Dtype,
    pd.StringDtype,
    lambda: pd.CategoricalDtype(["a", "b"]),
    lambda: pd.CategoricalDtype(["a", "b"], ordered=True),
    lambda: table("m"),
    lambda: table("km"),
    lambda: pd.DataFrame({"a": [1]}),
    lambda: pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
    lambda: noted(pd.DataFrame({"a": [1]}), unit="m"),
    lambda: noted(pd.DataFrame({"a": [1]}), unit="km"),
    lambda: noted(table("m"), unit="m"),
    lambda: noted(pd.Series([1]), unit="m"),
    lambda: pd.Series([1]),
    lambda: month_ends("ME"),
    lambda: month_ends("BME"),
    lambda: month_ends(pd.offsets.MonthEnd(normalize=True)),
    lambda: month_ends(None),
    lambda: pd.timedelta_range("1h", periods=2, freq="h"),
    lambda: pd.TimedeltaIndex(["1h", "2h"]),
    pd.offsets.MonthEnd,
    lambda: pd.offsets.MonthEnd(2),
    lambda: pd.offsets.Week(weekday=1),
    lambda: pd.offsets.Week(weekday=2),
    lambda: pd.offsets.CustomBusinessDay(holidays=["2024-01-01"]),
    lambda: pd.offsets.CustomBusinessDay(holidays=["2024-01-02"]),
    lambda: pd.Series(pd.arrays.SparseArray([0, 1, 0])),
    lambda: pd.Series(pd.arrays.SparseArray([0, 0, 2])),
    lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1], fill_value=1)),
    lambda: pd.Series(pd.arrays.SparseArray([0.0, 0.0, 1.0], fill_value=0.0)),
    lambda: pd.Series(pd.arrays.SparseArray([np.nan, 1.0])),
    lambda: pd.Series(pd.arrays.SparseArray([np.nan, 1.0, np.nan])),
    lambda: pd.Series([1, None], dtype="int64[pyarrow]"),
    lambda: pd.Series([1, 2], dtype="int32[pyarrow]"),
    lambda: pd.Series([[1], [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    lambda: pd.Series([[1, 2], []], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    lambda: pd.ArrowDtype(pa.int8()),
    lambda: pd.ArrowDtype(pa.int16()),
    lambda: pd.Series([1 + 2j]),
    lambda: pd.Series([1 - 2j]),
]


def noted(table: Any, **attributes: Any) -> Any:
    """Return a table with attributes."""
    table.attrs.update(attributes)
    return table


def month_ends(frequency: Any) -> Any:
    """Return days that several frequencies have."""
    days = np.array(["2024-01-31", "2024-02-29"], "M8[ns]")
    return pd.DatetimeIndex(days, freq=frequency)


def test_different_tables_have_different_ids() -> None:
    """Each differs from its neighbours in one thing."""
    ids = [content_id(make()) for make in VALUES]

    assert [i for i, one in enumerate(ids) if one in ids[:i]] == []


@pytest.mark.parametrize("make", VALUES)
def test_copies_have_the_same_id(make: Callable[[], Any]) -> None:
    """Made again, copied, through pickle."""
    value = make()
    through_pickle = pickle.loads(pickle.dumps(value))  # noqa: S301 (made here)

    assert {content_id(v) for v in (make(), copy.deepcopy(value), through_pickle)} == {
        content_id(value)
    }


@needs_str
@given(texts)
def test_strings_are_strings_whatever_holds_them(values: list[str | None]) -> None:
    """What pandas 2 makes objects, pandas 3 makes strings, with or without Arrow."""
    held = [
        pd.Series(values, dtype=object),
        pd.Series([np.nan if value is None else value for value in values], dtype=object),
        pd.Series(values, dtype=pd.StringDtype("python", na_value=np.nan)),
        pd.Series(values, dtype=pd.StringDtype("pyarrow", na_value=np.nan)),
    ]
    nullable = [pd.Series(values, dtype=pd.StringDtype(kind)) for kind in ("python", "pyarrow")]

    assert len({content_id(series) for series in held}) == 1
    assert len({content_id(series) for series in nullable}) == 1
    assert content_id(held[0]) != content_id(nullable[0])


@needs_str
def test_parts_of_arrow_columns_are_what_they_show() -> None:
    """A slice shares the memory of the whole; chunks are Arrow's business."""
    dtype = pd.StringDtype("pyarrow", na_value=np.nan)
    whole = pd.Series(["a", None, "ccc", "é"], dtype=dtype)
    joined = pd.concat([whole[:2], whole[2:]], ignore_index=True)

    assert content_id(joined) == content_id(whole)
    assert content_id(whole[1:3].reset_index(drop=True)) == content_id(
        pd.Series([None, "ccc"], dtype=dtype)
    )


@needs_str
def test_missing_strings_have_no_letters() -> None:
    """Arrow may keep some behind a missing one."""
    whole = pa.array(["a", "bb", "c"], pa.large_string())
    hidden = pa.Array.from_buffers(
        pa.large_string(), 3, [pa.py_buffer(b"\x05"), *whole.buffers()[1:]]
    )
    dtype: Any = pd.StringDtype("pyarrow", na_value=np.nan)
    column = dtype.__from_arrow__(hidden)

    assert content_id(column) == content_id(pd.array(["a", None, "c"], dtype=dtype))


def test_how_a_table_was_made_does_not_count() -> None:
    """Blocks, ranges and unused levels are no part of what it says."""
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})
    one_block = pd.DataFrame(np.array([[1, 4], [2, 5], [3, 6]]), columns=["a", "b"])
    numbered = frame.set_axis(pd.Index([0, 1, 2]))
    pairs = pd.MultiIndex.from_product([["a", "b"], [1, 2]])

    assert len({content_id(f) for f in (frame, one_block, numbered)}) == 1
    assert content_id(pairs[:2]) == content_id(pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))


def test_zones_of_pytz_are_zones() -> None:
    """With pandas 2 they come up where pandas 3 has those of the standard library."""
    zone = type("DstTzInfo", (dt.tzinfo,), {"__module__": "pytz.tzinfo", "zone": "Europe/Berlin"})()

    assert content_id(pandas_columns.zone_of(zone)) == content_id(ZoneInfo("Europe/Berlin"))


def test_how_a_sparse_column_is_kept_does_not_count() -> None:
    """Nor whether it keeps what is the filling, or is numbered in blocks."""
    places = np.array([0, 2], np.int32)
    dtype = pd.SparseDtype("int64", 0)
    kept = columns._sparse_array(np.array([0, 7]), places, 3, dtype, "integer")
    blocks = pd.arrays.SparseArray([0, 0, 7], kind="block")

    assert content_id(kept) == content_id(blocks) == content_id(pd.arrays.SparseArray([0, 0, 7]))


def test_columns_of_arrow_may_come_in_chunks() -> None:
    """Where pandas put them together."""
    part = pd.Series([1, None], dtype="int64[pyarrow]")
    both = pd.concat([part, part], ignore_index=True)

    assert content_id(both) == content_id(pd.Series([1, None, 1, None], dtype="int64[pyarrow]"))


def test_attributes_that_cannot_be_hashed_are_named() -> None:
    """They are part of the value."""
    with pytest.raises(UsageError, match="lock"):
        content_id(noted(pd.Series([1]), guard=threading.Lock()))


def test_calendars_of_business_days_count() -> None:
    """A copy that pandas makes loses them, so they are no values of the tests above."""
    weeks = [np.busdaycalendar("1111100"), np.busdaycalendar("1111000")]
    days = [pd.offsets.CustomBusinessDay(calendar=week) for week in weeks]

    assert content_id(days[0]) != content_id(days[1])
    assert content_id(days[0]) == content_id(pd.offsets.CustomBusinessDay(calendar=weeks[0]))
