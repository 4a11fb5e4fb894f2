"""What can be kept of a run that is damaged: the rows of its parts that can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mandala_cas.errors import MandalaError
from mandala_cas.log.columns import FixedColumn, TextColumn
from mandala_cas.log.covered import Covered, unite
from mandala_cas.log.packed import select
from mandala_cas.log.rows import CALLS, TAGS, VALUES
from mandala_cas.log.run import Run, RunPartInfo
from mandala_cas.log.run_making import WholeRun
from mandala_cas.log.run_part import InlinePayloads, RunPart, decode_run_part
from mandala_cas.model.entries import Entry, Tier
from mandala_cas.model.ids import SegmentId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.upkeep.verifying.live import LiveLog
from mandala_cas.upkeep.verifying.run_reading import RunReading


def readable_rest(run: Run, reading: RunReading) -> WholeRun | None:
    """Return a run with the parts that can be read and what they cover; None if none can.

    Inline payloads that cannot be read are left out, and so are the rows that name them.
    """
    infos: list[RunPartInfo] = []
    parts: dict[str, RunPart] = {}
    rows: list[int] = []
    begin = 0
    for info in run.records:
        part = reading.parts.get(info.name)
        if part is not None:
            if info.name in reading.broken_inline:
                part = without_inline(part)
            parts[info.name] = part
            infos.append(info)
            rows += range(begin, begin + info.segment_count)
        begin += info.segment_count
    if not parts:
        return None
    rest = replace(run, covered=_rows_of(run.covered, rows), parts=tuple(infos))
    return WholeRun(rest, parts)


def without_inline(part: RunPart) -> RunPart:
    """Return a part without the values that are inline."""
    tables = part.tables
    placed = np.flatnonzero(tables[VALUES].numbers("tier") != Tier.INLINE)
    kept = select(
        tables,
        calls=np.arange(tables[CALLS].row_count),
        values=placed,
        tags=np.arange(tables[TAGS].row_count),
    )
    return replace(part, tables=kept, payloads=InlinePayloads(None, 0, _nothing))


def rows_of_lost_run(
    objects: ObjectStore, names: Sequence[str], live: LiveLog, known: frozenset[SegmentId]
) -> Iterator[Entry]:
    """Yield what parts that no run names say of segments that nothing else has.

    They are what is left of a run whose own object cannot be read. Their rows were live when it
    was made; what tombstones in ``live`` name since is left out. The rows are recorded anew, by
    whoever repairs: which segments they came from is known, and who signed those is not.
    """
    done = set(known)
    for name in names:
        try:
            part = decode_run_part(name, objects.get(name), objects.get).without(done)
            records = [part.value_record(row) for row in range(part.values.row_count)]
        except MandalaError:
            # Of inline payloads, or no part at all, or gone: nothing can be kept of it.
            continue
        done |= part.segment_ids
        yield from records
        hidden = live.hidden_in(part)
        yield from (part.call_record(row) for row in np.flatnonzero(~hidden).tolist())
        hidden_tags = live.hidden_tags_in(part)
        yield from (part.tag_record(row) for row in np.flatnonzero(~hidden_tags).tolist())


def _nothing(name: str) -> bytes:
    """Give no object: a part without inline payloads asks for none."""
    raise AssertionError(name)


def _rows_of(covered: Covered, rows: Sequence[int]) -> Covered:
    """Return some of the segments that a run covers."""
    at = np.asarray(rows, np.intp)

    def fixed(column: FixedColumn) -> FixedColumn:
        return FixedColumn(column.width, b"".join(column[row] for row in rows))

    kept = Covered(
        writers=fixed(covered.writers),
        seqs=covered.seqs[at],
        digests=fixed(covered.digests),
        previous=fixed(covered.previous),
        created_us=covered.created_us[at],
        call_counts=covered.call_counts[at],
        tag_counts=covered.tag_counts[at],
        keys=fixed(covered.keys),
        libraries=TextColumn(covered.libraries.codes[at], covered.libraries.words),
        session_codes=covered.session_codes[at],
        sessions=covered.sessions,
    )
    return unite([kept])
