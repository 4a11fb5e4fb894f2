"""Graphs to begin with: of an op, of calls, of refs, of named sets of refs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import polars as pl

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.frame.arrays import Codes, Rows, distinct
from mandala_cas.frame.graph import (
    Edge,
    FunctionNode,
    Graph,
    fresh_variable,
    sealed,
    sorted_codes,
)
from mandala_cas.frame.order import OutputRanks
from mandala_cas.frame.snapshot import Snapshot
from mandala_cas.model.calls import Call
from mandala_cas.model.ids import HistoryId
from mandala_cas.model.refs import Ref


def graph_of_op(snapshot: Snapshot, op_name: str) -> Graph:
    """Return all live calls of an op, with a variable per input and output name ever used.

    An op that was never called has a function node without calls.
    """
    if op_name not in snapshot.ops:
        return Graph({}, {op_name: FunctionNode(op_name, sealed(np.empty(0, np.uint32)))})
    op = snapshot.ops.index(op_name)
    return graph_of_calls(snapshot, np.flatnonzero(snapshot.op_of_call == op).astype(np.uint32))


def graph_of_calls(snapshot: Snapshot, calls: Codes) -> Graph:
    """Return a function node per op, each with a variable per input and output name."""
    calls = distinct(calls)
    ops = snapshot.op_of_call[calls]
    functions = {
        snapshot.ops[op]: FunctionNode(snapshot.ops[op], sealed(calls[ops == op]))
        for op in distinct(ops).tolist()
    }
    variables: dict[str, Codes] = {}
    edges: set[Edge] = set()
    # All functions have their names before the first variable wants one.
    for name, node in functions.items():
        for label, is_output, slots in labelled_slots(snapshot, snapshot.slots_of(node.calls)):
            taken = variables.keys() | functions.keys()
            variable = fresh_variable(label, taken, is_output=is_output)
            variables[variable] = sorted_codes(snapshot.slot_ref[slots])
            edges.add(Edge(name, variable, label) if is_output else Edge(variable, name, label))
    return Graph(variables, functions, frozenset(edges))


def graph_of_refs(named: Mapping[str, Codes]) -> Graph:
    """Return variables holding the given refs, joined to nothing."""
    return Graph({name: sorted_codes(refs) for name, refs in named.items()}, {})


def refs_of(snapshot: Snapshot, refs: Iterable[Ref | HistoryId | str]) -> Codes:
    """Return the codes of refs, given as such or by history id.

    Raises:
        NotFoundError: no live call made or used one of them.
        UsageError: something is neither a ref nor a history id.
    """
    wanted = [_history_id(ref) for ref in refs]
    return _codes(snapshot.tables.refs["hid"], wanted, "ref")


def calls_of(snapshot: Snapshot, calls: Iterable[Call]) -> Codes:
    """Return the codes of calls.

    Raises:
        NotFoundError: one of them is not live.
    """
    return _codes(snapshot.tables.calls["hid"], [bytes(call.call_id) for call in calls], "call")


def _history_id(ref: Ref | HistoryId | str) -> bytes:
    """Return the history id of a ref, or the one that was given."""
    if isinstance(ref, Ref):
        return bytes(ref.history_id)
    if isinstance(ref, str):
        return bytes(HistoryId.from_hex(ref))
    if isinstance(ref, bytes):
        return bytes(HistoryId(ref))
    raise UsageError(
        f"a frame is made of refs or history ids, got a {type(ref).__name__}", found=ref
    )


def _codes(known: pl.Series, wanted: list[bytes], what: str) -> Codes:
    """Return the row of each wanted id among the known ones."""
    found = pl.DataFrame({"hid": wanted}, schema={"hid": pl.Binary}).join(
        known.to_frame("hid").with_row_index("code"), on="hid", how="left", maintain_order="left"
    )
    missing = found.filter(pl.col("code").is_null())
    if missing.height:
        first = missing["hid"][0].hex()
        raise NotFoundError(
            f"no live call has the {what} {first}; it may have been dropped, or be of another "
            "storage",
            hid=first,
        )
    return found["code"].cast(pl.UInt32).to_numpy()


def labelled_slots(snapshot: Snapshot, slots: Rows) -> Iterator[tuple[str, bool, Rows]]:
    """Split slots by label: inputs by name, then outputs in order of return.

    Yields the label, whether it is of outputs, and its slots.
    """
    kinds = snapshot.slot_label[slots].astype(np.int64) * 2 + snapshot.slot_is_output[slots]
    order = np.argsort(kinds, kind="stable")
    sizes = np.bincount(kinds)
    present = np.flatnonzero(sizes)
    ends = np.cumsum(sizes[present])
    parts = []
    # Splitting at the ends leaves an empty part behind the last one.
    for kind, rows in zip(present.tolist(), np.split(slots[order], ends)[:-1], strict=True):
        label, is_output = snapshot.labels[kind // 2], bool(kind % 2)
        position = int(snapshot.slot_position[rows].min()) if is_output else 0
        parts.append(((is_output, position, label), rows))
    for (is_output, _, label), rows in sorted(parts, key=lambda part: part[0]):
        yield label, is_output, rows


def output_ranks(snapshot: Snapshot, graph: Graph) -> OutputRanks:
    """Return the place in the order of return of each output, by function node and label."""
    ranks: dict[tuple[str, str], int] = {}
    for name, node in graph.functions.items():
        found = labelled_slots(snapshot, snapshot.slots_of(node.calls))
        outputs = (label for label, is_output, _ in found if is_output)
        ranks.update({(name, label): place for place, label in enumerate(outputs)})
    return ranks
