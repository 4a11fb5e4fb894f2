"""A collector beside a whole storage: what is on record afterwards can be read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from tests.unit.upkeep.collecting import run

from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import FaultStore, Rule


@op
def medium(seed: int) -> Any:
    """Return a value that lies in a pack, and does not shrink."""
    return np.random.default_rng(seed).bytes(10_000)


@op
def large(seed: int) -> Any:
    """Return a value that is an object of its own."""
    return np.random.default_rng(seed).random(200_000)


@op
def total(numbers: Any) -> float:
    """Use a value."""
    return float(
        np.sum(np.frombuffer(numbers, np.uint8) if isinstance(numbers, bytes) else numbers)
    )


def compute(storage: Storage) -> None:
    """Record four calls, as one commit."""
    with storage:
        for make in (medium, large):
            total(make(1))


def dropped() -> MemoryObjectStore:
    """Return a store in which those calls were made and dropped; their payload is still there."""
    store = MemoryObjectStore()
    storage = Storage(store)
    compute(storage)
    for op_ in (total, medium, large):
        storage.drop_calls(list(storage.cf(op_).df()[op_.name]))
    return store


class Stepping:
    """A fault that is none: it takes one step before the request of a number."""

    def __init__(self, number: int, step: Callable[[], object]) -> None:
        """Take ``step`` once."""
        self._requests = count()
        self._number = number
        self._step = step

    def strike(self, store: object, call: object, effect: Callable[[], object]) -> object:
        """Take it if it is due, then let the request go on."""
        del store, call
        if next(self._requests) == self._number:
            self._step()
        return effect()


def test_a_collection_before_any_request_of_a_commit_loses_nothing() -> None:
    """Values that the writer relies on go while it publishes; it looks, and puts them again."""
    counting = FaultStore(dropped())
    storage = Storage(counting)
    counting.calls.clear()
    compute(storage)
    assert len(counting.calls) >= 2

    for number in range(len(counting.calls) + 1):
        store = dropped()
        between = FaultStore(store)
        storage = Storage(between)
        between.plan = [Rule(Stepping(number, partial(run, store)), times=None)]
        compute(storage)

        check_committed(store)


def test_a_commit_before_any_request_of_a_collection_loses_nothing() -> None:
    """The collector reads the log again, and spares what is needed by then."""
    counting = FaultStore(dropped())
    run(counting)

    for number in range(len(counting.calls) + 1):
        store = dropped()
        storage = Storage(store)
        run(FaultStore(store, [Rule(Stepping(number, partial(compute, storage)), times=None)]))
        if number == len(counting.calls):
            compute(storage)

        check_committed(store)


def check_committed(store: ObjectStore) -> None:
    """Load every value in a fresh storage.

    A call may have to be made again, where its writer never had the bytes of a result that went:
    it said so, and the record is hidden. What is on record can be read.
    """
    storage = Storage(store)
    with storage:
        refs = [make(1) for make in (medium, large)]
        totals = [total(ref) for ref in refs]
    values = [storage.unwrap(ref) for ref in refs]
    assert values[0] == medium.f(1)
    assert np.array_equal(values[1], large.f(1))
    assert [storage.unwrap(ref) for ref in totals] == [total.f(value) for value in values]
