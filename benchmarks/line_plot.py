"""A plot of a few lines over powers of ten, as SVG: no library is needed for so little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

# Told apart also by those who see no red or no green.
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_WIDTH: Final = 640
_HEIGHT: Final = 360
_LEFT: Final = 50
_RIGHT: Final = 110
_TOP: Final = 40
_BOTTOM: Final = 50


@dataclass(frozen=True, slots=True)
class Line:
    """A line and what it is called; ``points`` are pairs of x and y."""

    title: str
    points: Sequence[tuple[float, float]]


def plot(title: str, x_title: str, lines: Sequence[Line]) -> str:
    """Return the plot; y begins at 0, x is logarithmic."""
    xs = [x for line in lines for x, _ in line.points]
    top = max(1.0, math.ceil(max(y for line in lines for _, y in line.points) * 2) / 2)
    area = _Area(math.log10(min(xs)), math.log10(max(xs)), top)
    parts = [_text(_LEFT, 20, title, size=14)]
    parts += [part for y in _steps(top) for part in area.across(y)]
    parts += [part for x in sorted(set(xs)) for part in area.mark(x)]
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x_title, anchor="middle"))
    for number, line in enumerate(lines):
        parts += area.line(line, _COLOURS[number % len(_COLOURS)], _TOP + 18 * number)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n'
        "</svg>\n"
    )


def _steps(top: float) -> list[float]:
    """Return where lines go across, up to ``top``."""
    step = max(0.5, math.ceil(top / 4) / 2)
    return [step * number for number in range(int(top / step) + 1)]


@dataclass(frozen=True, slots=True)
class _Area:
    """The part of the plot that has the lines."""

    low: float
    high: float
    top: float

    def x(self, value: float) -> float:
        """Return where a value stands from left to right."""
        span = self.high - self.low or 1.0
        return _LEFT + (math.log10(value) - self.low) / span * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Return where a value stands from top to bottom."""
        return _HEIGHT - _BOTTOM - value / self.top * (_HEIGHT - _TOP - _BOTTOM)

    def across(self, value: float) -> list[str]:
        """Return the line across at a value of y, and the value."""
        y = self.y(value)
        return [
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>',
            _text(_LEFT - 8, y + 4, f"{value:g}", anchor="end"),
        ]

    def mark(self, value: float) -> list[str]:
        """Return the mark at a value of x, and the value."""
        return [_text(self.x(value), _HEIGHT - _BOTTOM + 18, f"{value:,.0f}", anchor="middle")]

    def line(self, line: Line, colour: str, title_y: float) -> list[str]:
        """Return a line with its points, and what it is called."""
        at = [(self.x(x), self.y(y)) for x, y in line.points]
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        points = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in at]
        return [
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *points,
            _text(_WIDTH - _RIGHT + 14, title_y + 4, line.title, colour=colour),
        ]


def _text(
    x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", colour: str = "#222"
) -> str:
    """Return some text at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'fill="{colour}">{escape(text)}</text>'
    )
