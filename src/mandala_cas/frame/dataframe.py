"""Tables of numbers made into pandas: values loaded in one batch per column, cells put in place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mandala_cas.frame.arrays import Codes, Rows
from mandala_cas.frame.cells import ABSENT, Column
from mandala_cas.frame.collections import CallCollection, RefCollection, ValueCollection
from mandala_cas.frame.columntypes import typed_series
from mandala_cas.frame.graph import Graph
from mandala_cas.frame.rows import Table
from mandala_cas.frame.snapshot import Snapshot
from mandala_cas.frame.source import FrameSource
from mandala_cas.model.ids import CallId, ContentId, HistoryId

if TYPE_CHECKING:
    import pandas as pd

Objects = npt.NDArray[np.object_]
Fetch = Callable[[Codes], Objects]
Gather = Callable[[Sequence[Any]], object]


def to_pandas(
    source: FrameSource, snapshot: Snapshot, graph: Graph, table: Table, as_refs: Collection[str]
) -> pd.DataFrame:
    """Return the table as pandas; the variables in ``as_refs`` as refs, not as values."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    things = Things(source, snapshot)
    found: dict[str, pd.Series[Any]] = {}
    for name, numbers in table.numbers.items():
        column, absent = table.columns[name], numbers == ABSENT
        if name in graph.functions:
            cells = _cells(column, numbers, things.calls, _gather_calls)
            found[name] = typed_series(cells, absent, opaque=True)
        elif name in as_refs:
            cells = _cells(column, numbers, things.refs, RefCollection)
            found[name] = typed_series(cells, absent, opaque=True)
        else:
            cells = _cells(column, numbers, things.values, ValueCollection)
            has_sets = bool((numbers >= column.base).any())
            found[name] = typed_series(cells, absent, opaque=has_sets)
    return pd.DataFrame(found, index=pd.RangeIndex(table.row_count))


def _cells(column: Column, numbers: Rows, fetch: Fetch, gather: Gather) -> Objects:
    """Return the content of each cell, None where there is nothing; each element fetched once."""
    present = numbers != ABSENT
    distinct, places = np.unique(numbers[present], return_inverse=True)
    codes, offsets = column.elements(distinct)
    distinct_codes, code_places = np.unique(codes, return_inverse=True)
    things = fetch(distinct_codes)[code_places]
    contents = np.empty(len(distinct), dtype=object)
    single = distinct < column.base
    contents[single] = things[offsets[:-1][single]]
    for place in np.flatnonzero(~single).tolist():
        contents[place] = gather(things[offsets[place] : offsets[place + 1]].tolist())
    cells = np.full(len(numbers), None, dtype=object)
    cells[present] = contents[places]
    return cells


def _gather_calls(calls: Sequence[Any]) -> CallCollection:
    """Return calls in the order of their history ids; codes are in order of time."""
    return CallCollection(sorted(calls, key=lambda call: call.call_id))


class Things:
    """Makes what codes stand for, a batch at a time."""

    def __init__(self, source: FrameSource, snapshot: Snapshot) -> None:
        """Ask ``source`` about codes of ``snapshot``."""
        self._source = source
        self._tables = snapshot.tables

    def calls(self, codes: Codes) -> Objects:
        """Return the calls."""
        ids = self._tables.calls["hid"].gather(codes).to_list()
        return objects([self._source.make_call(CallId(raw)) for raw in ids])

    def refs(self, codes: Codes) -> Objects:
        """Return the refs, without values."""
        rows = self._tables.refs
        history_ids = rows["hid"].gather(codes).to_list()
        content_ids = rows["cid"].gather(codes).to_list()
        make = self._source.make_ref
        return objects(
            [
                make(HistoryId(hid), ContentId(cid))
                for hid, cid in zip(history_ids, content_ids, strict=True)
            ]
        )

    def values(self, codes: Codes) -> Objects:
        """Return the values, loading each distinct content once, all in one batch."""
        content_ids = self._tables.refs["cid"].gather(codes)
        distinct = content_ids.unique(maintain_order=True)
        places = content_ids.to_frame("cid").join(
            distinct.to_frame("cid").with_row_index("place"),
            on="cid",
            how="left",
            maintain_order="left",
        )["place"]
        loaded = self._source.load_values([ContentId(raw) for raw in distinct.to_list()])
        values: Objects = objects(loaded)[places.to_numpy()]
        return values


def objects(things: Sequence[Any]) -> Objects:
    """Return an array with one entry a thing, even where things are arrays themselves."""
    return np.fromiter(things, dtype=object, count=len(things))
