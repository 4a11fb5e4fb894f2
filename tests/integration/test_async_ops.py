"""``async def`` ops on real stores: concurrent, cancelled, lost, and in several threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mandala_cas.imports import AtomRef, Storage, op
from mandala_cas.objectstore.layout import BLOBS, PACKS
from mandala_cas.objectstore.memory import MemoryObjectStore

RUNS: list[Any] = []


@op
def half(numbers: Any) -> Any:
    """Be called by others."""
    return numbers / 2


@op(output_names=["numbers", "length"])
async def fetched(seed: int, size: int) -> tuple[Any, int]:
    """Return numbers that do not shrink, after a while."""
    RUNS.append(seed)
    await asyncio.sleep(0)
    return np.random.default_rng(seed).random(size), size


@op
async def pipeline(seed: int) -> float:
    """Await another op twice at once, and call an ordinary one."""
    (one, _), (two, _) = await asyncio.gather(fetched(seed, 1000), fetched(seed, 1000))
    return float((half(one) + half(two)).sum())


@op
async def endless(x: int) -> int:
    """Never come to an end, but first make a call that does."""
    half(np.array([float(x)]))
    await asyncio.Event().wait()
    return x


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    """Count from nothing."""
    RUNS.clear()


def expected(seed: int) -> float:
    """Return what the pipeline gives."""
    return float(np.random.default_rng(seed).random(1000).sum())


def test_what_was_awaited_answers_in_the_next_process(tmp_path: Path) -> None:
    """Lazily; whether it is awaited or asked for with ``lookup``."""
    storage = Storage(tmp_path / "store")

    async def main(storage: Storage) -> Any:
        with storage:
            return await asyncio.gather(*(pipeline(seed) for seed in (1, 2, 1)))

    made = asyncio.run(main(storage))
    storage.close()
    other = Storage(tmp_path / "store")
    found = asyncio.run(main(other))
    with other:
        assert pipeline.is_cached(1)
        assert pipeline.lookup(2) == found[1]

    assert other.unwrap(found) == [expected(seed) for seed in (1, 2, 1)]
    assert made == found
    assert sorted(RUNS) == [1, 2]
    assert not any(ref.in_memory for ref in found)
    # Two of the pipeline, two of what it awaits, two of what that gave halves of.
    assert other.stats().call_count == 6
    assert other.fsck("data").ok


def test_calls_of_a_body_are_linked_to_it() -> None:
    """Also those of the tasks that it started."""
    storage = Storage()

    async def main() -> Any:
        with storage:
            return await pipeline(1)

    result = asyncio.run(main())
    book = storage._parts.book
    (outer,) = book.creators(result)
    for name in ("fetched", "half"):
        hids = [call.hid for call in storage.cf(name).df()[name]]
        records = [storage.make_call(outer.call_id.from_hex(hid)).record for hid in hids]
        assert [record.parent for record in records] == [outer.call_id]


def test_a_cancelled_call_leaves_nothing_of_itself(tmp_path: Path) -> None:
    """What it had made is on record; it is not, and it can be called again."""
    storage = Storage(tmp_path / "store")

    async def main() -> None:
        with storage:
            task: asyncio.Task[Any] = asyncio.ensure_future(endless(1))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(task, timeout=0)
            again: asyncio.Task[Any] = asyncio.ensure_future(endless(1))
            await asyncio.sleep(0)
            again.cancel()
            with pytest.raises(asyncio.CancelledError):
                await again

    asyncio.run(main())
    storage.close()

    found = Storage(tmp_path / "store")
    assert found.stats().by_op.keys() == {"half"}
    assert found.failures() == []


def test_threads_with_event_loops_compute_once() -> None:
    """The storage is one; the loops are many."""
    storage = Storage()
    barrier = threading.Barrier(4)

    def work(_: int) -> Any:
        with storage:
            barrier.wait()
            return asyncio.run(pipeline(7))

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))

    assert storage.unwrap(results) == [expected(7)] * 4
    assert RUNS == [7]


def test_a_lost_value_is_computed_again() -> None:
    """Where refs are unwrapped nobody can await: the op runs in a loop of its own."""
    objects = MemoryObjectStore()

    async def make() -> Any:
        with Storage(objects):
            return await fetched(3, 5000)

    numbers, _ = asyncio.run(make())
    objects.delete([info.name for folder in (PACKS, BLOBS) for info in objects.list(folder)])
    storage = Storage(objects)

    async def ask() -> Any:
        with storage:
            return storage.unwrap(numbers.detached())

    found = asyncio.run(ask())
    with storage:
        again = storage.unwrap(numbers.detached())

    wanted = np.random.default_rng(3).random(5000)
    assert np.array_equal(found, wanted)
    assert np.array_equal(again, wanted)
    assert RUNS == [3, 3]


def test_a_forced_call_replaces(tmp_path: Path) -> None:
    """As of ordinary ops."""
    storage = Storage(tmp_path / "store")
    drift = [1]

    @op
    async def drifting() -> int:
        return drift[0]

    async def main() -> Any:
        with storage:
            await drifting()
        drift[0] = 2
        with storage(mode="recompute"):
            return await asyncio.gather(drifting(), drifting())

    refs = asyncio.run(main())

    assert storage.unwrap(refs) == [2, 2]
    assert all(isinstance(ref, AtomRef) for ref in refs)
    assert list(Storage(tmp_path / "store").cf(drifting).df()["var_0"]) == [2]
