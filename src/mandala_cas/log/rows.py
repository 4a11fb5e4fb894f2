"""Entries as rows of the tables of a segment, and rows as entries.

``docs/reference/format.md`` is normative for tables and columns.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mandala_cas.log.columns import (
    Column,
    bytes_column,
    fixed_column,
    number_column,
    text_column,
)
from mandala_cas.log.groups import (
    CALL,
    CALL_FIELDS,
    Fields,
    entry_of,
    fields_of,
    rows_of,
    value_fields,
)
from mandala_cas.log.tables import Schema, Table
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    Slot,
    TagRecord,
    TagTarget,
    Tier,
    Tombstone,
    TombstoneReason,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import (
    CallContentId,
    CallId,
    ContentId,
    HistoryId,
    PayloadHash,
    SourceHash,
    WriterId,
)

CALLS: Final = "calls"
SLOTS: Final = "slots"
VALUES: Final = "values"
TOMBS: Final = "tombs"
TAGS: Final = "tags"
UNTAGS: Final = "untags"

SCHEMA: Final[Schema] = {
    CALLS: {
        "call_id": "fixed16",
        "content_id": "fixed16",
        "op": "text",
        "op_version": "text",
        "module": "text",
        "source_hash": "fixed16",
        "started_us": "i8",
        "duration_us": "i8",
        "reused_from": "fixed16",
        "parent": "fixed16",
        "slot_start": "u4",
    },
    SLOTS: {
        "name": "text",
        "is_output": "u1",
        "history_id": "fixed16",
        "content_id": "fixed32",
    },
    VALUES: {
        "content_id": "fixed32",
        "payload_hash": "fixed32",
        "tier": "u1",
        "location": "text",
        "offset": "u8",
        "stored_size": "u8",
        "raw_size": "u8",
        "codec_name": "text",
        "codec_version": "u4",
        "codec_header": "bytes",
        "inline": "bytes",
    },
    TOMBS: {"writer": "fixed8", "seq": "u4", "first": "u4", "last": "u4", "reason": "u1?"},
    TAGS: {
        "name": "text",
        "target": "u1",
        "history_id": "fixed16",
        "content_id": "fixed32",
        "created_us": "i8",
    },
    UNTAGS: {"writer": "fixed8", "seq": "u4", "first": "u4", "last": "u4"},
}

_NONE: Final = bytes(CallId.SIZE)
# The fields of a call as a group has them, behind its kind.
_CALL_WIDTH: Final = 1 + len(CALL_FIELDS)
_INPUTS: Final = 1 + CALL_FIELDS.index("inputs")
_OUTPUTS: Final = 1 + CALL_FIELDS.index("outputs")


def build_tables(entries: Sequence[Entry]) -> dict[str, Table]:
    """Return ``entries`` as the tables of ``SCHEMA``, by name; rows keep their order."""
    calls = [fields_of(entry) for entry in entries if isinstance(entry, CallRecord)]
    values = [value_fields(entry) for entry in entries if isinstance(entry, ValueRecord)]
    return _tables(calls, values, entries)


def build_tables_of_groups(
    groups: Iterable[bytes], last: Sequence[ValueRecord]
) -> dict[str, Table]:
    """Return the tables of packed groups, and of values behind them; no entry is made of a row."""
    calls: list[Fields] = []
    values: list[Fields] = []
    others: list[Entry] = []
    for packed in groups:
        value_rows, entries = rows_of(packed)
        values += value_rows
        for fields in entries:
            if fields[0] == CALL:
                calls.append(fields)
            else:
                others.append(entry_of(fields))
    values += map(value_fields, last)
    return _tables(calls, values, others)


def _tables(
    calls: Sequence[Fields], values: Sequence[Fields], others: Sequence[Entry]
) -> dict[str, Table]:
    """Return tables of calls, of values, and of those of ``others`` that are neither."""
    return {
        CALLS: _call_table(calls),
        SLOTS: _slot_table(calls),
        VALUES: _value_table(values),
        TOMBS: tomb_table([entry for entry in others if isinstance(entry, Tombstone)]),
        TAGS: _tag_table([entry for entry in others if isinstance(entry, TagRecord)]),
        UNTAGS: untag_table([entry for entry in others if isinstance(entry, Untag)]),
    }


def slot_counts(calls: Table, slots: Table) -> npt.NDArray[np.int64]:
    """Return how many slots each call has."""
    starts = calls.numbers("slot_start").astype(np.int64)
    counts: npt.NDArray[np.int64] = np.diff(starts, append=np.int64(slots.row_count))
    return counts


def read_call(calls: Table, slots: Table, row: int) -> CallRecord:
    """Return one call as an entry."""
    begin, middle, end = slots_of_call(calls, slots, row)
    return call_of_slots(
        calls, row, _read_slots(slots, begin, middle), _read_slots(slots, middle, end)
    )


def slots_of_call(calls: Table, slots: Table, row: int) -> tuple[int, int, int]:
    """Return where a call's inputs begin, where its outputs do, and where those end."""
    starts = calls.numbers("slot_start")
    begin = int(starts[row])
    end = int(starts[row + 1]) if row + 1 < calls.row_count else slots.row_count
    is_output = slots.numbers("is_output")
    return begin, begin + int((is_output[begin:end] == 0).sum()), end


