"""Which calls gave refs, and which took them: joins over codes."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from mandala_cas.index.schema import IndexTables
from mandala_cas.model.ids import CallId, HistoryId


def creators_of(tables: IndexTables, history_ids: Collection[HistoryId]) -> list[CallId]:
    """Return the calls that have one of these refs as an output, the one that began first first."""
    return _calls_with(tables, history_ids, pl.col("is_output"))


def consumers_of(tables: IndexTables, history_ids: Collection[HistoryId]) -> list[CallId]:
    """Return the calls that have one of these refs as an input, the one that began first first."""
    return _calls_with(tables, history_ids, ~pl.col("is_output"))


def unknown_refs(tables: IndexTables, history_ids: Collection[HistoryId]) -> list[HistoryId]:
    """Return those of the refs that no live call has, in the order given."""
    known = set(_refs(tables, history_ids)["hid"])
    return [history_id for history_id in history_ids if bytes(history_id) not in known]


def _refs(tables: IndexTables, history_ids: Collection[HistoryId]) -> pl.DataFrame:
    """Return the rows of those of the refs that are there."""
    wanted = pl.DataFrame({"hid": [bytes(id_) for id_ in history_ids]}, schema={"hid": pl.Binary})
    return tables.refs.join(wanted, on="hid", how="semi")


def _calls_with(
    tables: IndexTables, history_ids: Collection[HistoryId], which: pl.Expr
) -> list[CallId]:
    """Return the calls that have one of the refs in one of these slots."""
    refs = _refs(tables, history_ids).select("ref")
    slots = tables.slots.filter(which).join(refs, on="ref", how="semi").select("call")
    # Codes are numbers by start time, then history id.
    hids = tables.calls.join(slots, on="call", how="semi").sort("call")["hid"]
    return [CallId(hid) for hid in hids]
