"""From figures to statements: medians, spreads and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.tools.catalogue import BY_NAME, OURS, RAW


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the figures of several rounds lie."""

    median: float
    least: float
    most: float
    lower_quartile: float
    upper_quartile: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as good as another tool one is; 1 is even, more is better."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure: every tool's spread, and how mandala-cas compares."""

    spreads: Mapping[str, Spread]
    against: Mapping[str, Ratio]
    best_peer: str | None


def spread(figures: Sequence[float]) -> Spread:
    """Return where the figures lie; there is at least one."""
    lower, upper = figures[0], figures[0]
    if len(figures) > 1:
        lower, _, upper = statistics.quantiles(figures, n=4, method="inclusive")
    return Spread(
        median=statistics.median(figures),
        least=min(figures),
        most=max(figures),
        lower_quartile=lower,
        upper_quartile=upper,
        rounds=len(figures),
    )


def ratio(figures: Sequence[float], of_other: Sequence[float]) -> Ratio | None:
    """Return how many times as good the first is, judged within each round.

    Less is better for every figure here, so that is the other's figure divided
    by one's own. None without a round that both have, or where one took nothing.
    """
    by_round = [other / own for own, other in zip(figures, of_other, strict=False) if own > 0]
    if not by_round:
        return None
    return Ratio(median=statistics.median(by_round), least=min(by_round), most=max(by_round))


def compare(figures: Mapping[str, Sequence[float]]) -> Comparison:
    """Return what the figures of one measure say, tool by tool."""
    spreads = {tool: spread(its_figures) for tool, its_figures in figures.items() if its_figures}
    against = {}
    if OURS in spreads:
        for tool in spreads:
            found = ratio(figures[OURS], figures[tool]) if tool != OURS else None
            if found is not None:
                against[tool] = found
    peers = [tool for tool in spreads if BY_NAME[tool].kind == "peer"]
    best_peer = min(peers, key=lambda tool: spreads[tool].median, default=None)
    return Comparison(spreads=spreads, against=against, best_peer=best_peer)


def against_raw(figures: Mapping[str, Sequence[float]], tool: str) -> Ratio | None:
    """Return how many times as good as the raw limit a tool is: 1 at the very best."""
    if tool == RAW or not figures.get(RAW) or not figures.get(tool):
        return None
    return ratio(figures[tool], figures[RAW])
