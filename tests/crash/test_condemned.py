"""Garbage collection that overtakes a commit: nothing that was acknowledged is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.crash.collecting import Interrupted, announce, condemn_all, payload_of
from tests.crash.dying import Deaths, files_below, mortal
from tests.unit.values.self_contained import assert_self_contained, rows_of, segments_of

from mandala_cas.imports import Storage, op
from mandala_cas.log.journal import is_lock_name
from mandala_cas.model.entries import TagRecord, TagTarget, TombstoneReason
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.testing import (
    Crash,
    CrashPoint,
    FaultStore,
    Rule,
    SimulatedCrash,
    crash_at_every_call,
)
from mandala_cas.testing.counting import CountingObjectStore
from mandala_cas.values.batches import Clocks

SIZES = (10, 5_000, 200_000)
_executed: list[tuple[int, int]] = []


@op
def noise(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    _executed.append((seed, size))
    return np.random.default_rng(seed).random(size)


@op
def total(numbers: Any) -> float:
    """Use a value."""
    return float(numbers.sum())


@op
def same(numbers: Any) -> Any:
    """Return what was given."""
    return numbers


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return the user's cache directory."""
    return tmp_path / "cache"


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Deaths]:
    """Let processes die."""
    with mortal(monkeypatch, cache) as deaths:
        yield deaths


@pytest.fixture
def objects(deaths: Deaths) -> Interrupted:
    """Return a store that has been made."""
    del deaths
    return made()


def made() -> Interrupted:
    """Return a store that has been made."""
    objects = Interrupted()
    Storage(objects).close()
    return objects


def compute(storage: Storage) -> None:
    """Compute values of all sizes."""
    with storage:
        for size in SIZES:
            total(noise(1, size))


def check_all_there(objects: ObjectStore) -> None:
    """Find every call, with its value, once."""
    storage = Storage(objects)
    _executed.clear()
    with storage:
        refs: list[Any] = [noise(1, size) for size in SIZES]
        for ref in refs:
            total(ref)
    assert _executed == []
    for size, value in zip(SIZES, storage.unwrap(refs), strict=True):
        assert np.array_equal(value, noise.f(1, size))
    tables = storage.tables().calls
    assert tables["hid"].n_unique() == tables.height == 2 * len(SIZES)
    assert_self_contained(segments_of(objects))


def test_what_was_condemned_while_it_was_published_is_put_anew(objects: Interrupted) -> None:
    """The bytes are held until the announcements were looked at."""
    storage = Storage(objects)
    objects.before_listings = [condemn_all(objects)]

    compute(storage)

    check_all_there(objects)


def test_fresh_names_were_never_used(objects: Interrupted) -> None:
    """Under the old one the collector may still delete."""
    storage = Storage(objects)
    seen: list[str] = []

    def collect() -> None:
        seen.extend(payload_of(objects))
        announce(objects, seen)

    objects.before_listings = [collect]
    compute(storage)

    fresh = set(payload_of(objects)) - set(seen)
    assert len(seen) == len(fresh) == 2
    objects.delete(seen)
    check_all_there(objects)


def test_a_repair_that_is_overtaken_is_repaired(objects: Interrupted) -> None:
    """As often as a collector is faster."""
    storage = Storage(objects)
    objects.before_listings = [condemn_all(objects) for _ in range(3)]

    compute(storage)

    assert objects.before_listings == []
    check_all_there(objects)


def test_a_value_that_another_writer_put_is_copied_while_it_is_there(
    objects: Interrupted,
) -> None:
    """This process never had its bytes: it only skipped writing them."""
    compute(Storage(objects))
    storage = Storage(objects)
    old = payload_of(objects)
    objects.before_listings = [lambda: announce(objects, old)]

    with storage:
        refs: list[Any] = [same(noise(1, size)) for size in SIZES]
    objects.delete(old)

    later = Storage(objects)
    for size, value in zip(SIZES, later.unwrap([r.detached() for r in refs]), strict=True):
        assert np.array_equal(value, noise.f(1, size))


