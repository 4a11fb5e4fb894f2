"""Medians, spreads and ratios: what the report claims must follow from the figures."""

from __future__ import annotations

import pytest
from benchmarks.summary import Ratio, against_raw, compare, ratio, spread


def test_a_ratio_is_judged_within_each_round() -> None:
    """A machine that gets slower all the while slows both, and changes no ratio."""
    assert ratio([10, 20, 40], [20, 40, 80]) == Ratio(median=2, least=2, most=2)


def test_a_ratio_above_one_means_better_than_the_other() -> None:
    """Less is better for every figure, so the other's goes on top."""
    assert ratio([5], [20]) == Ratio(median=4, least=4, most=4)


def test_rounds_that_only_one_has_do_not_count() -> None:
    """A tool that failed half way is compared over the rounds it did."""
    assert ratio([10, 10, 1], [20, 20]) == Ratio(median=2, least=2, most=2)


def test_nothing_to_divide_by_gives_no_ratio() -> None:
    """Memory that did not grow is not infinitely good."""
    assert ratio([0], [20]) is None


def test_quartiles_lie_within_the_figures() -> None:
    """With few rounds, a quartile must not be extrapolated beyond what was seen."""
    found = spread([1, 2, 10])

    assert (found.least, found.lower_quartile, found.median) == (1, 1.5, 2)
    assert (found.upper_quartile, found.most, found.rounds) == (6, 10, 3)


def test_one_figure_is_its_own_spread() -> None:
    """What a setup measures is measured once."""
    found = spread([7])

    assert (found.least, found.lower_quartile, found.upper_quartile, found.most) == (7, 7, 7, 7)


def test_the_best_peer_is_neither_us_nor_the_raw_limit() -> None:
    """Both are faster here, and neither is a peer."""
    figures = {"mandala-cas": [2], "raw": [1], "joblib": [20], "diskcache": [4]}

    found = compare(figures)

    assert found.best_peer == "diskcache"
    assert {tool: one.median for tool, one in found.against.items()} == {
        "raw": 0.5,
        "joblib": 10,
        "diskcache": 2,
    }


def test_without_us_there_is_nothing_to_compare() -> None:
    """A run of the peers alone still has spreads."""
    found = compare({"joblib": [20], "raw": [10]})

    assert found.against == {}
    assert set(found.spreads) == {"joblib", "raw"}


@pytest.mark.parametrize(
    ("tool", "wanted"), [("joblib", Ratio(0.5, 0.5, 0.5)), ("raw", None), ("percache", None)]
)
def test_a_tool_is_at_best_as_good_as_the_raw_limit(tool: str, wanted: Ratio | None) -> None:
    """The raw limit is not compared with itself, nor with a tool that was not there."""
    assert against_raw({"joblib": [20], "raw": [10]}, tool) == wanted
