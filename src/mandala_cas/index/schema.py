"""The tables that answer queries: integer codes, and what each code stands for.

Architecture invariant: derived from the log, and nothing else; deleting an index loses time only.

Codes are row numbers. Calls are numbered by (start time, history id), refs by history id, ops and
names alphabetically: so the same log gives the same codes in whatever order it arrived, and
sorting by code is sorting by what people expect.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

CALLS_SCHEMA = {
    "call": pl.UInt32,  # the code: this row's number
    "op": pl.UInt32,  # code in `ops`
    "hid": pl.Binary,  # 16 bytes
    "cid": pl.Binary,  # 16 bytes
    "started_us": pl.Int64,
    "duration_us": pl.Int64,
}
SLOTS_SCHEMA = {
    "call": pl.UInt32,
    "is_output": pl.Boolean,
    "position": pl.UInt32,  # inputs by parameter, outputs by return
    "name": pl.UInt32,  # code in `names`
    "ref": pl.UInt32,
}
REFS_SCHEMA = {
    "ref": pl.UInt32,  # the code: this row's number
    "hid": pl.Binary,  # 16 bytes
    "cid": pl.Binary,  # 32 bytes
}


@dataclass(frozen=True, slots=True)
class IndexTables:
    """All live calls of a store, one row a call history id, with their inputs and outputs.

    ``calls``, ``slots`` and ``refs`` have the schemas above; ``slots`` is sorted by (call,
    is_output, position). ``ops`` and ``names`` give the text of op and name codes.
    """

    calls: pl.DataFrame
    slots: pl.DataFrame
    refs: pl.DataFrame
    ops: tuple[str, ...]
    names: tuple[str, ...]
