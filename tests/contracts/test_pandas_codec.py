"""The codecs of pandas keep the contract, for every dtype."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mandala_cas.codec import columns, pandas_scalars
from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.pandas_scalars import PandasScalarCodec
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.codec.tables import TableCodec
from mandala_cas.testing.codecs import CodecSuite, decode

Makers = Sequence[Callable[[], Any]]


def mixed_frame() -> pd.DataFrame:
    """Return a frame with a column of every kind that is kept."""
    return pd.DataFrame(
        {
            "int": [1, 2],
            "half": np.array([1, 2], np.float16),
            "bool": [True, False],
            "text": ["x", None],
            "object": pd.Series(["x", None], dtype=object),
            "nan": pd.Series([np.nan, "x"], dtype=object),
            "nullable": pd.array([1, None], dtype="Int8"),
            "fraction": pd.array([1.5, None], dtype="Float32"),
            "truth": pd.array([True, None], dtype="boolean"),
            "string": pd.array(["é", None], dtype="string"),
            "python": pd.array(["a", "b"], dtype=pd.StringDtype("python")),
            "category": pd.Categorical(["u", None], categories=["v", "u"], ordered=True),
            "codes": pd.Categorical([3, 3], categories=[4, 3]),
            "time": np.array(["2024-02-29", "NaT"], "M8[s]"),
            "span": np.array([1, 2], "m8[ns]"),
            "zoned": pd.DatetimeIndex(["2024-10-27T00:30Z", "NaT"]).tz_convert("Europe/Berlin"),
            "month": pd.period_range("2024-01", periods=2, freq="M"),
            "complex": [1 + 2j, np.nan],
            "foreign": np.array([1, 2], ">i4"),
            "interval": pd.arrays.IntervalArray.from_tuples([(0.0, 1.5), (np.nan, np.nan)]),
            "hours": pd.interval_range(pd.Timestamp("2024", tz="UTC"), periods=2, closed="left"),
            "sparse": pd.arrays.SparseArray([0, 7]),
            "blocks": pd.arrays.SparseArray([np.nan, 1.5], kind="block"),
            "arrow": pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int8()))),
            "exact": pd.Series([Decimal("1.50"), None], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
            "mixed": pd.Series([1, "x"], dtype=object),
            "lists": [[1, 2], [3, 4]],
            "numbers": pd.Series([1.5, 2], dtype=object),
            "three": pd.Series([None, np.nan], dtype=object),
        }
    )


def noted_frame() -> pd.DataFrame:
    """Return a frame with everything that is not in its columns."""
    days = pd.date_range("2024-01-31", periods=2, freq="BME", tz="Europe/Berlin", name="day")
    made = pd.DataFrame({"a": [1, 2]}, index=days)
    made.attrs = {"unit": ["m", 1], "made": dt.date(2024, 1, 1)}
    made.columns = made.columns.rename(("of", "columns"))
    return made.set_flags(allows_duplicate_labels=False)


class TestTables(CodecSuite):
    """Frames, series, indexes, arrays and dtypes."""

    @pytest.fixture
    def codec(self) -> TableCodec:
        """Return the codec."""
        return TableCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return tables of every kind."""
        pairs = [("a", 1), ("b", 2)]
        days = pd.date_range("2024", periods=2)
        return [
            mixed_frame,
            lambda: mixed_frame()[:0],
            lambda: mixed_frame()["category"],
            noted_frame,
            pd.DataFrame,
            lambda: pd.DataFrame(index=["a", "b"]),
            lambda: pd.DataFrame(np.arange(6.0).reshape(2, 3)),
            lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
            lambda: pd.DataFrame([[1, 2]], columns=[5, 3]),
            lambda: pd.DataFrame(
                [[1, 2]], columns=pd.MultiIndex.from_tuples(pairs, names=["u", 3])
            ),
            lambda: pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_product([days, ["a"]])),
            lambda: pd.DataFrame([[1, 2]], columns=days),
            lambda: pd.DataFrame([[1, 2]], columns=pd.CategoricalIndex(["a", "b"], name="c")),
            lambda: pd.DataFrame({"dtype": [1], "freq": [2], "flags": [3]}),
            lambda: pd.DataFrame({"a": range(3000)}, index=pd.Index(range(3000, 0, -1), name="i")),
            lambda: pd.Series(range(3000), index=np.arange(3000) / 2),
            lambda: pd.Series([1.5, np.nan], index=["x", "y"], name=("a", 1)),
            lambda: pd.Series([], dtype=object),
            lambda: pd.Series(["\ud800", 1], dtype=object),
            lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1])),
            lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1]))[:0],
            lambda: pd.Series(range(3)).set_flags(allows_duplicate_labels=False),
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return tables that Arrow or the form cannot hold exactly, and what is no table."""
        holidays = pd.offsets.CustomBusinessDay(holidays=["2024-01-02"])
        return [
            1.5,
            np.arange(3),
            pd.Timestamp("2024"),
            pd.Series([1, object()]),
            pd.Series([pd.NaT, pd.NA], dtype=object),
            pd.Series([np.longdouble(1)], dtype=np.longdouble),
            pd.DataFrame([[1]], columns=[object()]),
            pd.Series([1], name=np.float64(1)),
            pd.Series([1], index=pd.Index([object()])),
            pd.date_range("2024", periods=3, freq=holidays),
            pd.CategoricalDtype(),
        ]


class TestIndexesAndArrays(CodecSuite):
    """What tables are made of."""

    @pytest.fixture
    def codec(self) -> TableCodec:
        """Return the codec."""
        return TableCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return indexes, arrays and dtypes of every kind."""
        days = pd.date_range("2024", periods=2)
        sides = pd.interval_range(0, 2, name="i")
        return [
            lambda: pd.Index(["a", None], dtype=object, name="n"),
            lambda: pd.RangeIndex(1, 10, 3, name="r"),
            lambda: pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["u", None]),
            lambda: pd.MultiIndex.from_arrays([[1, None], pd.to_datetime(["2024", "2025"])]),
            lambda: pd.MultiIndex.from_product([days, ["a"]]),
            lambda: pd.MultiIndex.from_product([days, ["a", "b"]])[:1],
            lambda: pd.MultiIndex.from_arrays([sides, pd.Categorical(["a", "b"])]),
            lambda: pd.date_range("2024", periods=3, freq="h", tz="UTC"),
            lambda: pd.date_range("2024", periods=3, freq="W-WED"),
            lambda: pd.date_range("2024", periods=3, freq=pd.DateOffset(months=1)),
            lambda: pd.date_range("2024-01-01", periods=3, freq="bh"),
            lambda: pd.timedelta_range("1h", periods=3, freq="30min"),
            lambda: pd.period_range("2024", periods=2, freq="Q"),
            lambda: pd.interval_range(0, 3, name="i"),
            lambda: pd.CategoricalIndex(["a", "b"]),
            lambda: pd.Categorical(["a", None], categories=["b", "a"], ordered=True),
            lambda: pd.array([1, None], dtype="Int64"),
            lambda: pd.array([1, 2], dtype="int64"),
            lambda: pd.array(np.array(["2024", "NaT"], "M8[us]")),
            lambda: pd.arrays.SparseArray([True, False]),
            pd.Int64Dtype,
            pd.StringDtype,
            lambda: pd.CategoricalDtype(["a", "b"], ordered=True),
            lambda: pd.DatetimeTZDtype("ns", "Europe/Berlin"),
            lambda: pd.IntervalDtype("int64", "left"),
            lambda: pd.SparseDtype(float),
            lambda: pd.PeriodDtype("M"),
            lambda: pd.ArrowDtype(pa.list_(pa.int8())),
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what belongs to others."""
        return [np.dtype("i8"), pd.NaT, pd.offsets.Day()]


class TestScalars(CodecSuite):
    """Single times, periods, intervals and frequencies."""

    @pytest.fixture
    def codec(self) -> PandasScalarCodec:
        """Return the codec."""
        return PandasScalarCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return one of each."""
        return [
            lambda: pd.Timestamp("2024-01-01 00:00:00.000000001"),
            lambda: pd.Timestamp("2024", tz="UTC"),
            # Twice on a clock in Berlin: this is the second time.
            lambda: pd.Timestamp("2024-10-27T01:30Z").tz_convert("Europe/Berlin"),
            lambda: pd.Timestamp("2024").as_unit("s"),
            lambda: pd.Timedelta(1, "ns"),
            lambda: pd.Timedelta(-1, "s"),
            lambda: pd.NaT,
            lambda: pd.NA,
            lambda: pd.Period("2024", "Q"),
            lambda: pd.Interval(0, 1.5, closed="both"),
            lambda: pd.Interval(pd.Timestamp("2024"), pd.Timestamp("2025")),
            lambda: pd.offsets.MonthEnd(2),
            lambda: pd.offsets.BusinessHour(start="08:30"),
            lambda: pd.DateOffset(months=1, normalize=True),
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what it would bring back as another, and tables."""
        return [
            dt.datetime(2024, 1, 1),  # noqa: DTZ001 (naive)
            pd.Interval(np.int64(0), np.int64(1)),
            pd.offsets.CustomBusinessDay(),
            pd.Series([1]),
            pd.DataFrame,
        ]


@pytest.fixture
def registry() -> CodecRegistry:
    """Return a registry with the codec of tables."""
    registry = CodecRegistry()
    registry.register(TableCodec())
    return registry


def test_what_is_not_in_the_columns_comes_back_too(registry: CodecRegistry) -> None:
    """An op may look at any of it."""
    made = decode(registry, registry.encode(noted_frame(), Digests()))

    assert made.attrs == noted_frame().attrs
    assert not made.flags.allows_duplicate_labels
    assert made.index.freq == pd.offsets.BMonthEnd()
    assert str(made.index.tz) == "Europe/Berlin"
    assert (made.index.name, made.columns.name) == ("day", ("of", "columns"))


def test_a_sparse_column_takes_the_room_of_its_values(registry: CodecRegistry) -> None:
    """Written out, this would be eight gigabytes."""
    places = np.array([5, 9], np.int32)
    long = columns._sparse_array(np.ones(2), places, 10**9, pd.SparseDtype(float, 0.0), "integer")

    encoded = registry.encode(long, Digests())
    found = decode(registry, encoded)

    assert encoded.raw_size < 2000
    assert content_id(found) == content_id(long)
    assert (len(found), found.sp_values.tolist()) == (10**9, [1.0, 1.0])


def test_a_time_that_would_come_back_as_another_is_left_to_pickle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A later pandas may read what was written otherwise."""
    for other in (pd.Timestamp("2025"), dt.datetime(2024, 1, 1)):  # noqa: DTZ001 (naive)
        monkeypatch.setattr(pandas_scalars, "_value_of", lambda _, other=other: other)

        with pytest.raises(DeclinedError, match="would come back as"):
            PandasScalarCodec().encode(pd.Timestamp("2024"))
