"""Segments as rows of a run: what repeats or follows from something else is left out.

A segment may be anyone's, and may state an id that does not follow. So each is computed here and
compared; one that differs is written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.log.columns import (
    BytesColumn,
    Column,
    DeltaColumn,
    FixedColumn,
    NumberColumn,
    TextColumn,
    bytes_column,
    fixed_column,
    number_column,
    text_column,
)
from mandala_cas.log.packed import (
    CODECS,
    CONSTANT,
    CONTENTS,
    DERIVED,
    HASHES,
    HISTORIES,
    INLINE,
    OTHERS,
    OUTPUT,
    SEGMENTS,
    Tables,
    drop_unnamed,
    merge_equal,
    with_codes,
    with_columns,
)
from mandala_cas.log.rows import CALLS, SCHEMA, SLOTS, TAGS, VALUES, slot_counts
from mandala_cas.log.segment import Segment
from mandala_cas.log.tables import Table, encode_tables
from mandala_cas.log.taking import join_columns, take_rows
from mandala_cas.log.unpacking import derived_hashes, derived_histories
from mandala_cas.model.entries import Tier
from mandala_cas.model.ids import PayloadHash
from mandala_cas.objectstore.layout import blob_name

_EXPLICIT: Final = 2

_Codes = npt.NDArray[np.uint32]
_Lines = npt.NDArray[np.intp]


def pack_segments(segments: Sequence[Segment]) -> dict[str, Table]:
    """Return the rows of ``segments``, with their inline payloads, sorted by segment id.

    The segments are all different, and have no column that this version does not know.
    """
    ordered = sorted(segments, key=lambda segment: segment.segment_id)
    call_counts = np.array([segment.calls.row_count for segment in ordered], np.intp)
    tables = {
        CALLS: _calls(ordered, call_counts),
        SLOTS: _slots(ordered),
        VALUES: _values(ordered),
        TAGS: _tags(ordered),
        SEGMENTS: _segments(ordered),
        OTHERS: _others(ordered),
        **_named_tables(ordered),
    }
    for named in (CONTENTS, CODECS, INLINE):
        tables = merge_equal(tables, named)
    tables = _derive_histories(tables)
    tables = _derive_hashes(tables)
    # Only now, when most of them are no longer named.
    for named in (HISTORIES, HASHES):
        tables = merge_equal(drop_unnamed(tables, [named]), named)
    tables[VALUES] = with_columns(tables[VALUES], is_own=NumberColumn(_are_own(tables)))
    return tables


def _calls(segments: Sequence[Segment], counts: _Lines) -> Table:
    """Return the calls of all segments, each with its dot."""
    slot_counts = [segment.slots.row_count for segment in segments]
    bases = np.cumsum([0, *slot_counts])[:-1]
    starts = [
        segment.calls.numbers("slot_start").astype(np.uint32) + np.uint32(base)
        for segment, base in zip(segments, bases.tolist(), strict=True)
    ]
    joined = _joined([segment.calls for segment in segments])
    columns: dict[str, Column] = {
        "segment": DeltaColumn(_origin(counts)),
        "row": DeltaColumn(_numbers_within(counts)),
        "slot_start": DeltaColumn(np.concatenate(starts)),
        **{name: joined[name] for name in ("op", "op_version", "module")},
        "started_us": DeltaColumn(_array(joined["started_us"])),
        **{name: joined[name] for name in ("duration_us", "source_hash", "reused_from", "parent")},
        **{name: joined[name] for name in ("call_id", "content_id")},
    }
    return Table(CALLS, int(counts.sum()), columns)


def _slots(segments: Sequence[Segment]) -> Table:
    """Return the slots of all segments; their contents and histories are not told apart yet."""
    joined = _joined([segment.slots for segment in segments])
    count = sum(segment.slots.row_count for segment in segments)
    return Table(
        SLOTS,
        count,
        {
            "content": DeltaColumn(np.arange(count, dtype=np.uint32)),
            "is_output": joined["is_output"],
            "history": NumberColumn(np.arange(count, dtype=np.uint32) + np.uint32(_EXPLICIT)),
            "name": joined["name"],
        },
    )


def _values(segments: Sequence[Segment]) -> Table:
    """Return the places of all segments; what they name is not told apart yet."""
    counts = np.array([segment.values.row_count for segment in segments], np.intp)
    joined = _joined([segment.values for segment in segments])
    count = int(counts.sum())
    numbers = np.arange(count, dtype=np.uint32)
    is_inline = _array(joined["tier"]) == Tier.INLINE
    base = sum(segment.slots.row_count for segment in segments)
    return Table(
        VALUES,
        count,
        {
            "segment": DeltaColumn(_origin(counts)),
            "content": DeltaColumn(numbers + np.uint32(base)),
            "is_own": NumberColumn(np.zeros(count, np.uint8)),
            "tier": joined["tier"],
            "codec": NumberColumn(numbers),
            "hash": NumberColumn(numbers + np.uint32(1)),
            "inline": NumberColumn(np.where(is_inline, numbers + 1, 0).astype(np.uint32)),
            **{name: joined[name] for name in ("offset", "stored_size", "raw_size", "location")},
        },
    )


def _tags(segments: Sequence[Segment]) -> Table:
    """Return the tags of all segments, each with its dot."""
    counts = np.array([segment.tags.row_count for segment in segments], np.intp)
    joined = _joined([segment.tags for segment in segments])
    count = int(counts.sum())
    base = sum(segment.slots.row_count + segment.values.row_count for segment in segments)
    return Table(
        TAGS,
        count,
        {
            "segment": DeltaColumn(_origin(counts)),
            "row": DeltaColumn(_numbers_within(counts)),
            "target": joined["target"],
            "content": DeltaColumn(np.arange(count, dtype=np.uint32) + np.uint32(base)),
            **{name: joined[name] for name in ("created_us", "name", "history_id")},
        },
    )


def _segments(segments: Sequence[Segment]) -> Table:
    """Return the segments themselves."""
    headers = [segment.header for segment in segments]
    return Table(
        SEGMENTS,
        len(headers),
        {
            "seq": DeltaColumn(np.array([header.seq for header in headers], np.uint32)),
            "created_us": DeltaColumn(np.array([h.created_us for h in headers], np.int64)),
            "writer": fixed_column(8, [header.writer for header in headers]),
            "digest": fixed_column(8, [segment.digest[:8] for segment in segments]),
        },
    )


def _others(segments: Sequence[Segment]) -> Table:
    """Return the tables that this version does not know, each as bytes."""
    rows = [(code, table) for code, segment in enumerate(segments) for table in segment.other]
    data = [b"".join(bytes(part) for part in encode_tables([table])) for _, table in rows]
    return Table(
        OTHERS,
        len(rows),
        {
            "segment": number_column("u4", [code for code, _ in rows]),
            "table": text_column([table.name for _, table in rows]),
            "data": bytes_column(data),
        },
    )


def _named_tables(segments: Sequence[Segment]) -> dict[str, Table]:
    """Return what slots, values and tags name: a row for each of them, in their order."""
    slots, values, tags = (
        _joined([getattr(segment, name) for segment in segments])
        for name in ("slots", "values", "tags")
    )
    contents = join_columns([part["content_id"] for part in (slots, values, tags)])
    histories, hashes, inline = slots["history_id"], values["payload_hash"], values["inline"]
    codecs: dict[str, Column] = {
        "version": values["codec_version"],
        "name": values["codec_name"],
        "header": values["codec_header"],
    }
    assert isinstance(contents, FixedColumn), "content ids are of fixed size"
    assert isinstance(histories, FixedColumn), "history ids are of fixed size"
    assert isinstance(hashes, FixedColumn), "payload hashes are of fixed size"
    assert isinstance(inline, BytesColumn), "payloads are of any size"
    return {
        CONTENTS: Table(CONTENTS, len(contents), {"content_id": contents}),
        HISTORIES: Table(HISTORIES, len(histories), {"history_id": histories}),
        HASHES: Table(HASHES, len(hashes), {"payload_hash": hashes}),
        CODECS: Table(CODECS, len(hashes), codecs),
        INLINE: Table(INLINE, len(inline), {"payload": inline}),
    }


def _derive_histories(tables: Tables) -> dict[str, Table]:
    """Return the tables without the history ids that follow from something else."""
    slots = tables[SLOTS]
    codes, is_output = slots.numbers("history"), slots.numbers("is_output") == 1
    stated = np.frombuffer(tables[HISTORIES].fixed("history_id").data, "V16")[codes - _EXPLICIT]
    contents = slots.numbers("content")
    # An output may also be stated to have the history of a constant: then it is written out.
    kinds = np.where(is_output, OUTPUT, CONSTANT)
    follows = derived_histories(kinds, tables, contents) == stated
    found = np.where(follows, kinds, codes)
    return {**tables, SLOTS: with_codes(slots, "history", found)}


def _derive_hashes(tables: Tables) -> dict[str, Table]:
    """Return the tables without the payload hashes and places that follow from something else."""
    values = tables[VALUES]
    codes = np.array(values.numbers("hash"), np.uint32)
    hashes = np.frombuffer(tables[HASHES].fixed("payload_hash").data, "V32")
    inline = np.flatnonzero(values.numbers("tier") == Tier.INLINE)
    derived = derived_hashes(inline, tables, tables[INLINE].bytes("payload"))
    follows = derived == hashes[codes[inline] - 1]
    loose = np.flatnonzero(values.numbers("tier") == Tier.LOOSE).tolist()
    words = values.text("location").rows()
    for row in loose:
        if words[row] == blob_name(PayloadHash(hashes[codes[row] - 1].tobytes())):
            words[row] = ""
    codes[inline[follows]] = DERIVED
    short = with_columns(values, location=text_column(words) if loose else _text(values))
    return {**tables, VALUES: with_codes(short, "hash", codes)}


def _are_own(tables: Tables) -> npt.NDArray[np.uint8]:
    """Tell of each value whether a call or a tag of the segment that placed it uses it."""
    contents = tables[CONTENTS].row_count
    origin = np.repeat(
        tables[CALLS].numbers("segment").astype(np.int64), slot_counts(tables[CALLS], tables[SLOTS])
    )

    def pairs(segments: npt.NDArray[np.int64], table: str) -> npt.NDArray[np.int64]:
        return segments * contents + tables[table].numbers("content").astype(np.int64)

    tags, values = (tables[name].numbers("segment").astype(np.int64) for name in (TAGS, VALUES))
    used = np.concatenate([pairs(origin, SLOTS), pairs(tags, TAGS)])
    return np.isin(pairs(values, VALUES), used).astype(np.uint8)


def _joined(tables: Sequence[Table]) -> dict[str, Column]:
    """Return the columns of tables, one behind the other."""
    columns = SCHEMA[tables[0].name]
    return {name: join_columns([table.columns[name] for table in tables]) for name in columns}


def _origin(counts: _Lines) -> _Codes:
    """Return the number of its segment for each row."""
    return np.repeat(np.arange(len(counts), dtype=np.uint32), counts)


def _numbers_within(counts: _Lines) -> _Codes:
    """Return the number within its segment for each row."""
    begins = np.cumsum(counts) - counts
    numbers = np.arange(int(counts.sum())) - np.repeat(begins, counts)
    return numbers.astype(np.uint32)


def _array(column: Column) -> npt.NDArray[np.number]:
    """Return the numbers of a column of them."""
    assert isinstance(column, NumberColumn), "the schema says so"
    return column.array


def _text(values: Table) -> TextColumn:
    """Return where values are, as it is."""
    column = take_rows(values.text("location"), np.arange(values.row_count))
    assert isinstance(column, TextColumn), "the schema says so"
    return column
