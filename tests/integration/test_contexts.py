"""Blocks on real stores: nested, with modes, in threads and tasks."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.errors import NewCallsNotAllowedError, StoreUnavailableError, UsageError
from mandala_cas.imports import AtomRef, Storage, noop, op
from mandala_cas.memo.context import current
from mandala_cas.objectstore.layout import SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import ErrorBefore, FaultStore, Rule

RUNS: list[int] = []
DRIFT = [0]


@op
def shifted(x: int) -> int:
    """Depend on what is no argument."""
    RUNS.append(x)
    return x + DRIFT[0]


@op
def doubled(x: int) -> int:
    """Use what another op gave."""
    return x * 2


@pytest.fixture(autouse=True)
def _nothing_happened() -> None:
    """Start with nothing counted and nothing shifted."""
    RUNS.clear()
    DRIFT[0] = 0


def segment_count(objects: MemoryObjectStore) -> int:
    """Return how many commits there were."""
    return len(list(objects.list(SEGMENTS)))


def test_the_outer_storage_is_back_after_an_inner_block() -> None:
    """In mandala it was not: later calls were silently not recorded."""
    outer, inner = Storage(), Storage()

    with outer:
        shifted(1)
        with inner:
            shifted(2)
        with noop(), inner:
            shifted(3)
        shifted(4)

    assert [len(outer.cf(shifted).df()), len(inner.cf(shifted).df())] == [2, 2]
    assert RUNS == [1, 2, 3, 4]


def test_a_block_with_a_mode_can_be_entered_again_and_within_itself() -> None:
    """It keeps nothing of its entries."""
    storage = Storage()
    block = storage(mode="noop")
    modes = [storage.mode]

    for _ in range(2):
        with block as entered, block:
            assert entered is storage
            modes.append(storage.mode)
            assert shifted(1) == 1
    with storage, block, storage(mode="recompute"):
        modes.append(storage.mode)
    with storage:
        modes.append(storage.mode)

    assert modes == ["run", "noop", "noop", "recompute", "run"]
    assert current() is None
    assert storage.stats().call_count == 0


def test_the_mode_is_that_of_the_thread() -> None:
    """Another one is outside."""
    storage = Storage()
    seen: list[str] = []
    with storage(mode="noop"):
        thread = threading.Thread(target=lambda: seen.append(storage.mode))
        thread.start()
        thread.join()

    assert seen == ["run"]


def test_a_mode_of_a_store_is_no_mode_of_a_block() -> None:
    """They look alike, so the error says which is which."""
    with pytest.raises(UsageError, match=r"'run', 'noop' or 'recompute', got 'r'.*when it is open"):
        Storage()("r")  # type: ignore[arg-type]  # wrong on purpose


def test_a_closed_storage_is_not_entered_in_any_way() -> None:
    """Not even to do nothing."""
    storage = Storage()
    storage.close()

    for attempt in (
        storage(mode="noop").__enter__,
        storage(mode="recompute").__enter__,
        lambda: storage.allow_new_calls(False),
        lambda: storage.wrap(shifted),
        storage.failures,
    ):
        with pytest.raises(UsageError, match="is closed"):
            attempt()
    assert current() is None


def test_noop_needs_no_commit(tmp_path: Path) -> None:
    """Nothing was made, and a block around it commits for itself."""
    objects = MemoryObjectStore()
    storage = Storage(objects)
    with storage:
        shifted(1)
        with storage(mode="noop"):
            shifted(2)
        before = segment_count(objects)

    assert (before, segment_count(objects)) == (0, 1)
    del tmp_path


def test_new_calls_are_forbidden_until_they_are_allowed() -> None:
    """As in mandala: a setting of the storage, for blocks that are open and those to come."""
    storage = Storage()
    with storage:
        one: Any = shifted(1)
        storage.allow_new_calls(False)
        with pytest.raises(
            NewCallsNotAllowedError,
            match=r"^Call to shifted does not exist and new calls are not allowed\.",
        ):
            shifted(2)
    with storage:
        # By history, and by content.
        assert storage.unwrap([shifted(1), shifted(one)]) == [1, 1]
        with pytest.raises(NewCallsNotAllowedError):
            doubled(1)
    storage.allow_new_calls(True)
    with storage:
        shifted(2)

    assert RUNS == [1, 2]


def test_new_calls_are_forbidden_within_a_with_statement() -> None:
    """Then it is as it was before, also if that was forbidden."""
    storage = Storage()
    with storage:
        with storage.allow_new_calls(False) as same:
            assert same is storage
            with storage.allow_new_calls(True):
                shifted(1)
            with pytest.raises(NewCallsNotAllowedError):
                shifted(2)
        shifted(2)

    with storage(allow_new_calls=False), pytest.raises(NewCallsNotAllowedError):
        shifted(3)
    assert RUNS == [1, 2]


def test_recompute_replaces_what_is_on_record(tmp_path: Path) -> None:
    """Here, in a frame, and for whoever opens the store; the store stays whole."""
    storage = Storage(tmp_path / "store")
    with storage:
        doubled(shifted(1))
    DRIFT[0] = 10
    with storage(mode="recompute"):
        result = doubled(shifted(1))
        again = shifted(1)

    assert storage.unwrap([result, again]) == [22, 11]
    assert RUNS == [1, 1]
    # What was computed from the old outcome is on record for that one.
    assert sorted(storage.cf(shifted).df()["var_0"]) == [11]
    assert sorted(storage.cf(doubled).df()["var_0"]) == [2, 22]
    storage.close()

    other = Storage(tmp_path / "store")
    with other:
        assert other.unwrap(doubled(shifted(1))) == 22
    assert RUNS == [1, 1]
    assert other.stats().call_count == 3
    assert other.fsck("data").ok


def test_recompute_writes_nothing_where_nothing_changed() -> None:
    """No segment, no tombstone."""
    objects = MemoryObjectStore()
    storage = Storage(objects)
    with storage:
        doubled(shifted(1))

    with storage(mode="recompute"):
        doubled(shifted(1))

    assert segment_count(objects) == 1
    assert RUNS == [1, 1]


@pytest.mark.parametrize("is_reader", [False, True])
def test_what_is_not_committed_is_replaced_too(tmp_path: Path, *, is_reader: bool) -> None:
    """Of one call there is one answer at any time, whether it can be written or not."""
    with Storage(tmp_path / "store") as made:
        shifted(1)
    made.close()
    storage = Storage(tmp_path / "store", mode="r" if is_reader else "rw", flush_after=1000.0)
    with storage:
        for drift in (10, 20, 30):
            DRIFT[0] = drift
            for x in (1, 2):
                shifted.call(x)
            assert storage.unwrap([shifted(1), shifted(2)]) == [1 + drift, 2 + drift]
        assert sorted(storage.cf(shifted).df()["var_0"]) == [31, 32]

    assert storage.unwrap(Storage(tmp_path / "store").cf(shifted).df().shape[0]) == 2 - is_reader
    with storage:
        assert storage.unwrap([shifted(1), shifted(2)]) == [31, 32]
    assert storage.fsck("data").ok


class TestWrap:
    """Functions that are handed to other threads and tasks."""

    @pytest.fixture
    def objects(self) -> MemoryObjectStore:
        """Return what counts commits."""
        return MemoryObjectStore()

    @pytest.fixture
    def storage(self, objects: MemoryObjectStore) -> Iterator[Storage]:
        """Return a storage that commits when it is told to."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield Storage(objects, flush_after=1000.0)

    def test_calls_of_a_pool_are_on_record_and_committed_with_the_block(
        self, storage: Storage, objects: MemoryObjectStore
    ) -> None:
        """Once, and not for each of them."""
        with storage, ThreadPoolExecutor(3) as pool:
            refs = list(pool.map(storage.wrap(shifted), range(20)))
            pool.shutdown()
            assert segment_count(objects) == 0

        assert storage.unwrap(refs) == list(range(20))
        assert segment_count(objects) == 1
        assert Storage(objects).stats().call_count == 20

    def test_any_function_can_be_wrapped(self, storage: Storage) -> None:
        """Its name stays; the thread is outside again afterwards."""

        def work(x: int) -> tuple[Any, object]:
            """Call an op."""
            return shifted(x), storage.mode

        with storage(mode="recompute"), ThreadPoolExecutor(1) as pool:
            wrapped = storage.wrap(work)
            ref, mode = pool.submit(wrapped, 5).result()
            shifted(5)
            assert pool.submit(current).result() is None

        assert (wrapped.__name__, wrapped.__doc__) == ("work", "Call an op.")
        assert (isinstance(ref, AtomRef), mode) == (True, "recompute")
        # What another thread made in the block answers in it.
        assert RUNS == [5]

    def test_a_call_that_outlives_the_block_commits_by_itself(
        self, storage: Storage, objects: MemoryObjectStore
    ) -> None:
        """Nobody else would do it."""
        may_run = threading.Event()

        def late(x: int) -> Any:
            may_run.wait()
            return shifted(x)

        with ThreadPoolExecutor(1) as pool:
            with storage:
                future = pool.submit(storage.wrap(late), 1)
            assert segment_count(objects) == 0
            may_run.set()
            future.result()

        assert segment_count(objects) == 1

    def test_wrapped_outside_each_call_is_a_block(
        self, storage: Storage, objects: MemoryObjectStore
    ) -> None:
        """Of this storage, whatever the one is that it is called in."""
        wrapped = storage.wrap(shifted)
        with Storage():
            wrapped(1)
            elsewhere = storage.wrap(shifted)
            elsewhere(2)

        assert segment_count(objects) == 2
        assert storage.stats().call_count == 2

    def test_a_pause_is_carried(self, storage: Storage) -> None:
        """Who said that nothing is to be recorded means the threads as well."""
        with storage, noop(), ThreadPoolExecutor(1) as pool:
            result = pool.submit(storage.wrap(shifted), 1).result()

        assert result == 1
        assert storage.stats().call_count == 0

    def test_calls_in_threads_of_a_body_belong_to_it(self, storage: Storage) -> None:
        """They have its call as parent, and give plain values."""

        @op(name="spread")
        def spread(count: int) -> int:
            with ThreadPoolExecutor(2) as pool:
                return sum(pool.map(storage.wrap(shifted), range(count)))

        with storage:
            result: Any = spread(4)

        parents = {
            record.parent
            for ref in storage.cf(shifted).df(values="refs")["var_0"]
            for record in storage._parts.book.creators(ref)
        }
        assert result.value == 6
        assert parents == {storage._parts.book.creators(result)[0].call_id}

    def test_what_a_wrapped_function_raises_passes(
        self, objects: MemoryObjectStore, storage: Storage
    ) -> None:
        """Also where the commit after it fails."""
        faulty = FaultStore(objects)
        failing = Storage(faulty, flush_after=1000.0)

        def fail() -> None:
            shifted(1)
            raise ZeroDivisionError

        with failing:
            wrapped = failing.wrap(fail)
        faulty.plan.append(Rule(ErrorBefore(), "put", SEGMENTS))
        with pytest.raises(ZeroDivisionError) as caught:
            wrapped()

        assert "could not be committed" in caught.value.__notes__[0]
        faulty.plan.clear()
        failing.commit()
        del storage

    def test_generators_are_refused(self, storage: Storage) -> None:
        """They run after they have returned, and so outside."""

        def numbers() -> Iterator[int]:
            yield 1

        with pytest.raises(UsageError, match="numbers yields"):
            storage.wrap(numbers)

    def test_coroutine_functions_are_carried_to_other_loops(self, storage: Storage) -> None:
        """The context holds across every ``await``, and not beyond."""

        async def work(x: int) -> tuple[Any, Any]:
            before = shifted(x)
            await asyncio.sleep(0)
            return before, doubled(before)

        async def main(wrapped: Any) -> Any:
            results = await asyncio.gather(wrapped(1), wrapped(2))
            assert current() is None
            return results

        with storage, ThreadPoolExecutor(1) as pool:
            results = pool.submit(asyncio.run, main(storage.wrap(work))).result()

        assert storage.unwrap(results) == [(1, 2), (2, 4)]
        assert storage.stats().call_count == 4