def call_of_slots(
    calls: Table, row: int, inputs: tuple[Slot, ...], outputs: tuple[Slot, ...]
) -> CallRecord:
    """Return one call as an entry, given its slots."""
    reused_from, parent = calls.fixed("reused_from")[row], calls.fixed("parent")[row]
    return CallRecord(
        call_id=CallId(calls.fixed("call_id")[row]),
        content_id=CallContentId(calls.fixed("content_id")[row]),
        op_name=calls.text("op")[row],
        op_version=calls.text("op_version")[row],
        module=calls.text("module")[row],
        source_hash=SourceHash(calls.fixed("source_hash")[row]),
        started_us=int(calls.numbers("started_us")[row]),
        duration_us=int(calls.numbers("duration_us")[row]),
        inputs=inputs,
        outputs=outputs,
        reused_from=None if reused_from == _NONE else CallId(reused_from),
        parent=None if parent == _NONE else CallId(parent),
    )


def read_value(values: Table, row: int) -> ValueRecord:
    """Return one value as an entry."""
    return ValueRecord(
        content_id=ContentId(values.fixed("content_id")[row]),
        payload_hash=PayloadHash(values.fixed("payload_hash")[row]),
        tier=Tier(int(values.numbers("tier")[row])),
        location=values.text("location")[row],
        offset=int(values.numbers("offset")[row]),
        stored_size=int(values.numbers("stored_size")[row]),
        raw_size=int(values.numbers("raw_size")[row]),
        codec_name=values.text("codec_name")[row],
        codec_version=int(values.numbers("codec_version")[row]),
        codec_header=values.bytes("codec_header")[row],
        inline=values.bytes("inline")[row],
    )


def read_tag(tags: Table, row: int) -> TagRecord:
    """Return one tag as an entry."""
    return TagRecord(
        name=tags.text("name")[row],
        target=TagTarget(int(tags.numbers("target")[row])),
        history_id=bytes(tags.fixed("history_id")[row]),
        content_id=ContentId(tags.fixed("content_id")[row]),
        created_us=int(tags.numbers("created_us")[row]),
    )


def read_tombstones(tombs: Table) -> tuple[Tombstone, ...]:
    """Return all tombstones as entries."""
    reasons = [TombstoneReason(reason) for reason in tombs.numbers("reason").tolist()]
    ranges = zip(_ranges(tombs), reasons, strict=True)
    return tuple(Tombstone(*dots, reason) for dots, reason in ranges)


def read_untags(untags: Table) -> tuple[Untag, ...]:
    """Return all that hides tags, as entries."""
    return tuple(Untag(*dots) for dots in _ranges(untags))


def _ranges(table: Table) -> list[tuple[WriterId, int, int, int]]:
    """Return the ranges of dots that the rows of a table name."""
    return [
        (WriterId(writer), seq, first, last)
        for writer, seq, first, last in zip(
            table.fixed("writer").rows(),
            table.numbers("seq").tolist(),
            table.numbers("first").tolist(),
            table.numbers("last").tolist(),
            strict=True,
        )
    ]


