"""The law that compaction keeps: what a run covers is what it holds and what it hides.

Compaction that loses a record, or brings one back, breaks it, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mandala_cas.envelope.packing import corruption
from mandala_cas.log.packed import SEGMENTS
from mandala_cas.log.ranges import are_named, count_below, named_rows
from mandala_cas.log.rows import CALLS, TAGS, VALUES
from mandala_cas.log.run import Run
from mandala_cas.log.run_part import RunPart
from mandala_cas.model.entries import Tombstone, Untag
from mandala_cas.model.ids import WriterId

_Counts = npt.NDArray[np.number]


def check_conservation(run: Run, parts: Mapping[str, RunPart]) -> None:
    """Check that ``run`` holds or hides every record of what it covers; ``parts`` by name.

    Raises:
        CorruptionError: it does not, or the parts are not those that it speaks of.
    """
    segments = run.segments_of_parts()
    for info in run.records:
        part = parts.get(info.name)
        if part is None:
            raise corruption(run.name, f"cannot be checked without its part {info.name}")
        if part.ordered_segment_ids != segments[info.name] or part.size != info.size:
            raise corruption(info.name, f"is not the part that {run.name} speaks of")
        found = tuple(part.tables[table].row_count for table in (CALLS, VALUES, TAGS))
        if found != (info.call_count, info.value_count, info.tag_count):
            raise corruption(info.name, f"does not have the rows that {run.name} speaks of")
    ordered = [parts[info.name] for info in run.records]
    _check(run, ordered, CALLS, run.covered.call_counts, run.tombstones)
    _check(run, ordered, TAGS, run.covered.tag_counts, run.untags)


def _check(
    run: Run,
    parts: Sequence[RunPart],
    table: str,
    covered: _Counts,
    hidden: Sequence[Tombstone] | Sequence[Untag],
) -> None:
    """Check the law for calls, or for tags."""
    named = named_rows(hidden)
    kept = np.concatenate([_rows_of_segments(part, table) for part in parts])
    expected = covered.astype(np.int64)
    if named:
        writers, seqs = run.covered.writers.rows(), run.covered.seqs.tolist()
        for row, key in enumerate(zip(writers, seqs, strict=True)):
            spans = named.get((WriterId(key[0]), key[1]))
            if spans:
                expected[row] -= count_below(spans, int(covered[row]))
    if (kept != expected).any():
        row = int(np.argmax(kept != expected))
        raise corruption(
            run.name,
            f"holds {int(kept[row])} {table} of segment {run.covered.segment_ids[row].hex()}, "
            f"where {int(expected[row])} of {int(covered[row])} are not hidden",
        )
    # Rows are there once each, so with the counts right these two leave no other rows to be there.
    begin = 0
    for part in parts:
        codes, rows = part.tables[table].numbers("segment"), part.tables[table].numbers("row")
        if (rows >= covered[begin:][codes]).any():
            raise corruption(part.name, f"has {table} that no covered segment had")
        if any(
            are_named(named[key], rows[at].astype(np.uint32)).any()
            for key, at in _rows_by_segment(part, table, set(named))
        ):
            raise corruption(part.name, f"has {table} that {run.name} hides")
        begin += part.tables[SEGMENTS].row_count


def _rows_of_segments(part: RunPart, table: str) -> npt.NDArray[np.int64]:
    """Return how many rows of each of its segments a part has."""
    count = part.tables[SEGMENTS].row_count
    return np.bincount(part.tables[table].numbers("segment"), minlength=count)


def _rows_by_segment(
    part: RunPart, table: str, wanted: set[tuple[WriterId, int]]
) -> list[tuple[tuple[WriterId, int], npt.NDArray[np.intp]]]:
    """Return which rows are of those segments of a part that are wanted."""
    segments, codes = part.tables[SEGMENTS], part.tables[table].numbers("segment")
    keys = zip(segments.fixed("writer").rows(), segments.numbers("seq").tolist(), strict=True)
    found = []
    for code, (writer, seq) in enumerate(keys):
        key = (WriterId(writer), seq)
        if key in wanted:
            found.append((key, np.flatnonzero(codes == code)))
    return found
