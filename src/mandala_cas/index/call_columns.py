"""All that the log says of its live calls themselves, as columns: one row a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mandala_cas.index.gather import gather_dots, gather_fixed, gather_numbers, gather_text
from mandala_cas.index.replay import live_rows
from mandala_cas.index.sorting import Order
from mandala_cas.index.unpublished import NOBODY, open_segment
from mandala_cas.log.columns import Numbers, TextColumn
from mandala_cas.log.part import Dots, LogPart
from mandala_cas.log.tables import Table
from mandala_cas.log.taking import take_fixed
from mandala_cas.model.ids import CallId, WriterId

_NONE = bytes(CallId.SIZE)


@dataclass(frozen=True, slots=True, eq=False)
class CallColumns:
    """The live calls in the order of (start time, history id), a record that answers for each.

    ``texts`` are op, op_version and module; ``ids`` call_id, content_id, reused_from and parent in
    hexadecimal, None where there is none.
    """

    texts: dict[str, list[str]]
    ids: dict[str, list[str | None]]
    started_us: Numbers
    duration_us: Numbers
    dots: Dots

    def started(self) -> npt.NDArray[np.datetime64]:
        """Return when each call began, in UTC."""
        return self.started_us.astype(np.int64).astype("datetime64[us]")

    def duration(self) -> npt.NDArray[np.timedelta64]:
        """Return how long each call took."""
        return self.duration_us.astype(np.int64).astype("timedelta64[us]")

    def places(self) -> tuple[list[tuple[WriterId, int]], npt.NDArray[np.intp]]:
        """Return the segments that the records are in, and the number of each record's."""
        pairs = np.empty(len(self.dots.rows), np.dtype([("writer", np.uint64), ("seq", np.uint32)]))
        pairs["writer"], pairs["seq"] = self.dots.writers, self.dots.seqs
        places, numbers = np.unique(pairs, return_inverse=True)
        return [
            (WriterId(int(writer).to_bytes(WriterId.SIZE, "big")), int(seq))
            for writer, seq in places.tolist()
        ], numbers


class OpCount(NamedTuple):
    """How many live calls there are of one version of an op, and how long they took in all."""

    name: str
    version: str
    call_count: int
    duration_us: int


def call_columns(parts: Sequence[LogPart]) -> CallColumns:
    """Return the live calls of ``parts``, the same for every order of them."""
    filled = _filled(parts)
    rows = live_rows(parts, filled)
    tables = [part.calls for part in filled]
    dots = gather_dots(filled)
    return CallColumns(
        texts={name: _words(tables, name, rows) for name in ("op", "op_version", "module")},
        ids={
            "call_id": _hex(tables, "call_id", rows),
            "content_id": _hex(tables, "content_id", rows),
            "reused_from": _hex(tables, "reused_from", rows, none=_NONE),
            "parent": _hex(tables, "parent", rows, none=_NONE),
        },
        started_us=gather_numbers(tables, "started_us")[rows],
        duration_us=gather_numbers(tables, "duration_us")[rows],
        dots=Dots(dots.writers[rows], dots.seqs[rows], dots.rows[rows]),
    )


def count_ops(parts: Sequence[LogPart]) -> list[OpCount]:
    """Return how many live calls each version of each op has, by name and version."""
    filled = _filled(parts)
    rows = live_rows(parts, filled)
    tables = [part.calls for part in filled]
    ops, versions = gather_text(tables, "op"), gather_text(tables, "op_version")
    durations = gather_numbers(tables, "duration_us")[rows].astype(np.int64)
    pairs = np.stack([ops.codes[rows], versions.codes[rows]])
    found, numbers = np.unique(pairs, axis=1, return_inverse=True)
    numbers = numbers.reshape(-1)
    counts = np.bincount(numbers, minlength=found.shape[1]).tolist()
    sums = np.zeros(found.shape[1], np.int64)
    np.add.at(sums, numbers, durations)
    return sorted(
        OpCount(ops.words[op], versions.words[version], count, total)
        for op, version, count, total in zip(*found.tolist(), counts, sums.tolist(), strict=True)
    )


def _filled(parts: Sequence[LogPart]) -> Sequence[LogPart]:
    """Return the parts with calls; where there are none, the empty batch has the columns."""
    return [part for part in parts if part.calls.row_count] or [open_segment([], NOBODY, 0)]


def _words(tables: Sequence[Table], name: str, rows: Order) -> list[str]:
    """Return some rows of a column of text."""
    column: TextColumn = gather_text(tables, name)
    return [column.words[code] for code in column.codes[rows].tolist()]


def _hex(
    tables: Sequence[Table], name: str, rows: Order, none: bytes | None = None
) -> list[str | None]:
    """Return some rows of a column of ids; ``none`` stands for no id."""
    ids = take_fixed(gather_fixed(tables, name), rows).rows()
    return [None if id_ == none else id_.hex() for id_ in ids]
