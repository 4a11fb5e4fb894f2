"""Segments and runs put into a store, and what a view of it sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tests.unit.log.entry_strategies import call_record, inline_record
from tests.unit.log.sample_runs import State, read_back, segment_of, state_of

from mandala_cas.log.rows import build_tables
from mandala_cas.log.run_making import MadeRun, WholeRun
from mandala_cas.log.segment import Segment, seal_tables
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Entry
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.memory import MemoryObjectStore


def batch_of(number: int) -> list[Entry]:
    """Return a call and the place of its value."""
    content = ContentId(bytes([number]) * 32)
    return [call_record(number), replace(inline_record(b"%d" % number), content_id=content)]


def put_segments(store: MemoryObjectStore, numbers: Iterable[int]) -> list[Segment]:
    """Put a segment of one call for each number, each of its own writer."""
    segments = []
    for number in numbers:
        entries = batch_of(number)
        segment = segment_of(entries, writer=number)
        sealed = seal_tables(list(build_tables(entries).values()), segment.header, None)
        store.put(sealed.name, sealed.sealed.parts)
        assert sealed.name == segment.name
        segments.append(segment)
    return segments


def put_run(store: MemoryObjectStore, made: MadeRun) -> WholeRun:
    """Put a run and its parts."""
    for name, sealed in made.parts.items():
        store.put(name, sealed.parts)
    store.put(made.run.name, made.run.sealed.parts)
    return read_back(made)


def state_in(view: LogView) -> State:
    """Return what a view sees; no segment may be there twice."""
    return state_of(view.parts.values())
