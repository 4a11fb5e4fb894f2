"""How many requests things cost: counted, because on a bucket each is money and time."""

from __future__ import annotations

import pytest

from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.counting import CountingObjectStore, Requests
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.values.lookout import Lookout


@op
def increment(x: int) -> int:
    """Return the next number."""
    return x + 1


@op
def repeat(x: int) -> bytes:
    """Return more bytes than fit into a segment."""
    return x.to_bytes(2, "big") * 5000


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that has grown old is refreshed, which costs a listing; here none grows old."""
    monkeypatch.setattr(Lookout, "is_stale", False)


@pytest.fixture
def objects() -> CountingObjectStore:
    """Return a store that counts, and has been made."""
    inner = MemoryObjectStore()
    Storage(inner).close()
    return CountingObjectStore(inner)


def spent(objects: CountingObjectStore, before: Requests) -> tuple[int, int, int]:
    """Return how many puts, gets and listings there were since ``before``."""
    requests = objects.requests - before
    assert requests.deletes == 0
    return requests.puts, requests.gets, requests.lists


def test_a_thousand_small_calls_in_a_block_are_one_put_and_one_listing(
    objects: CountingObjectStore,
) -> None:
    """The values lie in the segment."""
    storage = Storage(objects)
    before = objects.requests

    with storage:
        for x in range(1000):
            increment(x)

    assert spent(objects, before) == (1, 0, 1)


def test_values_of_medium_size_cost_one_put_more(objects: CountingObjectStore) -> None:
    """A pack holds all of them."""
    storage = Storage(objects)
    before = objects.requests

    with storage:
        for x in range(100):
            repeat(x)

    assert spent(objects, before) == (2, 0, 1)


def test_hits_cost_no_request(objects: CountingObjectStore) -> None:
    """Everything that a lookup needs is in memory."""
    storage = Storage(objects)
    with storage:
        increment(increment(1))
    before = objects.requests

    with storage:
        storage.unwrap(increment(increment(1)))

    assert spent(objects, before) == (0, 0, 0)


def test_opening_costs_the_config_a_listing_and_a_read_per_segment(
    objects: CountingObjectStore,
) -> None:
    """And no read of any payload."""
    storage = Storage(objects)
    for x in range(3):
        with storage:
            repeat(x)
    before = objects.requests

    Storage(objects)

    assert spent(objects, before) == (0, 1 + 3, 1)
