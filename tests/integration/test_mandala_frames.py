"""What mandala's documentation shows of computation frames, works here."""

from __future__ import annotations

from typing import Any

import pytest

from mandala_cas.frame.computation_frame import ComputationFrame
from mandala_cas.imports import AtomRef, Storage, op

# To a type checker a ref is its value; these tests look at refs.
Refs = Any


@pytest.fixture
def storage() -> Storage:
    """Return an empty storage in memory."""
    return Storage()


@pytest.fixture
def trained(storage: Storage) -> dict[str, Refs]:
    """Return what a little pipeline gave; of four models, two were evaluated."""

    @op(name="generate")
    def generate(seed: int = 42) -> tuple[int, int]:
        return seed, seed + 1

    @op(name="train")
    def train(data: int, n_estimators: int) -> tuple[str, int]:
        return f"{n_estimators} trees on {data}", n_estimators

    @op(name="evaluate")
    def evaluate(model: str, test: int) -> int:
        return len(model) + test

    last: Refs = None
    with storage:
        data, test = generate()
        for count in (10, 20, 40, 80):
            model, accuracy = train(data, count)
            if storage.unwrap(accuracy) > 20:
                last = evaluate(model, test)
    return {"generate": generate, "train": train, "evaluate": evaluate, "last": last}


def test_a_frame_is_made_from_a_ref(storage: Storage, trained: dict[str, Refs]) -> None:
    """One variable; going back shows how the value was computed."""
    frame = storage.cf(trained["last"])
    assert repr(frame).splitlines()[1:3] == [
        "    1 variable(s) (1 unique refs)",
        "    0 operation(s) (0 unique calls)",
    ]

    history = frame.expand_back(recursive=True)

    assert isinstance(history, ComputationFrame)
    assert repr(history).splitlines()[1:3] == [
        "    6 variable(s) (6 unique refs)",
        "    3 operation(s) (3 unique calls)",
    ]


def test_a_frame_of_an_op_is_expanded_both_ways(storage: Storage, trained: dict[str, Refs]) -> None:
    """What was not evaluated has no result, and all of it is one table."""
    rows = storage.cf(trained["train"]).expand_all().df()

    assert sorted(rows["n_estimators"].tolist()) == [10, 20, 40, 80]
    assert int(rows["evaluate"].notna().sum()) == 2


def test_refs_of_atoms_are_atom_refs(trained: dict[str, Refs]) -> None:
    """Whatever they hold, as long as nothing else was annotated."""
    assert isinstance(trained["last"], AtomRef)


def test_a_frame_shows_calls_that_some_paths_lack(storage: Storage) -> None:
    """A row to a number; where nothing was added, there is neither call nor sum."""

    @op(name="inc")
    def inc(x: int) -> int:
        return x + 1

    @op(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    with storage:
        for i in range(5):
            j = inc(i)
            if i % 2 == 0:
                add(i, j)

    frame = storage.cf(inc).expand_all().df().sort_values("x")

    assert frame["x"].tolist() == [0, 1, 2, 3, 4]
    assert frame["var_0"].tolist() == [1, 2, 3, 4, 5]
    assert frame["add"].notna().tolist() == [True, False, True, False, True]
    assert frame["var_1"].dropna().tolist() == [1, 5, 9]
