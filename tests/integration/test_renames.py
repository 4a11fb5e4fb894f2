"""Ops and arguments that have other names now: old calls answer, and are in frames as the new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.imports import Call, NewArgDefault, Storage, op

RUNS: list[str] = []


@op(name="load_v0")
def loaded(seed: int) -> list[int]:
    """Return data."""
    RUNS.append("load")
    return [seed, seed + 1]


def fit_before(rows: list[int], rate: float) -> float:
    """Return a model."""
    RUNS.append("fit before")
    return sum(rows) * rate


@op(name="score_v0")
def scored(model: float) -> float:
    """Return a score."""
    RUNS.append("score")
    return model / 2


def fit_after(data: list[int], step: float, depth: int = NewArgDefault(1)) -> float:
    """Return a model."""
    RUNS.append("fit now")
    return sum(data) * step * depth


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a store with calls from before the renaming, and what was computed from them."""
    before = op(fit_before, name="fit_v0")
    with Storage(tmp_path / "store"):
        for seed in (1, 2):
            scored(before(loaded(seed), 0.5))
    RUNS.clear()
    return tmp_path / "store"


@pytest.fixture(name="fit_now")
def _fit_now(place: Path) -> Any:
    """Return the op as it is called now; the one before is gone."""
    del place
    return op(
        fit_after,
        name="fit_v1",
        previous_names=["fit_v0"],
        renamed_args={"rows": "data", "rate": "step"},
        on_stale="error",
    )


def test_a_pipeline_is_retraced_under_the_new_names(place: Path, fit_now: Any) -> None:
    """Nothing runs, downstream included, and nothing new is on record."""
    with Storage(place) as storage:
        scores = [storage.unwrap(scored(fit_now(loaded(seed), 0.5))) for seed in (1, 2)]
        with_default = fit_now(loaded(1), step=0.5, depth=1)
        new = fit_now(loaded(1), 0.5, depth=3)

    assert (scores, RUNS) == ([0.75, 1.25], ["fit now"])
    assert storage.unwrap([with_default, new]) == [1.5, 4.5]
    assert storage.stats().by_op["fit_v0"].call_count == 2
    assert storage.stats().by_op["fit_v1"].call_count == 1


def test_frames_show_one_function_under_its_new_name(place: Path, fit_now: Any) -> None:
    """With the new labels, whichever names the calls have on record."""
    with Storage(place) as storage:
        fit_now(loaded(1), 0.5, depth=3)

    frame = storage.cf(fit_now)
    assert frame.fnames == {"fit_v1"}
    assert {"data", "step", "depth"} <= set(frame.vnames)
    table = storage.cf(scored).expand_back(recursive=True).df(lazy_vars=["data"])
    assert {"fit_v1", "load_v0", "score_v0", "step", "seed"} <= set(table.columns)
    assert "rows" not in table.columns
    whole = storage.cf(fit_now).expand_all()
    assert len(whole.fnames) == 3
    assert len(whole.df(lazy_vars=["data"])) == 3


@pytest.mark.usefixtures("fit_now")
def test_calls_of_a_frame_have_the_new_names_and_their_old_ids(place: Path) -> None:
    """So that code which reads their inputs need not know when they were made."""
    storage = Storage(place)
    calls = storage.cf("fit_v0").calls_by_func()["fit_v1"]

    assert {call.op.name for call in calls} == {"fit_v1"}
    assert [list(call.inputs) for call in calls] == [["data", "step"]] * 2
    storage.drop_calls(calls)
    with pytest.raises(NotFoundError):
        storage.drop_calls(calls)
    assert storage.stats().by_op["fit_v0"].call_count == 0


def test_an_old_name_can_be_asked_for(place: Path, fit_now: Any) -> None:
    """By a person who remembers it; a name that never was is not found."""
    storage = Storage(place)

    assert repr(storage.cf("fit_v0")) == repr(storage.cf("fit_v1")) == repr(storage.cf(fit_now))
    with pytest.raises(UsageError):
        storage.cf("fit_v2")


@pytest.mark.usefixtures("fit_now")
def test_tables_are_renamed_once(place: Path) -> None:
    """And again when another op says something."""
    storage = Storage(place)
    tables = storage.tables()
    assert storage.tables() is tables

    later = op(lambda number: number, name="score_v1", renamed_args={"model": "number"})

    assert storage.tables() is not tables
    assert storage.tables() is storage.tables()
    del later


def test_a_lost_value_is_computed_by_the_new_op(place: Path, fit_now: Any) -> None:
    """Where the old one is gone from the process and the value from the store."""
    with Storage(place) as storage:
        (call, *_) = storage.cf(fit_now).calls_by_func()["fit_v1"]
    assert isinstance(call, Call)
    assert storage.unwrap(call.outputs["output_0"]) in {1.5, 2.5}


def test_renames_stay_in_their_namespace(place: Path, fit_now: Any) -> None:
    """The op of a project speaks for the calls of that project."""
    with Storage(place, namespace="proj") as storage:
        fit_now(loaded(1), 0.5)

    assert RUNS == ["load", "fit now"]
    assert storage.stats().by_op["fit_v0"].call_count == 2
    assert len(storage.cf(fit_now).df(lazy_vars=["data"])) == 1
    assert storage.cf("fit_v1").fnames == {"proj/fit_v1"}
