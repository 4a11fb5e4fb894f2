"""Calls with several records that say different things: nothing is lost, and one answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mandala_cas.index.gather import (
    gather_dots,
    gather_fixed,
    gather_numbers,
    gather_slot_starts,
)
from mandala_cas.index.sorting import Order, begins_of, order_of_ids, words_of
from mandala_cas.log.graves import Flags, graves_of
from mandala_cas.log.part import LogPart
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import Dot


class Rival(NamedTuple):
    """One of several records of a call, with the dot that names it."""

    dot: Dot
    record: CallRecord


def find_rivals(parts: Sequence[LogPart]) -> list[list[Rival]]:
    """Return the calls whose live records have different outputs, each as its records.

    The record that answers is first: the one that started first, ties by dot. The others follow in
    the same order, and the calls in that of their first records. The same for every order of
    ``parts``.
    """
    filled = [part for part in parts if part.calls.row_count]
    if not filled:
        return []
    rows, begins = _repeated(filled, parts)
    if not len(rows):
        return []
    groups = np.cumsum(begins) - 1
    firsts = rows[begins][groups]
    differs = np.flatnonzero(_have_other_outputs(filled, firsts, rows))
    ends = np.cumsum([part.calls.row_count for part in filled])
    found = []
    for group in np.unique(groups[differs]).tolist():
        members = []
        for row in rows[groups == group].tolist():
            at = int(np.searchsorted(ends, row, "right"))
            part, row_in_part = filled[at], row - (int(ends[at - 1]) if at else 0)
            members.append(Rival(part.dot(row_in_part), part.call_record(row_in_part)))
        found.append(members)
    return sorted(found, key=lambda rivals: (rivals[0].record.started_us, rivals[0].dot))


def _repeated(filled: Sequence[LogPart], parts: Sequence[LogPart]) -> tuple[Order, Flags]:
    """Return the rows of calls with several live records, best first, and where each call begins.

    Rows are counted over all of ``filled``.
    """
    tables = [part.calls for part in filled]
    ids, dots = words_of(gather_fixed(tables, "call_id")), gather_dots(filled)
    graves = graves_of(parts)
    alive = np.flatnonzero(~graves.hides(dots)) if len(graves) else np.arange(len(ids))
    rows = alive[order_of_ids(ids[alive])]
    begins = begins_of(*ids[rows].T)
    is_repeated = ~begins
    is_repeated[:-1] |= ~begins[1:]
    rows, begins = rows[is_repeated], begins[is_repeated]
    started = gather_numbers(tables, "started_us")
    precedence = (dots.rows, dots.seqs, dots.writers, started)
    order = np.lexsort((*(column[rows] for column in precedence), np.cumsum(begins)))
    # A call keeps its place, so what begins does so still.
    return rows[order], begins


def _have_other_outputs(filled: Sequence[LogPart], firsts: Order, rows: Order) -> Flags:
    """Tell of each of ``rows`` whether its outputs have other contents than those of ``firsts``."""
    starts = gather_slot_starts(filled)
    slots = [part.slots for part in filled]
    is_output = gather_numbers(slots, "is_output").astype(np.int64)
    contents = gather_fixed(slots, "content_id")
    values = np.frombuffer(contents.data, f"V{contents.width}")
    counts = np.diff(np.concatenate(([0], np.cumsum(is_output)))[starts])
    differ: Flags = counts[firsts] != counts[rows]
    pairs = np.flatnonzero(~differ)
    of_rows, of_firsts = (_outputs_of(starts, counts, calls[pairs]) for calls in (rows, firsts))
    owners = np.repeat(pairs, counts[rows[pairs]])
    differ[owners[values[of_rows] != values[of_firsts]]] = True
    return differ


def _outputs_of(
    starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], calls: Order
) -> npt.NDArray[np.int64]:
    """Return the rows of the outputs of some calls, one call after the other.

    Outputs stand behind inputs, so they are the last ``counts`` slots of a call.
    """
    each = counts[calls]
    ends = np.cumsum(each)
    return np.repeat(starts[calls + 1] - ends, each) + np.arange(each.sum())
