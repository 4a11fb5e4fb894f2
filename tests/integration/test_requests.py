"""How many requests things cost: counted, because on a bucket each is money and time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.counted_places import CountedBucket, CountedPlace, CountedS3, Spent

from mandala_cas.imports import Storage, op
from mandala_cas.log.announcements import Announcements
from mandala_cas.testing.servers import S3Server
from mandala_cas.values.lookout import Lookout

COMMITS = 1_000 if os.environ.get("MANDALA_THOROUGH") == "1" else 200


@op
def increment(x: int) -> int:
    """Return the next number."""
    return x + 1


@op
def repeat(x: int) -> bytes:
    """Return more bytes than fit into a segment."""
    return x.to_bytes(2, "big") * 5000


@op
def fill(x: int) -> bytes:
    """Return more bytes than fit into a pack."""
    return x.to_bytes(2, "big") * 600_000


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that has grown old is refreshed, which costs a listing; here none grows old."""
    monkeypatch.setattr(Lookout, "is_stale", False)


@pytest.fixture(params=["bucket", "s3"])
def place(request: pytest.FixtureRequest) -> Iterator[CountedPlace]:
    """Return a place that counts: in memory, and on a server."""
    if request.param == "bucket":
        yield CountedBucket()
        return
    server: S3Server = request.getfixturevalue("s3_server")
    counted = CountedS3(server)
    yield counted
    counted.objects.close()


@pytest.fixture
def open_at(tmp_path: Path, place: CountedPlace) -> Callable[[], Storage]:
    """Return what opens the store at that place; it has been made, and so was the key."""

    def open_store() -> Storage:
        return Storage(place.objects, cache_dir=tmp_path / "cache", flush_after=1000.0)

    with open_store() as storage:
        increment(-1)
    storage.commit()
    return open_store


def spent(place: CountedPlace, act: Callable[[], object]) -> Spent:
    """Return what something costs."""
    before = place.spent()
    act()
    return place.spent() - before


def in_block(storage: Storage, act: Callable[[], object]) -> Callable[[], None]:
    """Return what does something inside of the storage."""

    def run() -> None:
        with storage:
            act()

    return run


def test_a_thousand_small_calls_in_a_block_are_one_put_and_one_listing(
    place: CountedPlace, open_at: Callable[[], Storage]
) -> None:
    """The values lie in the segment; the journal that has them until then is a file."""
    storage = open_at()

    cost = spent(place, in_block(storage, lambda: [increment(x) for x in range(1000)]))

    assert cost == Spent(puts=1, lists=1)


def test_a_call_that_has_returned_has_cost_nothing_yet(
    place: CountedPlace, open_at: Callable[[], Storage]
) -> None:
    """It survives a kill all the same."""
    storage = open_at()

    with storage:
        cost = spent(place, lambda: [increment(x) for x in range(100)])

    assert cost == Spent()


def test_values_of_medium_size_cost_one_put_more(
    place: CountedPlace, open_at: Callable[[], Storage]
) -> None:
    """A pack holds all of them."""
    storage = open_at()

    cost = spent(place, in_block(storage, lambda: [repeat(x) for x in range(100)]))

    assert cost == Spent(puts=2, lists=1)


def test_large_values_cost_a_put_each(place: CountedPlace, open_at: Callable[[], Storage]) -> None:
    """So does the pack of the others, and the segment."""
    storage = open_at()

    def act() -> None:
        for x in range(3):
            fill(x)
            repeat(x)

    cost = spent(place, in_block(storage, act))

    assert cost == Spent(puts=2 + 3, lists=1)


def test_hits_cost_no_request(place: CountedPlace, open_at: Callable[[], Storage]) -> None:
    """Everything that a lookup needs is in memory, and so are small values."""
    with open_at() as storage:
        increment(increment(1))
        repeat(1)
    again = open_at()

    def act() -> None:
        again.unwrap(increment(increment(1)))
        repeat(1)

    assert spent(place, in_block(storage, act)) == Spent()
    assert spent(place, in_block(again, act)) == Spent()


@pytest.mark.parametrize("make", [repeat, fill], ids=["packed", "loose"])
def test_a_cold_value_costs_one_read(
    place: CountedPlace, open_at: Callable[[], Storage], make: Any
) -> None:
    """Of its own bytes, not of the pack."""
    with open_at():
        make(1)
        make(2)
    storage = open_at()
    with storage:
        ref = make(1)

    cost = spent(place, lambda: storage.unwrap(ref))
    again = spent(place, lambda: storage.unwrap(ref))

    assert cost == Spent(gets=1)
    assert again.gets <= 1


def test_looking_where_nothing_is_new_is_one_listing(
    place: CountedPlace, open_at: Callable[[], Storage]
) -> None:
    """However many segments there are."""
    storage = open_at()
    for x in range(5):
        with storage:
            increment(x)

    assert spent(place, storage.refresh) == Spent(lists=1)


def test_looking_where_something_is_new_reads_it_once(
    place: CountedPlace, open_at: Callable[[], Storage]
) -> None:
    """And only it."""
    storage, other = open_at(), open_at()
    for x in range(3):
        with other:
            increment(x)

    assert spent(place, storage.refresh) == Spent(gets=3, lists=1)
    assert spent(place, storage.refresh) == Spent(lists=1)


def test_a_commit_of_nothing_costs_nothing(
    place: CountedPlace, open_at: Callable[[], Storage]
) -> None:
    """Neither does closing."""
    storage = open_at()

    assert spent(place, storage.commit) == Spent()
    assert spent(place, in_block(storage, lambda: increment(-1))) == Spent()
    assert spent(place, storage.close if isinstance(place, CountedBucket) else list) == Spent()


def test_opening_costs_the_config_a_listing_and_a_read_per_segment(
    place: CountedPlace, open_at: Callable[[], Storage]
) -> None:
    """And no read of any payload."""
    storage = open_at()
    for x in range(3):
        with storage:
            repeat(x)

    # The segments, and that of the fixture.
    assert spent(place, open_at) == Spent(gets=1 + 3 + 1, lists=1)


def test_opening_with_a_kept_index_costs_the_config_and_a_listing(
    place: CountedPlace, open_at: Callable[[], Storage]
) -> None:
    """What it holds is not read again, and what came later is."""
    with open_at() as storage:
        for x in range(2200):
            increment(x)
    # This one keeps what it read.
    open_at()

    assert spent(place, open_at) == Spent(gets=1, lists=1)

    with storage:
        increment(-5)
    assert spent(place, open_at) == Spent(gets=2, lists=1)


def test_opening_after_compaction_reads_few_objects(tmp_path: Path) -> None:
    """Ten thousand calls, in however many commits, are a run of one part."""
    place = CountedBucket()
    storage = Storage(place.objects, cache_dir=tmp_path / "cache", flush_after=1000.0)
    size = 10_000 // COMMITS
    for start in range(0, 10_000, size):
        with storage:
            for x in range(start, start + size):
                increment(x)
    for _ in range(2):
        storage.compact(full=True, delay=0)

    def open_elsewhere() -> Storage:
        return Storage(place.objects, cache_dir=tmp_path / "other")

    # The config, the run, its rows; and once, for the index that is kept, its small values.
    assert spent(place, open_elsewhere) == Spent(gets=4, lists=1)
    # What a run stands for is read by everybody, its rows by nobody who has kept them.
    assert spent(place, open_elsewhere) == Spent(gets=2, lists=1)


def test_a_writer_reads_an_announcement_once(
    place: CountedPlace, open_at: Callable[[], Storage]
) -> None:
    """It looks at their names with the listing that it needs anyway."""
    storage = open_at()
    with storage:
        repeat(1)
    storage.drop_calls(list(storage.cf(repeat).df()[repeat.name]))
    collector = open_at()
    collector.gc(dry_run=False, grace=0)
    assert Announcements(place.objects).read(collector._parts.view.listing.announcements)

    first = spent(place, in_block(storage, lambda: increment(5)))
    later = spent(place, in_block(storage, lambda: increment(6)))

    assert first == Spent(puts=1, gets=1, lists=1)
    assert later == Spent(puts=1, lists=1)
