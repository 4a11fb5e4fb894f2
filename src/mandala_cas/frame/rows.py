"""The rows of a frame's table, as numbers: which element or set each cell holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from mandala_cas.frame.arrays import Rows
from mandala_cas.frame.cells import ABSENT, Column, column_of
from mandala_cas.frame.disjunction import full_disjunction
from mandala_cas.frame.graph import Graph
from mandala_cas.frame.histories import Histories, Passages, histories_of
from mandala_cas.frame.snapshot import Snapshot

# Histories may have this many elements for each row that is allowed, on average.
_ELEMENTS_PER_ROW_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in their order; ``numbers`` has one array per node, as ``Column`` numbers cells."""

    numbers: Mapping[str, Rows]
    columns: Mapping[str, Column]
    row_count: int

    def only(self, names: Sequence[str]) -> Table:
        """Return some of the columns of every row."""
        return Table({n: self.numbers[n] for n in names}, self.columns, self.row_count)

    def narrowed(self, names: Sequence[str], *, distinct: bool) -> Table:
        """Return the rows of some columns; ``distinct``, each once, where it first occurs."""
        chosen = self.only(names)
        cells = np.stack([chosen.numbers[name] for name in names])
        # A row that has nothing in any of the columns asked for says nothing.
        keep = (cells != ABSENT).any(axis=0)
        if distinct:
            rows = pl.DataFrame({str(i): numbers for i, numbers in enumerate(cells)})
            keep &= rows.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
        kept = {name: numbers[keep] for name, numbers in chosen.numbers.items()}
        return Table(kept, self.columns, int(keep.sum()))


def single_column(snapshot: Snapshot, graph: Graph, name: str) -> Table:
    """Return the elements of one node, one a row."""
    codes = graph.elements(name)
    base = snapshot.call_count if name in graph.functions else snapshot.ref_count
    every = Passages(np.arange(len(codes)), codes, is_single=True)
    column = column_of(every, len(codes), base)
    return Table({name: column.numbers}, {name: column}, len(codes))


def table_of(
    snapshot: Snapshot, graph: Graph, order: Sequence[str], *, inner: bool, rows_max: int
) -> Table:
    """Return the table of a frame, its columns in the given order of nodes.

    ``inner`` keeps only the rows that have all variables with sinks.

    Raises:
        UsageError: there would be more than ``rows_max`` rows, or histories too long.
    """
    found = histories_of(snapshot, graph, elements_max=_ELEMENTS_PER_ROW_MAX * rows_max)
    columns = {name: _column(snapshot, graph, found, name) for name in order}
    cells = {name: column.numbers for name, column in columns.items()}
    rows = full_disjunction(cells, found.sinks, rows_max)
    if inner:
        rows = rows.drop_nulls(list(found.sinks))
    filled = rows.fill_null(ABSENT)
    numbers = {name: filled[name].to_numpy() for name in order}
    return _sorted(Table(numbers, columns, rows.height), graph, order)


def _column(snapshot: Snapshot, graph: Graph, found: Histories, name: str) -> Column:
    """Return the cells of one node."""
    base = snapshot.call_count if name in graph.functions else snapshot.ref_count
    nothing = Passages(np.empty(0, np.int64), np.empty(0, np.uint32), is_single=True)
    return column_of(found.passages.get(name, nothing), found.row_count, base)


def _sorted(table: Table, graph: Graph, order: Sequence[str]) -> Table:
    """Return the rows by calls, in the order of function nodes, then by refs; absent ones last."""
    places = np.zeros(table.row_count, dtype=np.int64)
    for name in sorted(order, key=lambda n: n not in graph.functions):
        column, numbers = table.columns[name], table.numbers[name]
        present = numbers != ABSENT
        firsts = np.full(len(numbers), column.base, dtype=np.int64)
        firsts[present] = column.first_elements(numbers[present])
        places = _refined(places, firsts)
        if (numbers >= column.base).any():
            # Sets are numbered in order, and a cell with one element precedes those it begins.
            places = _refined(places, np.where(numbers >= column.base, numbers, 0))
        if len(places) and int(places.max()) == len(places) - 1:
            break
    order_of_rows = np.argsort(places, kind="stable")
    sorted_numbers = {name: numbers[order_of_rows] for name, numbers in table.numbers.items()}
    return Table(sorted_numbers, table.columns, table.row_count)


def _refined(places: Rows, keys: Rows) -> Rows:
    """Return the place of each row, by its place so far and then by key; equal rows share one."""
    if not len(keys):
        return places
    refined: Rows = np.unique(places * (int(keys.max()) + 1) + keys, return_inverse=True)[1]
    return refined
