"""A process that dies at any moment loses no call that had returned, and none is there twice."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.crash.dying import Deaths, Disk, files_below, mortal

from mandala_cas.errors import MandalaWarning, StoreUnavailableError
from mandala_cas.imports import Storage, op
from mandala_cas.log.journal import is_lock_name
from mandala_cas.log.view import LogView
from mandala_cas.memo import context
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.testing import (
    CrashPoint,
    Delay,
    ErrorAfter,
    ErrorBefore,
    FaultStore,
    OutOfSpace,
    Rule,
    crash_at_every_call,
)

SIZES = (10, 5_000, 200_000)
SEEDS = range(2)
_executed: list[tuple[int, int]] = []


@op
def noise(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    _executed.append((seed, size))
    return np.random.default_rng(seed).random(size)


@op
def twin(seed: int, size: int) -> Any:
    """Return what another op returns."""
    return np.random.default_rng(seed).random(size)


@op
def total(numbers: Any) -> float:
    """Use a value."""
    return float(numbers.sum())


@op
def fail(numbers: Any) -> float:
    """Fail after the argument was taken."""
    return float(numbers.sum()) / 0


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return the user's cache directory."""
    return tmp_path / "cache"


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Deaths]:
    """Let processes die."""
    with mortal(monkeypatch, cache) as deaths:
        yield deaths


@pytest.fixture
def disk() -> Disk:
    """Return a store that has been made."""
    return made()


def compute(storage: Storage, returned: list[tuple[int, int]]) -> None:
    """Compute values of all sizes, each used by another call; note what has returned."""
    for seed in SEEDS:
        for size in SIZES:
            ref: Any = noise(seed, size)
            ref.value[:] = 0
            total(ref.detached())
            returned.append((seed, size))
    del storage


def die_computing(store: ObjectStore, deaths: Deaths) -> list[tuple[int, int]]:
    """Compute, and die before anything is committed; return what had returned."""
    returned: list[tuple[int, int]] = []
    storage = Storage(store)
    storage.__enter__()
    try:
        compute(storage, returned)
    finally:
        _leave(storage)
        deaths.strike()
    return returned


def _leave(storage: Storage) -> None:
    """Leave a block as a process does that dies in it."""
    context.leave(context.innermost(storage._parts.book))


def check_all_there(store: ObjectStore, returned: Sequence[tuple[int, int]]) -> None:
    """Open the store anew: every call that had returned is on record, once, with its value."""
    storage = Storage(store)
    _executed.clear()
    with storage:
        refs: list[Any] = [noise(seed, size) for seed, size in returned]
        sums: list[Any] = [total(ref) for ref in refs]
    assert _executed == []
    for (seed, size), value in zip(returned, storage.unwrap(refs), strict=True):
        assert np.array_equal(value, np.random.default_rng(seed).random(size))
    assert not any(ref.in_memory for ref in sums)
    storage.close()
    check_nothing_twice(store)


def check_nothing_twice(store: ObjectStore) -> None:
    """Count the live records of each call."""
    view = LogView(store)
    segments = view.refresh()
    assert view.damaged == {}
    assert view.chain_holes() == []
    dead = {
        (tomb.writer, tomb.seq, row)
        for segment in segments
        for tomb in segment.tombstones
        for row in range(tomb.first, tomb.last + 1)
    }
    live = [
        segment.call_record(row).call_id
        for segment in segments
        for row in range(segment.calls.row_count)
        if tuple(segment.dot(row)) not in dead
    ]
    assert len(live) == len(set(live))


def test_a_killed_process_loses_nothing_that_had_returned(
    disk: Disk, deaths: Deaths, cache: Path
) -> None:
    """Values of all sizes are there, as they were when the calls returned."""
    returned = die_computing(disk, deaths)
    assert len(files_below(cache, "spool")) == len(SEEDS)

    check_all_there(disk, returned)

    assert files_below(cache, "journal") == []
    assert files_below(cache, "spool") == []


def test_nothing_is_put_before_a_flush(disk: Disk, deaths: Deaths) -> None:
    """A large value is written once, to this machine's disk, and not on the caller's time."""
    store = FaultStore(disk)

    die_computing(store, deaths)

    assert [call for call in store.calls if call.operation in {"put", "create"}] == []


def test_a_commit_leaves_no_journal(disk: Disk, deaths: Deaths, cache: Path) -> None:
    """What is in the store is nowhere else; only the lock stays as long as the process."""
    storage = Storage(disk)
    with storage:
        compute(storage, [])

    (lock,) = files_below(cache, "journal")
    assert lock.stat().st_size == 0
    assert files_below(cache, "spool") == []
    storage.close()
    assert files_below(cache, "journal") == []
    deaths.strike()


