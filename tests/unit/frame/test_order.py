"""The order of nodes, and of what cells hold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mandala_cas.frame.cells import column_of
from mandala_cas.frame.graph import Edge, FunctionNode, Graph
from mandala_cas.frame.histories import Passages
from mandala_cas.frame.order import components, node_order


def graph(*edges: tuple[str, str]) -> Graph:
    """Return a graph without elements; names of functions are in upper case."""
    nothing = np.empty(0, np.uint32)
    names = {name for edge in edges for name in edge}
    return Graph(
        {name: nothing for name in names if name.islower()},
        {name: FunctionNode(name, nothing) for name in names if name.isupper()},
        frozenset(Edge(source, target, source + target) for source, target in edges),
    )


def test_a_variable_waits_for_the_last_of_its_producers() -> None:
    """Whoever reads from left to right meets everything before what depends on it."""
    found = graph(("a", "F"), ("F", "b"), ("c", "G"), ("G", "b"), ("b", "H"), ("H", "d"))

    assert node_order(found, {}) == ["a", "F", "c", "G", "b", "H", "d"]


def test_outputs_come_in_order_of_return() -> None:
    """Not by name, unless nothing is known."""
    found = graph(("F", "a"), ("F", "b"))

    assert node_order(found, {("F", "Fa"): 1, ("F", "Fb"): 0}) == ["F", "b", "a"]
    assert node_order(found, {}) == ["F", "a", "b"]


def test_nodes_on_a_cycle_are_one_component() -> None:
    """What leads there comes before, what leads away behind."""
    found = graph(("a", "F"), ("F", "x"), ("x", "G"), ("G", "y"), ("y", "F"), ("x", "H"))

    assert components(found) == [["a"], ["F", "G", "x", "y"], ["H"]]


def test_a_long_path_needs_no_recursion() -> None:
    """An unrolled chain has as many nodes as calls."""
    names = [("F" if i % 2 else "v") + str(i) for i in range(5000)]
    long = graph(*pairwise(names))

    assert node_order(long, {}) == names


def test_sets_are_numbered_in_order_of_their_codes() -> None:
    """As numbers, not as bytes with the lowest first; equal sets have one number."""
    codes = [[256, 257], [1, 5], [1], [1, 5, 6], [256, 257]]
    rows = np.repeat(np.arange(5), [len(held) for held in codes])
    flat = np.array([code for held in codes for code in held], dtype=np.uint32)

    column = column_of(Passages(rows, flat, is_single=False), 6, base=1000)

    assert column.numbers.tolist() == [1002, 1000, 1, 1001, 1002, -1]
    elements, offsets = column.elements(column.numbers[:5])
    assert [part.tolist() for part in np.split(elements, offsets[1:-1])] == codes
