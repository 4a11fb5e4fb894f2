"""Tables: which columns, which rows, which types."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.unit.frame.recorded_calls import RecordedCalls
from tests.unit.frame.tutorial_calls import Tutorial

from mandala_cas.errors import UsageError
from mandala_cas.frame.collections import CallCollection, RefCollection, ValueCollection
from mandala_cas.frame.computation_frame import ComputationFrame
from mandala_cas.model.calls import Call


def frame_of_tutorial(tutorial: Tutorial) -> ComputationFrame:
    """Return all of the tutorial, with names to read."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model").expand_all()
    return frame.rename(vars={"var_0": "model", "var_1": "train_acc", "var_2": "eval_acc"})


def column(values: Sequence[Any], *, missing: bool = False) -> pd.Series[Any]:
    """Return the column that values get, with a call that lacks the input if asked for."""
    store = RecordedCalls()
    for number, value in enumerate(values):
        store.call("op", {"number": number, "x": value}, [number])
    if missing:
        store.call("op", {"number": len(values)}, [len(values)])
    return ComputationFrame.from_op(store, "op").df()["x"]


BIG = 2**60 + 1
NAIVE = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 (users have these)


@pytest.mark.parametrize(
    ("values", "dtype", "dtype_with_missing"),
    [
        ([1, BIG], "int64", "Int64"),
        ([np.int64(3), np.int8(4)], "int64", "Int64"),
        ([0.5, np.float32(0.25)], "float64", "float64"),
        ([True, np.bool_(False)], "bool", "boolean"),
        ([1, True], "object", "object"),
        ([1, 0.5], "object", "object"),
        ([1, "a"], "object", "object"),
        ([2**64, 1], "object", "object"),
        ([np.uint64(2**63 + 1)], "object", "object"),
        ([np.longdouble(1)], "object", "object"),
        ([[1, 2], [3]], "object", "object"),
        ([np.arange(3), np.arange(3) + 1], "object", "object"),
    ],
)
def test_a_column_has_the_narrowest_type_that_is_exact(
    values: list[Any], dtype: str, dtype_with_missing: str
) -> None:
    """The same on every pandas; a missing int turns no other into a float."""
    whole, lacking = column(values), column(values, missing=True)

    assert (str(whole.dtype), str(lacking.dtype)) == (dtype, dtype_with_missing)
    assert repr(whole.tolist()) == repr([_plain(value, dtype) for value in values])
    assert int(lacking.isna().sum()) == 1
    assert repr(lacking.dropna().tolist()) == repr(whole.tolist())


def _plain(value: Any, dtype: str) -> Any:
    """Return a value as a column of that type gives it back."""
    return value.item() if isinstance(value, np.generic) and dtype != "object" else value


def test_text_and_times_have_the_types_of_pandas() -> None:
    """Whatever the installed version takes them for."""
    assert column(["a", "b"]).dtype == pd.Series(["a", "b"]).dtype
    assert column(["a"], missing=True).isna().sum() == 1
    assert column([NAIVE], missing=True).dtype.kind == "M"
    assert column([NAIVE.replace(tzinfo=UTC)])[0] == NAIVE.replace(tzinfo=UTC)
    assert str(column([NAIVE, NAIVE.replace(tzinfo=UTC)]).dtype) == "object"


def test_a_stored_none_is_missing_as_an_absent_path_is() -> None:
    """The call beside it tells the two apart."""
    found = column([1, None], missing=True)

    assert str(found.dtype) == "Int64"
    assert found.isna().tolist() == [False, True, True]
    assert column([None]).tolist() == [None]


def test_values_are_loaded_in_one_batch_per_column(tutorial: Tutorial) -> None:
    """One value that many rows have is asked for once."""
    frame = frame_of_tutorial(tutorial)

    frame.df(lazy_vars=["X_train", "y_train"])

    batches = tutorial.store.batches
    assert len(batches) == len(frame.vnames) - 2
    assert all(len(batch) == len(set(batch)) for batch in batches)
    assert sum(map(len, batches)) == 1 + 2 + 3 + 1 + 1


def test_refs_are_made_without_loading_values(tutorial: Tutorial) -> None:
    """That is what they are for."""
    table = frame_of_tutorial(tutorial).df(values="refs")

    assert tutorial.store.batches == []
    assert {type(ref).__name__ for ref in table["model"]} == {"AtomRef"}


def test_calls_can_be_left_out(tutorial: Tutorial) -> None:
    """The rows stay in the order of the calls."""
    frame = frame_of_tutorial(tutorial)

    whole, bare = frame.df(), frame.df(include_calls=False)

    assert list(bare.columns) == [name for name in whole.columns if name not in frame.fnames]
    pd.testing.assert_frame_equal(bare, whole[bare.columns])


def test_columns_come_in_node_order_and_rows_by_calls(tutorial: Tutorial) -> None:
    """Inputs before a function, outputs behind it; what was called first comes first."""
    tutorial.train_four_more()
    table = frame_of_tutorial(tutorial).df()

    assert list(table.columns) == [
        *("random_seed", "generate_dataset", "X_train", "y_train", "max_depth", "n_estimators"),
        *("train_model", "model", "train_acc", "eval_model", "eval_acc"),
    ]
    times = [call.record.started_us for call in table["train_model"]]
    assert times == sorted(times)


