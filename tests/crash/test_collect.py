"""Collections that die, and collections that race with a writer: nothing acknowledged is lost.

The schedules are made by hand: one step of a writer before each request of a collector, for every
choice of requests. The writer of ``small_stores`` keeps to the protocol, and can be told not to,
so that each test is seen to notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import combinations_with_replacement, count, product
from operator import itemgetter

import pytest
from tests.unit.upkeep.collecting import run
from tests.unit.upkeep.small_stores import (
    Writer,
    call_of,
    inline_of,
    payload_names,
    publish,
    put_loose,
    put_pack,
    tombstone_of,
    unreadable,
)

from mandala_cas.model.ids import Dot
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import COLLECTIONS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import CrashPoint, crash_at_every_call
from mandala_cas.testing.faults import FaultStore, Rule
from mandala_cas.upkeep.collecting.collect import DAY_S


def store_with_garbage() -> MemoryObjectStore:
    """Return a store of three live values, two dropped ones and an orphan."""
    store = MemoryObjectStore()
    values = [put_loose(store, "a"), put_loose(store, "b"), *put_pack(store, "c", "d")]
    values += [put_loose(store, "e")]
    put_pack(store, "orphan", nonce=2)
    dots = publish(
        store,
        inline_of("x"),
        *values,
        *(call_of(f"op_{text}", ["x"], [text]) for text in "abcde"),
    )
    publish(store, tombstone_of(dots[0]), tombstone_of(dots[2]), tombstone_of(dots[4]), writer=2)
    return store


@cache
def _objects_of_a_dropped_value() -> tuple[tuple[str, bytes], ...]:
    """Return a store with the value V, whose only call was dropped, as bytes by name."""
    store = MemoryObjectStore()
    (dot,) = publish(store, inline_of("x"), put_loose(store, "V"), call_of("first", ["x"], ["V"]))
    publish(store, tombstone_of(dot), writer=2)
    return tuple((info.name, store.get(info.name)) for info in store.list(""))


def store_with_a_dropped_value() -> MemoryObjectStore:
    """Return that store, for one schedule."""
    store = MemoryObjectStore()
    for name, data in _objects_of_a_dropped_value():
        store.put(name, [data])
    return store


def test_a_collection_that_dies_at_any_request_loses_nothing_and_is_finished_by_the_next() -> None:
    """And leaves no second piece of work behind."""

    def scenario(store: ObjectStore, acknowledged: list[Dot]) -> None:
        del acknowledged
        run(store)

    def check(left: ObjectStore, acknowledged: Sequence[Dot], point: CrashPoint) -> None:
        del acknowledged, point
        assert unreadable(left) == []
        run(left)
        assert unreadable(left) == []
        assert len(payload_names(left)) == 2
        announced = [info.name for info in left.list(COLLECTIONS)]
        assert sum(name.endswith(".condemned") for name in announced) == sum(
            name.endswith(".done") for name in announced
        )
        assert run(left).deleted == ()

    calls = crash_at_every_call(scenario, check, make_store=store_with_garbage)

    # The log twice, the store, an announcement there and back, three deletions, the end of it.
    assert calls >= 10


def test_what_was_acknowledged_between_two_crashes_of_a_collector_is_readable() -> None:
    """A writer works on in the store that a dead collector left, and the next collector comes."""

    def scenario(store: ObjectStore, acknowledged: list[Dot]) -> None:
        del acknowledged
        run(store)

    def check(left: ObjectStore, acknowledged: Sequence[Dot], point: CrashPoint) -> None:
        del acknowledged, point
        writer = Writer(left, "a")
        writer.decide()
        writer.publish()
        writer.look()
        run(left)
        assert writer.acknowledged
        assert unreadable(left) == []

    crash_at_every_call(scenario, check, make_store=store_with_garbage)


def store_with_an_old_announcement() -> MemoryObjectStore:
    """Return a store in which a collection was carried out a hundred days ago."""
    now = [0.0]
    store = MemoryObjectStore(clock=lambda: now[0])
    for name, data in _objects_of_a_dropped_value():
        store.put(name, [data])
    run(store)
    now[0] = 100 * DAY_S
    publish(store, inline_of("later"), writer=5)
    return store


def test_a_crash_while_old_announcements_are_removed_brings_none_back_to_life() -> None:
    """What was carried out is not carried out again, unseen by who looked at it before."""

    def scenario(store: ObjectStore, acknowledged: list[Dot]) -> None:
        del acknowledged
        run(store)

    def check(left: ObjectStore, acknowledged: Sequence[Dot], point: CrashPoint) -> None:
        del acknowledged, point
        before = {info.name for info in left.list(COLLECTIONS)}
        run(left)
        after = {info.name for info in left.list(COLLECTIONS)}
        # Nothing was carried out anew, and all that was old is gone.
        assert after <= before
        assert after == set()

    assert crash_at_every_call(scenario, check, make_store=store_with_an_old_announcement) >= 5


def request_count() -> int:
    """Return how many requests a collection of that store makes."""
    store = FaultStore(store_with_a_dropped_value())
    run(store)
    return len(store.calls)


def schedules() -> list[tuple[int, int, int]]:
    """Return before which requests a writer decides, publishes and looks; the last is "after".

    It decides at the beginning or just before it publishes: in between nothing else changes that
    it could see.
    """
    pairs = combinations_with_replacement(range(request_count() + 1), 2)
    return sorted({(decide, p, look) for p, look in pairs for decide in (0, p)})


def losses(
    make_writer: Callable[[ObjectStore], Writer], *, collect: Callable[[ObjectStore], object] = run
) -> Iterator[tuple[int, ...]]:
    """Yield the schedules after which a value is lost that a writer was told is safe."""
    for schedule in schedules():
        inner = store_with_a_dropped_value()
        writer = make_writer(inner)
        steps = (writer.decide, writer.publish, writer.look)
        race(inner, list(zip(schedule, steps, strict=True)), collect)
        assert writer.acknowledged
        if unreadable(inner):
            yield schedule


def race(
    inner: ObjectStore,
    plan: Sequence[tuple[int, Callable[[], object]]],
    collect: Callable[[ObjectStore], object] = run,
) -> None:
    """Collect, and take each step of ``plan`` before the request of that number, or at the end."""
    waiting = list(plan)
    requests = count()

    class Steps:
        """A fault that is none: it takes the steps that are due, then lets the request go on."""

        def strike(self, store: object, call: object, effect: Callable[[], object]) -> object:
            """Take them."""
            del store, call
            number = next(requests)
            while waiting and waiting[0][0] == number:
                waiting.pop(0)[1]()
            return effect()

    collect(FaultStore(inner, [Rule(Steps(), times=None)]))
    for _, step in waiting:
        step()


def test_no_schedule_of_a_writer_and_a_collector_loses_what_was_acknowledged() -> None:
    """Drop, decide, publish, look: before, between and after all requests of the collector."""
    assert len(schedules()) > 90

    assert list(losses(lambda store: Writer(store, "V"))) == []


def test_a_writer_that_does_not_look_would_lose() -> None:
    """Decided before, published after the log was read again: the test above must notice."""
    assert any(losses(lambda store: Writer(store, "V", looks=False)))


def test_a_writer_that_repairs_under_the_same_name_would_lose() -> None:
    """Put again just before it is deleted."""
    assert any(losses(lambda store: Writer(store, "V", repairs_under_a_fresh_name=False)))


def test_a_collector_that_removes_its_announcement_at_once_would_lose() -> None:
    """A writer that looks after that sees nothing."""

    def hasty(store: ObjectStore) -> None:
        run(store)
        inner = store.inner if isinstance(store, FaultStore) else store
        inner.delete([info.name for info in inner.list(COLLECTIONS)])

    assert any(losses(lambda store: Writer(store, "V"), collect=hasty))


@pytest.mark.parametrize("early", [1, 2])
def test_two_collectors_and_a_writer_lose_nothing(early: int) -> None:
    """The second collector runs in the middle of the first one, the writer around it.

    ``early`` is how many steps the writer took before both.
    """
    for other_at, writer_at in product(range(request_count() + 1), repeat=2):
        inner = store_with_a_dropped_value()
        writer = Writer(inner, "V")
        steps = (writer.decide, writer.publish, writer.look)
        for step in steps[:early]:
            step()

        plan: list[tuple[int, Callable[[], object]]] = [
            (other_at, partial(run, inner)),
            (writer_at, steps[early]),
        ]
        race(inner, sorted(plan, key=itemgetter(0)))
        for step in steps[early + 1 :]:
            step()

        assert writer.acknowledged
        assert unreadable(inner) == [], f"{early=} {other_at=} {writer_at=}"
