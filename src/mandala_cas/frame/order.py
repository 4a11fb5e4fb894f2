"""The order of nodes: from sources to sinks, the same for equal graphs in every process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

from mandala_cas.frame.graph import Edge, Graph

# The place in the order of return of each output, by function node and label.
OutputRanks = Mapping[tuple[str, str], int]


def components(graph: Graph) -> list[list[str]]:
    """Return the strongly connected components, producers first, ties by name.

    Nodes on a common cycle are one component; all others stand alone. Variables come as early as
    they can, so that the order of functions does not depend on them.
    """
    successors = {n: [e.target for e in edges] for n, edges in graph.edges_from().items()}
    found = _strong_components(successors)
    home = {name: number for number, names in enumerate(found) for name in names}
    waiting = [0] * len(found)
    for name, targets in successors.items():
        for target in targets:
            waiting[home[target]] += home[name] != home[target]

    def rank(number: int) -> tuple[bool, str, int]:
        """Return the place in the queue of a component that waits for nothing."""
        return any(n in graph.functions for n in found[number]), found[number][0], number

    ready = [rank(number) for number, count in enumerate(waiting) if not count]
    heapify(ready)
    ordered = []
    while ready:
        number = heappop(ready)[2]
        ordered.append(found[number])
        for name in found[number]:
            for target in successors[name]:
                if home[target] != number:
                    waiting[home[target]] -= 1
                    if not waiting[home[target]]:
                        heappush(ready, rank(home[target]))
    return ordered


def _strong_components(successors: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return the strongly connected components, each sorted (Tarjan, without recursion)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_nodes: list[str] = []
    is_open: set[str] = set()
    found: list[list[str]] = []
    for root in sorted(successors):
        if root in number:
            continue
        trail = [(root, iter(successors[root]))]
        number[root] = lowest[root] = len(number)
        open_nodes.append(root)
        is_open.add(root)
        while trail:
            name, rest = trail[-1]
            following = next(rest, None)
            if following is None:
                trail.pop()
                if trail:
                    above = trail[-1][0]
                    lowest[above] = min(lowest[above], lowest[name])
                if lowest[name] == number[name]:
                    found.append(_pop_until(open_nodes, name))
                    is_open.difference_update(found[-1])
            elif following not in number:
                number[following] = lowest[following] = len(number)
                open_nodes.append(following)
                is_open.add(following)
                trail.append((following, iter(successors[following])))
            elif following in is_open:
                lowest[name] = min(lowest[name], number[following])
    return found


def _pop_until(names: list[str], last: str) -> list[str]:
    """Remove the end of the list from ``last`` on, and return it sorted."""
    popped = [names.pop()]
    while popped[-1] != last:
        popped.append(names.pop())
    return sorted(popped)


def node_order(graph: Graph, output_ranks: OutputRanks) -> list[str]:
    """Return all nodes as a reader meets them: isolated ones, then function by function.

    A function comes behind its inputs (by label) and before its outputs (in order of return). A
    variable waits for the last of its producers,
    unless a cycle needs it before.
    """
    leaving, entering = graph.edges_from(), graph.edges_into()
    order = sorted(n for n in graph.variables if not leaving[n] and not entering[n])
    placed = set(order)

    def place(names: Sequence[str]) -> None:
        """Append the names that have no place yet."""
        for name in names:
            if name not in placed:
                placed.add(name)
                order.append(name)

    for name in (n for names in components(graph) for n in names if n in graph.functions):
        place([e.source for e in sorted(entering[name], key=lambda e: (e.label, e.source))])
        place([name])
        outputs = by_return(leaving[name], output_ranks)
        place([e.target for e in outputs if all(p.source in placed for p in entering[e.target])])
    return order


def by_return(edges: Iterable[Edge], output_ranks: OutputRanks) -> list[Edge]:
    """Return the output edges of a function in order of return."""
    return sorted(
        edges, key=lambda e: (output_ranks.get((e.source, e.label), 0), e.label, e.target)
    )