def test_a_result_that_nobody_has_any_more_counts_as_not_computed(
    objects: Interrupted, caplog: pytest.LogCaptureFixture
) -> None:
    """A call of equal content answered, and what it named was deleted: not acknowledged."""
    compute(Storage(objects))
    with Storage(objects) as other:
        large: Any = other.unwrap(noise(1, SIZES[2]))
    storage = Storage(objects)
    objects.before_listings = [condemn_all(objects)]
    with storage:
        same(large)
        same(large + 1)

    assert "count as not made" in caplog.text
    tombstones = [tomb for segment in segments_of(objects) for tomb in segment.tombstones]
    assert {tomb.reason for tomb in tombstones} == {TombstoneReason.LOST}
    with Storage(objects) as later:
        lost: Any = same(large)
        kept: Any = same(large + 1)
    assert (lost.in_memory, kept.in_memory) == (True, False)
    assert np.array_equal(later.unwrap(lost), large)
    assert np.array_equal(later.unwrap(kept), large + 1)


def test_a_call_whose_input_alone_is_gone_was_made(objects: Interrupted) -> None:
    """Its result is what it promises."""
    with Storage(objects) as first:
        ref: Any = noise(1, SIZES[2])
    storage = Storage(objects)
    objects.before_listings = [condemn_all(objects)]

    with storage:
        total(ref)

    with Storage(objects) as later:
        again: Any = total(ref.detached())
    assert not again.in_memory
    assert later.unwrap(again) == pytest.approx(total.f(ref.value))
    del first


def test_what_is_known_to_be_condemned_is_not_relied_on(objects: Interrupted) -> None:
    """It counts as not there: the value is written again, under another name, at once."""
    compute(Storage(objects))
    old = payload_of(objects)
    announce(objects, old)
    counting = CountingObjectStore(objects)
    storage = Storage(counting)
    before = counting.requests

    with storage:
        for size in SIZES:
            same(np.random.default_rng(1).random(size))

    spent = counting.requests - before
    # A pack, a blob, a segment: there was nothing to repair.
    assert (spent.puts, spent.lists) == (3, 1)
    objects.delete(old)
    later = Storage(objects)
    with later:
        refs: list[Any] = [same(np.random.default_rng(1).random(size)) for size in SIZES]
    assert not any(ref.in_memory for ref in refs)
    assert [len(value) for value in later.unwrap(refs)] == list(SIZES)


def test_an_announcement_is_read_once(objects: Interrupted) -> None:
    """A bucket may have a month of them."""
    objects.put("packs/00/" + "0" * 64, [b"garbage"])
    counting = CountingObjectStore(objects)
    storage = Storage(counting)
    announce(objects, payload_of(objects))
    gets = []
    for seed in range(3):
        before = counting.requests
        with storage:
            noise(seed, 10)
        gets.append((counting.requests - before).gets)

    assert gets == [1, 0, 0]


def test_a_place_that_another_writer_made_is_as_good_as_a_fresh_one(objects: Interrupted) -> None:
    """Only what this process had put was condemned: nothing is written anew."""
    storage, other = Storage(objects), Storage(objects)
    with other:
        noise(1, SIZES[1])
    others = payload_of(objects)

    def condemn_own() -> None:
        own = set(payload_of(objects)) - set(others)
        announce(objects, own)
        objects.delete(own)

    storage._parts.recorder.lookout.looked_s = float("inf")
    objects.before_listings = [condemn_own]
    with storage:
        noise(1, SIZES[1])

    assert payload_of(objects) == others
    segments = segments_of(objects)
    assert_self_contained(segments)
    places = {row.location for row in rows_of(segments[-1]) if row.location}
    assert places == set(others)


def test_a_tag_is_moved_with_what_it_names(objects: Interrupted) -> None:
    """Compaction may forget a place that nothing of the same run uses."""
    with Storage(objects):
        ref: Any = noise(1, SIZES[1])
    tag = TagRecord("best", TagTarget.REF, ref.history_id, ref.content_id, 1)
    storage = Storage(objects)
    old = payload_of(objects)
    objects.before_listings = [lambda: announce(objects, old)]

    storage._parts.recorder.tag([tag])
    storage.commit()

    first, second = segments_of(objects)[-2:]
    assert [segment.tag_record(0) for segment in (first, second)] == [tag, tag]
    assert list(first.tag_rows_named_by(second.untags[0])) == [0]
    assert_self_contained([first, second])


