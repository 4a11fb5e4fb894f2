"""The view of the log: a union that only grows, and names what it cannot read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import chain

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log.entry_strategies import WRITER, call_record, header_of, sealed

from mandala_cas.envelope.seal import Kind, seal
from mandala_cas.errors import CorruptionError, NotFoundError, UnsupportedFormatError
from mandala_cas.log import reading as reading_module
from mandala_cas.log.segment import SealedSegment, decode_segment
from mandala_cas.log.view import ChainHole, LogView
from mandala_cas.objectstore.api import ObjectInfo
from mandala_cas.objectstore.layout import segment_name
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import (
    ErrorBefore,
    Fault,
    FaultStore,
    FlippedGet,
    PartialList,
    Rule,
    TruncatedGet,
)


@pytest.fixture
def store() -> FaultStore:
    """Return an empty store that counts."""
    return FaultStore(MemoryObjectStore())


@pytest.fixture
def view(store: FaultStore) -> LogView:
    """Return a view of ``store`` that has seen nothing."""
    return LogView(store)


def put(store: FaultStore, *segments: SealedSegment) -> list[str]:
    """Put segments, as another process would, and return their names."""
    for segment in segments:
        store.inner.put(segment.name, segment.sealed.parts)
    return [segment.name for segment in segments]


def numbered(number: int, *, seq: int = 0) -> SealedSegment:
    """Return a segment of one call."""
    return sealed([call_record(number)], seq=seq)


def operations(store: FaultStore) -> list[str]:
    """Return what the store was asked, by kind."""
    return [call.operation for call in store.calls]


def test_an_empty_store_costs_one_listing(store: FaultStore, view: LogView) -> None:
    """And gives nothing."""
    assert (view.refresh(), view.segments, view.damaged) == ([], {}, {})
    assert operations(store) == ["list"]


def test_only_what_is_new_is_read(store: FaultStore, view: LogView) -> None:
    """A segment never changes, so one reading is enough."""
    put(store, numbered(1), numbered(2))
    view.refresh()
    (new_name,) = put(store, numbered(3))
    store.calls.clear()

    new = view.refresh()

    assert [segment.name for segment in new] == [new_name]
    assert operations(store) == ["list", "get"]
    assert len(view.segments) == 3
    assert view.refresh() == []


def test_own_segments_need_no_reading_back(store: FaultStore, view: LogView) -> None:
    """A process knows what it published."""
    segment = numbered(1)
    put(store, segment)
    view.add([decode_segment(segment.name, segment.sealed.to_bytes())])

    assert view.refresh() == []
    assert operations(store) == ["list"]
    assert list(view.segments) == [segment.name]


@given(st.permutations(range(5)), st.integers(0, 2**32))
def test_order_of_arrival_does_not_count(order: list[int], seed: int) -> None:
    """The state is a union."""
    store = FaultStore(MemoryObjectStore())
    late, early = LogView(store), LogView(store)
    for number in order:
        put(store, numbered(number))
        if random.Random(seed + number).random() < 0.5:  # noqa: S311 (a choice, not a secret)
            early.refresh()
    early.refresh()
    late.refresh()

    def calls(view: LogView) -> Mapping[str, object]:
        return {name: segment.call_record(0) for name, segment in view.segments.items()}

    assert calls(early) == calls(late)
    assert len(calls(late)) == 5


@pytest.mark.parametrize("fault", [FlippedGet(500), TruncatedGet(100)])
def test_one_bad_object_hides_no_good_one(store: FaultStore, view: LogView, fault: Fault) -> None:
    """It is named, with the reason, and comes back once it can be read."""
    bad, good = sorted(put(store, numbered(1), numbered(2)))
    store.plan.append(Rule(fault, "get", bad))

    first = view.refresh()
    damaged = dict(view.damaged)
    second = view.refresh()

    assert [segment.name for segment in first] == [good]
    assert list(damaged) == [bad]
    assert isinstance(damaged[bad], CorruptionError)
    assert [segment.name for segment in second] == [bad]
    assert view.damaged == {}


def test_an_object_that_is_no_segment_is_named(store: FaultStore, view: LogView) -> None:
    """A file that something else left behind is not skipped in silence."""
    store.inner.put("manifest/1-log/stray-copy", [b"?"])

    assert view.refresh() == []
    assert list(view.damaged) == ["manifest/1-log/stray-copy"]
    assert operations(store) == ["list"]


def test_an_object_too_large_for_a_segment_is_not_fetched(
    store: FaultStore, view: LogView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hostile bucket must not fill the memory."""
    (name,) = put(store, numbered(1))
    monkeypatch.setattr(reading_module, "SEGMENT_SIZE_MAX", 100)

    assert view.refresh() == []
    assert isinstance(view.damaged[name], CorruptionError)
    assert operations(store) == ["list"]


