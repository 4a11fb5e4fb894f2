"""From parts of the log to the tables of a kept index, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mandala_cas.index.durations import sums_by_op
from mandala_cas.index.gather import gather_dots, gather_slot_starts
from mandala_cas.index.kept_schema import (
    BY_CALL,
    BY_CONTENT,
    BY_VALUE,
    CALL_DOTS,
    DURATIONS,
    KEPT_SCHEMA,
    NAMES,
    SEGMENTS,
    TAG_DOTS,
)
from mandala_cas.index.kept_values import value_tables
from mandala_cas.index.prefixes import order_of
from mandala_cas.index.taking import table_of, take
from mandala_cas.index.unpublished import NOBODY, open_segment
from mandala_cas.log.columns import NumberColumn, bytes_column, fixed_column, text_column
from mandala_cas.log.graves import Graves, graves_of
from mandala_cas.log.part import Dots, LogPart
from mandala_cas.log.rows import CALLS, SCHEMA, SLOTS, TAGS, TOMBS, UNTAGS, VALUES, build_tables
from mandala_cas.log.tables import Table
from mandala_cas.log.taking import Rows
from mandala_cas.model.entries import TombstoneReason
from mandala_cas.model.ids import SegmentId


def kept_tables(parts: Iterable[LogPart], names: Iterable[str]) -> list[Table]:
    """Return the tables of a kept index that holds all ``parts``, made from objects ``names``.

    Calls that a tombstone hides are left out: they stay hidden for ever.
    """
    given = list(parts)
    # Where nothing was ever recorded, the empty batch has the columns.
    filled = given or [open_segment([], NOBODY, 0)]
    segment_ids = sorted({segment_id for part in given for segment_id in part.segment_ids})
    tables = [
        *_call_tables(filled),
        *value_tables(filled),
        *_tag_tables(filled),
        _tomb_table(filled),
        _range_table(UNTAGS, Graves.of({untag for part in filled for untag in part.untags})),
        table_of(NAMES, {"name": bytes_column(sorted(name.encode() for name in names))}),
        table_of(SEGMENTS, {"segment_id": fixed_column(SegmentId.SIZE, segment_ids)}),
        _duration_table(filled),
    ]
    by_name = {table.name: table for table in tables}
    calls, values = by_name[CALLS], by_name[VALUES]
    started = calls.numbers("started_us")
    # Rows are sorted by dot, and a search takes the first: the call that started first answers.
    by_name[BY_CALL] = order_of(BY_CALL, calls.fixed("call_id"), started)
    by_name[BY_CONTENT] = order_of(BY_CONTENT, calls.fixed("content_id"), started)
    by_name[BY_VALUE] = order_of(BY_VALUE, values.fixed("content_id"))
    return [by_name[name] for name in KEPT_SCHEMA]


def _call_tables(parts: Sequence[LogPart]) -> list[Table]:
    """Return live calls, sorted by dot, with their dots and slots."""
    dots = gather_dots(parts)
    rows = _live_rows(dots, graves_of(parts))
    starts = gather_slot_starts(parts)
    counts = np.diff(starts)[rows]
    new_starts = np.cumsum(counts) - counts
    slot_rows = np.repeat(starts[:-1][rows] - new_starts, counts) + np.arange(counts.sum())
    calls = take(CALLS, SCHEMA[CALLS], [part.calls for part in parts], rows)
    columns = {**calls.columns, "slot_start": NumberColumn(new_starts.astype(np.uint32))}
    return [
        Table(CALLS, len(rows), columns),
        take(SLOTS, SCHEMA[SLOTS], [part.slots for part in parts], slot_rows),
        _dot_table(CALL_DOTS, Dots(dots.writers[rows], dots.seqs[rows], dots.rows[rows])),
    ]


def _live_rows(dots: Dots, graves: Graves) -> Rows:
    """Return the rows that nothing hides, in the order of their dots."""
    order = np.lexsort((dots.rows, dots.seqs, dots.writers))
    return order[~graves.hides(dots)[order]] if len(graves) else order


def _tag_tables(parts: Sequence[LogPart]) -> list[Table]:
    """Return all tags, sorted by dot, with their dots."""
    tags = sorted(
        (
            (part.tag_dot(row), part.tag_record(row))
            for part in parts
            for row in range(part.tags.row_count)
        ),
        key=lambda tag: tag[0],
    )
    dots = Dots(
        np.array([int.from_bytes(dot.writer, "big") for dot, _ in tags], np.uint64),
        np.array([dot.seq for dot, _ in tags], np.uint32),
        np.array([dot.row for dot, _ in tags], np.uint32),
    )
    return [build_tables([record for _, record in tags])[TAGS], _dot_table(TAG_DOTS, dots)]


def _dot_table(name: str, dots: Dots) -> Table:
    """Return dots as a table."""
    return table_of(
        name,
        {
            "writer": NumberColumn(dots.writers),
            "seq": NumberColumn(dots.seqs),
            "row": NumberColumn(dots.rows),
        },
    )


def _tomb_table(parts: Sequence[LogPart]) -> Table:
    """Return the tombstones, as few as say the same."""
    tombstones = {tombstone for part in parts for tombstone in part.tombstones}
    by_reason = [
        (reason, Graves.of(item for item in tombstones if item.reason is reason))
        for reason in TombstoneReason
    ]
    reasons = [np.full(len(graves), reason, np.uint8) for reason, graves in by_reason]
    ranges = Graves(
        np.concatenate([graves.writers for _, graves in by_reason]),
        np.concatenate([graves.seqs for _, graves in by_reason]),
        np.concatenate([graves.firsts for _, graves in by_reason]),
        np.concatenate([graves.lasts for _, graves in by_reason]),
    )
    table = _range_table(TOMBS, ranges)
    columns = {**table.columns, "reason": NumberColumn(np.concatenate(reasons))}
    return Table(TOMBS, table.row_count, columns)


def _range_table(name: str, graves: Graves) -> Table:
    """Return ranges of dots as a table."""
    return table_of(
        name,
        {
            "writer": NumberColumn(graves.writers),
            "seq": NumberColumn(graves.seqs),
            "first": NumberColumn(graves.firsts),
            "last": NumberColumn(graves.lasts),
        },
    )


def _duration_table(parts: Sequence[LogPart]) -> Table:
    """Return the sums of durations by op, those of dropped calls too."""
    sums: dict[str, tuple[int, int]] = {}
    for part in parts:
        for op, (count, total_us) in sums_by_op(part).items():
            count_before, before_us = sums.get(op, (0, 0))
            sums[op] = (count_before + count, before_us + total_us)
    return table_of(
        DURATIONS,
        {
            "op": text_column(list(sums)),
            "count": NumberColumn(np.array([count for count, _ in sums.values()], np.uint64)),
            "total_us": NumberColumn(np.array([total for _, total in sums.values()], np.uint64)),
        },
    )
