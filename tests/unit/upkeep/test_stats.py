"""Counts and bytes of a store, from its log."""

from __future__ import annotations

from tests.unit.upkeep.small_stores import (
    call_of,
    inline_of,
    payload_of,
    publish,
    put_loose,
    put_pack,
    sealed_of,
    tag_of,
    tombstone_of,
)

from mandala_cas.log.view import LogView
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.counting import CountingObjectStore
from mandala_cas.upkeep.reporting.stats import OpAmount, StoreStats, ValueAmount, find_stats


def stats_of(store: MemoryObjectStore, *, listed: bool = False) -> StoreStats:
    """Return what a fresh view says."""
    view = LogView(store)
    view.refresh()
    return find_stats(view, store if listed else None)


def fill(store: MemoryObjectStore) -> int:
    """Record three calls of two ops, drop one; return the size of one sealed value."""
    values = [inline_of("x"), put_loose(store, "a"), *put_pack(store, "b", "c")]
    dots = publish(
        store,
        *values,
        call_of("train", ["x"], ["a"], duration_us=2_000_000),
        call_of("train", ["a"], ["b"], duration_us=3_000_000),
        call_of("test", ["a", "b"], ["c"], duration_us=500_000),
    )
    # The inline value once more, as segments do.
    publish(store, inline_of("x"), tag_of("a"), tombstone_of(dots[1]), writer=2)
    return sealed_of("a")[1].size


def test_calls_and_values_are_counted_by_op(memory: MemoryObjectStore) -> None:
    """A value counts for the op that made it; one that no op made for one that used it."""
    size = fill(memory)

    stats = stats_of(memory)

    assert stats.by_op == {
        "test": OpAmount(1, 0, 0.5, 1, size),
        "train": OpAmount(1, 1, 2.0, 3, 2 * size + len(payload_of("x"))),
    }
    assert (stats.call_count, stats.dropped_count) == (2, 1)
    assert (stats.segment_count, stats.run_count, stats.tag_count) == (2, 0, 1)


def test_values_are_counted_by_tier(memory: MemoryObjectStore) -> None:
    """What several segments say of one place counts once."""
    size = fill(memory)

    assert stats_of(memory).by_tier == {
        "inline": ValueAmount(1, len(payload_of("x"))),
        "pack": ValueAmount(2, 2 * size),
        "loose": ValueAmount(1, size),
    }


def test_an_empty_store_has_nothing(memory: MemoryObjectStore) -> None:
    """And can be printed."""
    stats = stats_of(memory)

    assert stats == StoreStats(0, 0, 0, {}, {})
    assert str(stats).startswith("0 calls")


def test_without_the_store_nothing_is_asked_of_it(memory: MemoryObjectStore) -> None:
    """The log says all of this."""
    fill(memory)
    store = CountingObjectStore(memory)
    view = LogView(store)
    view.refresh()
    before = store.requests

    find_stats(view)
    assert store.requests == before

    find_stats(view, store)
    assert (store.requests - before).lists == 1
    assert (store.requests - before).gets == 0


def test_with_the_store_its_folders_are_counted(memory: MemoryObjectStore) -> None:
    """What is there, referenced or not."""
    size = fill(memory)
    put_loose(memory, "orphan")

    folders = stats_of(memory, listed=True).by_folder

    assert folders is not None
    assert list(folders) == ["blobs/", "manifest/", "packs/"]
    assert (folders["blobs/"].object_count, folders["blobs/"].size) == (2, 2 * size)


def test_it_prints_as_tables_and_as_a_dictionary(memory: MemoryObjectStore) -> None:
    """For people and for programs."""
    fill(memory)

    stats = stats_of(memory, listed=True)

    assert "train      1        1    2.0 s       3" in str(stats)
    assert max(len(line) for line in str(stats).splitlines()) <= 80
    fields = stats.to_dict()
    assert fields["by_op"]["train"]["dropped_count"] == 1
    assert fields["by_folder"]["packs/"]["object_count"] == 1
    assert stats_of(memory).to_dict()["by_folder"] is None