def run_and_commit(store: ObjectStore, returned: list[tuple[int, int]]) -> None:
    """Compute and commit, in a process that may die at any call to the store."""
    storage = Storage(store)
    with storage:
        compute(storage, returned)


def test_a_crash_at_any_call_of_a_flush_loses_nothing_that_had_returned(
    deaths: Deaths, cache: Path
) -> None:
    """Whoever opens the store next goes on where the dead one stopped."""

    def check(left: ObjectStore, returned: Sequence[tuple[int, int]], point: CrashPoint) -> None:
        del point
        deaths.strike()
        check_all_there(left, returned)
        # A lock that says nothing is cleared away a day later.
        assert [p for p in files_below(cache, "journal") if not is_lock_name(p.name)] == []
        assert files_below(cache, "spool") == []

    calls = crash_at_every_call(run_and_commit, check, make_store=made)

    # Config and listing; for the calls a listing, a pack, loose blobs and a segment.
    assert calls > 5


def test_without_a_journal_a_crash_loses_what_was_not_committed_and_no_more() -> None:
    """A store in memory has no place on this machine."""

    def run(store: ObjectStore, committed: list[tuple[int, int]]) -> None:
        returned: list[tuple[int, int]] = []
        run_and_commit(store, returned)
        committed += returned

    def check(left: ObjectStore, committed: Sequence[tuple[int, int]], point: CrashPoint) -> None:
        del point
        check_all_there(left, committed)

    crash_at_every_call(run, check)


def made() -> Disk:
    """Return a store that has been made."""
    disk = Disk()
    Storage(disk).close()
    return disk


def test_a_crash_at_any_call_of_an_adoption(deaths: Deaths, cache: Path) -> None:
    """Whoever comes next goes on, and records nothing twice."""
    expected: list[tuple[int, int]] = []

    def make_store() -> Disk:
        disk = made()
        expected[:] = die_computing(disk, deaths)
        return disk

    def adopt(store: ObjectStore, adopted: list[int]) -> None:
        Storage(store)
        adopted.append(1)

    def check(left: ObjectStore, adopted: Sequence[int], point: CrashPoint) -> None:
        del adopted, point
        deaths.strike()
        check_all_there(left, expected)
        # A lock that says nothing is cleared away a day later.
        assert [p for p in files_below(cache, "journal") if not is_lock_name(p.name)] == []
        assert files_below(cache, "spool") == []

    calls = crash_at_every_call(adopt, check, make_store=make_store)

    assert calls > 5


@pytest.mark.parametrize("prefix", ["blobs/", "packs/", "manifest/"])
@pytest.mark.parametrize("fault", [ErrorBefore, ErrorAfter])
def test_a_store_that_fails_during_an_adoption_keeps_nobody_from_opening(
    disk: Disk, deaths: Deaths, cache: Path, prefix: str, fault: Any
) -> None:
    """The calls are committed later, by this process or by another."""
    returned = die_computing(disk, deaths)
    broken = Rule(fault(), "put", prefix, times=None)
    store = FaultStore(disk, [broken])

    with pytest.warns(MandalaWarning, match="not committed yet, and kept"):
        storage = Storage(store)
    journals = files_below(cache, "journal")
    deaths.strike()

    del storage
    assert journals != []
    check_all_there(disk, returned)


def test_an_adoption_that_failed_goes_on_with_the_next_commit(
    disk: Disk, deaths: Deaths, cache: Path
) -> None:
    """Nothing must be opened again for it."""
    returned = die_computing(disk, deaths)
    store = FaultStore(disk, [Rule(ErrorBefore(), "put")])
    with pytest.warns(MandalaWarning, match="not committed yet, and kept"):
        storage = Storage(store)

    storage.commit()

    assert files_below(cache, "journal") == []
    check_all_there(disk, returned)


def test_two_processes_that_adopt_at_once_adopt_once(disk: Disk, deaths: Deaths) -> None:
    """The lock decides; the other one opens without."""
    returned = die_computing(disk, deaths)
    start = threading.Barrier(4)
    storages: list[Storage] = []

    def open_it() -> None:
        start.wait()
        storages.append(Storage(disk))

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(storages) == 4
    check_all_there(disk, returned)


