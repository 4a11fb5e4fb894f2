"""Many segments and parts of runs as one run's rows: pure, and without a loop over rows.

Rows that the run's own tombstones name are left out, and values that nothing in the run uses. The
result does not depend on the order of the inputs, nor on how they were merged before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.log.columns import FixedColumn
from mandala_cas.log.graves import Graves
from mandala_cas.log.packed import (
    CODECS,
    CONTENTS,
    HASHES,
    HISTORIES,
    INLINE,
    OTHERS,
    SEGMENTS,
    Rows,
    Tables,
    dots_of,
    drop_unnamed,
    join,
    keep_segments,
    merge_equal,
    recode,
    select,
    take_table,
)
from mandala_cas.log.part_checks import dot_groups
from mandala_cas.log.rows import CALLS, SLOTS, TAGS, VALUES, slot_counts
from mandala_cas.log.tables import Table
from mandala_cas.model.entries import Tombstone, Untag

PART_CALLS_MAX: Final = 1 << 18
PART_SIZE_GOAL: Final = 64 << 20

# What a row takes at most, besides payloads: only to decide where one part ends.
_CALL_SIZE: Final = 80
_SLOT_SIZE: Final = 48
_VALUE_SIZE: Final = 64
_TAG_SIZE: Final = 64


@dataclass(frozen=True, slots=True)
class PartLimits:
    """How much a part holds, unless one segment alone has more: calls, and bytes roughly."""

    calls_max: int = PART_CALLS_MAX
    size_max: int = PART_SIZE_GOAL


def merge(
    inputs: Sequence[Tables], tombstones: Sequence[Tombstone], untags: Sequence[Untag]
) -> Tables:
    """Return the rows of ``inputs`` that neither ``tombstones`` nor ``untags`` name.

    The inputs have no segment in common, and have their inline payloads among their tables.
    """
    tables = _with_sorted_segments(join(inputs))
    for named in (CONTENTS, HISTORIES, HASHES, CODECS, INLINE):
        tables = merge_equal(tables, named)
    calls = _live(tables, CALLS, Graves.of(tombstones))
    tags = _live(tables, TAGS, Graves.of(untags))
    segments = tables[VALUES].numbers("segment")
    by_segment = np.argsort(segments, kind="stable")
    tables = select(tables, calls=calls, values=by_segment, tags=tags)
    kept = np.flatnonzero(_are_needed(tables))
    return select(
        tables,
        calls=np.arange(tables[CALLS].row_count),
        values=kept,
        tags=np.arange(tables[TAGS].row_count),
    )


def split(tables: Tables, limits: PartLimits) -> Iterator[Tables]:
    """Yield the rows as those of one part after the other, never a segment in two of them."""
    begin = 0
    for end in _ends(tables, limits):
        keep = np.zeros(tables[SEGMENTS].row_count, bool)
        keep[begin:end] = True
        yield drop_unnamed(keep_segments(tables, keep))
        begin = end


def _with_sorted_segments(tables: Tables) -> dict[str, Table]:
    """Return the tables with the segments in their order."""
    segments = tables[SEGMENTS]
    seqs = FixedColumn(4, segments.numbers("seq").astype(">u4").tobytes())
    columns = (segments.fixed("writer"), seqs, segments.fixed("digest"))
    keys = list(zip(*(column.rows() for column in columns), strict=True))
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp)
    codes = np.empty(len(order), np.uint32)
    codes[order] = np.arange(len(order), dtype=np.uint32)
    moved = recode({**tables, SEGMENTS: take_table(segments, order)}, SEGMENTS, codes)
    others = np.argsort(moved[OTHERS].numbers("segment"), kind="stable")
    return {**moved, OTHERS: take_table(moved[OTHERS], others)}


def _live(tables: Tables, table: str, graves: Graves) -> Rows:
    """Return the rows of calls or tags that nothing hides, sorted by dot."""
    codes, rows = tables[table].numbers("segment"), tables[table].numbers("row")
    order = np.lexsort((codes, rows, dot_groups(tables[SEGMENTS])[codes]))
    return order[~graves.hides(dots_of(tables, table))[order]]


def _are_needed(tables: Tables) -> npt.NDArray[np.bool_]:
    """Tell of each value whether the run must say where it is."""
    used = np.zeros(tables[CONTENTS].row_count, bool)
    used[tables[SLOTS].numbers("content")] = True
    used[tables[TAGS].numbers("content")] = True
    values = tables[VALUES]
    # A place that the segment's own calls did not ask for repairs what others placed. Their calls
    # may be in another run, so nothing here tells that it is not needed.
    needed: npt.NDArray[np.bool_] = used[values.numbers("content")] | (
        values.numbers("is_own") == 0
    )
    return needed


def _ends(tables: Tables, limits: PartLimits) -> list[int]:
    """Return behind which segments parts end."""
    count = tables[SEGMENTS].row_count
    calls = np.bincount(tables[CALLS].numbers("segment"), minlength=count)
    sizes = _sizes(tables)
    ends: list[int] = []
    calls_so_far, size_so_far = 0, 0
    for segment, (call_count, size) in enumerate(zip(calls.tolist(), sizes.tolist(), strict=True)):
        calls_so_far += call_count
        size_so_far += size
        # A part has one segment at least, however large that is.
        is_first = segment == (ends[-1] if ends else 0)
        if not is_first and (calls_so_far > limits.calls_max or size_so_far > limits.size_max):
            ends.append(segment)
            calls_so_far, size_so_far = call_count, size
    return [*ends, count]


def _sizes(tables: Tables) -> npt.NDArray[np.int64]:
    """Return about how many bytes the rows of each segment take."""
    count = tables[SEGMENTS].row_count
    values, payloads = tables[VALUES], tables[INLINE].bytes("payload")
    calls = _CALL_SIZE + _SLOT_SIZE * slot_counts(tables[CALLS], tables[SLOTS])
    of_payload = np.concatenate([[0], np.diff(payloads.offsets.astype(np.int64))])
    of_value = _VALUE_SIZE + of_payload[values.numbers("inline")]
    others = np.diff(tables[OTHERS].bytes("data").offsets.astype(np.int64))
    sizes = np.zeros(count)
    for table, weights in (
        (CALLS, calls),
        (VALUES, of_value),
        (TAGS, np.full(tables[TAGS].row_count, _TAG_SIZE)),
        (OTHERS, others),
    ):
        sizes += np.bincount(tables[table].numbers("segment"), weights, minlength=count)
    return sizes.astype(np.int64)
