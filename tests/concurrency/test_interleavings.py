"""Writers, compactors, collectors and readers on one store, switched at every call to it.

Whatever the order, and whoever dies: what a commit promised can be read.
"""

from __future__ import annotations

import os

import pytest
from tests.concurrency.scenarios import ACTORS, scenario

from mandala_cas.testing import PriorityChange, RandomWalk
from mandala_cas.testing.scheduler import Strategy

# A run of any of them makes 40 to 120 calls to the store.
STRATEGIES = [(RandomWalk(), 0), (PriorityChange(steps=100), 0), (PriorityChange(steps=100), 2)]
RUNS = (500 if os.environ.get("MANDALA_THOROUGH") else 50)


@pytest.mark.parametrize(("strategy", "crash_max"), STRATEGIES)
@pytest.mark.parametrize("name", ACTORS)
def test_every_promise_is_kept(name: str, strategy: Strategy, crash_max: int) -> None:
    """See ``promises``: acknowledged values, tags, runs, what fsck finds, what is garbage."""
    found = scenario(name)

    explored = found.explore(RUNS, strategy, crash_max=crash_max)

    print(name, strategy, crash_max, explored, found.acknowledged_count, found.forgone_count)
