"""Run parts beside garbage collection: inputs go only once the run is sure to stay."""

from __future__ import annotations

import pytest
from tests.models.run_parts import Rules, explore_run_parts


@pytest.mark.parametrize("compactors", [1, 2])
@pytest.mark.parametrize("rules", [Rules(looks="never"), Rules(looks="before the run is put")])
def test_a_compactor_that_does_not_look_again_loses_records(rules: Rules, compactors: int) -> None:
    """The collector took the parts for leftovers, and the inputs are gone."""
    found = explore_run_parts(rules, compactors=compactors)

    assert found.broken == "lost a", found
    assert found.trace[-1].startswith("collector0: deletes run")


@pytest.mark.parametrize(
    ("sizes", "state_count"),
    [
        ({}, 218),
        ({"compactors": 2}, 28_498),
        ({"compactors": 2, "rounds": 2}, 854_772),
        ({"compactors": 2, "collectors": 2}, 1_877_299),
    ],
    ids=["one of each", "two compactors", "two rounds", "two of each"],
)
def test_a_compactor_that_looks_after_the_run_is_seen_loses_nothing(
    sizes: dict[str, int], state_count: int
) -> None:
    """Either the collector sees the run, or the compactor sees the announcement."""
    found = explore_run_parts(Rules(), **sizes)

    assert found.broken is None, found
    assert found.state_count == state_count
    compactor = found.reached["run0"]
    # Inputs were deleted, and a condemned run was seen through.
    assert any(state.at == "delete" and state.runs for state in compactor)
    assert any(state.at == "delete" and not state.runs for state in compactor)


def test_a_run_is_not_taken_back_because_a_part_is_condemned() -> None:
    """It may be spared, and another compactor deleted the inputs because it could read the run."""
    found = explore_run_parts(Rules(takes_back="a part is condemned"), compactors=2)

    assert found.broken is not None
    assert found.trace[-1].startswith("run1: takes run1.0 back")
