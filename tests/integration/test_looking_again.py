"""On a miss of an expensive op, somebody else may have been faster: a look is cheap."""

from __future__ import annotations

from typing import Any

import pytest

from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import Deny, ErrorBefore, FaultStore, Rule
from mandala_cas.testing.counting import CountingObjectStore
from mandala_cas.testing.faults import WRITES
from mandala_cas.values.batches import Clocks

ran: list[int] = []


class Clock:
    """Two clocks that a test moves; an op moves them as well."""

    def __init__(self) -> None:
        """Begin some time after the machine did."""
        self.now = 1000.0

    def clocks(self) -> Clocks:
        """Return the clocks as a recorder takes them."""
        return Clocks(lambda: int(self.now * 1e6), lambda: self.now)


clock = Clock()


@op
def train(x: int) -> int:
    """Take an hour."""
    ran.append(x)
    clock.now += 3600.0
    return x + 1


@op
def glance(x: int) -> int:
    """Take no time at all."""
    ran.append(x)
    return -x


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with nothing run, and with the moved clock for what calls take."""
    ran.clear()
    monkeypatch.setattr("mandala_cas.storage.assembly.now_us", lambda: int(clock.now * 1e6))


def opened(objects: Any) -> Storage:
    """Return a storage whose recorder tells the time by the clock."""
    storage = Storage(objects)
    storage._parts.book._clock_us = lambda: int(clock.now * 1e6)
    storage._parts.recorder.lookout.clocks = clock.clocks()
    storage.refresh()
    return storage


def test_what_a_colleague_computed_meanwhile_is_found_on_a_miss() -> None:
    """Inside a long block nobody looks otherwise, and an hour is spent for nothing."""
    objects = MemoryObjectStore()
    mine, theirs = opened(objects), opened(objects)
    with theirs:
        train(1)
    mine.refresh()

    with mine:
        with theirs:
            train(2)
        clock.now += 60
        ref: Any = train(2)

    assert ran == [1, 2]
    assert mine.unwrap(ref) == 3


def test_a_cheap_op_is_not_worth_a_look() -> None:
    """A listing for each new call of a microsecond would make everything slow."""
    counting = CountingObjectStore(MemoryObjectStore())
    storage = opened(counting)
    with storage:
        glance(1)
    clock.now += 60
    before = counting.requests

    with storage:
        looked = counting.requests - before
        for x in range(2, 50):
            glance(x)
        spent = counting.requests - before

    assert looked.lists == 1  # the block begins with one
    assert spent.lists == 1


def test_a_fresh_look_is_not_repeated() -> None:
    """Of two misses in a row the second would see what the first saw."""
    counting = CountingObjectStore(MemoryObjectStore())
    storage = opened(counting)
    with storage:
        train(1)
        clock.now += 60
        looks = []
        for x in (2, 2, 3):
            before = counting.requests
            storage._parts.book.look_again("train")
            looks.append((counting.requests - before).lists)
            clock.now += 0.1 * x

    assert looks == [1, 0, 0]


def test_a_store_that_does_not_answer_a_look_costs_the_op_and_no_more() -> None:
    """The look is a courtesy; the call can be made without it."""
    objects = FaultStore(MemoryObjectStore())
    storage = opened(objects)
    with storage:
        train(1)
        clock.now += 60
        objects.plan.append(Rule(ErrorBefore(), "list", "manifest/", times=1))
        ref: Any = train(2)

    assert ran == [1, 2]
    assert storage.unwrap(ref) == 3


def test_a_storage_opened_for_reading_computes_and_writes_nothing() -> None:
    """Somebody with a key to read must be able to work on what there is."""
    inner = MemoryObjectStore()
    with Storage(inner):
        train(1)
    objects = FaultStore(inner, [Rule(Deny(), WRITES, times=None)])
    storage = Storage(objects, mode="r")

    with storage:
        known: Any = train(1)
        new: Any = train(7)
        again: Any = train(7)
    storage.commit()

    assert ran == [1, 7]
    assert storage.unwrap([known, new, again]) == [2, 8, 8]
    storage.close()
    with Storage(inner, mode="r") as later:
        assert [call.inputs["x"].hid for call in later.cf(train).calls_by_func()["train"]] == [
            call.inputs["x"].hid for call in storage_calls(inner)
        ]


def storage_calls(objects: MemoryObjectStore) -> list[Any]:
    """Return the calls that the store has."""
    return list(Storage(objects).cf(train).calls_by_func()["train"])


def test_what_reading_keeps_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep over a read-only store must not fill the memory of the machine."""
    monkeypatch.setattr("mandala_cas.values.recorder.HELD_RECORDS_MAX", 10)
    inner = MemoryObjectStore()
    with Storage(inner):
        glance(0)
    storage = Storage(inner, mode="r")

    with storage:
        for x in range(1, 96):
            glance(x)
        held = len(storage._parts.recorder.unpublished())

    assert 0 < held < 60
