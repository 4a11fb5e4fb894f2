"""SVG text of a placed graph. All text is escaped; light and dark follow the reader's setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final, Literal

from mandala_cas.frame.layout import Box, Placing, Point, place

Orientation = Literal["TB", "LR"]

_MARGIN: Final = 16.0
_CHARACTER_WIDTH: Final = 7.4
_LABEL_CHARACTER_WIDTH: Final = 5.9
_LINE_HEIGHT: Final = 16.0
_PADDING: Final = 12.0
_TEXT_MAX: Final = 36
_GAP: Final = 26.0
_LAYER_GAP: Final = 56.0
# Where along an edge its label is, if it is nearer to the source.
_NEAR_SOURCE: Final = 0.3
_ASIDE: Final = 9.0

_STYLE: Final = """
.mandala-frame text{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
.mandala-frame text{fill:#1f2328;text-anchor:middle}
.mandala-frame .ground{fill:#ffffff}
.mandala-frame .variable rect{fill:#eef3fb;stroke:#7a97c4}
.mandala-frame .function rect{fill:#fdf0dc;stroke:#c98f2f}
.mandala-frame .name{font-weight:600}
.mandala-frame text.count{font-size:11px;fill:#59636e}
.mandala-frame path.edge{fill:none;stroke:#8c959f;stroke-width:1.2}
.mandala-frame path.tip{fill:#8c959f;stroke:none}
.mandala-frame text.label{font-size:10px;fill:#59636e}
.mandala-frame text.label{stroke:#ffffff;stroke-width:3px;paint-order:stroke}
@media (prefers-color-scheme: dark){
.mandala-frame text{fill:#e6edf3}
.mandala-frame .ground{fill:#161b22}
.mandala-frame .variable rect{fill:#1f2d42;stroke:#5d7fb3}
.mandala-frame .function rect{fill:#3a2d14;stroke:#b8862f}
.mandala-frame text.count{fill:#9da7b1}
.mandala-frame path.edge{stroke:#768390}
.mandala-frame path.tip{fill:#768390}
.mandala-frame text.label{fill:#9da7b1;stroke:#161b22}
}
"""


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node to draw: its name, lines of small text under it, what hovering shows."""

    name: str
    is_function: bool
    lines: tuple[str, ...]
    hover: str


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """An arrow to draw; ``is_input`` tells that it leads from a variable to a function."""

    source: str
    target: str
    label: str
    is_input: bool
    hover: str


def render_svg(
    nodes: Sequence[DrawnNode], edges: Sequence[DrawnEdge], orientation: Orientation
) -> str:
    """Return an SVG picture of the graph; nodes come in an order that most edges follow."""
    is_tall = orientation == "TB"
    sizes = {node.name: _size(node) for node in nodes}
    boxes = []
    for node in nodes:
        width, height = sizes[node.name]
        boxes.append(Box(node.name, *((width, height) if is_tall else (height, width))))
    longest = max((len(edge.label) for edge in edges), default=0)
    layer_gap = _LAYER_GAP if is_tall else _LAYER_GAP + longest * _LABEL_CHARACTER_WIDTH
    pairs = [(edge.source, edge.target) for edge in edges]
    placing = place(boxes, pairs, gap=_GAP, layer_gap=layer_gap)
    width, height = _turned((placing.breadth, placing.depth), is_tall=is_tall)
    width, height = width + _MARGIN, height + _MARGIN
    area = f'width="{width:.0f}" height="{height:.0f}"'
    view = f'viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="mandala-frame" {area} {view} role="img">',
        "<title>Computation frame</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" {area}/>',
    ]
    degrees = Counter(name for pair in pairs for name in pair)
    drawn = []
    for edge in edges:
        # Two arrows between the same nodes, as on a cycle, run side by side, each with its label
        # where it begins.
        aside = _ASIDE if (edge.target, edge.source) in pairs else 0.0
        at_source = bool(aside) or degrees[edge.source] <= degrees[edge.target]
        points = _route(edge, placing, sizes, aside if edge.is_input else -aside, is_tall=is_tall)
        drawn.append(_draw_edge(edge, points, at_source=at_source, is_tall=is_tall))
    parts += [arrow for arrow, _ in drawn]
    for node in nodes:
        centre = _turned(placing.centres[node.name], is_tall=is_tall)
        parts.append(_draw_node(node, centre, sizes[node.name]))
    # Labels go on top: none is hidden by an edge that passes.
    parts += [label for _, label in drawn]
    return "\n".join([*parts, "</svg>\n"])


def _turned(point: Point, *, is_tall: bool) -> Point:
    """Return the (x, y) of a point (across, along), moved in from the margin."""
    across, along = point[0] + _MARGIN, point[1] + _MARGIN
    return (across, along) if is_tall else (along, across)


def _size(node: DrawnNode) -> Point:
    """Return width and height of a node, by an estimate of its text."""
    longest = max(len(_cut(text)) for text in (node.name, *node.lines))
    height = _LINE_HEIGHT * (1 + len(node.lines)) + _PADDING
    return max(longest * _CHARACTER_WIDTH + 2 * _PADDING, 48.0), height


def _cut(text: str) -> str:
    """Return text short enough to draw; hovering shows all of it."""
    return text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…"


def _draw_node(node: DrawnNode, centre: Point, size: Point) -> str:
    """Return a box with the node's name and lines."""
    (x, y), (width, height) = centre, size
    corner = 4 if node.is_function else height / 2.6
    kind = "function" if node.is_function else "variable"
    top = y - height / 2 + _PADDING / 2
    texts = [f'<text class="name" x="{x:.1f}" y="{top + 12:.1f}">{escape(_cut(node.name))}</text>']
    for number, line in enumerate(node.lines, start=1):
        baseline = top + 12 + number * _LINE_HEIGHT
        texts.append(f'<text class="count" x="{x:.1f}" y="{baseline:.1f}">{escape(line)}</text>')
    return (
        f'<g class="{kind}"><title>{escape(node.hover)}</title>'
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="{corner:.1f}"/>{"".join(texts)}</g>'
    )


def _route(
    edge: DrawnEdge,
    placing: Placing,
    sizes: Mapping[str, Point],
    aside: float,
    *,
    is_tall: bool,
) -> list[Point]:
    """Return the points of an arrow, from border to border, moved ``aside`` across the way."""
    way = placing.paths[edge.source, edge.target]
    points = [_turned((across + aside, along), is_tall=is_tall) for across, along in way]
    axis = 1 if is_tall else 0
    forward = 1.0 if way[-1][1] >= way[0][1] else -1.0
    points[0] = _moved(points[0], axis, forward * sizes[edge.source][axis] / 2)
    points[-1] = _moved(points[-1], axis, -forward * sizes[edge.target][axis] / 2)
    return points


def _draw_edge(
    edge: DrawnEdge, points: Sequence[Point], *, at_source: bool, is_tall: bool
) -> tuple[str, str]:
    """Return the arrow and its label, which is near the end where fewer edges meet."""
    axis = 1 if is_tall else 0
    hover = f"<title>{escape(edge.hover)}</title>"
    arrow = f'<g>{hover}<path class="edge" d="{_curve(points, axis)}"/>{_tip(points, axis)}</g>'
    part = _NEAR_SOURCE if at_source else 1 - _NEAR_SOURCE
    start, end = points[:2] if at_source else points[-2:]
    x, y = _on_curve(start, end, axis, part)
    label = f'<text class="label" x="{x:.1f}" y="{y + 3:.1f}">{escape(_cut(edge.label))}</text>'
    return arrow, label


def _moved(point: Point, axis: int, by: float) -> Point:
    """Return a point moved along the way."""
    return (point[0] + by, point[1]) if axis == 0 else (point[0], point[1] + by)


def _controls(start: Point, end: Point, axis: int) -> tuple[Point, Point]:
    """Return the control points of a curve that leaves and arrives along the way."""
    half = (end[axis] - start[axis]) / 2
    return _moved(start, axis, half), _moved(end, axis, -half)


def _curve(points: Sequence[Point], axis: int) -> str:
    """Return the path data of a smooth line through the points."""
    data = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for start, end in pairwise(points):
        first, second = _controls(start, end, axis)
        data.append(
            f"C{first[0]:.1f},{first[1]:.1f} {second[0]:.1f},{second[1]:.1f} "
            f"{end[0]:.1f},{end[1]:.1f}"
        )
    return " ".join(data)


def _tip(points: Sequence[Point], axis: int) -> str:
    """Return the head of the arrow."""
    x, y = points[-1]
    back = -7.0 if points[-1][axis] >= points[-2][axis] else 7.0
    base_x, base_y = _moved((x, y), axis, back)
    side = (3.2, 0.0) if axis == 1 else (0.0, 3.2)
    return (
        f'<path class="tip" d="M{x:.1f},{y:.1f} L{base_x - side[0]:.1f},{base_y - side[1]:.1f} '
        f'L{base_x + side[0]:.1f},{base_y + side[1]:.1f} Z"/>'
    )


def _on_curve(start: Point, end: Point, axis: int, part: float) -> Point:
    """Return the point at this part of the curve between two points."""
    first, second = _controls(start, end, axis)
    rest = 1 - part
    weights = (rest**3, 3 * rest**2 * part, 3 * rest * part**2, part**3)
    corners = (start, first, second, end)
    return (
        sum(w * p[0] for w, p in zip(weights, corners, strict=True)),
        sum(w * p[1] for w, p in zip(weights, corners, strict=True)),
    )
