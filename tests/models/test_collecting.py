"""The handshake of garbage collection: what the protocol asks is enough, and nothing less is."""

from __future__ import annotations

import pytest
from tests.models.collecting import Actor, Rules, explore_collecting
from tests.models.explorer import Exploration

# What breaks, and the last thing that happens before it does.
FAILING = {
    "A: one phase, skips what exists": (
        Rules(announces=False, looks="never", skips_by="existence"),
        "collector0: deletes k",
    ),
    "A2: one phase, skips what the log names": (
        Rules(announces=False, looks="never"),
        "collector0: deletes k",
    ),
    "B: two phases, the writer never looks": (Rules(looks="never"), "collector0: deletes k"),
    "C: the writer looks before it decides": (
        Rules(looks="before deciding", skips_by="existence"),
        "collector0: deletes k",
    ),
    "D1: repairs under the same name": (
        Rules(repairs_under="the same name"),
        "collector0: deletes k",
    ),
    "D2: the announcement is taken back after the sweep": (
        Rules(keeps_announcements=False),
        "writer0: finds it not condemned",
    ),
    "D3: the listing of announcements is stale": (
        Rules(listing_is_stale=True),
        "collector0: deletes k",
    ),
    "E1: the collector looks, then announces": (
        Rules(rereads="before announcing"),
        "collector0: deletes k",
    ),
    "flag order: the writer looks, then publishes": (
        Rules(looks="before publishing"),
        "collector0: deletes k",
    ),
    "acknowledges though the object is gone": (
        Rules(holds_bytes=False, when_gone="acknowledges"),
        "writer0: finds the object gone",
    ),
}

SAFE = {
    "3 rounds": (Rules(), {"rounds": 3}, 2_101),
    "2 writers, 2 rounds": (Rules(), {"writers": 2, "rounds": 2}, 19_737),
    "2 writers, 2 collectors": (Rules(), {"writers": 2, "collectors": 2}, 150_815),
    "2 writers, 2 collectors, skipping what exists": (
        Rules(skips_by="existence"),
        {"writers": 2, "collectors": 2},
        195_823,
    ),
    "2 writers without the bytes, 2 collectors": (
        Rules(holds_bytes=False),
        {"writers": 2, "collectors": 2},
        107_541,
    ),
    "3 writers, 2 rounds": (Rules(), {"writers": 3, "rounds": 2}, 1_103_079),
}


@pytest.mark.parametrize("variant", FAILING)
def test_leaving_anything_out_loses_an_acknowledged_value(variant: str) -> None:
    """Each simplification was tried by somebody, and lost somebody's data."""
    rules, last = FAILING[variant]

    found = explore_collecting(rules)

    assert found.broken == "the value of writer0 is gone", found
    assert found.trace[-1] == last, found
    assert "user: drops the old call" in found.trace, found


@pytest.mark.parametrize("variant", SAFE)
def test_the_handshake_is_safe(variant: str) -> None:
    """However long anybody stalls, and without any grace period."""
    rules, sizes, state_count = SAFE[variant]

    found = explore_collecting(rules, **sizes)

    assert found.broken is None, found
    # An exploration that did not go anywhere would be safe, too.
    assert found.state_count == state_count
    assert places(found, "writer0") >= {"acknowledged", "repair"}
    assert "sweep" in places(found, "collector0")


def test_a_writer_without_the_bytes_copies_them_or_takes_its_call_back() -> None:
    """It skipped the value and cannot make another copy, once the object is gone."""
    found = explore_collecting(Rules(holds_bytes=False), collectors=2)

    assert found.broken is None, found
    assert places(found, "writer0") >= {"copy", "take back", "lost", "acknowledged"}


def test_between_publishing_and_looking_a_value_can_be_missing() -> None:
    """A writer that dies there leaves such a call; it was never acknowledged."""
    found = explore_collecting(Rules(promise_begins="published"))

    assert found.broken == "the value of writer0 is gone"


def places(found: Exploration[Actor], name: str) -> set[str]:
    """Return where a process was."""
    return {state.at for state in found.reached[name]}
