"""The benchmark of growth: real stores, one ratio a round, and a plot of what was found."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from benchmarks import growth
from benchmarks.growth import drawing, main, ratios, report
from benchmarks.line_plot import Line, plot

from mandala_cas.imports import op

MEASURED = ("warm", "first", "new", "open")


def one_round(small: tuple[float, ...], large: tuple[float, ...]) -> dict[int, dict[str, float]]:
    """Return the figures of a round."""
    return {
        10: dict(zip(MEASURED, small, strict=True)),
        100: dict(zip(MEASURED, large, strict=True)),
    }


ROUNDS = [
    one_round((1.0, 2.0, 4.0, 1.0), (2.0, 2.0, 4.0, 3.0)),
    one_round((9.0, 2.0, 4.0, 1.0), (9.0, 3.0, 5.0, 3.0)),
    one_round((2.0, 2.0, 4.0, 1.0), (3.0, 8.0, 6.0, 3.0)),
]
SVG = "{http://www.w3.org/2000/svg}"


def drawn_of(text: str) -> ET.Element:
    """Return what was drawn."""
    return ET.fromstring(text)  # noqa: S314 (our own)


def test_a_ratio_is_taken_within_a_round() -> None:
    """A machine that was slow in one of them was so for both sizes."""
    assert ratios(ROUNDS, "warm") == {10: 1.0, 100: 1.5}
    assert ratios(ROUNDS, "first") == {10: 1.0, 100: 1.5}


def test_the_table_has_a_line_for_each_size() -> None:
    """With the medians and the ratios."""
    lines = report(ROUNDS, 7).splitlines()

    assert lines[-2:] == [
        "| 10 | 2.0 | 1.00 | 2.0 | 1.00 | 4.0 | 1.00 | 1.0 |",
        "| 100 | 3.0 | 1.50 | 3.0 | 1.50 | 5.0 | 1.25 | 3.0 |",
    ]
    assert "3 rounds with 7 calls" in lines[2]


def test_the_plot_has_a_point_for_each_ratio() -> None:
    """Higher is more, and further right is larger."""
    drawn = drawn_of(drawing(ROUNDS))

    titles = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {"warm hit", "first hit", "new call", "10", "100"} <= set(titles)
    points = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in drawn.iter(f"{SVG}circle")]
    assert len(points) == 6
    (left, low), (right, high) = points[:2]
    assert left < right
    assert low > high


def test_a_plot_of_one_size_and_of_odd_names_is_a_plot() -> None:
    """Nothing is divided by the width of nothing, and a title is text."""
    drawn = drawn_of(plot("a < b", "x & y", [Line("<one>", [(10, 0.0)])]))

    assert next(t.text for t in drawn.iter(f"{SVG}text")) == "a < b"
    assert len(list(drawn.iter(f"{SVG}circle"))) == 1


def test_the_same_calls_are_made_in_every_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a new process for each round, on stores that hold as many calls as they say."""
    arguments = ["--sizes", "40", "60", "--rounds", "1", "--calls", "5", "--write", str(tmp_path)]

    assert main(arguments) == 0

    printed = capsys.readouterr().out
    assert printed == (tmp_path / "growth.md").read_text(encoding="utf-8")
    assert [line.split(" | ")[0] for line in printed.splitlines()[-2:]] == ["| 40", "| 60"]
    assert drawn_of((tmp_path / "growth.svg").read_text(encoding="utf-8")).tag == f"{SVG}svg"


def test_hits_are_hits_and_new_calls_are_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the figures would be those of something else."""
    ran: list[int] = []
    asked: list[int] = []

    @op(name="step")
    def step(base: int, x: int, y: float) -> float:
        ran.append(x)
        return base + x + y

    def counted(base: int, x: int, y: float) -> float:
        asked.append(x)
        return step(base, x, y)

    monkeypatch.setattr(growth, "step", counted)
    growth.make(tmp_path, 40)
    assert ran == list(range(40))

    figures = growth.measure(str(tmp_path), [40], 1, 5)

    assert set(figures[40]) == {"open", "first", "warm", "new"}
    begun = 40 + 1_000_000
    assert ran[40:] == [0, *range(begun, begun + 20), *range(begun + 20, begun + 25)]
    assert len(asked) == 40 + 1 + 2 * 20 + 5 + 25 + 5
