"""Writers and readers of one log, switched at every call to the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from itertools import count

import pytest
from tests.crash.test_log import call_of, record_of, sealed_value, visible_dots, write_payload

from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter
from mandala_cas.model.entries import Tier, Tombstone
from mandala_cas.model.ids import Dot, WriterId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import SEGMENTS
from mandala_cas.testing import DepthFirst, PriorityChange, RandomWalk, explore
from mandala_cas.testing.scheduler import Actor, Strategy

STRATEGIES = [RandomWalk(), PriorityChange(steps=30), DepthFirst()]
BATCHES = 2
RUNS = 5_000 if os.environ.get("MANDALA_THOROUGH") else 100


def make_writer(store: ObjectStore, name: str) -> LogWriter:
    """Return a writer that makes the same bytes every time, and others than its colleagues."""
    # A millisecond for each segment: its name says so, and listings go by names.
    ticks = count(1_700_000_000_000_000, 1000)
    return LogWriter(
        store,
        signer=None,
        session=dict,
        clock_us=lambda: next(ticks),
        draw=lambda size: name.encode() * size,
    )


def flush_batches(name: str) -> Callable[[ObjectStore], list[Dot]]:
    """Return an actor that flushes some batches and returns the dots of their calls."""

    def act(store: ObjectStore) -> list[Dot]:
        writer = make_writer(store, name)
        dots: list[Dot] = []
        for number in range(BATCHES):
            # Both writers make the same values: they race for the same loose blobs.
            dots += write_payload(store, writer, number)
            writer.publish()
        return dots

    return act


def flush_the_wrong_way_round(store: ObjectStore) -> list[Dot]:
    """Publish a segment before the value that it places."""
    writer = make_writer(store, "w")
    payload_hash, sealed = sealed_value(0, 0)
    name = f"blobs/{payload_hash.hex()[:2]}/{payload_hash.hex()}"
    size = len(sealed.to_bytes())
    record = record_of(payload_hash, Tier.LOOSE, Placement(name, 0, size))
    writer.append(record)
    dot = writer.append(call_of(record))
    writer.publish()
    BlobStore(store).put_loose(payload_hash, sealed)
    assert dot is not None
    return [dot]


def read_twice(store: ObjectStore) -> tuple[list[Dot], list[Dot]]:
    """Read the log and every value in it, and again; nothing may be missing or half there."""
    return visible_dots(store), visible_dots(store)


def make_actors(store: ObjectStore) -> Mapping[str, Actor]:
    """Return two writers and a reader."""
    del store
    return {"v": flush_batches("v"), "w": flush_batches("w"), "reader": read_twice}


def check(store: ObjectStore, results: Mapping[str, object]) -> None:
    """Whoever reads now sees every acknowledged call, and what anybody saw before."""
    dots = set(visible_dots(store))
    for name in results.keys() & {"v", "w"}:
        acknowledged = results[name]
        assert isinstance(acknowledged, list)
        assert set(acknowledged) <= dots, f"{name} was told that they are safe"
    if "reader" in results:
        seen = results["reader"]
        assert isinstance(seen, tuple)
        first, second = seen
        assert set(first) <= set(second) <= dots, "a view only grows"


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_a_reader_never_sees_a_record_before_its_payload(strategy: Strategy) -> None:
    """And each writer finds its own calls on record, whatever the others do."""
    explored = explore(make_actors, check, seeds=range(RUNS), strategy=strategy)

    if isinstance(strategy, DepthFirst):
        # Fewer than were allowed: these are all.
        assert min(RUNS, 1_000) <= explored.run_count <= RUNS
    else:
        assert explored.run_count == RUNS
    # With thousands of runs, the orders that few preemptions allow are met again and again.
    assert explored.distinct_count > min(RUNS, 2_000) / 5


@pytest.mark.parametrize("strategy", [RandomWalk(), PriorityChange(steps=30)], ids=repr)
def test_what_a_dead_writer_acknowledged_stays(strategy: Strategy) -> None:
    """And what it did not finish disturbs nobody."""
    explored = explore(make_actors, check, seeds=range(RUNS), strategy=strategy, crash_max=2)

    assert explored.crash_count > RUNS / 5


def test_a_segment_before_its_payload_is_found() -> None:
    """The order of writes is what the whole store rests on; undone, a reader notices."""

    def make(store: ObjectStore) -> Mapping[str, Actor]:
        del store
        return {"writer": flush_the_wrong_way_round, "reader": read_twice}

    with pytest.raises(AssertionError) as caught:
        explore(make, lambda *_: None, seeds=range(100), strategy=DepthFirst())

    trace = caught.value.__notes__[-1]
    assert trace.index(f"writer: put {SEGMENTS}") < trace.index("reader: list manifest/")
    assert trace.index("reader: get blobs/") < trace.index("writer: put blobs/")


def test_a_hole_between_two_pages_of_a_listing_is_closed_by_the_next() -> None:
    """A page may be older than the next; only a hole that stays is a loss."""
    holes: set[int] = set()

    def publish_two(name: str) -> Actor:
        def act(store: ObjectStore) -> None:
            writer = make_writer(store, name)
            for seq in range(2):
                writer.append(Tombstone(WriterId(b"z" * 8), seq, 0, 0))
                writer.publish()

        return act

    def read(store: ObjectStore) -> None:
        view = LogView(store)
        view.refresh()
        first = set(view.chain_holes())
        view.refresh()
        holes.add(len(first))
        assert not first & set(view.chain_holes())

    def make(store: ObjectStore) -> Mapping[str, Actor]:
        del store
        return {"v": publish_two("v"), "w": publish_two("w"), "reader": read}

    explore(
        make,
        lambda *_: None,
        seeds=range(1_000),
        strategy=DepthFirst(preemptions_max=3),
        page_size=1,
    )

    assert holes == {0, 1}