def test_a_call_that_was_dropped_meanwhile_stays_so(objects: Interrupted) -> None:
    """Somebody saw it in the moment between, and did not want it."""
    storage, other = Storage(objects), Storage(objects)

    def drop_and_collect() -> None:
        other.refresh()
        other.drop_calls(other.cf(total).df()["total"].tolist())
        condemn_all(objects)()

    objects.before_listings = [drop_and_collect]
    with storage:
        total(noise(1, SIZES[1]))

    later = Storage(objects)
    assert len(later.cf(noise).df()) == 1
    assert later.tables().calls.height == 1


DAY_US = 86_400_000_000


@pytest.mark.parametrize("clock", ["calendar", "boot"])
@pytest.mark.parametrize("days", [1, 40])
def test_a_writer_that_slept_for_long_relies_on_nothing(
    objects: Interrupted, clock: str, days: int
) -> None:
    """An announcement may have come and gone; whichever clock tells of the time counts."""
    with Storage(objects):
        ref: Any = noise(1, SIZES[2])
    storage = Storage(objects)
    now = {"calendar": 0, "boot": 0}
    clocks = Clocks(lambda: now["calendar"] * DAY_US, lambda: now["boot"] * 86_400.0)
    storage._parts.recorder._recheck._clocks = storage._parts.recorder._batches._clocks = clocks
    old = payload_of(objects)
    with storage:
        same(ref.detached())
        now[clock] = days

    assert (set(payload_of(objects)) == set(old)) == (days == 1)
    if days == 40:
        objects.delete(old)
        later = Storage(objects)
        with later:
            again: Any = same(ref.detached())
        assert np.array_equal(later.unwrap(again), noise.f(1, SIZES[2]))


def collect_in_the_middle(store: ObjectStore, committed: list[int]) -> None:
    """Commit while a collector is at work."""
    assert isinstance(store, FaultStore)
    objects = store.inner
    assert isinstance(objects, Interrupted)
    storage = Storage(store)
    objects.before_listings = [condemn_all(objects)]
    compute(storage)
    committed.append(1)


def test_a_crash_at_any_call_of_a_repair_loses_nothing(deaths: Deaths, cache: Path) -> None:
    """The journal has the bytes until the announcements were looked at."""

    def check(left: ObjectStore, committed: Sequence[int], point: CrashPoint) -> None:
        assert isinstance(left, Interrupted)
        deaths.strike()
        left.before_listings = []
        if committed or (point.call is not None and point.call.name.startswith("manifest/1")):
            check_all_there(left)
        else:
            Storage(left).close()
        assert [p for p in files_below(cache, "journal") if not is_lock_name(p.name)] == []

    calls = crash_at_every_call(collect_in_the_middle, check, make_store=made)

    assert calls > 9


def test_what_a_dead_process_published_and_did_not_look_at_is_made_good(
    objects: Interrupted, deaths: Deaths
) -> None:
    """It died after the segment, and a collector had condemned what the segment names."""
    store = FaultStore(objects, [Rule(Crash(), "list", skip=1)])
    storage = Storage(store)
    with pytest.raises(SimulatedCrash):
        compute(storage)
    deaths.strike()
    condemn_all(objects)()

    check_all_there(objects)


def test_what_a_dead_process_relied_on_and_did_not_look_at_counts_as_not_made(
    objects: Interrupted, deaths: Deaths
) -> None:
    """It had no bytes of its own: the place was on record, and was condemned at that moment."""
    with Storage(objects):
        noise(1, SIZES[2])
    store = FaultStore(objects, [Rule(Crash(), "list", skip=1)])
    storage = Storage(store)
    with pytest.raises(SimulatedCrash), storage:
        same(noise.f(1, SIZES[2]))
    deaths.strike()
    condemn_all(objects)()

    with Storage(objects) as later:
        again: Any = same(noise.f(1, SIZES[2]))

    assert again.in_memory
    tombstones = [tomb for segment in segments_of(objects) for tomb in segment.tombstones]
    assert [tomb.reason for tomb in tombstones] == [TombstoneReason.LOST]
    assert np.array_equal(later.unwrap(again), noise.f(1, SIZES[2]))
