"""Rows of many segments in little space: the tables in a part of a run.

What repeats, or follows from something else, is a code into a table of its own: content ids,
history ids, codecs, payload hashes, inline payloads. These functions move rows about and keep
codes true. ``docs/reference/format.md`` is normative for tables and codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.log.columns import (
    BytesColumn,
    Column,
    DeltaColumn,
    FixedColumn,
    NumberColumn,
    Numbers,
    RawColumn,
    TextColumn,
)
from mandala_cas.log.part import Dots
from mandala_cas.log.rows import CALLS, SLOTS, TAGS, VALUES, slot_counts
from mandala_cas.log.tables import Schema, Table
from mandala_cas.log.taking import join_columns, take_rows

SEGMENTS: Final = "segments"
CODECS: Final = "codecs"
OTHERS: Final = "others"
HISTORIES: Final = "histories"
HASHES: Final = "hashes"
CONTENTS: Final = "contents"
INLINE: Final = "inline"

# Codes with a meaning of their own, in `slots.history`.
CONSTANT: Final = 0
OUTPUT: Final = 1
# In `values.hash`, `values.inline`: it follows from the payload; there is none here.
DERIVED: Final = 0

# What compresses stands first: whether a payload is worth compressing is told by its beginning.
PACKED_SCHEMA: Final[Schema] = {
    CALLS: {
        "segment": "d4",
        "row": "d4",
        "slot_start": "d4",
        "op": "text",
        "op_version": "text",
        "module": "text",
        "started_us": "d8",
        "duration_us": "i8",
        "source_hash": "fixed16",
        "reused_from": "fixed16",
        "parent": "fixed16",
        "call_id": "fixed16",
        "content_id": "fixed16",
    },
    SLOTS: {"content": "d4", "is_output": "u1", "history": "u4", "name": "text"},
    VALUES: {
        "segment": "d4",
        "content": "d4",
        "is_own": "u1",
        "tier": "u1",
        "codec": "u4",
        "hash": "u4",
        "inline": "u4",
        "offset": "u8",
        "stored_size": "u8",
        "raw_size": "u8",
        "location": "text",
    },
    TAGS: {
        "segment": "d4",
        "row": "d4",
        "target": "u1",
        "content": "d4",
        "created_us": "i8",
        "name": "text",
        "history_id": "fixed16",
    },
    SEGMENTS: {"seq": "d4", "created_us": "d8", "writer": "fixed8", "digest": "fixed8"},
    CODECS: {"version": "u4", "name": "text", "header": "bytes"},
    OTHERS: {"segment": "u4", "table": "text", "data": "bytes"},
    HISTORIES: {"history_id": "fixed16"},
    HASHES: {"payload_hash": "fixed32"},
    CONTENTS: {"content_id": "fixed32"},
}
INLINE_SCHEMA: Final[Schema] = {INLINE: {"payload": "bytes"}}

# Which columns hold codes, into which table, and how many codes have a meaning of their own.
REFERENCES: Final[Mapping[tuple[str, str], tuple[str, int]]] = {
    (CALLS, "segment"): (SEGMENTS, 0),
    (CALLS, "slot_start"): (SLOTS, 0),
    (SLOTS, "content"): (CONTENTS, 0),
    (SLOTS, "history"): (HISTORIES, 2),
    (VALUES, "segment"): (SEGMENTS, 0),
    (VALUES, "content"): (CONTENTS, 0),
    (VALUES, "codec"): (CODECS, 0),
    (VALUES, "hash"): (HASHES, 1),
    (VALUES, "inline"): (INLINE, 1),
    (TAGS, "segment"): (SEGMENTS, 0),
    (TAGS, "content"): (CONTENTS, 0),
    (OTHERS, "segment"): (SEGMENTS, 0),
}
# The tables that are there only to be named, and may hold what nothing names any more.
NAMED: Final = (CONTENTS, HISTORIES, HASHES, CODECS, INLINE)

Tables = Mapping[str, Table]
Rows = npt.NDArray[np.intp]


def dots_of(tables: Tables, table: str) -> Dots:
    """Return the dots of the rows of calls or tags."""
    segments, codes = tables[SEGMENTS], tables[table].numbers("segment")
    writers = np.frombuffer(segments.fixed("writer").data, ">u8").astype(np.uint64)
    seqs = segments.numbers("seq").astype(np.uint32)
    return Dots(writers[codes], seqs[codes], tables[table].numbers("row").astype(np.uint32))


def select(tables: Tables, *, calls: Rows, values: Rows, tags: Rows) -> dict[str, Table]:
    """Return some calls with their slots, some values and some tags, in the order given."""
    counts = slot_counts(tables[CALLS], tables[SLOTS])[calls]
    starts = np.zeros(len(calls) + 1, np.intp)
    np.cumsum(counts, out=starts[1:])
    old = tables[CALLS].numbers("slot_start").astype(np.intp)[calls]
    slots = np.repeat(old - starts[:-1], counts) + np.arange(starts[-1])
    taken = take_table(tables[CALLS], calls)
    return {
        **tables,
        CALLS: with_columns(taken, slot_start=DeltaColumn(starts[:-1].astype(np.uint32))),
        SLOTS: take_table(tables[SLOTS], slots),
        VALUES: take_table(tables[VALUES], values),
        TAGS: take_table(tables[TAGS], tags),
    }


def keep_segments(tables: Tables, keep: npt.NDArray[np.bool_]) -> dict[str, Table]:
    """Return the rows of some segments; ``keep`` tells of each whether it is one of them."""

    def rows(table: str) -> Rows:
        return np.flatnonzero(keep[tables[table].numbers("segment")])

    selected = select(tables, calls=rows(CALLS), values=rows(VALUES), tags=rows(TAGS))
    selected[OTHERS] = take_table(tables[OTHERS], rows(OTHERS))
    selected[SEGMENTS] = take_table(tables[SEGMENTS], np.flatnonzero(keep))
    codes = (np.cumsum(keep) - 1).astype(np.uint32)
    return recode(selected, SEGMENTS, np.where(keep, codes, 0).astype(np.uint32))


def join(inputs: Sequence[Tables]) -> dict[str, Table]:
    """Return the rows of all ``inputs``, one behind the other; names may be there twice."""
    bases = dict.fromkeys(inputs[0], 0)
    shifted: list[dict[str, Table]] = []
    for tables in inputs:
        moved = dict(tables)
        for (table, column), (target, reserved) in REFERENCES.items():
            base = bases.get(target, 0)
            if base and table in moved:
                codes = moved[table].numbers(column)
                codes = np.where(codes >= reserved, codes + np.uint32(base), codes)
                moved[table] = with_codes(moved[table], column, codes)
        for table in bases:
            bases[table] += tables[table].row_count
        shifted.append(moved)
    return {
        name: Table(
            name,
            bases[name],
            {
                column: join_columns([tables[name].columns[column] for tables in shifted])
                for column in inputs[0][name].columns
            },
        )
        for name in bases
    }


def recode(tables: Tables, target: str, codes: Numbers) -> dict[str, Table]:
    """Return the tables with every code into ``target`` exchanged: ``codes[old]`` is the new."""
    recoded = dict(tables)
    for (table, column), (named, reserved) in REFERENCES.items():
        if named == target and table in recoded:
            old = recoded[table].numbers(column)
            full = np.concatenate([np.arange(reserved), codes + np.uint32(reserved)])
            recoded[table] = with_codes(recoded[table], column, full[old])
    return recoded


def drop_unnamed(tables: Tables, targets: Sequence[str] = NAMED) -> dict[str, Table]:
    """Return the tables without what no row names; what is named stands in order of first use."""
    small = dict(tables)
    for target in targets:
        uses = [np.empty(0, np.int64)]
        for (table, column), (named, special) in REFERENCES.items():
            if named == target:
                codes = small[table].numbers(column).astype(np.int64)
                uses.append(codes[codes >= special] - special)
        used, first = np.unique(np.concatenate(uses), return_index=True)
        rows = used[np.argsort(first)]
        codes = np.zeros(small[target].row_count, np.uint32)
        codes[rows] = np.arange(len(rows), dtype=np.uint32)
        small[target] = take_table(small[target], rows)
        small = recode(small, target, codes)
    return small


def merge_equal(tables: Tables, target: str) -> dict[str, Table]:
    """Return the tables with equal rows of ``target`` made one, in order of first appearance."""
    columns = [_numbered(column) for column in tables[target].columns.values()]
    codes = columns[0]
    for other in columns[1:]:
        _, first, pairs = np.unique(
            codes * np.int64(len(codes) + 1) + other, return_index=True, return_inverse=True
        )
        codes = np.argsort(np.argsort(first))[pairs]
    _, rows = np.unique(codes, return_index=True)
    merged = {**tables, target: take_table(tables[target], rows)}
    return recode(merged, target, codes.astype(np.uint32))


def take_table(table: Table, rows: Rows) -> Table:
    """Return some rows of a table, in the order given."""
    columns = {name: take_rows(column, rows) for name, column in table.columns.items()}
    return Table(table.name, len(rows), columns)


def with_columns(table: Table, **columns: Column) -> Table:
    """Return a table with some columns exchanged."""
    return Table(table.name, table.row_count, {**table.columns, **columns})


def with_codes(table: Table, column: str, codes: Numbers) -> Table:
    """Return a table with a column of codes exchanged; it keeps its type."""
    kind = type(table.columns[column])
    assert kind in {NumberColumn, DeltaColumn}, "codes are numbers"
    return with_columns(table, **{column: kind(codes.astype(np.uint32, copy=False))})


def _numbered(column: Column) -> npt.NDArray[np.int64]:
    """Return a number for each row, equal for equal rows, in order of first appearance."""
    match column:
        case FixedColumn() | BytesColumn():
            numbers: dict[bytes, int] = {}
            codes = [numbers.setdefault(row, len(numbers)) for row in column.rows()]
            return np.array(codes, np.int64)
        case TextColumn(array, _) | NumberColumn(array):
            _, first, codes_of = np.unique(array, return_index=True, return_inverse=True)
            return np.argsort(np.argsort(first))[codes_of].astype(np.int64)
        case RawColumn():
            raise AssertionError("these tables are our own")
