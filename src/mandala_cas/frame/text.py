"""The printed form of a frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mandala_cas.frame.arrays import Codes, distinct
from mandala_cas.frame.graph import Graph
from mandala_cas.frame.order import OutputRanks, by_return

_INDENT = "    "


def describe(graph: Graph, order: Sequence[str], output_ranks: OutputRanks) -> str:
    """Return counts, then the graph with one function a line, in the given order of nodes."""
    refs = distinct_count(list(graph.variables.values()))
    calls = distinct_count([node.calls for node in graph.functions.values()])
    return "\n".join(
        [
            "ComputationFrame with:",
            f"{_INDENT}{len(graph.variables)} variable(s) ({refs} unique refs)",
            f"{_INDENT}{len(graph.functions)} operation(s) ({calls} unique calls)",
            "Computational graph:",
            *(_INDENT + line for line in _graph_lines(graph, order, output_ranks)),
        ]
    )


def distinct_count(sets: Sequence[Codes]) -> int:
    """Return the size of the union."""
    return len(distinct(np.concatenate(sets))) if sets else 0


def _graph_lines(graph: Graph, order: Sequence[str], output_ranks: OutputRanks) -> list[str]:
    """Return the isolated variables on one line, and one line per function."""
    joined = {name for edge in graph.edges for name in (edge.source, edge.target)}
    isolated = sorted(name for name in graph.variables if name not in joined)
    lines = [", ".join(isolated)] if isolated else []
    leaving, entering = graph.edges_from(), graph.edges_into()
    for name in (n for n in order if n in graph.functions):
        inputs = _by_label([(e.label, e.source) for e in entering[name]])
        outputs = _by_label([(e.label, e.target) for e in by_return(leaving[name], output_ranks)])
        left = ", ".join(
            f"({' | '.join(names)})@{label}" if len(names) > 1 else f"{names[0]}@{label}"
            for label, names in outputs.items()
        )
        right = ", ".join(f"{label}={' | '.join(inputs[label])}" for label in sorted(inputs))
        lines.append(f"{left} = {name}({right})" if left else f"{name}({right})")
    return lines


def _by_label(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Put the variables of each label together, keeping the order."""
    found: dict[str, list[str]] = {}
    for label, name in pairs:
        found.setdefault(label, []).append(name)
    return found


def growth(before: Graph, after: Graph) -> str:
    """Return what an expansion added, for a log line."""
    nodes = sorted((after.variables.keys() | after.functions.keys()) - _names(before))
    refs = _total(after.variables.values()) - _total(before.variables.values())
    calls = _total(n.calls for n in after.functions.values()) - _total(
        n.calls for n in before.functions.values()
    )
    return f"added {calls} call(s), {refs} ref(s), nodes: {', '.join(nodes) or 'none'}"


def _names(graph: Graph) -> set[str]:
    """Return the names of all nodes."""
    return {*graph.variables, *graph.functions}


def _total(sets: Iterable[Codes]) -> int:
    """Return the sizes of all sets together."""
    return sum(len(codes) for codes in sets)