class VanishingStore(MemoryObjectStore):
    """Lists an object that is gone, as often as it is told to."""

    def __init__(self, ghost: str, times: int) -> None:
        """List ``ghost`` in the next ``times`` listings."""
        super().__init__()
        self.ghost = ghost
        self.times = times

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List one more than there is."""
        self.times -= 1
        ghosts = [ObjectInfo(self.ghost, 10)] if self.times >= 0 else []
        return chain(super().list(prefix), ghosts)


def test_a_name_that_is_gone_is_listed_again() -> None:
    """Compacted meanwhile: the next listing is right."""
    segment = numbered(1)
    objects = VanishingStore(numbered(2).name, times=2)
    objects.put(segment.name, segment.sealed.parts)
    view = LogView(objects)

    new = view.refresh()

    assert [found.name for found in new] == [segment.name]
    assert view.damaged == {}


def test_a_name_that_stays_gone_is_named() -> None:
    """A listing that lies for ever must not hang a reader, nor be believed."""
    objects = VanishingStore(numbered(2).name, times=1000)
    view = LogView(objects)

    assert view.refresh() == []
    assert isinstance(view.damaged[objects.ghost], NotFoundError)
    assert objects.times > 980


def test_log_objects_of_a_newer_version_ask_for_an_upgrade(
    store: FaultStore, view: LogView
) -> None:
    """Without them results would be missing in silence."""
    put(store, numbered(1))
    store.inner.put("manifest/4-later/x", [b"?"])

    with pytest.raises(UnsupportedFormatError, match="upgrade it"):
        view.refresh()
    assert view.segments == {}


@pytest.mark.parametrize("name", ["manifest/3-gc/ab.condemned", "manifest/thumbs.db"])
def test_what_concerns_no_reader_is_left_alone(store: FaultStore, view: LogView, name: str) -> None:
    """Announcements, and what file managers leave behind."""
    put(store, numbered(1))
    store.inner.put(name, [b"?"])

    assert len(view.refresh()) == 1
    assert view.damaged == {}


def test_a_segment_of_a_newer_version_asks_for_an_upgrade(store: FaultStore, view: LogView) -> None:
    """And the view stays as it was, so that a later refresh misses nothing."""
    put(store, numbered(1))
    fields = {**{f: getattr(header_of([]), f) for f in header_of([]).__slots__}, "min_reader": 2}
    data = seal(Kind.SEGMENT, fields, []).to_bytes()
    name = segment_name(1_700_000_000_000, WRITER, 0, blake3(data).digest())
    store.inner.put(name, [data])

    with pytest.raises(UnsupportedFormatError):
        view.refresh()

    assert view.segments == {}
    store.inner.delete([name])
    assert len(view.refresh()) == 1


def test_a_store_that_does_not_answer_changes_nothing(store: FaultStore, view: LogView) -> None:
    """Half of a refresh is none."""
    put(store, numbered(1), numbered(2))
    store.plan.append(Rule(ErrorBefore(), "get", skip=1))

    with pytest.raises(OSError, match="does not answer"):
        view.refresh()

    assert view.segments == {}
    assert len(view.refresh()) == 2


def test_what_was_seen_stays_seen(store: FaultStore, view: LogView) -> None:
    """A listing that comes back short takes nothing from a view."""
    put(store, numbered(1), numbered(2))
    view.refresh()
    store.plan.append(Rule(PartialList(1), "list"))

    assert view.refresh() == []
    assert len(view.segments) == 2


def test_a_mapping_that_was_handed_out_does_not_change(store: FaultStore, view: LogView) -> None:
    """Who iterates over it is not disturbed by a refresh in another thread."""
    before = view.segments
    put(store, numbered(1))
    view.refresh()

    assert (len(before), len(view.segments)) == (0, 1)


def test_a_segment_that_a_later_one_follows_is_missed(store: FaultStore, view: LogView) -> None:
    """A bucket that lost one, or gives another in its place, is found out."""
    first = numbered(1)
    second = sealed([call_record(2)], seq=1)
    put(store, first, second)

    view.refresh()

    assert decode_segment(second.name, second.sealed.to_bytes()).header.previous != first.digest
    assert view.chain_holes() == [ChainHole(WRITER, 0)]