def test_a_call_whose_result_is_in_a_damaged_journal_is_made_again(
    disk: Disk, deaths: Deaths, cache: Path
) -> None:
    """Its own journal is whole; what it names is nowhere."""
    store = FaultStore(disk, [Rule(ErrorBefore(), "put", times=None)])
    storage = Storage(store)
    session = context.enter(storage._parts.book)
    noise(1, SIZES[1])
    with pytest.raises(StoreUnavailableError):
        storage.commit()
    # One gives the very same value, whose bytes are in the first journal; one stands for itself.
    twin(1, SIZES[1])
    total(np.ones(5))
    context.leave(session)
    _, first, second = files_below(cache, "journal")
    deaths.strike()
    data = bytearray(first.read_bytes())
    data[30] ^= 1
    first.write_bytes(data)

    again = Storage(disk)
    with again:
        lost: Any = twin(1, SIZES[1])
        kept: Any = total(np.ones(5))

    assert (lost.in_memory, kept.in_memory) == (True, False)
    assert np.array_equal(again.unwrap(lost), noise.f(1, SIZES[1]))
    assert first.read_bytes() == data
    assert not second.exists()
    again.close()


@pytest.mark.parametrize("prefix", ["blobs/", "packs/", "manifest/"])
@pytest.mark.parametrize("fault", [ErrorAfter(), Delay(3), ErrorBefore()])
def test_an_answer_that_is_lost_costs_nothing(
    disk: Disk, deaths: Deaths, prefix: str, fault: Any
) -> None:
    """The same bytes are put again under the same name, whenever the first arrive."""
    store = FaultStore(disk, [Rule(fault, "put", prefix)], forbid_overwrite=True)
    returned: list[tuple[int, int]] = []
    storage = Storage(store)
    with pytest.raises(StoreUnavailableError), storage:
        compute(storage, returned)

    storage.commit()
    storage.refresh()
    storage.refresh()

    deaths.strike()
    check_all_there(disk, returned)


def test_a_full_disk_has_calls_committed_at_once(
    disk: Disk, deaths: Deaths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the journal cannot keep the store must."""
    from mandala_cas.log import journal  # noqa: PLC0415 (a look inside)

    storage = Storage(disk)

    def full(descriptor: int, data: bytes, size: int) -> None:
        del descriptor, data, size
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "_write", full)
    storage.__enter__()
    noise(1, 10)

    assert "committed at once" in caplog.text
    _leave(storage)
    deaths.strike()
    check_all_there(disk, [])
    with Storage(disk) as again:
        ref: Any = noise(1, 10)
    assert not ref.in_memory
    again.close()


def test_a_full_disk_and_a_store_that_is_away_keep_the_sweep_going(
    disk: Disk, deaths: Deaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every value reaches its caller, and is committed when the store is back."""
    from mandala_cas.log import journal  # noqa: PLC0415 (a look inside)

    away = Rule(OutOfSpace(), "put", times=None)
    store = FaultStore(disk, [away])
    storage = Storage(store)

    def full(descriptor: int, data: bytes, size: int) -> None:
        del descriptor, data, size
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "_write", full)
    storage.__enter__()
    refs: list[Any] = [noise(seed, size) for seed in SEEDS for size in SIZES]
    _leave(storage)
    store.plan.remove(away)
    storage.commit()

    assert all(ref.in_memory for ref in refs)
    deaths.strike()
    with Storage(disk) as again:
        assert not any(noise(seed, size).in_memory for seed in SEEDS for size in SIZES)
    again.close()


def test_a_write_that_is_cut_short_is_taken_back(
    disk: Disk, deaths: Deaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk takes half of a frame; the next ones go into the journal of the next batch."""
    from mandala_cas.log import journal  # noqa: PLC0415 (a look inside)

    storage = Storage(disk)
    storage.__enter__()
    noise(1, 10)
    real = journal._write

    def half(descriptor: int, data: bytes, size: int) -> None:
        monkeypatch.setattr(journal, "_write", real)
        real(descriptor, data[: len(data) // 2], size)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "_write", half)
    noise(2, 10)
    noise(3, 10)
    _leave(storage)
    deaths.strike()

    with Storage(disk) as again:
        assert not any(noise(seed, 10).in_memory for seed in (1, 2, 3))
    again.close()


def test_a_value_of_a_call_that_never_returned_is_not_kept(
    disk: Disk, deaths: Deaths, cache: Path
) -> None:
    """Its op raised; the argument had been written to the disk before."""
    storage = Storage(disk)
    with storage:
        with pytest.raises(ZeroDivisionError):
            fail(np.random.default_rng(0).random(SIZES[2]))
        gc.collect()

        assert files_below(cache, "spool") == []
    storage.close()
    deaths.strike()
