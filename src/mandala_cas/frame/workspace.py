"""A graph under construction: what expanding changes, and freezes again at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from mandala_cas.frame.arrays import Codes, Rows
from mandala_cas.frame.graph import Edge, FunctionNode, Graph, sealed
from mandala_cas.frame.members import Members
from mandala_cas.frame.snapshot import Snapshot

# A label of a function, and on which side of it: (is_output, label).
Port = tuple[bool, str]


@dataclass(slots=True)
class WorkingFunction:
    """A function node that still grows; ``ports`` gives the variables joined at each label."""

    op: str
    calls: Members
    ports: dict[Port, set[str]] = field(default_factory=dict)


class Workspace:
    """A mutable copy of a graph. It shares nothing that can be written with the graph."""

    def __init__(self, snapshot: Snapshot, graph: Graph) -> None:
        """Start from ``graph``."""
        self.snapshot = snapshot
        self.variables = {
            name: Members(refs, snapshot.ref_count) for name, refs in graph.variables.items()
        }
        self.functions = {
            name: WorkingFunction(node.op, Members(node.calls, snapshot.call_count))
            for name, node in graph.functions.items()
        }
        # Of each variable, the functions joined to it: {True: producers, False: consumers}.
        self.neighbours: dict[str, dict[bool, set[str]]] = {
            name: {True: set(), False: set()} for name in graph.variables
        }
        self.label_users: dict[str, set[str]] = {}
        self.fresh_refs: dict[str, list[Codes]] = {}
        self.fresh_call_count = 0
        for source, target, label in graph.edges:
            if source in graph.functions:
                self.join(source, (True, label), target)
            else:
                self.join(target, (False, label), source)

    def freeze(self) -> Graph:
        """Return what was built."""
        edges = (
            Edge(name, variable, label) if is_output else Edge(variable, name, label)
            for name, function in self.functions.items()
            for (is_output, label), variables in function.ports.items()
            for variable in variables
        )
        return Graph(
            {name: sealed(refs.codes()) for name, refs in self.variables.items()},
            {
                name: FunctionNode(function.op, sealed(function.calls.codes()))
                for name, function in self.functions.items()
            },
            frozenset(edges),
        )

    def names(self) -> set[str]:
        """Return the names that are taken."""
        return {*self.variables, *self.functions}

    def add_variable(self, name: str) -> None:
        """Add an empty variable."""
        self.variables[name] = Members(np.empty(0, np.uint32), self.snapshot.ref_count)
        self.neighbours[name] = {True: set(), False: set()}

    def add_function(self, name: str, op: str) -> None:
        """Add a function node without calls."""
        calls = Members(np.empty(0, np.uint32), self.snapshot.call_count)
        self.functions[name] = WorkingFunction(op, calls)

    def join(self, function: str, port: Port, variable: str) -> bool:
        """Add an edge; tell whether the port had none before."""
        joined = self.functions[function].ports.setdefault(port, set())
        is_first = not joined
        joined.add(variable)
        self.neighbours[variable][port[0]].add(function)
        self.label_users.setdefault(port[1], set()).add(variable)
        return is_first

    def add_refs(self, variable: str, refs: Codes) -> None:
        """Put refs into a variable and remember which of them are new."""
        new = self.variables[variable].add(refs)
        if len(new):
            self.fresh_refs.setdefault(variable, []).append(new)

    def add_calls(self, function: str, calls: Codes) -> Codes:
        """Put calls into a function node; return those that are new."""
        new = self.functions[function].calls.add(calls)
        self.fresh_call_count += len(new)
        return new

    def take_fresh_refs(self) -> dict[str, Codes]:
        """Return the refs added since the last time, by variable, and forget that they are new."""
        fresh = {name: np.concatenate(parts) for name, parts in self.fresh_refs.items()}
        self.fresh_refs = {}
        return fresh

    def functions_of(self, op: str) -> list[str]:
        """Return the function nodes of an op, in name order."""
        return sorted(name for name, function in self.functions.items() if function.op == op)

    def unexplained(self, variable: str, refs: Codes, *, made: bool) -> Codes:
        """Return those of the variable's refs that no joined function made (or uses)."""
        snapshot = self.snapshot
        by_ref = snapshot.outputs_by_ref if made else snapshot.inputs_by_ref
        counts = by_ref.counts(refs)
        functions = self.neighbours[variable][made]
        if not functions or not counts.any():
            return refs
        calls = snapshot.slot_call[by_ref.rows(refs)]
        held = _any_has((self.functions[name].calls for name in functions), calls)
        owners: Rows = np.repeat(np.arange(len(refs)), counts)
        explained = np.bincount(owners[held], minlength=len(refs)) > 0
        return refs[~explained]

    def holds_call(self, calls: Codes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell of each call whether some function node holds it."""
        return _any_has((function.calls for function in self.functions.values()), calls)


def _any_has(sets: Iterable[Members], codes: Codes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell of each code whether any of the sets holds it."""
    held = np.zeros(len(codes), dtype=bool)
    for members in sets:
        held |= members.has(codes)
    return held
