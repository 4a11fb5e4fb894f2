"""Garbage collection beside compaction: parts of runs, and what runs say of values."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest
from tests.unit.upkeep.collecting import NOW_US, Before, run
from tests.unit.upkeep.small_stores import (
    call_of,
    inline_of,
    live_calls,
    payload_names,
    publish,
    put_loose,
    put_pack,
    tombstone_of,
    unreadable,
)

from mandala_cas.errors import CorruptionError, MandalaError
from mandala_cas.log.announcements import Announcements
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import RUN_PARTS, RUNS, SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import SimulatedCrash
from mandala_cas.testing.faults import Crash, FaultStore, Rule
from mandala_cas.upkeep.collecting.garbage import IN_RUN
from mandala_cas.upkeep.compacting.compact import compact


def compact_all(objects: ObjectStore, *, seed: int = 1) -> None:
    """Merge everything into one run, and delete at once what it covers."""
    compact(
        objects,
        LogView(objects),
        signer=None,
        trusts=lambda key_id: key_id is None,
        clock_us=lambda: NOW_US,
        draw=lambda size: seed.to_bytes(size, "big"),
        full=True,
        delay_s=0,
        announcements=Announcements(objects),
    )


def fill() -> MemoryObjectStore:
    """Return a store of three segments: two live values, one that was dropped."""
    store = MemoryObjectStore()
    dots = publish(
        store,
        inline_of("x"),
        put_loose(store, "a"),
        put_loose(store, "b"),
        call_of("f", ["x"], ["a"]),
        call_of("g", ["x"], ["b"]),
    )
    publish(store, tombstone_of(dots[0]), writer=2)
    (packed,) = put_pack(store, "c")
    publish(store, packed, inline_of("x"), call_of("h", ["x"], ["c"]), writer=3)
    return store


def names(store: MemoryObjectStore, prefix: str) -> list[str]:
    """Return what there is below a prefix."""
    return sorted(info.name for info in store.list(prefix))


def test_parts_that_a_dead_compactor_left_are_garbage() -> None:
    """No manifest names them, and none ever will."""
    store = fill()
    with pytest.raises(SimulatedCrash):
        compact_all(FaultStore(store, [Rule(Crash(), "put", RUNS)]))
    assert names(store, RUN_PARTS)

    report = run(store)

    assert names(store, RUN_PARTS) == []
    assert len(report.deleted) >= 2
    assert unreadable(store) == []


def test_parts_of_a_visible_run_are_never_garbage() -> None:
    """However old they are."""
    store = fill()
    compact_all(store)
    parts = names(store, RUN_PARTS)
    assert parts

    report = run(store)

    assert names(store, RUN_PARTS) == parts
    assert report.kept_because[IN_RUN].object_count == len(parts)
    assert unreadable(store) == []


def test_after_compaction_the_same_is_garbage() -> None:
    """A run says of values what its segments said."""
    before, after = fill(), fill()
    compact_all(after)

    deleted = run(before).deleted

    assert deleted
    assert run(after).deleted == deleted
    assert live_calls(after) == live_calls(before)


def test_what_a_superseded_run_left_goes_and_what_took_its_place_stays() -> None:
    """Its manifest is deleted by the compactor, its parts by the collector."""
    store = fill()
    compact_all(store)
    old = names(store, RUN_PARTS)
    publish(store, put_loose(store, "d"), inline_of("x"), call_of("k", ["x"], ["d"]), writer=4)
    compact_all(store, seed=2)
    compact_all(store, seed=3)
    calls = live_calls(store)
    assert len(names(store, RUNS)) == 1

    run(store)

    assert not set(old) & set(names(store, RUN_PARTS))
    assert live_calls(store) == calls
    assert unreadable(store) == []


def request_count(act: object) -> int:
    """Return how many requests something makes of that store."""
    store = FaultStore(fill())
    act(store)  # type: ignore[operator]
    return len(store.calls)


def test_a_compaction_between_any_two_requests_of_a_collector_loses_nothing() -> None:
    """What was in segments when the collector began may be in a run when it looks again."""
    wanted = live_calls(fill())
    for number in range(request_count(run)):
        store = fill()

        run(FaultStore(store, [Rule(Before(partial(compact_all, store)), skip=number)]))
        run(store)

        assert live_calls(store) == wanted, number
        assert unreadable(store) == [], number


def test_a_collection_between_any_two_requests_of_a_compactor_loses_nothing() -> None:
    """Without any grace it takes the parts of a run that is not there yet.

    Then the compactor must notice, and leave the segments alone.
    """
    wanted = live_calls(fill())
    for number in range(request_count(compact_all)):
        store = fill()

        # It may also say that its parts are gone; what matters is what it leaves.
        with suppress(MandalaError):
            compact_all(FaultStore(store, [Rule(Before(partial(run, store)), skip=number)]))

        assert live_calls(store) == wanted, number
        assert len(payload_names(store)) >= 2
        assert names(store, SEGMENTS) or names(store, RUNS)


def test_a_compactor_whose_parts_were_collected_takes_its_run_back() -> None:
    """It speaks of parts that are not there, and nobody relied on it: its parts were announced."""
    store = fill()
    wanted = live_calls(store)

    compact_all(FaultStore(store, [Rule(Before(partial(run, store)), "put", RUNS)]))

    assert names(store, RUNS) == []
    assert live_calls(store) == wanted


def test_a_run_whose_parts_were_collected_does_not_stop_collections() -> None:
    """A compactor that died right then left it, and every later collection refused to work.

    All that it covers is read from the segments, so nothing counts as garbage by mistake.
    """
    store = fill()
    wanted = live_calls(store)
    plan = [Rule(Before(partial(run, store)), "put", RUNS), Rule(Crash(), "get", RUNS)]
    with pytest.raises(SimulatedCrash):
        compact_all(FaultStore(store, plan))
    assert len(names(store, RUNS)) == 1

    run(store)

    assert live_calls(store) == wanted
    # The next compaction makes a run that stands for the same, and the dead one goes.
    compact_all(store, seed=2)
    compact_all(store, seed=3)
    assert len(names(store, RUNS)) == 1
    assert live_calls(store) == wanted
    assert unreadable(store) == []


def test_a_run_of_which_a_part_and_its_segments_are_gone_stops_collections() -> None:
    """What was in it may need anything."""
    store = fill()
    compact_all(store)
    compact_all(store)
    assert names(store, SEGMENTS) == []
    store.delete(names(store, RUN_PARTS))

    with pytest.raises(CorruptionError, match="cannot be read"):
        run(store)
