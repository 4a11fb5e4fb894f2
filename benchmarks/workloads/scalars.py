"""The small functions that the workloads without arrays remember, with arguments for them."""

from __future__ import annotations

from typing import Final

from benchmarks.workloads.base import TALLY

# Every argument has seven digits. percache joins the text of the arguments
# without a mark between them, so it would take add(1, 11) for add(11, 1).
FIRST: Final = 1_000_000
SECOND: Final = 2_000_000


def add(first: int, second: int) -> int:
    """Return the sum: as little work as a function can do."""
    TALLY.add()
    return first + second


def start(number: int) -> int:
    """Return a number that other calls take as an argument."""
    TALLY.add()
    return number + 1


def combine(base: int, first: int, second: int) -> int:
    """Return the sum of what another call returned and two plain numbers."""
    TALLY.add()
    return base + first + second


def arguments(count: int, *, part: int = 0) -> list[tuple[int, int]]:
    """Return ``count`` pairs of arguments for ``add``; parts have none in common."""
    # No sum and no argument comes twice within a part, so that no tool gains
    # by having seen the value before.
    begin = FIRST + part * count
    return [(number, SECOND + 3 * (number - FIRST)) for number in range(begin, begin + count)]
