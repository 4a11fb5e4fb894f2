"""Content ids of Polars' values: by dtype and values, wherever they lie in memory."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.test_polars_codec import SERIES

from mandala_cas.codec import polars_dtypes
from mandala_cas.codec.canonical import content_id
from mandala_cas.errors import UsageError

values = pytest.mark.parametrize("name", SERIES)


class Table(pl.DataFrame):
    """A frame with more to it."""

    unit: str = "m"


def table(unit: str) -> Table:
    """Return a table with a unit."""
    made = Table({"a": [1]})
    made.unit = unit
    return made


NEAR_MISSES: list[Callable[[], Any]] = [
    *SERIES.values(),
    lambda: pl.Series([1, 2]),
    lambda: pl.Series([2, 1]),
    lambda: pl.Series("a", [1, 2]),
    lambda: pl.Series([1, 2], dtype=pl.Int32),
    lambda: pl.Series([0, None]),
    lambda: pl.Series([0, 0]),
    lambda: pl.Series([1.0, 2.0]),
    lambda: pl.Series([[1, 2]]),
    lambda: pl.Series([[1], [2]]),
    lambda: pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)),
    lambda: pl.Series(["a"], dtype=pl.Enum(["a"])),
    lambda: pl.Series(["a"], dtype=pl.Enum(["a", "b"])),
    lambda: pl.Series(["a"], dtype=pl.Enum(["b", "a"])),
    lambda: pl.Series(["a"], dtype=pl.Categorical),
    lambda: pl.Series(["a"]),
    lambda: pl.Series([b"a"]),
    lambda: pl.Series([1, 2], dtype=pl.Datetime("us")),
    lambda: pl.Series([1, 2], dtype=pl.Datetime("ms")),
    lambda: pl.Series([1, 2], dtype=pl.Datetime("us", "UTC")),
    lambda: pl.Series([1, 2], dtype=pl.Datetime("us", "Europe/Berlin")),
    lambda: pl.Series([1, 2], dtype=pl.Duration("us")),
    lambda: pl.Series([1, 2], dtype=pl.Decimal(10, 0)),
    lambda: pl.Series([1, 2], dtype=pl.Decimal(11, 0)),
    lambda: pl.Series([1, "a"], dtype=pl.Object),
    lambda: pl.Series([1, None], dtype=pl.Object),
    lambda: pl.Series([{"a": 1, "b": 2}]),
    lambda: pl.Series([{"b": 2, "a": 1}]),
    lambda: pl.DataFrame({"a": [1], "b": [2]}),
    lambda: pl.DataFrame({"b": [2], "a": [1]}),
    lambda: pl.DataFrame({"a": [1]}),
    lambda: pl.DataFrame({"a": [2]}),
    pl.DataFrame,
    lambda: pl.DataFrame({"a": []}),
    lambda: table("m"),
    lambda: table("km"),
    lambda: pl.Int64,
    lambda: pl.Datetime,
    pl.Datetime,
    lambda: pl.Datetime("us", "UTC"),
    lambda: pl.List(pl.Int64),
    lambda: pl.List(pl.Int32),
    lambda: pl.Array(pl.Int32, 3),
    lambda: pl.Array(pl.Int32, 4),
    lambda: pl.Struct({"a": pl.Int64}),
    lambda: pl.Struct({"b": pl.Int64}),
    lambda: pl.Enum(["a", "b"]),
    lambda: pl.Enum(["b", "a"]),
]


def test_different_values_have_different_ids() -> None:
    """Each differs from another in one thing."""
    ids = [content_id(make()) for make in NEAR_MISSES]

    assert [i for i, one in enumerate(ids) if one in ids[:i]] == []


@values
def test_copies_slices_and_chunks_are_what_they_show(name: str) -> None:
    """How a series came about does not count."""
    whole = SERIES[name]()
    chunks = pl.concat([whole[:1], whole[1:]], rechunk=False)
    longer = pl.concat([whole, whole], rechunk=False)[len(whole) :]
    made = [chunks, longer, copy.deepcopy(whole), whole.clone(), SERIES[name]()]

    assert {content_id(series) for series in made} == {content_id(whole)}
    assert {content_id(series.to_frame()) for series in made} == {content_id(whole.to_frame())}


@given(st.lists(st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3), max_size=6))
def test_slices_of_nested_columns_are_what_they_show(rows: list[Any]) -> None:
    """Whatever lies before and behind them."""
    dtype = pl.List(pl.String)
    longer = pl.Series([["before"], None, *rows, ["behind"]], dtype=dtype)

    assert content_id(longer[2:-1]) == content_id(pl.Series(rows, dtype=dtype))


def test_a_frame_through_pickle_has_the_same_id() -> None:
    """So it may be an argument of another process."""
    frame = pl.DataFrame({name.replace("\0", ""): make()[:1] for name, make in SERIES.items()})

    found = pickle.loads(pickle.dumps(frame))  # noqa: S301 (made here)

    assert content_id(found) == content_id(frame)


def test_the_order_in_which_categories_came_up_does_not_count() -> None:
    """They are numbered by the history of a process."""
    first = pl.Series(["x", "y"], dtype=pl.Categorical)
    pl.Series(["never met before", "nor this"], dtype=pl.Categorical)

    assert content_id(pl.Series(["y", "x"], dtype=pl.Categorical)[::-1]) == content_id(first)


def test_what_is_known_of_a_series_does_not_count() -> None:
    """That it is sorted follows from its values."""
    series = pl.Series([1, 2, 3])

    assert content_id(series.set_sorted()) == content_id(series)


def test_a_class_and_its_only_instance_are_one_dtype() -> None:
    """Polars says that they are equal."""
    assert content_id(pl.Int64) == content_id(pl.Int64())


def test_a_plan_has_no_content() -> None:
    """What it gives depends on when it is asked."""
    with pytest.raises(UsageError, match=r'\["plan"\].*frame\.collect\(\)'):
        content_id({"plan": pl.LazyFrame({"a": [1]})})


def test_a_dtype_that_is_not_known_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later Polars may have others."""
    monkeypatch.setattr(polars_dtypes, "_SIMPLE", frozenset({"String"}))

    for value in (pl.Series([1]), pl.Series([[1]]), pl.Series([{"a": 1}])):
        with pytest.raises(UsageError, match=r"not known here; cast it"):
            content_id(value)


