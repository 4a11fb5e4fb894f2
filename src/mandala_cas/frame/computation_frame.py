"""The computation frame: calls, seen through a graph of variables and functions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal, Self, overload

from mandala_cas.errors import UsageError
from mandala_cas.frame import expand as expanding
from mandala_cas.frame.dataframe import to_pandas
from mandala_cas.frame.expand import ReuseExisting
from mandala_cas.frame.frame_view import FrameView, ordered_nodes
from mandala_cas.frame.graph import Graph
from mandala_cas.frame.making import calls_of, graph_of_calls, graph_of_op, graph_of_refs, refs_of
from mandala_cas.frame.rebase import rebased
from mandala_cas.frame.rows import Table, single_column, table_of
from mandala_cas.frame.snapshot import Snapshot
from mandala_cas.frame.source import FrameSource
from mandala_cas.frame.spanning import spanned
from mandala_cas.frame.text import growth
from mandala_cas.model.calls import Call
from mandala_cas.model.ids import HistoryId
from mandala_cas.model.refs import Ref

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger("mandala_cas.frame")
_ROWS_MAX: Final = 10_000_000
_UNNAMED: Final = "v"

RefLike = Ref | HistoryId | str


class ComputationFrame(FrameView):
    """Some calls of a storage and some of their refs, in a graph of variables and functions.

    A frame never changes, except that ``inplace=True`` makes this object look at the result. It
    holds no values: ``df`` loads them. It sees the storage as it was when the frame was made;
    expanding, and ``df``, look at the storage as it is, and drop what is no longer there.
    """

    __slots__ = ()

    @classmethod
    def from_op(cls, source: FrameSource, op_name: str) -> Self:
        """Return all calls of an op, with one variable per input and output name."""
        snapshot = Snapshot.of(source.tables())
        return cls(source, snapshot, graph_of_op(snapshot, op_name))

    @classmethod
    def from_refs(cls, source: FrameSource, refs: RefLike | Iterable[RefLike]) -> Self:
        """Return one variable ``v`` that holds the refs, given as refs or history ids."""
        return cls.from_vars(source, {_UNNAMED: refs})

    @classmethod
    def from_vars(
        cls, source: FrameSource, refs: Mapping[str, RefLike | Iterable[RefLike]]
    ) -> Self:
        """Return variables of the given names and refs, without functions."""
        snapshot = Snapshot.of(source.tables())
        found = {name: refs_of(snapshot, _several(held)) for name, held in refs.items()}
        return cls(source, snapshot, graph_of_refs(found))

    @classmethod
    def from_calls(cls, source: FrameSource, calls: Call | Iterable[Call]) -> Self:
        """Return a function node per op, with their variables; ``expand_back`` ties them."""
        snapshot = Snapshot.of(source.tables())
        given = [calls] if isinstance(calls, Call) else calls
        return cls(source, snapshot, graph_of_calls(snapshot, calls_of(snapshot, given)))

    def copy(self) -> Self:
        """Return another object that looks at the same; changing one in place leaves the other."""
        return type(self)(self._source, self._snapshot, self._graph)

    def __getitem__(self, names: str | Iterable[str]) -> Self:
        """Return the part of the graph between the named nodes, as ``select_nodes``."""
        return self.select_nodes([names] if isinstance(names, str) else names)

    def select_nodes(self, names: Iterable[str]) -> Self:
        """Return the named nodes with all of their elements, and the edges between them.

        Raises:
            NotFoundError: there is no node of one of these names.
        """
        chosen = list(names)
        self._graph.require(chosen)
        return type(self)(self._source, self._snapshot, self._graph.induced(chosen))

    @overload
    def rename(
        self,
        vars: Mapping[str, str] | None = None,
        funcs: Mapping[str, str] | None = None,
        *,
        inplace: Literal[False] = False,
    ) -> Self: ...
    @overload
    def rename(
        self,
        vars: Mapping[str, str] | None = None,
        funcs: Mapping[str, str] | None = None,
        *,
        inplace: Literal[True],
    ) -> None: ...
    def rename(
        self,
        vars: Mapping[str, str] | None = None,  # noqa: A002 (mandala's name)
        funcs: Mapping[str, str] | None = None,
        *,
        inplace: bool = False,
    ) -> Self | None:
        """Give nodes other names, all at once, so that two can swap theirs.

        Raises:
            NotFoundError: there is no variable or function node of one of these names.
            UsageError: a new name is taken by a node that keeps it, or given twice.
        """
        variables, functions = dict(vars or {}), dict(funcs or {})
        Graph(self._graph.variables, {}).require(variables)
        Graph({}, self._graph.functions).require(functions)
        new_names = {**variables, **functions}
        seen: set[str] = set()
        for name in (*self._graph.variables, *self._graph.functions):
            new = new_names.get(name, name)
            if new in seen:
                raise UsageError(
                    f"cannot rename: two nodes would be called {new!r}; choose another name, or "
                    "rename the node that has it in the same call",
                    name=new,
                )
            seen.add(new)
        return self._become(self._snapshot, self._graph.renamed(new_names), inplace=inplace)

    @overload
    def expand_back(
        self,
        varnames: str | Iterable[str] | None = None,
        *,
        recursive: bool = False,
        skip_existing: bool = False,
        inplace: Literal[False] = False,
        verbose: bool = False,
        reuse_existing: ReuseExisting = True,
    ) -> Self: ...
    @overload
    def expand_back(
        self,
        varnames: str | Iterable[str] | None = None,
        *,
        recursive: bool = False,
        skip_existing: bool = False,
        inplace: Literal[True],
        verbose: bool = False,
        reuse_existing: ReuseExisting = True,
    ) -> None: ...
    def expand_back(
        self,
        varnames: str | Iterable[str] | None = None,
        *,
        recursive: bool = False,
        skip_existing: bool = False,
        inplace: bool = False,
        verbose: bool = False,
        reuse_existing: ReuseExisting = True,
    ) -> Self | None:
        """Add the calls that made the refs whose creators the frame does not show, and inputs.

        ``varnames`` limits it to refs in these variables; ``recursive`` goes on until nothing is
        added. ``skip_existing`` leaves out calls that the frame holds already, in any node.
        ``reuse_existing`` says what may be joined to what is there: True, variables with the same
        computed refs, or with the same constants at a label of the same name; ``"values"``, any
        that hold the same refs, as mandala has it; False, nothing: the graph comes out unrolled.
        """
        return self._expand(
            expanding.back(reuse_existing=reuse_existing, skip_existing=skip_existing),
            varnames,
            recursive=recursive,
            inplace=inplace,
            verbose=verbose,
        )

    @overload
    def expand_forward(
        self,
        varnames: str | Iterable[str] | None = None,
        *,
        recursive: bool = False,
        skip_existing: bool = False,
        inplace: Literal[False] = False,
        verbose: bool = False,
        reuse_existing: ReuseExisting = True,
        with_inputs: bool = False,
    ) -> Self: ...
    @overload
    def expand_forward(
        self,
        varnames: str | Iterable[str] | None = None,
        *,
        recursive: bool = False,
        skip_existing: bool = False,
        inplace: Literal[True],
        verbose: bool = False,
        reuse_existing: ReuseExisting = True,
        with_inputs: bool = False,
    ) -> None: ...
    def expand_forward(
        self,
        varnames: str | Iterable[str] | None = None,
        *,
        recursive: bool = False,
        skip_existing: bool = False,
        inplace: bool = False,
        verbose: bool = False,
        reuse_existing: ReuseExisting = True,
        with_inputs: bool = False,
    ) -> Self | None:
        """Add the calls that use the refs whose users the frame does not show, and their outputs.

        The other inputs of those calls are not added, unless ``with_inputs`` says so. The rest is
        as in ``expand_back``.
        """
        return self._expand(
            expanding.forward(
                reuse_existing=reuse_existing,
                skip_existing=skip_existing,
                with_inputs=with_inputs,
            ),
            varnames,
            recursive=recursive,
            inplace=inplace,
            verbose=verbose,
        )

    @overload
    def expand_all(
        self,
        *,
        skip_existing: bool = False,
        inplace: Literal[False] = False,
        verbose: bool = False,
        reuse_existing: ReuseExisting = True,
        with_inputs: bool = False,
    ) -> Self: ...
    @overload
    def expand_all(
        self,
        *,
        skip_existing: bool = False,
        inplace: Literal[True],
        verbose: bool = False,
        reuse_existing: ReuseExisting = True,
        with_inputs: bool = False,
    ) -> None: ...
    def expand_all(
        self,
        *,
        skip_existing: bool = False,
        inplace: bool = False,
        verbose: bool = False,
        reuse_existing: ReuseExisting = True,
        with_inputs: bool = False,
    ) -> Self | None:
        """Expand back and forward by turns, each as far as it goes, until nothing is added.

        Inputs of calls that were met on the way forward are not added, unless ``with_inputs``
        says so.
        """
        backward = expanding.back(reuse_existing=reuse_existing, skip_existing=skip_existing)
        onward = expanding.forward(
            reuse_existing=reuse_existing, skip_existing=skip_existing, with_inputs=with_inputs
        )
        snapshot, graph = self._now()
        grown = expanding.expand_all(snapshot, graph, backward, onward)
        if verbose:
            _LOG.info("expand_all %s", growth(graph, grown))
        return self._become(snapshot, grown, inplace=inplace)

    def df(
        self,
        *nodes: str,
        values: Literal["objs", "refs"] = "objs",
        lazy_vars: str | Iterable[str] | None = None,
        include_calls: bool = True,
        join_how: Literal["outer", "inner"] = "outer",
        distinct: bool = True,
        max_rows: int = _ROWS_MAX,
        verbose: bool = False,
    ) -> pd.DataFrame:
        """Return the frame as a table: one row per maximal union of histories that agree.

        With ``nodes``, exactly these columns, and the rows of the part of the frame that ties them
        together, each once unless ``distinct`` is False. Cells hold values (``"refs"``: refs; so
        do ``lazy_vars`` in any case), collections where a row has several, and null where a row
        has none. Function nodes hold calls; ``include_calls=False`` leaves them out.
        ``join_how="inner"`` keeps only rows with all variables in which paths end.

        Raises:
            NotFoundError: there is no node of one of these names.
            UsageError: the table would have more than ``max_rows`` rows.
        """
        _require_one_of("values", values, ("objs", "refs"))
        _require_one_of("join_how", join_how, ("outer", "inner"))
        lazy = _names(lazy_vars) or []
        self._graph.require((*nodes, *lazy))
        snapshot, graph = self._now()
        table = _table(
            snapshot, graph, nodes, inner=join_how == "inner", rows_max=max_rows, distinct=distinct
        )
        if not include_calls:
            table = table.only([n for n in table.numbers if n not in graph.functions])
        as_refs = graph.variables.keys() if values == "refs" else set(lazy)
        made = to_pandas(self._source, snapshot, graph, table, as_refs)
        if verbose:
            _LOG.info("df has %d row(s) and columns %s", len(made), list(made.columns))
        return made

    def _expand(
        self,
        direction: expanding.Direction,
        varnames: str | Iterable[str] | None,
        *,
        recursive: bool,
        inplace: bool,
        verbose: bool,
    ) -> Self | None:
        """Expand in one direction."""
        names = _names(varnames)
        Graph(self._graph.variables, {}).require(names or ())
        snapshot, graph = self._now()
        grown = expanding.expand(snapshot, graph, direction, varnames=names, recursive=recursive)
        if verbose:
            _LOG.info("%s %s", direction.name, growth(graph, grown))
        return self._become(snapshot, grown, inplace=inplace)

    def _now(self) -> tuple[Snapshot, Graph]:
        """Return the storage as it is now, and this frame's graph in its codes."""
        snapshot = Snapshot.of(self._source.tables())
        return snapshot, rebased(self._graph, self._snapshot, snapshot)

    def _become(self, snapshot: Snapshot, graph: Graph, *, inplace: bool) -> Self | None:
        """Return a frame of ``graph``; in place, look at it and return nothing."""
        if not inplace:
            return type(self)(self._source, snapshot, graph)
        self._snapshot, self._graph = snapshot, graph
        return None


