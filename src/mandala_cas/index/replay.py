"""From the log to the tables: pure functions, the same result for every order of arrival.

Columns become tables without a Python loop over rows. Ids are numbered once, here; everything
above works with the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from mandala_cas.errors import UsageError
from mandala_cas.index.gather import (
    gather_dots,
    gather_fixed,
    gather_numbers,
    gather_slot_starts,
    gather_text,
)
from mandala_cas.index.graves import Graves, graves_of
from mandala_cas.index.schema import CALLS_SCHEMA, REFS_SCHEMA, SLOTS_SCHEMA, IndexTables
from mandala_cas.index.unpublished import NOBODY, open_segment
from mandala_cas.log.columns import FixedColumn, TextColumn
from mandala_cas.log.part import LogPart

_CODE_MAX: Final = 2**32 - 1
_NO_CALL: Final = -1
_DOT: Final = ("writer", "seq", "row")


def build_tables(parts: Sequence[LogPart]) -> IndexTables:
    """Return the live calls of ``parts``, one row a call, with their inputs and outputs.

    Of several records of one call the one that started first stands, ties by dot.
    """
    # Where nothing was ever recorded, the empty batch has the columns.
    filled = [part for part in parts if part.calls.row_count] or [open_segment([], NOBODY, 0)]
    live = _live_calls(filled, graves_of(parts))
    if live.height > _CODE_MAX:
        raise UsageError(f"an index holds {_CODE_MAX} calls, the log has {live.height}")
    at = live["at"].to_numpy()
    ops, op_codes = _alphabetical(gather_text([part.calls for part in filled], "op"), at)
    names, slots = _slots(filled, at)
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
    return IndexTables(
        calls=live.with_columns(op=op_codes).select(
            pl.col(column).cast(kind) for column, kind in CALLS_SCHEMA.items()
        ),
        slots=numbered.select(
            pl.col(column).cast(kind) for column, kind in SLOTS_SCHEMA.items()
        ).sort("call", "is_output", "position"),
        refs=refs.select(pl.col(column).cast(kind) for column, kind in REFS_SCHEMA.items()),
        ops=ops,
        names=names,
    )


def _live_calls(parts: Sequence[LogPart], graves: Graves) -> pl.DataFrame:
    """Return the calls that count, numbered; ``at`` is the row that each has in all parts."""
    calls = [part.calls for part in parts]
    dots = gather_dots(parts)
    table = pl.DataFrame(
        {
            "hid": _binary(gather_fixed(calls, "call_id")),
            "cid": _binary(gather_fixed(calls, "content_id")),
            "started_us": gather_numbers(calls, "started_us").astype(np.int64, copy=False),
            "duration_us": gather_numbers(calls, "duration_us").astype(np.int64, copy=False),
            "writer": dots.writers,
            "seq": dots.seqs,
            "row": dots.rows,
        }
    ).with_row_index("at")
    if len(graves):
        table = table.filter(pl.Series(~graves.hides(dots)))
    return (
        table.sort("started_us", *_DOT)
        .unique("hid", keep="first", maintain_order=True)
        .sort("started_us", "hid")
        .with_row_index("call")
    )


def _slots(
    parts: Sequence[LogPart], live: npt.NDArray[np.uint32]
) -> tuple[tuple[str, ...], pl.DataFrame]:
    """Return the names of inputs and outputs, and those of the ``live`` calls with positions."""
    tables = [part.slots for part in parts]
    starts = gather_slot_starts(parts)
    counts = np.diff(starts)
    codes = np.full(len(counts), _NO_CALL, np.int64)
    codes[live] = np.arange(len(live))
    calls = np.repeat(codes, counts)
    is_output = gather_numbers(tables, "is_output").astype(bool)
    # Inputs stand before outputs, so an output's position is counted from the first output.
    outputs_before = np.concatenate(([0], np.cumsum(is_output)))
    input_counts = counts - np.diff(outputs_before[starts])
    within = np.arange(starts[-1], dtype=np.int64) - np.repeat(starts[:-1], counts)
    position = np.where(is_output, within - np.repeat(input_counts, counts), within)
    is_live = calls != _NO_CALL
    names, name_codes = _alphabetical(gather_text(tables, "name"), np.flatnonzero(is_live))
    slots = pl.DataFrame(
        {
            "call": calls,
            "is_output": is_output,
            "position": position.astype(np.uint16),
            "hid": _binary(gather_fixed(tables, "history_id")),
            "cid": _binary(gather_fixed(tables, "content_id")),
        }
    )
    if len(live) < len(counts):
        slots = slots.filter(pl.Series(is_live))
    return names, slots.with_columns(name=name_codes)


def _alphabetical(
    column: TextColumn, rows: npt.NDArray[np.integer]
) -> tuple[tuple[str, ...], pl.Series]:
    """Return the words that some rows have, in order, and their places in it for each row."""
    codes = column.codes[rows]
    used = np.flatnonzero(np.bincount(codes, minlength=len(column.words)))
    found = sorted((column.words[code], code) for code in used.tolist())
    places = np.zeros(len(column.words), np.uint32)
    places[[code for _, code in found]] = np.arange(len(found), dtype=np.uint32)
    return tuple(word for word, _ in found), pl.Series(places[codes])


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
