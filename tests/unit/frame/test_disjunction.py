"""The full disjunction, on rows that need not be histories."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.unit.frame.frame_oracle import Row
from tests.unit.frame.frame_oracle import full_disjunction as all_unions

from mandala_cas.errors import UsageError
from mandala_cas.frame.disjunction import full_disjunction

NAMES = ("a", "b", "c", "d", "e")
# Few values, so that rows often agree in some columns and contradict each other in others.
cells = st.sampled_from([-1, -1, 0, 1, 2])
some_rows = st.lists(st.tuples(*[cells] * len(NAMES)), unique=True, max_size=8).map(
    lambda rows: [row for row in rows if max(row) >= 0]
)


def as_row(numbers: tuple[int | None, ...]) -> Row:
    """Return a row as the oracle has them."""
    held = zip(NAMES, numbers, strict=True)
    return frozenset(
        (name, frozenset([number.to_bytes(1, "big")]))
        for name, number in held
        if number is not None and number >= 0
    )


def as_columns(rows: list[tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return rows column by column."""
    table = np.array(rows, dtype=np.int64).reshape(len(rows), len(NAMES))
    return {name: table[:, i] for i, name in enumerate(NAMES)}


@given(some_rows)
# The first row is part of the second, but the third agrees with the first alone.
@example([(0, 0, -1, -1, -1), (0, 0, 0, -1, 0), (0, -1, 1, 0, -1)])
# Two rows hang on the value 0 of the first column, and no other row contradicts them.
@example([(0, 0, -1, -1, -1), (0, -1, 0, -1, -1), (1, -1, -1, 0, -1)])
def test_every_maximal_union_of_agreeing_rows_is_found(rows: list[tuple[int, ...]]) -> None:
    """No union is missing, none is part of another, none comes twice."""
    found = full_disjunction(as_columns(rows), [], rows_max=10_000)

    made = [as_row(row) for row in found.rows()]
    assert set(made) == all_unions({as_row(row) for row in rows})
    assert len(made) == len(set(made))


@given(some_rows, st.randoms())
def test_the_order_of_rows_changes_nothing(rows: list[tuple[int, ...]], random: Random) -> None:
    """Joining one table after another would depend on it."""
    assume(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)

    tables = [full_disjunction(as_columns(r), [], rows_max=10_000) for r in (rows, shuffled)]

    assert tables[0].sort(NAMES).equals(tables[1].sort(NAMES))


def test_what_hangs_on_one_value_is_not_combined_in_all_ways() -> None:
    """Twenty measures of a model are one row at once; their subsets are two to the twenty."""
    count = 20
    table = np.full((count, count + 1), -1)
    table[:, 0] = 0
    table[np.arange(count), np.arange(count) + 1] = 0
    columns = {f"c{i:02}": table[:, i] for i in range(count + 1)}

    found = full_disjunction(columns, [], rows_max=100)

    assert found.rows() == [(0,) * (count + 1)]


def test_a_table_that_would_be_too_long_is_refused() -> None:
    """Twenty rows and twenty rows that share one constant are four hundred; nobody wants those."""
    side = np.arange(20)
    none = np.full(20, -1)
    columns = {
        "c": np.zeros(40, dtype=np.int64),
        "left": np.concatenate([side, none]),
        "right": np.concatenate([none, side]),
    }

    with pytest.raises(UsageError, match="'left' and 'right' have too little") as caught:
        full_disjunction(columns, ["left", "right"], rows_max=399)

    assert (caught.value.first, caught.value.second) == ("left", "right")
    assert full_disjunction(columns, ["left", "right"], rows_max=400).height == 400