def _several(refs: RefLike | Iterable[RefLike]) -> Iterable[RefLike]:
    """Return one ref or several as several."""
    return [refs] if isinstance(refs, (Ref, bytes, str)) else refs


def _names(names: str | Iterable[str] | None) -> list[str] | None:
    """Return one name or several as several."""
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)


def _require_one_of(argument: str, given: str, known: tuple[str, ...]) -> None:
    """Raise unless ``given`` is one of the values that an argument can have."""
    if given not in known:
        raise UsageError(
            f"{argument}={given!r} is not known; use one of {', '.join(map(repr, known))}",
            argument=argument,
            found=given,
        )


def _table(
    snapshot: Snapshot,
    graph: Graph,
    nodes: tuple[str, ...],
    *,
    inner: bool,
    rows_max: int,
    distinct: bool,
) -> Table:
    """Return the rows of the whole frame, or of the part that spans ``nodes``."""
    chosen = list(dict.fromkeys(nodes))
    if len(chosen) == 1:
        return single_column(snapshot, graph, chosen[0])
    part = spanned(snapshot, graph, chosen) if chosen else graph
    order = ordered_nodes(snapshot, part)
    table = table_of(snapshot, part, order, inner=inner, rows_max=rows_max)
    return table.narrowed(chosen, distinct=distinct) if chosen else table
