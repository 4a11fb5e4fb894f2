"""Writers, compactors, collectors and readers on one store, switched at every call to it.

Whatever the order, and whoever dies: what a commit promised can be read.
"""

from __future__ import annotations

import pytest
from tests.concurrency.promises import RUN_COUNT, STRATEGIES
from tests.concurrency.scenarios import ACTORS, SMALL, scenario

from mandala_cas.testing import DepthFirst


@pytest.mark.parametrize("name", ACTORS)
def test_every_promise_is_kept(name: str) -> None:
    """See ``promises``: acknowledged values, tags, runs, what fsck finds, what is garbage."""
    found = scenario(name)

    explored = found.explore_all()

    assert explored.run_count == RUN_COUNT * len(STRATEGIES)
    assert explored.distinct_count > explored.run_count / 4
    assert explored.crash_count > 0
    # A commit that garbage collection has overtaken finds the bytes again in nearly every run.
    assert found.forgone_count <= found.acknowledged_count / 10


@pytest.mark.parametrize("name", SMALL)
def test_no_stall_of_one_process_breaks_a_promise(name: str) -> None:
    """Wherever one stops, the other runs from its beginning to its end."""
    found = scenario(name)

    explored = found.explore(1_000, DepthFirst(preemptions_max=1))

    # Fewer than were allowed: these are all.
    assert 20 <= explored.run_count < 1_000


def test_there_are_enough_of_them() -> None:
    """A thousand in every test run, ten thousand before a release."""
    assert RUN_COUNT * len(STRATEGIES) * len(ACTORS) >= 1_000
