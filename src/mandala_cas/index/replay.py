"""From the log to the tables: pure functions, the same result for every order of arrival.

Columns become tables without a Python loop over rows. Ids are numbered once, here; everything
above works with the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from mandala_cas.errors import UsageError
from mandala_cas.index.schema import CALLS_SCHEMA, REFS_SCHEMA, SLOTS_SCHEMA, IndexTables
from mandala_cas.index.unpublished import NOBODY, open_segment
from mandala_cas.log.columns import FixedColumn, TextColumn
from mandala_cas.log.segment import Segment

_CODE_MAX: Final = 2**32 - 1
_ORIGIN: Final = ("writer", "seq", "row")


def build_tables(segments: Sequence[Segment]) -> IndexTables:
    """Return the live calls of ``segments``, one row a call, with their inputs and outputs.

    Of several records of one call the one that started first stands, ties by dot.
    """
    ops, names = _Words(), _Words()
    # The open batch has the columns also where nothing was ever recorded.
    nothing = open_segment([], NOBODY, 0)
    calls = pl.concat([_calls_of(segment, ops) for segment in (nothing, *segments)])
    slots = pl.concat([_slots_of(segment, names) for segment in (nothing, *segments)])
    live = (
        calls.join(_graves(segments), on=list(_ORIGIN), how="anti")
        .sort("started_us", *_ORIGIN)
        .unique("hid", keep="first", maintain_order=True)
        .sort("started_us", "hid")
        .with_row_index("call")
    )
    if live.height > _CODE_MAX:
        raise UsageError(f"an index holds {_CODE_MAX} calls, the log has {live.height}")
    slots = slots.join(live.select("call", *_ORIGIN), on=list(_ORIGIN), how="inner")
    # One history id has one content; were a log to say otherwise, the choice must not depend on
    # the order of arrival.
    refs = (
        slots.select("hid", "cid")
        .unique()
        .sort("hid", "cid")
        .unique("hid", keep="first", maintain_order=True)
        .with_row_index("ref")
    )
    numbered = slots.join(refs.select("ref", "hid"), on="hid", how="inner")
    op_words, op_codes = ops.sorted()
    name_words, name_codes = names.sorted()
    return IndexTables(
        calls=_recode(live, "op", op_codes).select(
            pl.col(column).cast(kind) for column, kind in CALLS_SCHEMA.items()
        ),
        slots=_recode(numbered, "name", name_codes)
        .select(pl.col(column).cast(kind) for column, kind in SLOTS_SCHEMA.items())
        .sort("call", "is_output", "position"),
        refs=refs.select(pl.col(column).cast(kind) for column, kind in REFS_SCHEMA.items()),
        ops=op_words,
        names=name_words,
    )


class _Words:
    """Numbers words in order of arrival, and renumbers them alphabetically at the end."""

    def __init__(self) -> None:
        """Start with no words."""
        self._codes: dict[str, int] = {}

    def recode(self, column: TextColumn) -> np.ndarray:
        """Return a segment's own codes as common ones."""
        common = [self._codes.setdefault(word, len(self._codes)) for word in column.words]
        return np.asarray(common, dtype=np.uint32)[column.codes]

    def sorted(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the words in order, and for each code so far its place in that order."""
        words = tuple(sorted(self._codes))
        places = np.empty(len(words), dtype=np.uint32)
        for place, word in enumerate(words):
            places[self._codes[word]] = place
        return words, places


def _calls_of(segment: Segment, ops: _Words) -> pl.DataFrame:
    """Return the calls of one segment, with their dots."""
    calls = segment.calls
    return pl.DataFrame(
        {
            "hid": _binary(calls.fixed("call_id")),
            "cid": _binary(calls.fixed("content_id")),
            "op": ops.recode(calls.text("op")),
            "started_us": calls.numbers("started_us").astype(np.int64),
            "duration_us": calls.numbers("duration_us").astype(np.int64),
            **_origin(segment, np.arange(calls.row_count, dtype=np.uint32)),
        }
    )


def _slots_of(segment: Segment, names: _Words) -> pl.DataFrame:
    """Return the inputs and outputs of one segment's calls, with their positions."""
    slots = segment.slots
    starts = segment.calls.numbers("slot_start").astype(np.int64)
    counts = np.diff(starts, append=slots.row_count)
    calls = np.repeat(np.arange(segment.calls.row_count, dtype=np.uint32), counts)
    within = np.arange(slots.row_count, dtype=np.int64) - np.repeat(starts, counts)
    is_output = slots.numbers("is_output").astype(bool)
    # Inputs stand before outputs, so an output's position is counted from the first output.
    input_counts = counts - np.bincount(
        calls, weights=is_output, minlength=segment.calls.row_count
    ).astype(np.int64)
    position = np.where(is_output, within - np.repeat(input_counts, counts), within)
    return pl.DataFrame(
        {
            "is_output": is_output,
            "position": position.astype(np.uint16),
            "name": names.recode(slots.text("name")),
            "hid": _binary(slots.fixed("history_id")),
            "cid": _binary(slots.fixed("content_id")),
            **_origin(segment, calls),
        }
    )


def _graves(segments: Sequence[Segment]) -> pl.DataFrame:
    """Return the dots that tombstones name, one row each, as far as they are here."""
    counts = {(s.header.writer, s.header.seq): s.calls.row_count for s in segments}
    parts = []
    for segment in segments:
        for grave in segment.tombstones:
            # A hostile range may name four billion rows; those that exist are few.
            last = min(grave.last, counts.get((grave.writer, grave.seq), 0) - 1)
            rows = np.arange(grave.first, last + 1, dtype=np.uint32)
            parts.append(_dots(grave.writer, grave.seq, rows))
    return pl.concat([_dots(b"", 0, np.empty(0, np.uint32)), *parts]).unique()


def _origin(segment: Segment, rows: np.ndarray) -> dict[str, pl.Series]:
    """Return the columns of the dots of ``rows``."""
    return _dots(segment.header.writer, segment.header.seq, rows).to_dict()


def _dots(writer: bytes, seq: int, rows: np.ndarray) -> pl.DataFrame:
    """Return dots of one segment; the writer as a number, which sorts as its bytes do."""
    return pl.DataFrame({"row": rows}).select(
        pl.lit(int.from_bytes(writer, "big"), pl.UInt64).alias("writer"),
        pl.lit(seq, pl.UInt32).alias("seq"),
        "row",
    )


def _binary(column: FixedColumn) -> pl.Series:
    """Return ids as a Polars column, without making a Python object of each."""
    array = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(column.width),
        len(column.data) // column.width,
        [None, pa.py_buffer(column.data)],
    )
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series), "an array becomes a series"
    return series


def _recode(table: pl.DataFrame, column: str, places: np.ndarray) -> pl.DataFrame:
    """Return ``table`` with a column of codes replaced by their places."""
    codes = table[column].to_numpy()
    return table.with_columns(pl.Series(column, places[codes] if len(places) else codes))
