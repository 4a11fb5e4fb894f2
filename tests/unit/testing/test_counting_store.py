"""Requests are counted as a bill would count them."""

from __future__ import annotations

import pytest

from mandala_cas.errors import NotFoundError
from mandala_cas.objectstore.api import ByteRange
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.counting import CountingObjectStore, Requests


def test_each_object_of_a_batch_counts() -> None:
    """A batch is faster, not cheaper."""
    store = CountingObjectStore(MemoryObjectStore())

    store.put("a", [b"12", b"3"])
    store.put_many({"b": [b"4"], "c": [b"56"]})
    store.create("d", b"789")
    store.get("a")
    store.get_range("a", 0, 2)
    store.get_into("a", 1, memoryview(bytearray(9)))
    store.get_many(["a", "none"])
    store.get_ranges([ByteRange("c", 1, 1), ByteRange("none", 0, 1)])
    list(store.list(""))
    store.delete(["a", "none"])

    assert store.requests == Requests(
        puts=4, gets=7, lists=1, deletes=2, put_bytes=9, get_bytes=3 + 2 + 2 + 3 + 1
    )


def test_what_fails_counts_too() -> None:
    """It is paid for."""
    store = CountingObjectStore(MemoryObjectStore())

    with pytest.raises(NotFoundError):
        store.get("none")

    assert store.requests == Requests(gets=1)


@pytest.mark.parametrize(("objects", "lists"), [(0, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_a_listing_counts_by_pages(objects: int, lists: int) -> None:
    """A thousand objects are a page."""
    inner = MemoryObjectStore()
    inner.put_many({f"log/{number}": [b""] for number in range(objects)})
    store = CountingObjectStore(inner)

    listed = list(store.list("log/"))

    assert len(listed) == objects
    assert store.requests == Requests(lists=lists)


def test_a_difference_is_what_came_between() -> None:
    """A budget is checked for one operation, after others."""
    store = CountingObjectStore(MemoryObjectStore())
    store.put("a", [b"123"])
    before = store.requests

    store.get("a")

    assert store.requests - before == Requests(gets=1, get_bytes=3)
