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
from mandala_cas.index.schema import CALLS_SCHEMA, REFS_SCHEMA, SLOTS_SCHEMA, IndexTables
from mandala_cas.index.sorting import Order, begins_of, order_of_ids, words_of
from mandala_cas.index.unpublished import NOBODY, open_segment
from mandala_cas.log.columns import FixedColumn, TextColumn
from mandala_cas.log.graves import graves_of
from mandala_cas.log.part import LogPart

_CODE_MAX: Final = 2**32 - 1


def build_tables(parts: Sequence[LogPart]) -> IndexTables:
    """Return the live calls of ``parts``, one row a call, with their inputs and outputs.

    Of several records of one call the one that started first stands, ties by dot.
    """
    # Where nothing was ever recorded, the empty batch has the columns.
    filled = [part for part in parts if part.calls.row_count] or [open_segment([], NOBODY, 0)]
    rows = live_rows(parts, filled)
    if len(rows) > _CODE_MAX:
        raise UsageError(f"an index holds {_CODE_MAX} calls, the log has {len(rows)}")
    ops, calls = _calls(filled, rows)
    names, slots, refs = _slots(filled, rows)
    return IndexTables(calls=calls, slots=slots, refs=refs, ops=ops, names=names)


def live_rows(parts: Sequence[LogPart], filled: Sequence[LogPart]) -> Order:
    """Return where in ``filled`` the calls are that count, in the order of their codes."""
    tables = [part.calls for part in filled]
    ids = words_of(gather_fixed(tables, "call_id"))
    started = gather_numbers(tables, "started_us")
    dots = gather_dots(filled)
    graves = graves_of(parts)
    alive = np.flatnonzero(~graves.hides(dots)) if len(graves) else np.arange(len(ids))
    rows = alive[order_of_ids(ids[alive])]
    begins = begins_of(*ids[rows].T)
    if not begins.all():
        # The best record of each call comes first among its own, where `begins` points.
        precedence = (dots.rows, dots.seqs, dots.writers, started)
        rows = rows[np.lexsort((*(column[rows] for column in precedence), np.cumsum(begins)))]
        rows = rows[begins]
    return rows[np.argsort(started[rows], kind="stable")]


def _calls(parts: Sequence[LogPart], rows: Order) -> tuple[tuple[str, ...], pl.DataFrame]:
    """Return the names of ops, and the calls in ``rows``."""
    tables = [part.calls for part in parts]
    ops, op_codes = _alphabetical(gather_text(tables, "op"), rows)
    calls = {
        "call": np.arange(len(rows), dtype=np.uint32),
        "op": op_codes,
        "hid": _binary(gather_fixed(tables, "call_id"), rows),
        "cid": _binary(gather_fixed(tables, "content_id"), rows),
        "started_us": gather_numbers(tables, "started_us")[rows],
        "duration_us": gather_numbers(tables, "duration_us")[rows],
    }
    return ops, pl.DataFrame(calls, CALLS_SCHEMA)


def _slots(
    parts: Sequence[LogPart], rows: Order
) -> tuple[tuple[str, ...], pl.DataFrame, pl.DataFrame]:
    """Return the names of inputs and outputs, those of the calls in ``rows``, and their refs."""
    tables = [part.slots for part in parts]
    starts = gather_slot_starts(parts)
    counts = np.diff(starts)[rows]
    ends = np.cumsum(counts)
    # Where the slots of each call are in the parts; inputs stand before outputs.
    at = np.repeat(starts[rows] - (ends - counts), counts) + np.arange(counts.sum())
    is_output = gather_numbers(tables, "is_output")[at].astype(bool)
    outputs_before = np.concatenate(([0], np.cumsum(is_output)))
    input_counts = counts - (outputs_before[ends] - outputs_before[ends - counts])
    within = np.arange(len(at)) - np.repeat(ends - counts, counts)
    # An output's position is counted from the first output.
    position = within - np.where(is_output, np.repeat(input_counts, counts), 0)
    names, name_codes = _alphabetical(gather_text(tables, "name"), at)
    refs, ref_rows = _refs(
        gather_fixed(tables, "history_id"), gather_fixed(tables, "content_id"), at
    )
    slots = {
        "call": np.repeat(np.arange(len(rows), dtype=np.uint32), counts),
        "is_output": is_output,
        "position": position.astype(np.uint32),
        "name": name_codes,
        "ref": refs,
    }
    return names, pl.DataFrame(slots, SLOTS_SCHEMA), ref_rows


def _refs(
    histories: FixedColumn, contents: FixedColumn, at: Order
) -> tuple[npt.NDArray[np.uint32], pl.DataFrame]:
    """Return the code of the ref in each of the slots ``at``, and the refs in order."""
    ids = words_of(histories)[at]
    order = order_of_ids(ids)
    begins = begins_of(*ids[order].T)
    numbers = np.cumsum(begins) - 1
    codes = np.empty(len(at), np.uint32)
    codes[order] = numbers
    values = np.frombuffer(contents.data, f"V{contents.width}")
    again = np.flatnonzero(~begins)
    if bool((values[at[order[again]]] != values[at[order[again - 1]]]).any()):
        # One history id has one content; where a log says otherwise, the choice must not depend
        # on the order of arrival.
        order = order[np.lexsort((*words_of(contents)[at[order]].T[::-1], numbers))]
    firsts = at[order[begins]]
    refs = {
        "ref": np.arange(len(firsts), dtype=np.uint32),
        "hid": _binary(histories, firsts),
        "cid": _binary(contents, firsts),
    }
    return codes, pl.DataFrame(refs, REFS_SCHEMA)


def _alphabetical(
    column: TextColumn, rows: Order
) -> tuple[tuple[str, ...], npt.NDArray[np.uint32]]:
    """Return the words that some rows have, in order, and of each row its word's place there."""
    codes, words = column.codes[rows], column.words
    used = np.flatnonzero(np.bincount(codes, minlength=len(words)))
    found = sorted((words[code], code) for code in used.tolist())
    places = np.zeros(len(words), np.uint32)
    places[[code for _, code in found]] = np.arange(len(found), dtype=np.uint32)
    return tuple(word for word, _ in found), places[codes]


def _binary(column: FixedColumn, rows: Order) -> pl.Series:
    """Return some ids as a Polars column, without making a Python object of each."""
    taken = np.frombuffer(column.data, f"V{column.width}")[rows]
    array = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(column.width), len(taken), [None, pa.py_buffer(taken)]
    )
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series), "an array becomes a series"
    return series
