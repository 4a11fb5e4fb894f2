"""What a view begins with, and what it says of gaps: bases from earlier processes, and chains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from tests.unit.log.entry_strategies import call_record
from tests.unit.log.run_stores import batch_of, put_run, put_segments, state_in
from tests.unit.log.sample_runs import made_of, segment_of, state_of

from mandala_cas.log.part import LogPart
from mandala_cas.log.rows import build_tables
from mandala_cas.log.segment import Segment, seal_tables
from mandala_cas.log.view import ChainHole, LogView
from mandala_cas.model.entries import Entry
from mandala_cas.model.ids import SegmentId, WriterId
from mandala_cas.objectstore.api import ObjectInfo
from mandala_cas.objectstore.layout import RUNS, SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import FaultStore


@pytest.fixture
def inner() -> MemoryObjectStore:
    """Return an empty store."""
    return MemoryObjectStore()


@pytest.fixture
def store(inner: MemoryObjectStore) -> FaultStore:
    """Return a store that counts, around ``inner``."""
    return FaultStore(inner)


# A base.


@dataclass(frozen=True, slots=True)
class Base:
    """Rows that an earlier process kept."""

    names: frozenset[str]
    segment_ids: frozenset[SegmentId]
    parts: Sequence[LogPart]


def base_of(view: LogView) -> Base:
    """Return a view as the base of the next."""
    return Base(view.object_names(), view.segment_ids, list(view.parts.values()))


@pytest.mark.parametrize("then", ["nothing", "a run", "the run alone", "a greater run"])
def test_a_base_spares_reading_while_it_is_true(
    inner: MemoryObjectStore, store: FaultStore, then: str
) -> None:
    """Its segments are there, or a run covers them."""
    segments = put_segments(inner, range(3))
    first = LogView(inner)
    first.refresh()
    expected = list(segments)
    if then != "nothing":
        made = made_of(segments)
        whole = put_run(inner, made)
        if then != "a run":
            inner.delete([segment.name for segment in segments])
        if then == "a greater run":
            late = segment_of(batch_of(9), writer=9)
            expected.append(late)
            put_run(inner, made_of([late], [whole]))
            inner.delete([whole.run.name])
    view = LogView(store, base_of(first))

    new = view.refresh()

    assert not view.base_refused
    assert state_in(view) == state_of(expected)
    assert len(new) == (1 if then == "a greater run" else 0)
    assert [name for name in view.parts if name.startswith("base:")] == [
        "base:0",
        "base:1",
        "base:2",
    ]
    assert not [call for call in store.calls if call.name.startswith(SEGMENTS)]
    assert view.object_names() >= first.object_names()


def test_a_base_that_has_what_the_store_lost_is_refused(
    inner: MemoryObjectStore, store: FaultStore
) -> None:
    """Records that somebody rolled back, or another store's, must not come back from a cache."""
    segments = put_segments(inner, range(3))
    first = LogView(inner)
    first.refresh()
    inner.delete([segments[1].name])
    view = LogView(store, base_of(first))

    new = view.refresh()

    assert view.base_refused
    assert len(new) == 2
    assert state_in(view) == state_of([segments[0], segments[2]])


def test_a_base_is_asked_once(inner: MemoryObjectStore) -> None:
    """What was true at the beginning stays: a view only grows."""
    segments = put_segments(inner, range(2))
    first = LogView(inner)
    first.refresh()
    view = LogView(inner, base_of(first))
    view.refresh()
    inner.delete([segments[0].name])
    later = put_segments(inner, [5])

    view.refresh()

    assert not view.base_refused
    assert state_in(view) == state_of([*segments, *later])


class GhostRunStore(MemoryObjectStore):
    """Lists a run that is gone once."""

    def __init__(self) -> None:
        """Show the ghost in the first listing."""
        super().__init__()
        self.ghost = True

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List one more than there is."""
        yield from super().list(prefix)
        if self.ghost:
            self.ghost = False
            yield ObjectInfo(f"{RUNS}001-{'ab' * 32}", 10)


def test_a_base_waits_for_a_run_that_took_the_place_of_another() -> None:
    """A listing caught in the middle of a compaction must not cost the cache."""
    store = GhostRunStore()
    put_segments(store, range(2))
    first = LogView(store)
    store.ghost = False
    first.refresh()
    store.ghost = True
    view = LogView(store, base_of(first))

    assert view.refresh() == []
    assert (view.base_refused, view.damaged) == (False, {})


# Chains.


def chain(length: int, writer: int = 1) -> list[Segment]:
    """Return the segments of one writer."""
    segments: list[Segment] = []
    for seq in range(length):
        previous = segments[-1].digest if segments else b""
        segments.append(segment_of(batch_of(seq), writer=writer, seq=seq, previous=previous))
    return segments


def put(store: MemoryObjectStore, segments: Iterable[Segment]) -> None:
    """Put segments as they were made."""
    for segment in segments:
        entries: list[Entry] = [segment.call_record(0), segment.value_record(0)]
        sealed = seal_tables(list(build_tables(entries).values()), segment.header, None)
        assert sealed.name == segment.name
        store.put(sealed.name, sealed.sealed.parts)


def test_chains_are_followed_through_runs(inner: MemoryObjectStore) -> None:
    """A covered segment is there; one that neither is nor lies there is missed."""
    segments = chain(5)
    put_run(inner, made_of(segments[:2]))
    put(inner, segments[2:3])
    put_run(inner, made_of(segments[4:]))
    view = LogView(inner)

    view.refresh()
    missing = view.chain_holes()
    put(inner, segments[3:4])
    view.refresh()

    assert missing == [ChainHole(WriterId((1).to_bytes(8, "big")), 3)]
    assert view.chain_holes() == []


def test_chains_lead_back_into_a_base(inner: MemoryObjectStore) -> None:
    """Of which only the ids of segments are known."""
    segments = chain(3)
    put(inner, segments[:2])
    first = LogView(inner)
    first.refresh()
    put(inner, segments[2:])
    view = LogView(inner, base_of(first))

    view.refresh()

    assert view.chain_holes() == []


def test_a_link_to_another_segment_than_the_covered_one_is_a_hole(
    inner: MemoryObjectStore,
) -> None:
    """A bucket that gives another in the place of one that it lost."""
    first, second = chain(2)
    other = segment_of([call_record(7)], writer=1)
    assert other.segment_id != first.segment_id
    put_run(inner, made_of([other, second]))
    view = LogView(inner)

    view.refresh()

    assert view.chain_holes() == [ChainHole(WriterId((1).to_bytes(8, "big")), 0)]
