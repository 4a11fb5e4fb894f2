"""The part of a frame that ties some of its nodes together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from mandala_cas.frame.arrays import Codes, Grouping, Mask, distinct, group_rows
from mandala_cas.frame.graph import FunctionNode, Graph, sealed
from mandala_cas.frame.links import links_of
from mandala_cas.frame.snapshot import Snapshot
from mandala_cas.frame.workspace import Workspace

Neighbours = Mapping[str, Sequence[str]]


def spanned(snapshot: Snapshot, graph: Graph, names: Sequence[str]) -> Graph:
    """Return the nodes on paths between ``names``, and what ties those without a path.

    Two nodes with no directed path between them are tied by their common ancestors (two outputs
    of one call); where there are none, by the nearest nodes that both lead to (two inputs of one
    call). Elements that come from refs which begin
    at a node in the middle of a path, and so from nothing that was asked about, are left out.
    """
    forward = {n: [e.target for e in edges] for n, edges in graph.edges_from().items()}
    backward = {n: [e.source for e in edges] for n, edges in graph.edges_into().items()}
    ahead = {name: _reach([name], forward) for name in names}
    behind = {name: _reach([name], backward) for name in names}
    passed: set[str] = set()
    # On a cycle through a node that was asked about, beginning and middle are the same.
    begun = {node for name in names for node in ahead[name] & behind[name]}
    for first, second in combinations(names, 2):
        if second in ahead[first] or first in ahead[second]:
            passed |= (ahead[first] & behind[second]) | (ahead[second] & behind[first])
            continue
        common = behind[first] & behind[second]
        if common:
            begun |= _reach(common, forward) & (behind[first] | behind[second])
            continue
        meeting = ahead[first] & ahead[second]
        nearest = {n for n in meeting if not meeting.intersection(backward[n])}
        begun |= (ahead[first] | ahead[second]) & _reach(nearest, backward)
    part = graph.induced(passed | begun)
    space = Workspace(snapshot, part)
    foreign = {
        name: space.unexplained(name, part.variables[name], made=True)
        for name in sorted(passed - begun)
        if name in part.variables
    }
    return _without(snapshot, part, {n: refs for n, refs in foreign.items() if len(refs)})


def _reach(starts: Iterable[str], neighbours: Neighbours) -> set[str]:
    """Return the nodes that can be reached, the starts included."""
    reached = set(starts)
    waiting = list(reached)
    while waiting:
        for name in neighbours[waiting.pop()]:
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    return reached


def _without(snapshot: Snapshot, graph: Graph, removed: Mapping[str, Codes]) -> Graph:
    """Return the graph without these elements, and without what cannot be had without them.

    A call goes with any of its inputs, a ref with the last of the calls that made it.
    """
    if not removed:
        return graph
    limits = dict.fromkeys(graph.variables, snapshot.ref_count)
    limits |= dict.fromkeys(graph.functions, snapshot.call_count)
    maker_counts = {n: np.zeros(limits[n], dtype=np.int64) for n in graph.variables}
    ways: dict[str, list[tuple[str, Grouping, Codes]]] = {name: [] for name in limits}
    for link in links_of(snapshot, graph):
        by_parent = group_rows(link.parents, limits[link.parent_node])
        ways[link.parent_node].append((link.child_node, by_parent, link.children))
        if link.child_node in graph.variables:
            maker_counts[link.child_node] += np.bincount(
                link.children, minlength=limits[link.child_node]
            )
    gone: dict[str, Mask] = {name: np.zeros(limit, dtype=bool) for name, limit in limits.items()}
    going = dict(removed)
    while going:
        for name, codes in going.items():
            gone[name][codes] = True
        following: dict[str, list[Codes]] = {}
        for name, codes in going.items():
            for child_node, by_parent, children in ways[name]:
                hit = children[by_parent.rows(codes)]
                if child_node in maker_counts:
                    np.subtract.at(maker_counts[child_node], hit, 1)
                    hit = hit[maker_counts[child_node][hit] == 0]
                hit = hit[~gone[child_node][hit]]
                if len(hit):
                    following.setdefault(child_node, []).append(hit)
        going = {name: distinct(np.concatenate(parts)) for name, parts in following.items()}
    return Graph(
        {n: sealed(refs[~gone[n][refs]]) for n, refs in graph.variables.items()},
        {
            n: FunctionNode(node.op, sealed(node.calls[~gone[n][node.calls]]))
            for n, node in graph.functions.items()
        },
        graph.edges,
    )
