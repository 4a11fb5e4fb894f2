"""The explorer itself: it visits every state, finds the shortest way, and counts right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.models.explorer import Process, Step, explore


def counting(world: int, local: int) -> Iterator[Step[int, int]]:
    """Take three steps, each adding one to what all share."""
    if local < 3:
        yield Step(f"adds to {world}", world + 1, local + 1)


def read_then_write(world: tuple[int, int], local: int) -> Iterator[Step[tuple[int, int], int]]:
    """Add one to a shared number in two steps; ``world`` also counts how often it was written."""
    number, write_count = world
    if local == -1:
        yield Step("reads", world, number)
    elif local >= 0:
        yield Step("writes", (local + 1, write_count + 1), -2)


def test_every_interleaving_is_a_path_and_equal_states_are_one() -> None:
    """Two processes of three steps: a grid of four by four."""
    found = explore(0, [Process("a", 0, counting), Process("b", 0, counting)])

    assert found.state_count == 16
    assert found.broken is None
    assert found.reached == {"a": {0, 1, 2, 3}, "b": {0, 1, 2, 3}}


def test_a_broken_promise_comes_with_the_shortest_trace() -> None:
    """What people read first must be what matters only."""

    def too_much(world: int, local: int) -> str | None:
        return "five" if world == 5 and local == 3 else None

    found = explore(0, [Process("a", 0, counting, too_much), Process("b", 0, counting)])

    assert found.broken == "five"
    assert len(found.trace) == 5
    assert found.trace.count("a: adds to 0") + found.trace.count("b: adds to 0") == 1


def test_a_lost_update_is_found() -> None:
    """The oldest race there is."""

    def lost(world: tuple[int, int], local: int) -> str | None:
        del local
        return "one is lost" if world == (1, 2) else None

    found = explore(
        (0, 0), [Process("a", -1, read_then_write, lost), Process("b", -1, read_then_write)]
    )

    assert found.broken == "one is lost"
    assert sorted(found.trace) == ["a: reads", "a: writes", "b: reads", "b: writes"]


def test_too_many_states_are_an_error_not_a_result() -> None:
    """An exploration that was cut short has shown nothing."""
    with pytest.raises(AssertionError, match="more than 10 states"):
        explore(0, [Process("a", 0, counting), Process("b", 0, counting)], state_max=10)
