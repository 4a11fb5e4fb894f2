"""The view of a compacted log: each record once, from whatever can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log.entry_strategies import call_record
from tests.unit.log.run_stores import batch_of, put_run, put_segments, state_in
from tests.unit.log.sample_runs import made_of, read_back, segment_of, state_of

from mandala_cas.errors import CorruptionError, NotFoundError
from mandala_cas.log.merge import PartLimits
from mandala_cas.log.run import encode_run
from mandala_cas.log.run_making import MadeRun, WholeRun
from mandala_cas.log.segment import Segment
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Tombstone
from mandala_cas.objectstore.api import Capabilities, ObjectInfo
from mandala_cas.objectstore.layout import COLLECTIONS, MANIFEST, RUNS, SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import ErrorBefore, FaultStore, FlippedGet, Rule


def requests(store: FaultStore) -> list[tuple[str, str]]:
    """Return what was asked: the operation, and the folder."""
    folders = (SEGMENTS, RUNS, COLLECTIONS, MANIFEST, "run-parts/")
    return [
        (call.operation, next(f for f in folders if call.name.startswith(f)))
        for call in store.calls
    ]


@pytest.fixture
def inner() -> MemoryObjectStore:
    """Return an empty store."""
    return MemoryObjectStore()


@pytest.fixture
def store(inner: MemoryObjectStore) -> FaultStore:
    """Return a store that counts, around ``inner``."""
    return FaultStore(inner)


def test_a_compacted_store_costs_a_listing_and_a_read_for_each_object(
    inner: MemoryObjectStore, store: FaultStore
) -> None:
    """The run and its records; not what it covers, and not the inline payloads."""
    segments = put_segments(inner, range(9))
    run = put_run(inner, made_of(segments))
    view = LogView(store)

    new = view.refresh()

    assert requests(store) == [("list", MANIFEST), ("get", RUNS), ("get", "run-parts/")]
    assert list(view.parts) == [run.run.records[0].name]
    assert [part.calls.row_count for part in new] == [9]
    assert list(view.runs) == [run.run.name]
    assert view.segment_ids == run.run.covers
    store.calls.clear()
    assert state_in(view) == state_of(segments)
    assert requests(store) == [("get", "run-parts/")]


def test_a_run_of_segments_that_were_read_is_not_fetched(
    inner: MemoryObjectStore, store: FaultStore
) -> None:
    """Only what it covers is."""
    segments = put_segments(inner, range(3))
    view = LogView(store)
    view.refresh()
    run = put_run(inner, made_of(segments))
    store.calls.clear()

    assert view.refresh() == []

    assert requests(store) == [("list", MANIFEST), ("get", RUNS)]
    assert list(view.parts) == sorted(segment.name for segment in segments)
    assert view.object_names() == {run.run.name, *view.parts}
    store.calls.clear()
    assert view.refresh() == []
    assert requests(store) == [("list", MANIFEST)]


def test_of_a_run_only_what_is_new_is_taken(inner: MemoryObjectStore, store: FaultStore) -> None:
    """The same dot is never handed out twice."""
    segments = put_segments(inner, range(4))
    view = LogView(store)
    view.refresh()
    late = segment_of([*batch_of(9), Tombstone(segments[0].header.writer, 0, 0, 0)], writer=9)
    run = put_run(inner, made_of([*segments, late]))
    inner.delete([segment.name for segment in segments])

    (new,) = view.refresh()

    assert new.segment_ids == {late.segment_id}
    assert new.tombstones == run.run.tombstones
    assert state_in(view) == state_of([*segments, late])


def test_own_segments_that_a_run_brought_are_not_taken_again(inner: MemoryObjectStore) -> None:
    """Another thread may have refreshed between the put and the word that it was put."""
    segments = put_segments(inner, range(2))
    put_run(inner, made_of(segments))
    view = LogView(inner)
    view.refresh()

    view.add(segments)

    assert state_in(view) == state_of(segments)


@given(
    st.lists(
        st.tuples(st.sampled_from(["segments", "run", "delete", "refresh"]), st.integers(0, 9)),
        max_size=12,
    )
)
def test_a_view_sees_the_same_however_it_came_to_it(steps: Sequence[tuple[str, int]]) -> None:
    """Segments, runs of any of them, deletions of what is covered, in any order."""
    inner = MemoryObjectStore()
    early = LogView(inner)
    segments: list[Segment] = []
    runs: list[WholeRun] = []
    for number, (step, choice) in enumerate(steps):
        if step == "segments":
            segments += put_segments(inner, [20 + number])
        elif step == "run" and segments:
            chosen = segments[choice % len(segments) :]
            limits = PartLimits(calls_max=1 + choice % 3)
            runs.append(put_run(inner, made_of(chosen, runs[choice:], limits=limits)))
        elif step == "delete" and runs:
            covers = runs[choice % len(runs)].run.covers
            inner.delete([item.name for item in segments if item.segment_id in covers])
        elif step == "refresh":
            early.refresh()
    early.refresh()
    late = LogView(inner)
    late.refresh()

    assert state_in(early) == state_in(late) == state_of(segments)
    assert early.damaged == late.damaged == {}


# What cannot be read.


@pytest.mark.parametrize("prefix", [RUNS, "run-parts/"])
def test_of_a_damaged_run_the_inputs_are_read(
    inner: MemoryObjectStore, store: FaultStore, prefix: str
) -> None:
    """Where they are still there, nothing is missing; and the damage is named."""
    segments = put_segments(inner, range(3))
    run = put_run(inner, made_of(segments))
    store.plan.append(Rule(FlippedGet(700), "get", prefix))
    view = LogView(store)

    view.refresh()

    assert state_in(view) == state_of(segments)
    bad = run.run.name if prefix == RUNS else run.run.records[0].name
    assert isinstance(view.damaged[bad], CorruptionError)
    assert len(view.damaged) == 1
    view.refresh()
    assert view.damaged == {}


def test_a_damaged_part_hides_no_other(inner: MemoryObjectStore, store: FaultStore) -> None:
    """Also where the inputs are gone: what can be read is."""
    segments = put_segments(inner, range(3))
    run = put_run(inner, made_of(segments, limits=PartLimits(calls_max=1)))
    inner.delete([segment.name for segment in segments])
    bad = run.run.records[1].name
    store.plan.append(Rule(FlippedGet(500), "get", bad))
    view = LogView(store)

    view.refresh()

    assert state_in(view) == state_of([segments[0], segments[2]])
    assert list(view.damaged) == [bad]
    view.refresh()
    assert state_in(view) == state_of(segments)


def test_a_part_that_is_gone_is_named(inner: MemoryObjectStore) -> None:
    """A run that speaks of what is not there is not believed for ever."""
    segments = put_segments(inner, range(2))
    run = put_run(inner, made_of(segments))
    inner.delete([run.run.records[0].name])
    view = LogView(inner)

    view.refresh()

    assert state_in(view) == state_of(segments)
    assert isinstance(view.damaged[run.run.records[0].name], NotFoundError)
    assert view.refresh() == []
    assert isinstance(view.damaged[run.run.records[0].name], NotFoundError)


def test_what_is_gone_for_good_costs_one_listing(
    inner: MemoryObjectStore, store: FaultStore
) -> None:
    """It is listed again only when it was there at the last refresh."""
    run = put_run(inner, made_of(put_segments(inner, range(2))))
    inner.delete([run.run.records[0].name])
    view = LogView(store)
    view.refresh()
    store.calls.clear()

    view.refresh()

    assert requests(store) == [("list", MANIFEST), ("get", "run-parts/")]


def test_a_part_of_other_segments_than_the_run_says_is_damaged(inner: MemoryObjectStore) -> None:
    """Else its rows would stand for segments that nobody read."""
    segments = put_segments(inner, range(2))
    one, two = made_of(segments[:1]), made_of(segments[1:])
    put_run(inner, two)
    inner.delete([two.run.name])
    run = read_back(one).run
    crafted = encode_run(run.header, run.covered, two.infos, tombstones=(), untags=(), signer=None)
    inner.put(crafted.name, crafted.sealed.parts)
    view = LogView(inner)

    view.refresh()

    assert list(view.damaged) == [two.infos[-1].name]
    assert state_in(view) == state_of(segments)


@pytest.mark.parametrize("name", ["manifest/2-run/stray", "manifest/2-run/001-ab"])
def test_an_object_that_is_no_run_is_named(
    inner: MemoryObjectStore, store: FaultStore, name: str
) -> None:
    """And is not fetched."""
    segments = put_segments(inner, [1])
    inner.put(name, [b"?"])
    view = LogView(store)

    view.refresh()

    assert list(view.damaged) == [name]
    assert state_in(view) == state_of(segments)
    assert requests(store) == [("list", MANIFEST), ("get", SEGMENTS)]


def test_a_store_that_does_not_answer_changes_nothing(
    inner: MemoryObjectStore, store: FaultStore
) -> None:
    """Half of a refresh is none."""
    segments = put_segments(inner, range(2))
    put_run(inner, made_of(segments))
    store.plan.append(Rule(ErrorBefore(), "get", "run-parts/"))
    view = LogView(store)

    with pytest.raises(OSError, match="does not answer"):
        view.refresh()

    assert (dict(view.parts), dict(view.runs), view.segment_ids) == ({}, {}, frozenset())
    view.refresh()
    assert state_in(view) == state_of(segments)


def test_inline_payloads_of_a_run_that_was_superseded_are_found_again(
    inner: MemoryObjectStore,
) -> None:
    """A process holds its rows for weeks, and asks for a value when the parts are collected."""
    segments = put_segments(inner, range(3))
    old = put_run(inner, made_of(segments))
    view = LogView(inner)
    view.refresh()
    put_run(inner, made_of([segment_of([call_record(9)], writer=9)], [old]))
    inner.delete([segment.name for segment in segments])
    inner.delete([old.run.name, *(info.name for info in old.run.parts)])

    (part,) = view.parts.values()

    assert [part.value_record(row).inline for row in range(3)] == [b"0", b"1", b"2"]
    assert part.value_record(1) == segments[1].value_record(0)


def test_inline_payloads_that_are_nowhere_are_an_error(inner: MemoryObjectStore) -> None:
    """That says so, when one is asked for."""
    segments = put_segments(inner, range(2))
    run = put_run(inner, made_of(segments))
    view = LogView(inner)
    view.refresh()
    inner.delete([info.name for info in inner.list("")])

    with pytest.raises(NotFoundError, match="gone"):
        view.parts[run.run.records[0].name].value_record(0)


# The order of listings.


class UnorderedStore(MemoryObjectStore):
    """Lists runs before segments, and lets a compactor work in between."""

    def __init__(self, made: MadeRun, segments: Sequence[Segment], *, flat_list: bool) -> None:
        """Compact ``segments`` into ``made`` while the first listing is under way."""
        super().__init__()
        self._made: MadeRun | None = made
        self._doomed = [segment.name for segment in segments]
        self._flat_list = flat_list

    @property
    def capabilities(self) -> Capabilities:
        """Say in which order things are listed."""
        return _Ordered(flat_list=self._flat_list)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List in pages, the last names first; the compactor comes after the first page."""
        yield from sorted(
            (info for info in super().list(prefix) if info.name.startswith(RUNS)), key=_name
        )
        if self._made is not None:
            made, self._made = self._made, None
            put_run(self, made)
            self.delete(self._doomed)
        yield from [info for info in super().list(prefix) if not info.name.startswith(RUNS)]


