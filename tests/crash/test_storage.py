"""A process that dies at any call to the store loses nothing that was committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mandala_cas.imports import Storage, op
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.testing import CrashPoint, SimulatedCrash, crash_at_every_call

BLOCKS = 3
_executed: list[str] = []


@op
def small(block: int) -> int:
    """Return a value that lies in the segment."""
    _executed.append("small")
    return block + 1000


@op
def medium(block: int) -> Any:
    """Return a value that lies in a pack, and does not shrink."""
    _executed.append("medium")
    return np.random.default_rng(block).bytes(10_000)


@op
def large(block: int) -> Any:
    """Return a value that is an object of its own."""
    _executed.append("large")
    return np.random.default_rng(block).random(200_000)


def run_block(storage: Storage, block: int) -> list[Any]:
    """Compute one block, or find it; return its values."""
    with storage:
        refs = [small(block), medium(block), large(block)]
    return [storage.unwrap(ref) for ref in refs]


def run_all(store: ObjectStore, acknowledged: list[int]) -> None:
    """Compute block after block; each is safe when its `with` has ended."""
    storage = Storage(store)
    for block in range(BLOCKS):
        run_block(storage, block)
        acknowledged.append(block)


def drop_one(store: ObjectStore, acknowledged: list[int]) -> None:
    """Compute two blocks and drop one call of the first."""
    storage = Storage(store)
    for block in range(2):
        run_block(storage, block)
        acknowledged.append(block)
    call = next(iter(storage.cf(small).df()["small"]))
    # From here on the dropped call may be there or not; the others must be.
    acknowledged.remove(call.inputs["block"].loader.unwrap(call.inputs["block"]))
    storage.drop_calls([call])


def check(left: ObjectStore, acknowledged: Sequence[int], point: CrashPoint) -> None:
    """Look at what a crash left, as the next process does."""
    del point
    storage = Storage(left)
    assert_everything_visible_can_be_read(storage)
    for block in acknowledged:
        _executed.clear()
        values = run_block(storage, block)
        assert _executed == [], "what was acknowledged is not computed again"
        assert_values_are_right(values, block)
    for block in range(BLOCKS):
        assert_values_are_right(run_block(storage, block), block)


def assert_everything_visible_can_be_read(storage: Storage) -> None:
    """Load every value that any visible call names."""
    contents = [ContentId(cid) for cid in storage.tables().refs["cid"]]
    assert len(storage.load_values(contents)) == len(contents)


def assert_values_are_right(values: list[Any], block: int) -> None:
    """Compare with what the plain functions return."""
    assert values[0] == small.f(block)
    assert values[1] == medium.f(block)
    assert np.array_equal(values[2], large.f(block))


def test_a_crash_at_any_call_loses_nothing_that_was_acknowledged() -> None:
    """And leaves nothing half-visible: every call on record can be read."""
    calls = crash_at_every_call(run_all, check)

    # config and README; per block a loose blob, a pack, a segment and listings.
    assert calls > 4 * BLOCKS


def test_a_crash_in_a_drop_loses_no_other_call() -> None:
    """A drop is one segment: it is there, or it is not."""
    crash_at_every_call(drop_one, check)


def test_a_crash_leaves_the_context_of_the_thread_as_it_was() -> None:
    """The simulated death of one storage must not make the next one nested in it."""
    from mandala_cas.memo.context import current  # noqa: PLC0415 (one test looks inside)
    from mandala_cas.testing import Crash, FaultStore, Rule  # noqa: PLC0415 (only here)

    objects = FaultStore(Storage()._parts.objects, [Rule(Crash(), "put", "manifest/")])
    storage = Storage(objects)
    try:
        run_block(storage, 0)
    except SimulatedCrash:
        assert current() is None
    else:
        raise AssertionError("the crash did not happen")