class TestChosenColumns:
    """``df("lr", "accuracy")`` is the commonest question."""

    def test_one_node_is_a_column_of_its_elements(self, tutorial: Tutorial) -> None:
        """Values of a variable, calls of a function."""
        frame = frame_of_tutorial(tutorial)

        assert sorted(frame.df("n_estimators")["n_estimators"]) == [10, 100]
        assert all(isinstance(call, Call) for call in frame.df("train_model")["train_model"])
        assert len(frame.df("model")) == 3

    def test_a_path_ties_cause_and_effect(self, tutorial: Tutorial) -> None:
        """Calls without the argument keep their row."""
        table = frame_of_tutorial(tutorial).df("eval_acc", "n_estimators")

        assert list(table.columns) == ["eval_acc", "n_estimators"]
        assert table["n_estimators"].tolist() == [pd.NA, 10, 100]

    def test_two_outputs_are_tied_by_what_made_them(self, tutorial: Tutorial) -> None:
        """They have no path between them; mandala raises."""
        tutorial.train_four_more()

        table = frame_of_tutorial(tutorial).df("model", "train_acc")

        assert len(table) == 7
        assert not table.isna().any(axis=None)

    def test_two_inputs_are_tied_by_what_used_them(self, tutorial: Tutorial) -> None:
        """The settings that were tried together, each pair once unless asked otherwise."""
        tutorial.train_four_more()
        frame = frame_of_tutorial(tutorial)

        settings = frame.df("max_depth", "n_estimators")

        assert len(settings) == 6
        assert len(frame.df("max_depth", "random_seed")) == 3
        assert len(frame.df("max_depth", "random_seed", distinct=False)) == 7
        known = settings.dropna()
        pairs = zip(known["max_depth"], known["n_estimators"], strict=True)
        assert sorted(pairs) == [(1, 10), (1, 100), (2, 10), (2, 100)]

    def test_what_came_from_elsewhere_is_left_out(self) -> None:
        """A model that was not trained here says nothing of how training went."""
        store = RecordedCalls()
        (model,) = store.call("train", {"lr": 0.1}, ["model"])
        store.call("score", {"model": model}, [0.9])
        store.call("score", {"model": "borrowed"}, [0.5])
        frame = ComputationFrame.from_op(store, "score").expand_all()

        assert frame.df("lr", "var_0")["var_0"].tolist() == [0.9]
        assert sorted(frame.df("model", "var_0")["var_0"]) == [0.5, 0.9]

    def test_a_ref_with_another_maker_stays(self) -> None:
        """It can be had without the one that is left out, and what uses it as well."""
        store = RecordedCalls()
        (made,) = store.call("make", {"mid": store.call("begin", {"lr": 1}, ["m"])[0]}, ["made"])
        store.call("make", {"mid": "foreign"}, [made])
        store.call("use", {"made": made}, ["used"])
        frame = ComputationFrame.from_op(store, "use").expand_back(recursive=True)
        assert frame.vnames == {"lr", "mid", "made", "var_0"}

        table = frame.df("lr", "var_0")

        assert sorted(frame.df("mid")["mid"]) == ["foreign", "m"]
        assert table.to_dict("records") == [{"lr": 1, "var_0": "used"}]


def test_inner_keeps_the_rows_that_go_all_the_way(tutorial: Tutorial) -> None:
    """Rows without one of the variables in which paths end are dropped."""
    tutorial.train_four_more()

    table = frame_of_tutorial(tutorial).df(join_how="inner")

    assert len(table) == 3
    assert not table["eval_acc"].isna().any()


def test_a_call_whose_outputs_are_not_shown_keeps_its_row(tutorial: Tutorial) -> None:
    """Nothing of a frame is missing in its table."""
    part = frame_of_tutorial(tutorial)[["n_estimators", "train_model"]]

    table = part.df()

    assert table["n_estimators"].tolist() == [pd.NA, 10, 100]
    assert len(part.df("n_estimators", "train_model")) == 3


@pytest.mark.parametrize("bad", [{"values": "values"}, {"join_how": "left"}])
def test_an_argument_that_is_not_known_is_refused(tutorial: Tutorial, bad: dict[str, Any]) -> None:
    """Silently doing something else is worse."""
    with pytest.raises(UsageError, match="is not known; use one of"):
        frame_of_tutorial(tutorial).df(**bad)


def test_too_many_rows_are_refused() -> None:
    """Two groups of twenty constants of one seed are four hundred rows, and no answer."""
    store = RecordedCalls()
    (data,) = store.call("gen", {"seed": 0}, ["data"])
    for number in range(20):
        store.call("left", {"data": data, "p": f"p{number}"}, [f"left {number}"])
        store.call("right", {"data": data, "q": f"q{number}"}, [f"right {number}"])
    frame = ComputationFrame.from_op(store, "gen").expand_all()

    with pytest.raises(UsageError, match="'var_1' and 'var_2' have too little history in common"):
        frame.df(max_rows=399)
    assert len(frame.df(max_rows=400)) == 400


class TestCollections:
    """What a cell with several things holds."""

    def test_a_collection_is_a_sequence_that_does_not_change(self) -> None:
        """It can be indexed, compared and hashed; pandas takes it for one thing."""
        values = ValueCollection([1, 2, 3])

        assert (values[0], values[1:], len(values), list(values)) == (1, (2, 3), 3, [1, 2, 3])
        assert repr(values) == "ValueCollection([1, 2, 3])"
        assert values == ValueCollection([1, 2, 3])
        assert hash(values) == hash(ValueCollection([1, 2, 3]))
        assert values != ValueCollection([1, 2])

    def test_collections_of_different_kinds_differ(self) -> None:
        """An empty one of calls is not an empty one of refs."""
        assert CallCollection([]) != RefCollection([])
