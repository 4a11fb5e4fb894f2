"""A view that begins with a kept index reads what is new, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.log.entry_strategies import call_record, sealed

from mandala_cas.index.kept import KeptIndex, write_kept_index
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.counting import CountingObjectStore, Requests


@pytest.fixture
def objects() -> CountingObjectStore:
    """Return a store with a segment of two calls, and one of a third."""
    store = CountingObjectStore(MemoryObjectStore())
    for segment in (sealed([call_record(1), call_record(2)]), sealed([call_record(3)], seq=1)):
        store.put(segment.name, segment.sealed.parts)
    return store


@pytest.fixture
def kept(objects: CountingObjectStore, tmp_path: Path) -> KeptIndex:
    """Return an index of all that the store has."""
    view = LogView(objects)
    view.refresh()
    assert write_kept_index(tmp_path, view.parts.values(), view.object_names())
    index = KeptIndex.open(tmp_path)
    assert index is not None
    return index


def test_a_view_with_a_base_fetches_no_log_object(
    objects: CountingObjectStore, kept: KeptIndex
) -> None:
    """Opening a large store costs a listing."""
    before = objects.requests
    view = LogView(objects, kept)

    assert view.refresh() == []
    assert objects.requests - before == Requests(lists=1)
    assert not view.base_refused
    assert view.object_names() == kept.names
    assert [part.call_record(0) for part in view.parts.values()] == [call_record(1)]


def test_what_came_later_is_a_tail(objects: CountingObjectStore, kept: KeptIndex) -> None:
    """One colleague's call costs one read."""
    late = sealed([call_record(4)], seq=2)
    objects.put(late.name, late.sealed.parts)
    before = objects.requests
    view, lookup = LogView(objects, kept), CallLookup(kept)

    lookup.add_parts(view.refresh())

    assert (objects.requests - before).gets == 1
    for number in range(1, 5):
        assert lookup.find(call_record(number).call_id) == call_record(number)


def test_a_base_whose_objects_are_gone_is_refused(
    objects: CountingObjectStore, kept: KeptIndex
) -> None:
    """A store that was rolled back or made anew must not be answered for from a cache."""
    objects.delete([min(kept.names)])
    view = LogView(objects, kept)

    view.refresh()

    assert view.base_refused
    assert kept.part not in view.parts.values()