@dataclass(frozen=True, slots=True)
class _Ordered(Capabilities):
    """Capabilities that say whether a listing is in the order of names."""

    flat_list: bool = False


def _name(info: ObjectInfo) -> str:
    """Return what to sort by."""
    return info.name


@pytest.mark.parametrize("flat_list", [False, True])
def test_a_store_that_lists_in_another_order_is_listed_folder_by_folder(*, flat_list: bool) -> None:
    """In one listing neither the run nor what it covers would be there: all records are missing."""
    made_in = MemoryObjectStore()
    segments = put_segments(made_in, range(3))
    store = UnorderedStore(made_of(segments), segments, flat_list=flat_list)
    put_segments(store, range(3))
    view = LogView(store)

    view.refresh()

    # Where the store says that it lists in order, it must: this is what happens if it lies.
    assert bool(state_in(view).calls) is not flat_list
    assert view.damaged == {}


def test_three_listings_are_in_the_order_that_is_safe(inner: MemoryObjectStore) -> None:
    """Segments, then runs, then announcements."""

    class Unflat(FaultStore):
        @property
        def capabilities(self) -> Capabilities:
            return _Ordered(flat_list=False)

    store = Unflat(inner)

    LogView(store).refresh()

    assert [call.name for call in store.calls] == [MANIFEST, RUNS, COLLECTIONS]


def test_the_listing_says_what_lies_where_and_how_new_it_is() -> None:
    """Whoever deletes goes by the store's own times."""
    now = iter([5.0, 9.0, 7.0])
    store = MemoryObjectStore(clock=lambda: next(now))
    store.put("manifest/3-gc/x", [b"?"])
    put_segments(store, [1])
    store.put("manifest/thumbs.db", [b"?"])
    view = LogView(store)

    view.refresh()

    assert [info.modified for info in view.listing.segments.values()] == [9.0]
    assert list(view.listing.announcements) == ["manifest/3-gc/x"]
    assert view.listing.runs == {}
    assert view.listing.newest == 9.0
    assert LogView(MemoryObjectStore()).listing.newest is None
