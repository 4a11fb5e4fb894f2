"""The law that compaction keeps: what a run covers is what it holds and what it hides.

Compaction that loses a record, or brings one back, breaks it, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mandala_cas.envelope.packing import corruption
from mandala_cas.log.graves import Graves
from mandala_cas.log.packed import SEGMENTS, dots_of
from mandala_cas.log.rows import CALLS, TAGS, VALUES
from mandala_cas.log.run import Run
from mandala_cas.log.run_part import RunPart
from mandala_cas.model.entries import Tombstone, Untag

_Counts = npt.NDArray[np.unsignedinteger]


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
    graves, segments = Graves.of(hidden), run.covered
    kept = np.concatenate([_rows_of_segments(part, table) for part in parts])
    writers = np.frombuffer(segments.writers.data, ">u8").astype(np.uint64)
    expected = covered.astype(np.int64) - graves.count_below(writers, segments.seqs, covered)
    if (kept != expected).any():
        row = int(np.argmax(kept != expected))
        raise corruption(
            run.name,
            f"holds {int(kept[row])} {table} of segment {segments.segment_ids[row].hex()}, "
            f"where {int(expected[row])} of {int(covered[row])} are not hidden",
        )
    # Rows are there once each, so with the counts right these two leave no other rows to be there.
    begin = 0
    for part in parts:
        codes, rows = part.tables[table].numbers("segment"), part.tables[table].numbers("row")
        if (rows >= covered[begin:][codes]).any():
            raise corruption(part.name, f"has {table} that no covered segment had")
        if graves.hides(dots_of(part.tables, table)).any():
            raise corruption(part.name, f"has {table} that {run.name} hides")
        begin += part.tables[SEGMENTS].row_count


def _rows_of_segments(part: RunPart, table: str) -> npt.NDArray[np.int64]:
    """Return how many rows of each of its segments a part has."""
    count = part.tables[SEGMENTS].row_count
    return np.bincount(part.tables[table].numbers("segment"), minlength=count)
