"""Compaction: what the protocol asks is enough, and nothing less is."""

from __future__ import annotations

import pytest
from tests.models.compacting import Rules, explore_compacting

FAILING = {
    "a run covers every name up to the last": (
        Rules(coverage="every name up to the last"),
        "lost c",
    ),
    "what the union of runs covers is deleted": (
        Rules(deletes="covered by the union"),
        "lost a",
    ),
    "two equal runs have no order": (Rules(breaks_ties=False), "lost a"),
    "a reader lists runs before segments": (
        Rules(reads_first="runs"),
        "read everything and saw no a",
    ),
}


@pytest.mark.parametrize("variant", FAILING)
def test_leaving_anything_out_loses_a_record(variant: str) -> None:
    """From the store, or from what a reader believes is all."""
    rules, broken = FAILING[variant]

    found = explore_compacting(rules)

    assert found.broken == broken, found


@pytest.mark.parametrize(
    ("rules", "compactors", "state_count"),
    [(Rules(), 2, 48_628), (Rules(next_victim_of=1), 3, 1_166_305)],
    ids=["two, deleting in any order", "three, deleting in order"],
)
def test_compaction_is_safe(rules: Rules, compactors: int, state_count: int) -> None:
    """With compactors that know nothing of each other, a late segment and a reader."""
    found = explore_compacting(rules, compactors=compactors)

    assert found.broken is None, found
    assert found.state_count == state_count
    assert any(state.at == "done" for state in found.reached["reader"])
    assert any(state.at == "delete" and not state.victims for state in found.reached["compactor1"])