@pytest.mark.skipif(not hasattr(pl, "Categories"), reason="this Polars has one set of categories")
def test_sets_of_categories_count() -> None:
    """Series of two sets cannot be compared."""
    sets = [pl.Categories("a"), pl.Categories("b"), pl.Categories("a", "n"), pl.Categories()]
    ids = {content_id(pl.Series(["x"], dtype=pl.Categorical(one))) for one in sets}

    assert len(ids) == len(sets)


def test_where_there_is_one_set_the_order_of_its_text_counts() -> None:
    """Before version 1.32, sorting was by when a category came up, unless asked otherwise."""

    class Older:
        """A dtype of such a version."""

        def __init__(self, ordering: str) -> None:
            """Sort by this."""
            self.ordering = ordering

    assert polars_dtypes._categorical_parameters(Older("lexical")) == ("lexical",)
    assert polars_dtypes._categorical_parameters(Older("physical")) == ()


@pytest.mark.parametrize(
    "form",
    [
        "Nothing",
        "DataFrame",
        ["List"],
        ["List", "Nothing"],
        ["Array", "Int8", -1],
        ["Array", "Int8", True],
        ["Struct", [["a"]]],
        ["Categorical", "a", "b", "Int64"],
        ["Datetime", "fortnight"],
        ["Enum", [1]],
        None,
        5,
    ],
)
def test_a_crafted_dtype_is_refused(form: Any) -> None:
    """By an error that the registry knows what to make of."""
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        polars_dtypes.dtype_of(form)


def test_a_dtype_nested_without_end_is_refused() -> None:
    """Polars would run out of stack, and take the process with it."""
    form: Any = "Int8"
    for _ in range(1000):
        form = ["List", form]

    with pytest.raises(ValueError, match="too deeply"):
        polars_dtypes.dtype_of(form)
