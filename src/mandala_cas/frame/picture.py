"""The picture of a frame: what to write on nodes and edges, and where the result can go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from mandala_cas.errors import UsageError
from mandala_cas.frame.arrays import distinct
from mandala_cas.frame.graph import Graph
from mandala_cas.frame.render import DrawnEdge, DrawnNode, Orientation, render_svg
from mandala_cas.frame.snapshot import ELEMENTS_LABEL, Snapshot
from mandala_cas.frame.workspace import Workspace

if TYPE_CHECKING:
    from os import PathLike

_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Computation frame</title></head>
<body>
{}</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG picture, which notebooks show by themselves."""

    svg: str

    def _repr_svg_(self) -> str:
        """Return the SVG."""
        return self.svg

    def _repr_html_(self) -> str:
        """Return the SVG, which is HTML too."""
        return self.svg

    def __repr__(self) -> str:
        """Return what this is; the SVG itself says nothing to a reader of text."""
        return f"Picture({len(self.svg)} characters of SVG)"

    def with_caption(self, text: str) -> str:
        """Return HTML of the picture with a text below."""
        return f"<div>{self.svg}<pre>{escape(text)}</pre></div>"

    def write(self, path: str | PathLike[str]) -> None:
        """Write the picture to a file, as its suffix says.

        Raises:
            UsageError: the suffix is neither ``.svg`` nor ``.html``.
        """
        target = Path(path)
        match target.suffix.lower():
            case ".svg":
                text = self.svg
            case ".html" | ".htm":
                text = _PAGE.format(self.svg)
            case suffix:
                raise UsageError(
                    f"cannot draw to {str(target)!r}: {suffix or 'no suffix'} is not supported; "
                    "use .svg or .html",
                    path=str(target),
                )
        target.write_text(text, encoding="utf-8")


def picture_of(
    snapshot: Snapshot,
    graph: Graph,
    order: Sequence[str],
    *,
    verbose: bool,
    orientation: Orientation,
) -> Picture:
    """Return the picture of a graph, its nodes in an order that most edges follow."""
    if orientation not in {"TB", "LR"}:
        raise UsageError(
            f"orientation={orientation!r} is not known; use 'TB' (top to bottom) or 'LR' (left to "
            "right)",
            found=orientation,
        )
    space = Workspace(snapshot, graph) if verbose else None
    nodes = [_drawn_node(graph, name, space) for name in order]
    return Picture(render_svg(nodes, _drawn_edges(snapshot, graph), orientation))


def _drawn_node(graph: Graph, name: str, space: Workspace | None) -> DrawnNode:
    """Return a node with its counts; with a workspace, those of sources and sinks too."""
    function = graph.functions.get(name)
    if function is not None:
        count = _counted(len(function.calls), "call")
        return DrawnNode(name, True, (count,), f"{name}: {count} of op {function.op}")
    refs = graph.variables[name]
    lines = [_counted(len(refs), "ref")]
    if space is not None:
        sources = len(space.unexplained(name, refs, made=True))
        sinks = len(space.unexplained(name, refs, made=False))
        lines.append(f"{_counted(sources, 'source')}, {_counted(sinks, 'sink')}")
    return DrawnNode(name, False, tuple(lines), f"{name}: {', '.join(lines)}")


def _drawn_edges(snapshot: Snapshot, graph: Graph) -> list[DrawnEdge]:
    """Return one arrow per pair of joined nodes, with all labels between them."""
    leaving = graph.edges_from()
    drawn = []
    for source, edges in leaving.items():
        for target in dict.fromkeys(edge.target for edge in edges):
            labels = [edge.label for edge in edges if edge.target == target]
            is_input = target in graph.functions
            function, variable = (target, source) if is_input else (source, target)
            counts = [
                (label, *_edge_counts(snapshot, graph, function, variable, (not is_input, label)))
                for label in labels
            ]
            text = ", ".join(
                f"{_starred(label, is_input=is_input)} ({calls})" for label, calls, _ in counts
            )
            hover = "; ".join(
                f"{label}: {_counted(calls, 'call')}, {_counted(refs, 'ref')}"
                for label, calls, refs in counts
            )
            drawn.append(DrawnEdge(source, target, text, is_input, f"{source} → {target}: {hover}"))
    return drawn


def _edge_counts(
    snapshot: Snapshot, graph: Graph, function: str, variable: str, port: tuple[bool, str]
) -> tuple[int, int]:
    """Return how many calls, and how many refs, an edge stands for."""
    is_output, label = port
    slots = snapshot.slots_of(graph.functions[function].calls)
    at = snapshot.slot_is_output[slots] == is_output
    at &= snapshot.slot_label[slots] == snapshot.labels.index(label)
    slots = slots[at]
    held = np.isin(snapshot.slot_ref[slots], graph.variables[variable])
    calls = distinct(snapshot.slot_call[slots[held]])
    return len(calls), len(distinct(snapshot.slot_ref[slots[held]]))


def _starred(label: str, *, is_input: bool) -> str:
    """Return a label; that of any number of elements has a star."""
    return f"*{label}" if is_input and label == ELEMENTS_LABEL else label


def _counted(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
