"""The report: the same content as Markdown for people and as JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.measuring import Measured
from benchmarks.summary import Comparison, Ratio, Spread, against_raw, compare
from benchmarks.tools.catalogue import OURS, RAW
from benchmarks.workloads.base import Measure

FORMAT_VERSION: Final = 1
_NOTHING: Final = "-"
_HOW_TO_READ: Final = (
    "A ratio says how many times as good as the other mandala-cas is, judged within each round: "
    "1 is even, more is better. The raw limit does nothing but the least that the work needs, so "
    "against it 1 is the goal."
)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one run found out."""

    started: str
    scale: str
    rounds: int
    machine: Mapping[str, str | int | float]
    versions: Mapping[str, Mapping[str, str]]
    unavailable: Mapping[str, str]
    measured: Sequence[Measured]


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as plain dicts, with the figures of every round."""
    return {
        "format": FORMAT_VERSION,
        "started": report.started,
        "scale": report.scale,
        "rounds": report.rounds,
        "machine": dict(report.machine),
        "versions": {tool: dict(found) for tool, found in report.versions.items()},
        "unavailable": dict(report.unavailable),
        "workloads": [_workload_to_json(measured) for measured in report.measured],
    }


def _workload_to_json(measured: Measured) -> dict[str, Any]:
    """Return one workload's part of the JSON."""
    measures = {}
    for measure in measured.workload.measures:
        figures = measured.figures.get(measure.name, {})
        comparison = compare(figures)
        measures[measure.name] = {
            "title": measure.title,
            "unit": measure.unit,
            "best_peer": comparison.best_peer,
            "tools": {
                tool: {
                    "figures": list(figures[tool]),
                    "spread": asdict(spread),
                    "against_raw": _as_dict(against_raw(figures, tool)),
                    "ours_against_it": _as_dict(comparison.against.get(tool)),
                }
                for tool, spread in comparison.spreads.items()
            },
        }
    return {
        "name": measured.workload.name,
        "title": measured.workload.title,
        "sizes": dict(measured.workload.sizes[measured.scale]),
        "checked_count": measured.checked_count,
        "wrong": dict(measured.wrong),
        "failed": dict(measured.failed),
        "left_out": dict(measured.workload.left_out),
        "measures": measures,
    }


def _as_dict(ratio: Ratio | None) -> dict[str, float] | None:
    """Return a ratio as JSON has it."""
    return None if ratio is None else asdict(ratio)


def to_markdown(report: Report) -> str:
    """Return the report as a page, the summary first."""
    parts = [
        "# Benchmarks",
        f"Measured {report.started}, scale *{report.scale}*, {report.rounds} rounds.",
        _HOW_TO_READ,
        "## Machine",
        _table(("what", "found"), [(name, str(value)) for name, value in report.machine.items()]),
        _table(
            ("tool", "versions"),
            [
                (tool, ", ".join(f"{name} {version}" for name, version in found.items()))
                for tool, found in report.versions.items()
            ],
        ),
    ]
    if report.unavailable:
        rows = [(tool, last_line(why)) for tool, why in report.unavailable.items()]
        parts += ["Not measured:", _table(("tool", "why"), rows)]
    parts += ["## Summary", _summary(report.measured)]
    for measured in report.measured:
        parts += _workload_to_markdown(measured)
    return "\n\n".join(parts) + "\n"


def _summary(measured: Sequence[Measured]) -> str:
    """Return the table of the measures that matter most."""
    rows = []
    for one in measured:
        for measure in one.workload.measures:
            if not measure.headline:
                continue
            comparison = compare(one.figures.get(measure.name, {}))
            best = comparison.best_peer
            rows.append(
                (
                    one.workload.name,
                    measure.title,
                    _median(comparison, OURS, measure),
                    _NOTHING if best is None else f"{best}, {_median(comparison, best, measure)}",
                    _ratio(comparison.against.get(best or "")),
                    _median(comparison, RAW, measure),
                    _ratio(comparison.against.get(RAW)),
                )
            )
    head = ("workload", "measure", OURS, "best peer", "ratio", "raw limit", "ratio")
    return _table(head, rows)


