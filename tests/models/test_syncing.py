"""Sync and compaction of several replicas: they converge, while tombstones are kept."""

from __future__ import annotations

import pytest
from tests.models.syncing import Keeps, simulate


def test_replicas_converge_on_what_was_added_and_not_dropped() -> None:
    """In any order of drops, merges and broken connections."""
    simulations = [simulate(seed, "all tombstones") for seed in range(300)]

    found = {seed: s.disagreement() for seed, s in enumerate(simulations)}
    assert {seed: text for seed, text in found.items() if text} == {}
    # The simulations did something.
    assert sum(len(s.dropped) for s in simulations) > 1_000
    assert sum(s.run_count for s in simulations) > 1_000
    assert sum(s.sync_count for s in simulations) > 1_000


@pytest.mark.parametrize("keeps", ["those of records elsewhere", "no tombstones"])
def test_forgetting_tombstones_resurrects_calls(keeps: Keeps) -> None:
    """A replica that has the record still, and not the tombstone, brings it back."""
    texts = [simulate(seed, keeps).disagreement() for seed in range(100)]

    assert sum(text is not None and "resurrected [(" in text for text in texts) > 50


@pytest.mark.thorough
def test_replicas_converge_in_many_more_simulations() -> None:
    """What is rare takes many seeds."""
    found = {seed: simulate(seed, "all tombstones").disagreement() for seed in range(300, 5_000)}

    assert {seed: text for seed, text in found.items() if text} == {}