def test_a_thread_that_asyncio_starts_inherits_the_block() -> None:
    """It copies the context of the task."""
    storage = Storage()

    async def main() -> Any:
        with storage:
            return await asyncio.to_thread(shifted, 1)

    assert isinstance(asyncio.run(main()), AtomRef)
    assert storage.stats().call_count == 1


def test_tasks_are_in_storages_of_their_own() -> None:
    """Interleaved in one thread, each from its entry to its end."""
    storages = [Storage() for _ in range(3)]

    async def visit(number: int, barrier: asyncio.Barrier) -> None:
        with storages[number]:
            for step in range(4):
                await barrier.wait()
                shifted(10 * number + step)

    async def visit_all() -> None:
        barrier = asyncio.Barrier(len(storages))
        await asyncio.gather(*(visit(number, barrier) for number in range(len(storages))))

    asyncio.run(visit_all())

    assert [sorted(storage.cf(shifted).df()["x"]) for storage in storages] == [
        [0, 1, 2, 3],
        [10, 11, 12, 13],
        [20, 21, 22, 23],
    ]


def test_a_block_that_is_left_in_another_order_says_so() -> None:
    """Two entries of one context, the outer one left first."""
    first, second = Storage(), Storage()
    first.__enter__()
    second.__enter__()

    with pytest.raises(UsageError, match="not the innermost"):
        first.__exit__(None, None, None)

    second.__exit__(None, None, None)
    first.__exit__(None, None, None)


def test_a_recomputation_that_cannot_be_committed_is_kept() -> None:
    """The store has the old outcome until the new one can be written."""
    objects = FaultStore(MemoryObjectStore())
    storage = Storage(objects)
    with storage:
        shifted(1)
    DRIFT[0] = 10
    objects.plan.append(Rule(ErrorBefore(), "put", SEGMENTS))
    with pytest.raises(StoreUnavailableError), storage(mode="recompute"):
        shifted(1)

    assert list(Storage(objects, mode="r").cf(shifted).df()["var_0"]) == [1]
    objects.plan.clear()
    storage.commit()
    assert list(Storage(objects, mode="r").cf(shifted).df()["var_0"]) == [11]
