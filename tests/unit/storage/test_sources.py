"""The sources of ops in the log: each written once, and read from whatever others wrote."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallContentId, CallId, SourceHash
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.storage.session import SessionDescription
from mandala_cas.storage.sources import Sources
from mandala_cas.testing import Deny, FaultStore, Rule
from mandala_cas.versions.texts import SourceText

HASHES = [SourceHash(bytes([number]) * SourceHash.SIZE) for number in range(5)]
CALL = CallRecord(
    call_id=CallId(bytes(CallId.SIZE)),
    content_id=CallContentId(bytes(CallContentId.SIZE)),
    op_name="f",
    op_version="",
    module="m",
    source_hash=HASHES[0],
    started_us=0,
    duration_us=0,
    inputs=(),
    outputs=(),
)


def source(number: int, size: int = 0) -> SourceText:
    """Return one of some sources."""
    return SourceText("f", f"def f(): return {number}{'0' * size}\n", ("x",))


@pytest.fixture
def objects() -> MemoryObjectStore:
    """Return an empty store."""
    return MemoryObjectStore()


def sources_of(objects: Any) -> Sources:
    """Return what a process knows that has just looked."""
    view = LogView(objects)
    view.refresh()
    return Sources(objects, view)


def publish(objects: Any, session: Any) -> None:
    """Write a segment of a process that says something of itself."""
    writer = LogWriter(objects, signer=None, session=session, clock_us=lambda: 0)
    writer.append_all([CALL])
    writer.seal(())
    writer.publish_oldest()


def test_a_source_is_written_once(objects: MemoryObjectStore) -> None:
    """However many calls and segments there are."""
    sources = sources_of(objects)
    asked = []

    def text() -> SourceText:
        asked.append(1)
        return source(0)

    for _ in range(3):
        sources.keep(HASHES[0], text)

    assert asked == [1]
    assert sources.take() == {HASHES[0].hex(): source(0).to_fields()}
    sources.keep(HASHES[1], lambda: None)
    sources.keep(HASHES[2], lambda: source(2))
    assert list(sources.take()) == [HASHES[2].hex()]
    assert sources.take() == {}


def test_a_forked_child_writes_them_once_more(objects: MemoryObjectStore) -> None:
    """Its parent may never come to write them."""
    sources = sources_of(objects)
    sources.keep(HASHES[0], lambda: source(0))
    describe = SessionDescription(sources)
    assert "sources" in describe()
    assert "sources" not in describe()

    assert describe._fixed is not None
    describe._fixed["pid"] = -1

    assert list(describe()["sources"]) == [HASHES[0].hex()]


def test_what_has_no_room_goes_into_the_next_segment(objects: MemoryObjectStore) -> None:
    """Or a description that no segment holds would be left out whole."""
    sources = sources_of(objects)
    for number, hash_ in enumerate(HASHES):
        sources.keep(hash_, partial(source, number, 60_000))

    taken = [list(sources.take()) for _ in range(3)]

    assert [len(hashes) for hashes in taken] == [3, 2, 0]
    assert [*taken[0], *taken[1]] == [hash_.hex() for hash_ in HASHES]


def test_what_this_process_has_is_known_before_it_is_written(objects: MemoryObjectStore) -> None:
    """A cell is run again within one block."""
    sources = sources_of(objects)
    sources.keep(HASHES[0], lambda: source(0))

    assert sources.find(HASHES[0]) == source(0)
    assert sources.find(HASHES[1]) is None


def test_sources_of_others_are_found_and_read_once(objects: MemoryObjectStore) -> None:
    """Also one that another process wrote since."""
    publish(objects, lambda: {"sources": {HASHES[0].hex(): source(0).to_fields()}})
    counted = FaultStore(objects)
    view = LogView(counted)
    view.refresh()
    sources = Sources(counted, view)
    calls = len(counted.calls)

    assert sources.find(HASHES[0]) == source(0)
    assert sources.find(HASHES[1]) is None
    assert len(counted.calls) == calls, "the view has read them"
    publish(objects, lambda: {"sources": {HASHES[1].hex(): source(1).to_fields()}})
    assert sources.find(HASHES[1]) is None
    view.refresh()
    assert sources.find(HASHES[1]) == source(1)


@pytest.mark.parametrize(
    "session",
    [
        {},
        {"sources": 5},
        {"sources": {"no hash": source(0).to_fields()}},
        {"sources": {"00": source(0).to_fields()}},
        {"sources": {5: source(0).to_fields()}},
        {"sources": {HASHES[0].hex(): {"op": "f"}}},
        {"sources": [HASHES[0].hex()]},
    ],
)
def test_what_strangers_wrote_is_passed_over(objects: MemoryObjectStore, session: Any) -> None:
    """And hides nothing that others wrote."""
    publish(objects, lambda: session)
    publish(objects, lambda: {"sources": {HASHES[1].hex(): source(1).to_fields()}})
    sources = sources_of(objects)

    assert sources.find(HASHES[0]) is None
    assert sources.find(HASHES[1]) == source(1)


class NamesOnly(LogView):
    """A view whose rows came from a kept index: it knows segments by their names."""

    @property
    def segments(self) -> Any:
        """Return none."""
        return {}


@pytest.mark.parametrize("is_away", [True, False])
def test_what_a_kept_index_stands_for_is_read(objects: MemoryObjectStore, is_away: bool) -> None:  # noqa: FBT001 (a case)
    """It keeps nothing that is for people; a store that is away shows no source, and no error."""
    publish(objects, lambda: {"sources": {HASHES[0].hex(): source(0).to_fields()}})
    away = FaultStore(objects, [Rule(Deny())] if is_away else [])
    view = NamesOnly(objects)
    view.refresh()

    found = Sources(away, view).find(HASHES[0])

    assert found == (None if is_away else source(0))