def _call_table(calls: Sequence[Fields]) -> Table:
    """Return the table of calls."""
    _, call_ids, content_ids, ops, *fields = _columns(calls, _CALL_WIDTH)
    versions, modules, source_hashes, started, durations, *fields = fields
    inputs, outputs, reused_from, parents = fields
    slot_counts = map(operator.add, map(len, inputs), map(len, outputs))
    columns: dict[str, Column] = {
        "call_id": fixed_column(16, call_ids),
        "content_id": fixed_column(16, content_ids),
        "op": text_column(ops),
        "op_version": text_column(versions),
        "module": text_column(modules),
        "source_hash": fixed_column(16, source_hashes),
        "started_us": number_column("i8", started),
        "duration_us": number_column("i8", durations),
        "reused_from": fixed_column(16, [call_id or _NONE for call_id in reused_from]),
        "parent": fixed_column(16, [call_id or _NONE for call_id in parents]),
        "slot_start": number_column("u4", list(accumulate(slot_counts, initial=0))[:-1]),
    }
    return Table(CALLS, len(calls), columns)


def _slot_table(calls: Sequence[Fields]) -> Table:
    """Return the table of slots: those of the first call, those of the second, and so on."""
    parts = [(call[_INPUTS], call[_OUTPUTS]) for call in calls]
    slots = [slot for inputs, outputs in parts for part in (inputs, outputs) for slot in part]
    is_output = b"".join(bytes(len(inputs)) + b"\1" * len(outputs) for inputs, outputs in parts)
    names, history_ids, content_ids = _columns(slots, len(Slot._fields))
    columns: dict[str, Column] = {
        "name": text_column(names),
        "is_output": number_column("u1", list(is_output)),
        "history_id": fixed_column(16, history_ids),
        "content_id": fixed_column(32, content_ids),
    }
    return Table(SLOTS, len(slots), columns)


def _value_table(values: Sequence[Fields]) -> Table:
    """Return the table of values."""
    content_ids, payload_hashes, tiers, *fields = _columns(values, len(SCHEMA[VALUES]))
    locations, offsets, stored_sizes, raw_sizes, *fields = fields
    codec_names, codec_versions, codec_headers, inline = fields
    columns: dict[str, Column] = {
        "content_id": fixed_column(32, content_ids),
        "payload_hash": fixed_column(32, payload_hashes),
        "tier": number_column("u1", tiers),
        "location": text_column(locations),
        "offset": number_column("u8", offsets),
        "stored_size": number_column("u8", stored_sizes),
        "raw_size": number_column("u8", raw_sizes),
        "codec_name": text_column(codec_names),
        "codec_version": number_column("u4", codec_versions),
        "codec_header": bytes_column(codec_headers),
        "inline": bytes_column(inline),
    }
    return Table(VALUES, len(values), columns)


def _columns(rows: Sequence[Fields], count: int) -> Sequence[Sequence[Any]]:
    """Return what stands in each place of all rows."""
    return list(zip(*rows, strict=True)) if rows else [()] * count


def tomb_table(tombs: Sequence[Tombstone]) -> Table:
    """Return the table of tombstones."""
    reason = number_column("u1", [tomb.reason for tomb in tombs])
    return Table(TOMBS, len(tombs), {**_range_columns(tombs), "reason": reason})


def untag_table(untags: Sequence[Untag]) -> Table:
    """Return the table of what hides tags."""
    return Table(UNTAGS, len(untags), _range_columns(untags))


def _range_columns(entries: Sequence[Tombstone] | Sequence[Untag]) -> dict[str, Column]:
    """Return the columns that name ranges of dots."""
    return {
        "writer": fixed_column(8, [entry.writer for entry in entries]),
        "seq": number_column("u4", [entry.seq for entry in entries]),
        "first": number_column("u4", [entry.first for entry in entries]),
        "last": number_column("u4", [entry.last for entry in entries]),
    }


def _tag_table(tags: Sequence[TagRecord]) -> Table:
    """Return the table of tags."""
    columns: dict[str, Column] = {
        "name": text_column([tag.name for tag in tags]),
        "target": number_column("u1", [tag.target for tag in tags]),
        "history_id": fixed_column(16, [tag.history_id for tag in tags]),
        "content_id": fixed_column(32, [tag.content_id for tag in tags]),
        "created_us": number_column("i8", [tag.created_us for tag in tags]),
    }
    return Table(TAGS, len(tags), columns)


def _read_slots(slots: Table, begin: int, end: int) -> tuple[Slot, ...]:
    """Return the slots of some rows."""
    names, histories = slots.text("name"), slots.fixed("history_id")
    contents = slots.fixed("content_id")
    return tuple(
        Slot(names[row], HistoryId(histories[row]), ContentId(contents[row]))
        for row in range(begin, end)
    )
