"""Compaction beside garbage collection: every place of a needed value stays on record."""

from __future__ import annotations

import pytest
from tests.models.retiring import Rules, explore_retiring

GONE = "the value of an acknowledged call is gone"


def test_a_place_that_only_somebody_else_names_is_lost() -> None:
    """The run drops it, for no call of the run uses it; the object was never deleted."""
    found = explore_retiring(Rules(self_contained=False), collectors=0)

    assert found.broken == GONE, found
    assert "writer: skips the value" in found.trace
    assert not any("deletes k" in label for label in found.trace)


def test_asking_every_call_in_view_does_not_replace_naming_the_place() -> None:
    """The call that needs it may be published after the view was taken."""
    rules = Rules(self_contained=False, drops_places_unused_by="the view")

    found = explore_retiring(rules, collectors=0)

    assert found.broken == GONE, found


def test_a_repair_that_names_no_call_is_lost() -> None:
    """A run over the repair alone sees a place that no call of the run uses."""
    found = explore_retiring(Rules(repair_repeats_the_call=False))

    assert found.broken == GONE, found
    assert "writer: puts k~1" in found.trace


@pytest.mark.parametrize(
    ("rules", "sizes", "state_count"),
    [
        (Rules(), {}, 2_935),
        (Rules(), {"rounds": 2}, 10_977),
        (Rules(), {"compactors": 2}, 66_567),
        (Rules(), {"collectors": 2}, 141_284),
        (
            Rules(repair_repeats_the_call=False, drops_places_unused_by="the view"),
            {"collectors": 2},
            156_244,
        ),
    ],
    ids=["one of each", "two rounds", "two compactors", "two collectors", "asking the view"],
)
def test_segments_that_name_all_they_need_are_safe(
    rules: Rules, sizes: dict[str, int], state_count: int
) -> None:
    """Whatever part of the log is merged, and whatever the collector deletes."""
    found = explore_retiring(rules, **sizes)

    assert found.broken is None, found
    assert found.state_count == state_count
    assert any(state.at == "acknowledged" for state in found.reached["writer"])
    # A repair was made, and a run was retired.
    assert any(state.number == 2 for state in found.reached["writer"])
    assert any(state.number == 1 for state in found.reached["run0-"])


@pytest.mark.thorough
def test_two_compactors_in_two_rounds_are_safe() -> None:
    """A run over runs, made by somebody else."""
    found = explore_retiring(Rules(), compactors=2, rounds=2)

    assert found.broken is None, found
    assert found.state_count == 1_459_185
