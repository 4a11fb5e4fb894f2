"""What differs in anything has another content id, and what is the same has the same."""

from __future__ import annotations

import functools
import pickle
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse  # type: ignore[import-untyped]  # (it has no types)
from tests.format import hashing_things as things
from tests.unit.codec.near_misses import DIFFERENT, SAME, Make, opened, rows

from mandala_cas.codec.canonical import content_id
from mandala_cas.errors import UsageError


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_near_misses_have_different_ids(one: Make, other: Make) -> None:
    """A hit on a value that is not the one would be a wrong result."""
    assert content_id(one()) == content_id(one())
    assert content_id(one()) != content_id(other())


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_only_looks_different_has_the_same_id(one: Make, other: Make) -> None:
    """A miss on a value that is the same computes it again."""
    assert content_id(one()) == content_id(other())


def test_a_model_loses_nothing_through_pickle() -> None:
    """It is stored that way."""
    for value in [things.Model(x=1, names=["a"]), opened(a=1), things.ModelPoint(1)]:
        found = pickle.loads(pickle.dumps(value))  # noqa: S301 (made here)

        assert found == value
        assert content_id(found) == content_id(value)


class Area(pydantic.BaseModel):
    """A model that keeps a result."""

    side: int

    @functools.cached_property
    def twice(self) -> int:
        """A result that is no field."""
        return 2 * self.side


class Sealed(pydantic.BaseModel):
    """A model that says how it is copied."""

    x: int
    noise: Any = None

    def __getstate__(self) -> dict[Any, Any]:
        """Leave the noise out."""
        state = super().__getstate__()
        return {**state, "__dict__": {"x": self.x}}


def test_a_model_counts_by_its_fields_or_by_what_it_says() -> None:
    """What is computed from fields, and what its class leaves out, does not count."""
    looked_at = Area(side=2)
    assert looked_at.twice == 4
    assert "twice" in vars(looked_at)

    assert content_id(looked_at) == content_id(Area(side=2))
    assert content_id(Sealed(x=1, noise=1)) == content_id(Sealed(x=1, noise=2))
    assert content_id(Sealed(x=1)) != content_id(Sealed(x=2))


def test_the_path_in_a_model_leads_to_what_has_no_content() -> None:
    """So that one knows what to leave out."""
    value = things.Plain(model=opened(more={"f": (n for n in "a")}))

    with pytest.raises(UsageError) as raised:
        content_id(value)

    assert raised.value.path == '.model.more["f"]'


def test_a_sparse_array_that_does_not_hang_together_is_an_error_that_says_so() -> None:
    """Not whatever SciPy or NumPy would raise."""
    torn = sparse.lil_array(np.eye(2))
    torn.rows[0].append(1)
    values = [rows(indptr=np.array([], "i4")), torn, sparse.dok_array((2, 2))]
    dict.update(getattr(values[2], "_dict", values[2]), {"a": 1.0})

    for value in values:
        with pytest.raises(UsageError, match="well-formed"):
            content_id(value)


entries = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from([0.0, -0.0, 1.0, 2.0])),
    max_size=6,
)


def coordinates(parts: list[tuple[int, int, float]]) -> Any:
    """Return a sparse array of these entries."""
    columns = [[part[axis] for part in parts] for axis in range(3)]
    return sparse.coo_array((np.array(columns[2], float), columns[:2]), shape=(4, 5))


@given(entries, entries)
def test_entries_count_as_they_are_stored(
    one: list[tuple[int, int, float]], other: list[tuple[int, int, float]]
) -> None:
    """Each of them, and their order."""
    same = [(*part[:2], str(part[2])) for part in one] == [(*p[:2], str(p[2])) for p in other]

    assert (content_id(coordinates(one)) == content_id(coordinates(other))) == same


@given(entries)
def test_a_sparse_array_counts_by_its_format(parts: list[tuple[int, int, float]]) -> None:
    """They are of different types, whatever they hold."""
    made = coordinates(parts)
    kinds = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")

    assert len({content_id(made.asformat(kind)) for kind in kinds}) == len(kinds)
