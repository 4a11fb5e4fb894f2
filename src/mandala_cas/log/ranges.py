"""Ranges of dots: what tombstones and untags name, merged, counted and looked up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from mandala_cas.model.entries import Tombstone, Untag
from mandala_cas.model.ids import WriterId

Spans = list[tuple[int, int]]


def merge_tombstones(tombstones: Iterable[Tombstone]) -> tuple[Tombstone, ...]:
    """Return as few tombstones as say the same, sorted; those of two reasons stay apart."""
    ordered = sorted(set(tombstones), key=lambda t: (t.reason, t.writer, t.seq, t.first, t.last))
    merged = [
        Tombstone(writer, seq, first, last, reason)
        for (reason, writer, seq), group in groupby(
            ordered, key=lambda t: (t.reason, t.writer, t.seq)
        )
        for first, last in _spans((t.first, t.last) for t in group)
    ]
    return tuple(sorted(merged))


def merge_untags(untags: Iterable[Untag]) -> tuple[Untag, ...]:
    """Return as few untags as say the same, sorted."""
    ordered = sorted(set(untags))
    return tuple(
        Untag(writer, seq, first, last)
        for (writer, seq), group in groupby(ordered, key=lambda u: (u.writer, u.seq))
        for first, last in _spans((u.first, u.last) for u in group)
    )


def named_rows(entries: Sequence[Tombstone] | Sequence[Untag]) -> dict[tuple[WriterId, int], Spans]:
    """Return which rows of which segment ``entries`` name, whatever the reason."""
    named: dict[tuple[WriterId, int], Spans] = defaultdict(list)
    for entry in entries:
        named[entry.writer, entry.seq].append((entry.first, entry.last))
    return {segment: _spans(sorted(spans)) for segment, spans in named.items()}


def count_below(spans: Spans, row_count: int) -> int:
    """Return how many of the first ``row_count`` rows are named."""
    return sum(max(0, min(last + 1, row_count) - first) for first, last in spans)


def are_named(spans: Spans, rows: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Tell of each of ``rows`` whether it is named."""
    edges = np.array(spans, np.int64).reshape(-1, 2)
    at = np.searchsorted(edges[:, 0], rows, side="right") - 1
    named: npt.NDArray[np.bool_] = (at >= 0) & (rows <= edges[at, 1])
    return named


def _spans(spans: Iterable[tuple[int, int]]) -> Spans:
    """Return sorted spans with those that touch or overlap made one."""
    merged: Spans = []
    for first, last in spans:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged
