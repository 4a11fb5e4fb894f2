"""The graph of a frame: variables, function nodes, edges, and the elements in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, NamedTuple

from mandala_cas.errors import NotFoundError
from mandala_cas.frame.arrays import Codes, distinct

_NUMBERED: Final = re.compile(r"(.+)_(\d+)", re.DOTALL)
_GENERIC_OUTPUT: Final = re.compile(r"output_\d+")
_GENERIC_STEM: Final = "var"


class Edge(NamedTuple):
    """An arrow between a variable and a function node; the label is the op's name for it."""

    source: str
    target: str
    label: str


@dataclass(frozen=True, slots=True)
class FunctionNode:
    """Calls of one op, as sorted codes."""

    op: str
    calls: Codes


@dataclass(frozen=True)
class Graph:
    """A labelled bipartite graph with elements in its nodes; never changed once made.

    ``variables`` gives the sorted codes of each variable's refs.
    """

    variables: Mapping[str, Codes]
    functions: Mapping[str, FunctionNode]
    edges: frozenset[Edge] = field(default_factory=frozenset)

    def elements(self, name: str) -> Codes:
        """Return the codes in a node."""
        node = self.functions.get(name)
        return self.variables[name] if node is None else node.calls

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a node of this name."""
        return name in self.variables or name in self.functions

    def edges_from(self) -> dict[str, list[Edge]]:
        """Return the edges that leave each node, sorted."""
        leaving: dict[str, list[Edge]] = {n: [] for n in (*self.variables, *self.functions)}
        for edge in sorted(self.edges):
            leaving[edge.source].append(edge)
        return leaving

    def edges_into(self) -> dict[str, list[Edge]]:
        """Return the edges that enter each node, sorted."""
        entering: dict[str, list[Edge]] = {n: [] for n in (*self.variables, *self.functions)}
        for edge in sorted(self.edges):
            entering[edge.target].append(edge)
        return entering

    def require(self, names: Iterable[str]) -> None:
        """Raise ``NotFoundError`` for the first name that no node has."""
        known = [*self.variables, *self.functions]
        for name in names:
            if name in self:
                continue
            near = get_close_matches(str(name), known)
            hint = f"near it: {', '.join(near)}" if near else f"there are: {', '.join(known)}"
            raise NotFoundError(f"no node {name!r} in this frame; {hint}", name=name, near=near)

    def induced(self, names: Collection[str]) -> Graph:
        """Return the subgraph of these nodes, with all of their elements."""
        kept = set(names)
        return Graph(
            {n: refs for n, refs in self.variables.items() if n in kept},
            {n: node for n, node in self.functions.items() if n in kept},
            frozenset(e for e in self.edges if e.source in kept and e.target in kept),
        )

    def renamed(self, new_names: Mapping[str, str]) -> Graph:
        """Return the graph with nodes renamed, all at once; the result must have no clash."""

        def new(name: str) -> str:
            """Return the name after renaming."""
            return new_names.get(name, name)

        return Graph(
            {new(n): refs for n, refs in self.variables.items()},
            {new(n): node for n, node in self.functions.items()},
            frozenset(Edge(new(e.source), new(e.target), e.label) for e in self.edges),
        )


def sealed(codes: Codes) -> Codes:
    """Return ``codes``, sorted and distinct already, so that nobody can write to them."""
    codes.setflags(write=False)
    return codes


def sorted_codes(codes: Codes) -> Codes:
    """Return the distinct ``codes`` in order."""
    return sealed(distinct(codes))


def fresh_name(wanted: str, taken: Collection[str]) -> str:
    """Return ``wanted``, or the name nearest to it that is free.

    ``x`` becomes ``x_0``, ``x_1`` …; a name that is numbered already counts on.
    """
    if wanted not in taken:
        return wanted
    numbered = _NUMBERED.fullmatch(wanted)
    stem, number = (numbered[1], int(numbered[2]) + 1) if numbered else (wanted, 0)
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"


def fresh_variable(label: str, taken: Collection[str], *, is_output: bool) -> str:
    """Return a free name for the variable at ``label``; generic outputs are called ``var_i``."""
    if is_output and _GENERIC_OUTPUT.fullmatch(label):
        return fresh_name(f"{_GENERIC_STEM}_0", taken)
    return fresh_name(label, taken)
