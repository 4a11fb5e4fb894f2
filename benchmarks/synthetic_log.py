"""A log of any size, made column by column: what a million calls of one op leave behind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mandala_cas.log.columns import BytesColumn, Column, FixedColumn, NumberColumn, TextColumn
from mandala_cas.log.rows import CALLS, SLOTS, VALUES, build_tables
from mandala_cas.log.segment import (
    READER_VERSION,
    SealedSegment,
    SegmentHeader,
    seal_tables,
)
from mandala_cas.log.tables import Table
from mandala_cas.model.ids import WriterId

# 2023-11-14, in microseconds.
_BEGIN_US = 1_700_000_000_000_000
_PAYLOAD_SIZE = 9


def synthetic_log(call_count: int, calls_per_segment: int) -> Iterator[SealedSegment]:
    """Yield segments of calls with one small input and one small output, all distinct."""
    random = np.random.default_rng(seed=0)
    for seq, begin in enumerate(range(0, call_count, calls_per_segment)):
        count = min(calls_per_segment, call_count - begin)
        contents = random.bytes(32 * 2 * count)
        tables = {**build_tables([])}
        tables[CALLS] = _calls(random, begin, count)
        tables[SLOTS] = _slots(random, contents, count)
        tables[VALUES] = _values(random, contents, 2 * count)
        yield seal_tables(list(tables.values()), _header(seq, count), None)


def _header(seq: int, count: int) -> SegmentHeader:
    """Return the header of one segment of the one writer."""
    return SegmentHeader(
        writer=WriterId(b"writer-1"),
        seq=seq,
        previous=bytes(31) + bytes([seq > 0]),
        created_us=_BEGIN_US,
        call_count=count,
        tombstone_count=0,
        min_reader=READER_VERSION,
        library="benchmark",
        session={},
    )


def _calls(random: np.random.Generator, begin: int, count: int) -> Table:
    """Return calls that started one after the other."""
    nothing = FixedColumn(16, bytes(16 * count))
    columns: dict[str, Column] = {
        "call_id": FixedColumn(16, random.bytes(16 * count)),
        "content_id": FixedColumn(16, random.bytes(16 * count)),
        "op": _word("train", count),
        "op_version": _word("0", count),
        "module": _word("pipeline", count),
        "source_hash": nothing,
        "started_us": NumberColumn(_BEGIN_US + np.arange(begin, begin + count, dtype=np.int64)),
        "duration_us": NumberColumn(np.full(count, 1000, np.int64)),
        "reused_from": nothing,
        "parent": nothing,
        "slot_start": NumberColumn(np.arange(0, 2 * count, 2, dtype=np.uint32)),
    }
    return Table(CALLS, count, columns)


def _slots(random: np.random.Generator, contents: bytes, count: int) -> Table:
    """Return an input and an output of each call."""
    alternating: npt.NDArray[np.uint32] = np.tile(np.array([0, 1], np.uint32), count)
    columns: dict[str, Column] = {
        "name": TextColumn(alternating, ("x", "output_0")),
        "is_output": NumberColumn(alternating.astype(np.uint8)),
        "history_id": FixedColumn(16, random.bytes(16 * 2 * count)),
        "content_id": FixedColumn(32, contents),
    }
    return Table(SLOTS, 2 * count, columns)


def _values(random: np.random.Generator, contents: bytes, count: int) -> Table:
    """Return small values that are in the log itself."""
    zeros = NumberColumn(np.zeros(count, np.uint64))
    columns: dict[str, Column] = {
        "content_id": FixedColumn(32, contents),
        "payload_hash": FixedColumn(32, random.bytes(32 * count)),
        "tier": NumberColumn(np.zeros(count, np.uint8)),
        "location": _word("", count),
        "offset": zeros,
        "stored_size": zeros,
        "raw_size": NumberColumn(np.full(count, _PAYLOAD_SIZE, np.uint64)),
        "codec_name": _word("plain", count),
        "codec_version": NumberColumn(np.ones(count, np.uint32)),
        "codec_header": _pieces(random, count, 1),
        "inline": _pieces(random, count, _PAYLOAD_SIZE),
    }
    return Table(VALUES, count, columns)


def _word(word: str, count: int) -> TextColumn:
    """Return a column of one word."""
    return TextColumn(np.zeros(count, np.uint32), (word,))


def _pieces(random: np.random.Generator, count: int, size: int) -> BytesColumn:
    """Return a column of pieces of one size."""
    offsets = np.arange(0, (count + 1) * size, size, dtype=np.uint64)
    return BytesColumn(offsets, random.bytes(count * size))