def _workload_to_markdown(measured: Measured) -> list[str]:
    """Return one workload's section."""
    workload = measured.workload
    sizes = ", ".join(f"{name} {size:,}" for name, size in workload.sizes[measured.scale].items())
    parts = [
        f"## {workload.title}",
        workload.note,
        f"Sizes: {sizes}. {measured.checked_count:,} results checked.",
    ]
    for tool, why in workload.left_out.items():
        parts.append(f"Without {tool}: {why}.")
    for tool, told in measured.wrong.items():
        parts.append(f"**Wrong results of {tool}:** {'; '.join(told)}.")
    for tool, why in measured.failed.items():
        parts.append(f"**{tool} failed:** {last_line(why)}")
    for measure in workload.measures:
        rows = _rows(measure, measured.figures.get(measure.name, {}))
        if rows:
            head = ("tool", "median", "quartiles", "least to most", "against raw", "ratio of ours")
            parts += [f"### {measure.title[:1].upper()}{measure.title[1:]}", _table(head, rows)]
    return parts


def _rows(measure: Measure, figures: Mapping[str, Sequence[float]]) -> list[tuple[str, ...]]:
    """Return one row for each tool, the best first."""
    comparison = compare(figures)
    order = sorted(comparison.spreads, key=lambda tool: comparison.spreads[tool].median)
    rows: list[tuple[str, ...]] = []
    for tool in order:
        spread = comparison.spreads[tool]
        rows.append(
            (
                tool,
                show(spread.median, measure.unit),
                _span(spread.lower_quartile, spread.upper_quartile, measure),
                _span(spread.least, spread.most, measure),
                _ratio(against_raw(figures, tool)),
                _ratio_with_span(comparison.against.get(tool)),
            )
        )
    return rows


def show(figure: float, unit: str) -> str:
    """Return a figure for people, with its unit and three digits that count."""
    match unit:
        case "ns_per_byte":
            return f"{_digits(1 / figure)} GB/s" if figure > 0 else _NOTHING
        case "bytes":
            return _scaled(figure, (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1)))
        case _:
            return _scaled(figure, (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1)))


def _scaled(figure: float, units: Sequence[tuple[str, float]]) -> str:
    """Return the figure in the largest unit that it fills."""
    name, size = next((unit for unit in units if abs(figure) >= unit[1]), units[-1])
    return f"{_digits(figure / size)} {name}"


def _digits(number: float) -> str:
    """Return three digits, without an exponent."""
    if number == 0 or abs(number) >= 100:
        return f"{number:,.0f}"
    # Two digits after the point, or as many as it takes to show two that count.
    decimals = 1 if abs(number) >= 10 else max(2, 1 - math.floor(math.log10(abs(number))))
    return f"{number:.{decimals}f}"


def _span(begin: float, end: float, measure: Measure) -> str:
    """Return two figures as a span, the smaller number first."""
    if measure.unit == "ns_per_byte":
        begin, end = end, begin
    return f"{show(begin, measure.unit)} to {show(end, measure.unit)}"


def _median(comparison: Comparison, tool: str, measure: Measure) -> str:
    """Return a tool's median, if it has one."""
    spread: Spread | None = comparison.spreads.get(tool)
    return _NOTHING if spread is None else show(spread.median, measure.unit)


def _ratio(ratio: Ratio | None) -> str:
    """Return a ratio's median."""
    return _NOTHING if ratio is None else _digits(ratio.median)


def _ratio_with_span(ratio: Ratio | None) -> str:
    """Return a ratio's median, and how far it moved between the rounds."""
    if ratio is None:
        return _NOTHING
    return f"{_digits(ratio.median)} ({_digits(ratio.least)} to {_digits(ratio.most)})"


def last_line(text: str) -> str:
    """Return what a traceback ends with."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else _NOTHING


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in lines)
