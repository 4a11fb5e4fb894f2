"""Histories: for each ref that ends a path through the frame, all that it came from.

One partial row per root. The walk goes against the graph, node by node, for all roots at once;
only nodes on a cycle need repeated steps, and those double their reach each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.errors import UsageError
from mandala_cas.frame.arrays import Codes, Rows, distinct, group_rows
from mandala_cas.frame.graph import Graph
from mandala_cas.frame.links import Links, Lookup, links_of, lookup
from mandala_cas.frame.members import Members
from mandala_cas.frame.order import components
from mandala_cas.frame.snapshot import Snapshot
from mandala_cas.frame.workspace import Workspace

_CODE_BITS: Final = np.uint64(32)
_CODE_MASK: Final = np.uint64(0xFFFFFFFF)
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Passages:
    """The elements of one node that histories pass through: pairs of row and code, distinct.

    ``is_single`` promises that no row occurs twice.
    """

    rows: Rows
    codes: Codes
    is_single: bool


@dataclass(frozen=True, slots=True)
class Histories:
    """Partial rows: what each row has in each node, and the variables whose refs end paths."""

    row_count: int
    passages: Mapping[str, Passages]
    sinks: tuple[str, ...]


def sink_variables(snapshot: Snapshot, graph: Graph) -> list[str]:
    """Return the variables with a ref that no function joined to them uses."""
    space = Workspace(snapshot, graph)
    return [
        name
        for name, refs in sorted(graph.variables.items())
        if len(space.unexplained(name, refs, made=False))
    ]


def histories_of(snapshot: Snapshot, graph: Graph, *, elements_max: int) -> Histories:
    """Return one partial row per ref of every variable with sinks.

    An element that nothing in the frame comes from, and that is not such a ref (a call none of
    whose outputs is here), has a row of its own: no element of a frame is left out.

    Raises:
        UsageError: the histories together would have more than ``elements_max`` elements.
    """
    links = links_of(snapshot, graph)
    sinks = sink_variables(snapshot, graph)
    roots = _roots(snapshot, graph, links, sinks)
    limits = {
        name: snapshot.call_count if name in graph.functions else snapshot.ref_count
        for name in (*graph.variables, *graph.functions)
    }
    walk = _Walk(links, limits, elements_max)
    row_count = 0
    for name, codes in roots.items():
        walk.start(name, np.arange(row_count, row_count + len(codes)), codes)
        row_count += len(codes)
    for names in reversed(components(graph)):
        walk.visit(names)
    return Histories(row_count, walk.passages, tuple(sinks))


def _roots(
    snapshot: Snapshot, graph: Graph, links: list[Links], sinks: list[str]
) -> dict[str, Codes]:
    """Return the elements whose histories are the partial rows, by node."""
    roots = {name: graph.variables[name] for name in sinks}
    used: dict[str, list[Codes]] = {}
    for link in links:
        used.setdefault(link.parent_node, []).append(link.parents)
    for name in sorted((*graph.variables, *graph.functions)):
        if name in roots:
            continue
        limit = snapshot.call_count if name in graph.functions else snapshot.ref_count
        members = Members(np.empty(0, np.uint32), limit)
        for parents in used.get(name, []):
            members.add(parents)
        codes = graph.elements(name)
        roots[name] = codes[~members.has(codes)]
    return roots


class _Walk:
    """The state of one walk: what was found in each node, and where to go from there."""

    def __init__(self, links: list[Links], limits: Mapping[str, int], elements_max: int) -> None:
        """Prepare to follow ``links``."""
        self.passages: dict[str, Passages] = {}
        self._found: dict[str, list[Passages]] = {name: [] for name in limits}
        self._into: dict[str, list[tuple[str, Lookup]]] = {name: [] for name in limits}
        for link in links:
            way = lookup(link, limits[link.child_node])
            self._into[link.child_node].append((link.parent_node, way))
        self._elements_left = elements_max
        self._elements_max = elements_max

    def start(self, node: str, rows: Rows, codes: Codes) -> None:
        """Begin the histories of these elements, one a row."""
        self._found[node].append(Passages(rows, codes, is_single=True))

    def visit(self, names: list[str]) -> None:
        """Finish the nodes of one component, all of whose users are finished."""
        inside = set(names)
        on_cycle = len(names) > 1
        if on_cycle:
            self._close_cycle(names)
        for name in names:
            done = self._finish(name)
            self._count(len(done.rows))
            self.passages[name] = done
            for parent_node, way in self._into[name]:
                if parent_node in inside:
                    continue
                rows, codes = way.follow(done.rows, done.codes)
                single = done.is_single and way.is_single
                self._found[parent_node].append(Passages(rows, codes, single))

    def _finish(self, name: str) -> Passages:
        """Return all that was found in a node, each pair once."""
        parts = [part for part in self._found.pop(name) if len(part.rows)]
        if len(parts) == 1 and parts[0].is_single:
            return parts[0]
        if not parts:
            return Passages(np.empty(0, np.int64), np.empty(0, np.uint32), is_single=True)
        rows = np.concatenate([part.rows for part in parts])
        codes = np.concatenate([part.codes for part in parts])
        pairs = distinct(_pair(rows, codes))
        rows, codes = _rows(pairs), _codes(pairs)
        return Passages(rows, codes, bool((np.diff(rows) > 0).all()))

    def _close_cycle(self, names: list[str]) -> None:
        """Add to each node on a cycle what is reached from the others, any number of rounds on.

        Elements of all these nodes are numbered together. In round k a row is joined with what
        lies 2^k steps before, so a chain of n calls takes log2(n) rounds.
        """
        bases, base = {}, 0
        for name in names:
            bases[name] = base
            base += self._limit(name)
        children, parents = [], []
        for name in names:
            for parent_node, way in self._into[name]:
                if parent_node in bases:
                    counts = np.diff(way.by_child.offsets)
                    children.append(np.repeat(np.arange(len(counts)), counts) + bases[name])
                    parents.append(
                        way.parents[way.by_child.order].astype(np.int64) + bases[parent_node]
                    )
        starts = [
            (part.rows, part.codes.astype(np.int64) + bases[name])
            for name in names
            for part in self._found[name]
        ]
        rows = np.concatenate([part[0] for part in starts])
        elements = np.concatenate([part[1] for part in starts])
        reached = distinct(_pair(rows, elements))
        jumps = distinct(_pair(np.concatenate(children), np.concatenate(parents)))
        while len(jumps):
            way = _element_lookup(jumps, base)
            self._refuse_beyond(way, _codes(reached), len(reached))
            further = way.follow(_rows(reached), _codes(reached))
            reached = distinct(np.concatenate([reached, _pair(*further)]))
            self._refuse_beyond(way, _codes(jumps), 0)
            jumps = distinct(_pair(*way.follow(_rows(jumps), _codes(jumps))))
        owners = np.searchsorted(np.array(list(bases.values())), _codes(reached), side="right") - 1
        for number, name in enumerate(names):
            own = reached[owners == number]
            codes = (_codes(own) - np.uint32(bases[name])).astype(np.uint32)
            self._found[name] = [Passages(_rows(own), codes, is_single=False)]

    def _limit(self, name: str) -> int:
        """Return the number of codes there are for elements of a node."""
        ways = self._into[name]
        return len(ways[0][1].by_child.offsets) - 1 if ways else 0

    def _refuse_beyond(self, way: Lookup, children: Codes, have: int) -> None:
        """Raise before a step that would take more memory than was allowed."""
        if have + int(way.by_child.counts(children).sum()) > 2 * self._elements_left:
            self._refuse()

    def _count(self, count: int) -> None:
        """Take note of finished elements."""
        self._elements_left -= count
        if self._elements_left < 0:
            self._refuse()

    def _refuse(self) -> None:
        """Say that the histories are too long to write down."""
        raise UsageError(
            f"the histories in this frame have more than {self._elements_max:,} elements together: "
            "every row of a long chain repeats all that came before it; ask for single nodes, "
            "as in df('x'), or restrict the frame first",
            elements_max=self._elements_max,
        )


def _element_lookup(pairs: Keys, limit: int) -> Lookup:
    """Prepare pairs of child and parent for following."""
    by_child = group_rows(_rows(pairs).astype(np.uint32), limit)
    return Lookup(by_child, _codes(pairs), is_single=False)


def _pair(rows: Rows, codes: Codes | Rows) -> Keys:
    """Pack rows with codes, so that pairs sort and compare as numbers."""
    return (rows.astype(np.uint64) << _CODE_BITS) | codes.astype(np.uint64)


def _rows(pairs: Keys) -> Rows:
    """Return the rows of packed pairs."""
    return (pairs >> _CODE_BITS).astype(np.int64)


def _codes(pairs: Keys) -> Codes:
    """Return the codes of packed pairs."""
    return (pairs & _CODE_MASK).astype(np.uint32)
