"""The report: figures a reader can trust, and nothing about whose machine it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.machine import describe, without_places
from benchmarks.measuring import Measured
from benchmarks.processes import ROOT
from benchmarks.report import Report, last_line, show, to_json, to_markdown
from benchmarks.workloads.base import Measure, Workload

WORKLOAD = Workload(
    name="walking",
    title="Walking to the store",
    note="On foot.",
    sizes={"small": {"steps": 1200}},
    measures=(
        Measure("way", "the way there", headline=True),
        Measure("carried", "what was carried", unit="ns_per_byte"),
    ),
    steps=(),
)


def report_of(**changes: object) -> Report:
    """Return a report of one workload, with ``changes`` to what it measured."""
    measured = Measured(WORKLOAD, "small", checked_count=3)
    measured.figures = {
        "way": {"mandala-cas": [1000, 2000], "joblib": [4000, 8000], "raw": [500, 1000]},
        "carried": {"raw": [0.5, 2]},
    }
    for name, value in changes.items():
        setattr(measured, name, value)
    return Report(
        started="2026-01-01T00:00:00+00:00",
        scale="small",
        rounds=2,
        machine={"cores": 2},
        versions={"joblib": {"joblib": "1.0"}},
        unavailable={"percache": "a long story\nno such package"},
        measured=[measured],
    )


def test_the_summary_compares_with_the_best_peer_and_the_raw_limit() -> None:
    """The first table says what most readers came for."""
    row = next(line for line in to_markdown(report_of()).splitlines() if "| walking" in line)

    assert row == ("| walking | the way there | 1.50 µs | joblib, 6.00 µs | 4.00 | 750 ns | 0.50 |")


def test_throughput_spans_run_from_low_to_high() -> None:
    """Few nanoseconds per byte are many gigabytes per second."""
    assert "0.50 GB/s to 2.00 GB/s" in to_markdown(report_of())


def test_tools_that_were_not_there_are_named_with_the_reason() -> None:
    """A missing row must not look like a tool nobody thought of."""
    assert "| percache | no such package |" in to_markdown(report_of())


def test_wrong_results_and_failures_are_told() -> None:
    """A fast wrong answer is no answer."""
    page = to_markdown(report_of(wrong={"joblib": ["lost"]}, failed={"raw": "Oops:\n broke"}))

    assert "**Wrong results of joblib:** lost." in page
    assert "**raw failed:** broke" in page


def test_the_json_has_every_figure_and_parses() -> None:
    """Whoever doubts a median can take another."""
    found = json.loads(json.dumps(to_json(report_of())))

    way = found["workloads"][0]["measures"]["way"]
    assert way["tools"]["joblib"]["figures"] == [4000, 8000]
    assert way["tools"]["joblib"]["ours_against_it"]["median"] == 4
    assert way["tools"]["raw"]["against_raw"] is None
    assert way["best_peer"] == "joblib"
    assert found["workloads"][0]["checked_count"] == 3


@pytest.mark.parametrize(
    ("figure", "unit", "wanted"),
    [
        (0, "ns", "0 ns"),
        (999, "ns", "999 ns"),
        (12_345, "ns", "12.3 µs"),
        (2.5e9, "ns", "2.50 s"),
        (4096, "bytes", "4.10 kB"),
        (0.25, "ns_per_byte", "4.00 GB/s"),
        (25, "ns_per_byte", "0.040 GB/s"),
        (0, "ns_per_byte", "-"),
    ],
)
def test_figures_are_shown_in_the_unit_that_they_fill(
    figure: float, unit: str, wanted: str
) -> None:
    """Small figures keep two digits that count."""
    assert show(figure, unit) == wanted


def test_last_line_of_nothing_is_a_dash() -> None:
    """A worker that died without a word must not break the report."""
    assert last_line(" \n") == "-"


def test_the_machine_has_no_name_and_no_places(tmp_path: Path) -> None:
    """Results are published; whose machine it was is nobody's business."""
    found = describe(tmp_path)

    assert {"cores", "processor", "python", "file system"} <= set(found)
    assert not [value for value in map(str, found.values()) if str(Path.home()) in value]
    assert not [value for value in map(str, found.values()) if str(ROOT) in value]


def test_places_in_the_words_of_others_are_covered(tmp_path: Path) -> None:
    """Tracebacks are full of folders."""
    told = without_places(f"{ROOT}/x.py broke on {tmp_path}/y, see {Path.home()}/z", tmp_path)

    assert told.startswith("<checkout>/x.py broke on <scratch>/y")
    assert str(Path.home()) not in told
