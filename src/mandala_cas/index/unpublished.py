"""What this process has not published, in the form of segments: readers treat it the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mandala_cas.log.rows import CALLS, SLOTS, TAGS, VALUES, build_tables
from mandala_cas.log.segment import NO_PREVIOUS, Segment, segment_header
from mandala_cas.model.entries import CallRecord, Entry, TagRecord, Tombstone, Untag
from mandala_cas.model.ids import Dot, WriterId

# Tombstones have no dots, so a batch of nothing else is nobody's.
NOBODY: Final = WriterId(bytes(WriterId.SIZE))


def open_segments(entries: Sequence[tuple[Entry, Dot | None]]) -> list[Segment]:
    """Return what this process has not published, in the form of segments without a name.

    ``entries`` come with the dots that they will have; nearly always they are of one segment, of
    several where a publish failed.
    """
    batches: dict[tuple[WriterId, int], list[Entry]] = {}
    others: list[Entry] = []
    for entry, dot in entries:
        if isinstance(entry, CallRecord | TagRecord) and dot is not None:
            batches.setdefault((dot.writer, dot.seq), []).append(entry)
        elif isinstance(entry, Tombstone | Untag | TagRecord):
            others.append(entry)
    if others:
        batches[NOBODY, 0] = others
    return [open_segment(batch, writer, seq) for (writer, seq), batch in batches.items()]


def open_segment(entries: Sequence[Entry], writer: WriterId, seq: int) -> Segment:
    """Return a segment that is in memory only, and has no name."""
    header = segment_header(
        entries,
        writer=writer,
        seq=seq,
        previous=NO_PREVIOUS,
        created_us=0,
        library="",
        session={},
    )
    tables = build_tables(entries)
    return Segment(
        name="",
        digest=b"",
        size=0,
        header=header,
        calls=tables[CALLS],
        slots=tables[SLOTS],
        values=tables[VALUES],
        tags=tables[TAGS],
        tombstones=tuple(entry for entry in entries if isinstance(entry, Tombstone)),
        untags=tuple(entry for entry in entries if isinstance(entry, Untag)),
        other=(),
        signature=None,
    )
