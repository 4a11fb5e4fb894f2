"""Which calls rest on which: closures over the call graph, as joins over codes."""

from __future__ import annotations

import polars as pl

from mandala_cas.index.schema import IndexTables
from mandala_cas.model.ids import CallContentId, CallId


def dependents_of(tables: IndexTables, call_ids: list[CallId]) -> list[CallId]:
    """Return the given calls that are live, and every call that used what they led to."""
    reached = _codes_of(tables, "hid", call_ids)
    frontier = reached
    while frontier.height:
        refs = tables.slots.filter("is_output").join(frontier, on="call", how="semi").select("ref")
        users = tables.slots.filter(~pl.col("is_output")).join(refs, on="ref", how="semi")
        frontier = users.select("call").unique().join(reached, on="call", how="anti")
        reached = pl.concat([reached, frontier])
    return _call_ids(tables, reached)


def equals_of(tables: IndexTables, content_ids: list[CallContentId]) -> list[CallId]:
    """Return every live call with one of these content ids."""
    return _call_ids(tables, _codes_of(tables, "cid", content_ids))


def _codes_of(
    tables: IndexTables, column: str, ids: list[CallId] | list[CallContentId]
) -> pl.DataFrame:
    """Return the codes of the calls with these ids."""
    wanted = pl.DataFrame({column: [bytes(id_) for id_ in ids]}, schema={column: pl.Binary})
    return tables.calls.join(wanted, on=column, how="semi").select("call")


def _call_ids(tables: IndexTables, codes: pl.DataFrame) -> list[CallId]:
    """Return the history ids of calls, in the order of their codes."""
    hids = tables.calls.join(codes, on="call", how="semi").sort("call")["hid"]
    return [CallId(hid) for hid in hids]
