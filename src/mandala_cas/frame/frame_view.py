"""What a frame shows of itself: its names, edges, elements, text and picture."""

from __future__ import annotations

from collections.abc import KeysView
from typing import TYPE_CHECKING

from mandala_cas.frame.dataframe import Things
from mandala_cas.frame.graph import Edge, Graph
from mandala_cas.frame.making import output_ranks
from mandala_cas.frame.order import node_order
from mandala_cas.frame.picture import Picture, picture_of
from mandala_cas.frame.render import Orientation
from mandala_cas.frame.snapshot import Snapshot
from mandala_cas.frame.source import FrameSource
from mandala_cas.frame.text import describe
from mandala_cas.model.calls import Call
from mandala_cas.model.refs import Ref

if TYPE_CHECKING:
    from os import PathLike


class FrameView:
    """The state of a frame, and how to look at it."""

    __slots__ = ("_graph", "_snapshot", "_source")

    def __init__(self, source: FrameSource, snapshot: Snapshot, graph: Graph) -> None:
        """Look at ``graph``, whose codes are those of ``snapshot``."""
        self._source = source
        self._snapshot = snapshot
        self._graph = graph

    @property
    def vnames(self) -> KeysView[str]:
        """The names of variables: a set that iterates in node order."""
        return dict.fromkeys(n for n in self._order() if n in self._graph.variables).keys()

    @property
    def fnames(self) -> KeysView[str]:
        """The names of function nodes: a set that iterates in node order."""
        return dict.fromkeys(n for n in self._order() if n in self._graph.functions).keys()

    @property
    def nodes(self) -> KeysView[str]:
        """All names, in node order: isolated variables, then from sources to sinks."""
        return dict.fromkeys(self._order()).keys()

    @property
    def sources(self) -> KeysView[str]:
        """The variables that no function in the frame makes."""
        made = {e.target for e in self._graph.edges}
        return dict.fromkeys(n for n in self.vnames if n not in made).keys()

    @property
    def sinks(self) -> KeysView[str]:
        """The variables that no function in the frame uses."""
        used = {e.source for e in self._graph.edges}
        return dict.fromkeys(n for n in self.vnames if n not in used).keys()

    def edges(self) -> list[Edge]:
        """Return the edges as (source, target, label), sorted."""
        return sorted(self._graph.edges)

    def refs_by_var(self) -> dict[str, set[Ref]]:
        """Return the refs of each variable, without their values."""
        things = Things(self._source, self._snapshot)
        return {n: set(things.refs(self._graph.variables[n]).tolist()) for n in self.vnames}

    def calls_by_func(self) -> dict[str, set[Call]]:
        """Return the calls of each function node."""
        things = Things(self._source, self._snapshot)
        return {n: set(things.calls(self._graph.functions[n].calls).tolist()) for n in self.fnames}

    def draw(
        self,
        verbose: bool = False,  # noqa: FBT001, FBT002 (the name and place that notebooks use)
        orientation: Orientation = "TB",
        path: str | PathLike[str] | None = None,
    ) -> Picture:
        """Return a picture that notebooks show; ``path`` writes it too (``.svg`` or ``.html``).

        ``verbose`` adds how many refs of each variable begin and end paths in the frame.

        Raises:
            UsageError: the orientation, or the suffix of ``path``, is not one there is.
        """
        picture = picture_of(
            self._snapshot,
            self._graph,
            self._order(),
            verbose=verbose,
            orientation=orientation,
        )
        if path is not None:
            picture.write(path)
        return picture

    def __repr__(self) -> str:
        """Return the counts and the graph, one function a line."""
        return describe(self._graph, self._order(), output_ranks(self._snapshot, self._graph))

    def _repr_html_(self) -> str:
        """Return the picture and the counts, for notebooks."""
        return self.draw().with_caption(repr(self).partition("\nComputational graph:")[0])

    def _order(self) -> list[str]:
        """Return all nodes, from sources to sinks."""
        return ordered_nodes(self._snapshot, self._graph)


def ordered_nodes(snapshot: Snapshot, graph: Graph) -> list[str]:
    """Return all nodes of a graph, from sources to sinks."""
    return node_order(graph, output_ranks(snapshot, graph))
