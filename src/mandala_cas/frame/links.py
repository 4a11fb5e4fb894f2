"""Which element of a frame comes straight from which: the steps that histories are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mandala_cas.frame.arrays import Codes, Grouping, Mask, Rows, group_rows
from mandala_cas.frame.graph import Edge, Graph
from mandala_cas.frame.members import Members
from mandala_cas.frame.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs of elements of two joined nodes: ``parents[i]`` is what ``children[i]`` came from."""

    parent_node: str
    child_node: str
    parents: Codes
    children: Codes


def links_of(snapshot: Snapshot, graph: Graph) -> list[Links]:
    """Return the links between each pair of joined nodes.

    A ref comes from the calls, of functions joined to its variable, that have it as an output. A
    call comes from its inputs at a label, in the variables joined at that label.
    """
    flags = {name: Members(refs, snapshot.ref_count) for name, refs in graph.variables.items()}
    found = []
    for name, node in graph.functions.items():
        slots = snapshot.slots_of(node.calls)
        is_output = snapshot.slot_is_output[slots]
        outputs, inputs = slots[is_output], slots[~is_output]
        targets = {e.target for e in graph.edges if e.source == name}
        for variable in sorted(targets):
            held = outputs[flags[variable].has(snapshot.slot_ref[outputs])]
            found.append(Links(name, variable, snapshot.slot_call[held], snapshot.slot_ref[held]))
        labels = snapshot.slot_label[inputs]
        for source in sorted({e.source for e in graph.edges if e.target == name}):
            wanted = _label_flags(snapshot, graph, source, name)
            at = inputs[wanted[labels]]
            held = at[flags[source].has(snapshot.slot_ref[at])]
            found.append(Links(source, name, snapshot.slot_ref[held], snapshot.slot_call[held]))
    return found


def _label_flags(snapshot: Snapshot, graph: Graph, source: str, target: str) -> Mask:
    """Return a map of the labels that join two nodes."""
    return np.array([Edge(source, target, label) in graph.edges for label in snapshot.labels])


@dataclass(frozen=True, slots=True)
class Lookup:
    """The parents of elements, by child."""

    by_child: Grouping
    parents: Codes
    is_single: bool

    def follow(self, rows: Rows, children: Codes) -> tuple[Rows, Codes]:
        """Return the parents of ``children``, each with the row of its child."""
        counts = self.by_child.counts(children)
        return np.repeat(rows, counts), self.parents[self.by_child.rows(children)]


def lookup(links: Links, child_limit: int) -> Lookup:
    """Prepare links for following; children are codes below ``child_limit``."""
    by_child = group_rows(links.children, child_limit)
    return Lookup(by_child, links.parents, bool((np.diff(by_child.offsets) <= 1).all()))
