"""Moving a graph to newer tables: codes are only valid in the tables they were taken from."""

from __future__ import annotations

import numpy as np
import polars as pl

from mandala_cas.frame.arrays import Codes
from mandala_cas.frame.graph import FunctionNode, Graph, sealed
from mandala_cas.frame.snapshot import Snapshot


def rebased(graph: Graph, old: Snapshot, new: Snapshot) -> Graph:
    """Return the graph with the codes of newer tables; what is no longer live is gone."""
    if old is new:
        return graph
    refs = _translation(old.tables.refs["hid"], new.tables.refs["hid"])
    calls = _translation(old.tables.calls["hid"], new.tables.calls["hid"])
    return Graph(
        {name: _translated(codes, refs) for name, codes in graph.variables.items()},
        {
            name: FunctionNode(node.op, _translated(node.calls, calls))
            for name, node in graph.functions.items()
        },
        graph.edges,
    )


def _translation(old: pl.Series, new: pl.Series) -> pl.Series:
    """Return the new code of each old one; null where there is none."""
    return (
        old.to_frame("hid")
        .join(
            new.to_frame("hid").with_row_index("code"), on="hid", how="left", maintain_order="left"
        )["code"]
        .cast(pl.UInt32)
    )


def _translated(codes: Codes, translation: pl.Series) -> Codes:
    """Return the new codes, sorted."""
    new = translation.gather(codes).drop_nulls().to_numpy()
    return sealed(np.sort(new))
