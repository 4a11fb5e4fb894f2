"""Listings that lag: by so many writes, by so much time, and never what is read by name."""

from __future__ import annotations

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import StaleListStore


def names(store: ObjectStore, prefix: str = "") -> list[str]:
    """Return what a listing shows."""
    return sorted(info.name for info in store.list(prefix))


def test_a_listing_lags_by_writes(memory: MemoryObjectStore) -> None:
    """Puts and deletions are shown late, the latest last."""
    memory.put("old", [b""])
    store = StaleListStore(memory, writes=2)

    shown = [names(store)]
    store.put_many({"a/1": [b""], "a/2": [b""]})
    shown.append(names(store))
    store.create("b", b"")
    shown.append(names(store))
    store.delete(["old", "never"])
    shown.append(names(store))
    store.delete(["never"])
    shown.append(names(store))

    assert shown == [
        ["old"],
        ["old"],
        ["a/1", "old"],
        ["a/1", "a/2", "b", "old"],
        ["a/1", "a/2", "b"],
    ]
    assert names(store, "a/") == ["a/1", "a/2"]


def test_a_listing_lags_by_time(memory: MemoryObjectStore) -> None:
    """As on NFS, whose attributes are kept for a minute."""
    now = [0.0]
    memory.put("old", [b""])
    store = StaleListStore(memory, seconds=60, clock=lambda: now[0])

    store.put("new", [b""])
    now[0] = 59.0
    before = names(store)
    now[0] = 60.0
    after = names(store)

    assert (before, after) == (["old"], ["new", "old"])


def test_the_longer_of_two_lags_counts(memory: MemoryObjectStore) -> None:
    """Whatever makes a listing late."""
    now = [0.0]
    store = StaleListStore(memory, writes=1, seconds=60, clock=lambda: now[0])
    store.put("a", [b""])
    now[0] = 100.0
    store.put("b", [b""])

    at_once = names(store)
    now[0] = 1000.0
    later = names(store)

    assert (at_once, later) == (["a"], ["a"])


def test_reading_by_name_is_never_stale(memory: MemoryObjectStore) -> None:
    """Only listings are weak."""
    store = StaleListStore(memory, writes=100)
    store.put("a", [b"new"])

    assert store.get("a") == b"new"
    assert store.get_many(["a", "b"]) == [b"new", None]
    assert names(store) == []


def test_it_says_that_it_is_weak(memory: MemoryObjectStore) -> None:
    """Code that asks for the capability takes its time instead."""
    store = StaleListStore(memory, writes=1)

    assert not store.capabilities.strong_list
    assert store.capabilities.atomic_create


def test_after_a_quiet_while_everything_shows(memory: MemoryObjectStore) -> None:
    """Late is not never."""
    store = StaleListStore(memory, writes=1)
    store.put("a", [b""])

    store.catch_up()

    assert names(store) == ["a"]
    store.put("b", [b""])
    assert names(store) == ["a"]
