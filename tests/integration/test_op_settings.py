"""What ops say of themselves, in a store that others read: ages, inputs, what is ignored."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mandala_cas.errors import CorruptionError, NotFoundError, UsageError
from mandala_cas.imports import Call, Ignore, Storage, ValuePointer, op
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import BLOBS, PACKS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import CrashPoint, crash_at_every_call

HOUR_US = 3600 * 1_000_000
ANSWERS = {"u": "old"}
RUNS: list[str] = []


class Clock:
    """A clock that moves when it is told to."""

    now_us = 1_000 * HOUR_US

    def __call__(self) -> int:
        """Tell the time."""
        return self.now_us


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of every store; nothing was fetched yet."""
    made = Clock()
    monkeypatch.setattr("mandala_cas.storage.assembly.now_us", made)
    ANSWERS["u"] = "old"
    RUNS.clear()
    return made


@op(ttl=3600)
def fetched(url: str) -> str:
    """Return what is there now."""
    RUNS.append(f"fetched {url}")
    return ANSWERS[url]


@op
def measured(text: str) -> int:
    """Return a size."""
    RUNS.append(f"measured {text}")
    return len(text)


@op(save_inputs=False)
def summed(numbers: Any, start: int = 0) -> Any:
    """Return a sum, and a value that is large enough for a pack."""
    RUNS.append("summed")
    return numbers.sum() + start, np.resize(numbers, 2_000)


def calls_of(storage: Storage, call: Any) -> list[Call]:
    """Return all live calls of an op."""
    return sorted(storage.cf(call).calls_by_func()[call.name], key=lambda found: found.started)


@pytest.mark.parametrize("in_one_block", [True, False], ids=["open batch", "committed"])
def test_what_is_too_old_is_fetched_again(tmp_path: Path, clock: Clock, in_one_block: bool) -> None:  # noqa: FBT001 (a case)
    """And one record is left, which everybody sees; what rests on the old one runs again."""
    with Storage(tmp_path / "store") as storage:
        old = fetched("u")
        assert storage.unwrap(measured(old)) == 3
        if not in_one_block:
            storage.commit()
        clock.now_us += HOUR_US + 1
        ANSWERS["u"] = "newer"
        new = fetched("u")
        assert (storage.unwrap(new), storage.unwrap(measured(new))) == ("newer", 5)
        assert fetched("u") == new != old

    with Storage(tmp_path / "store") as again:
        assert again.unwrap(fetched("u")) == "newer"
        assert again.unwrap(measured(fetched("u"))) == 5
    assert RUNS == ["fetched u", "measured old", "fetched u", "measured newer"]
    assert len(calls_of(again, fetched)) == 1
    assert len(calls_of(again, measured)) == 2
    again.compact(full=True, delay=0)
    with Storage(tmp_path / "store") as compacted:
        assert compacted.unwrap(measured(fetched("u"))) == 5
    assert compacted.fsck("data").ok
    assert len(RUNS) == 4


def test_what_is_the_same_again_is_as_good_as_new(clock: Clock) -> None:
    """It answers for as long as any new record, and so does what was computed from it."""
    with Storage() as storage:
        old = fetched("u")
        measured(old)
        clock.now_us += HOUR_US + 1
        assert fetched("u") == old
        clock.now_us += HOUR_US
        assert fetched("u") == old
        measured(fetched("u"))

    assert RUNS == ["fetched u", "measured old", "fetched u"]
    assert len(calls_of(storage, fetched)) == 1


def test_a_reader_fetches_for_itself(tmp_path: Path, clock: Clock) -> None:
    """It writes nothing, and has the new answer all the same."""
    Storage(tmp_path / "store").close()
    with Storage(tmp_path / "store"):
        fetched("u")
    clock.now_us += HOUR_US + 1
    ANSWERS["u"] = "newer"

    with Storage(tmp_path / "store", mode="r") as reader:
        assert reader.unwrap(fetched("u")) == "newer"
        assert reader.unwrap(fetched("u")) == "newer"

    assert len(RUNS) == 2


def fetch_twice(objects: ObjectStore, acknowledged: list[str]) -> None:
    """Fetch, and fetch again when that is too old."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mandala_cas.storage.assembly.now_us", clock)
        storage = Storage(objects)
        for answer in ("old", "newer"):
            ANSWERS["u"] = answer
            with storage:
                fetched("u")
            acknowledged.append(answer)
            clock.now_us += HOUR_US + 1


def check_one_answers(left: ObjectStore, acknowledged: Sequence[str], _: CrashPoint) -> None:
    """The old record or the new one: never none once one was acknowledged, and never two."""
    storage = Storage(left)
    calls = calls_of(storage, fetched) if "fetched" in storage.tables().ops else []
    answers = [storage.unwrap(call.outputs["output_0"]) for call in calls]
    assert len(answers) <= 1
    if acknowledged:
        assert answers[0] in {acknowledged[-1], "newer"}


def test_a_crash_leaves_the_old_record_or_the_new_one() -> None:
    """What hides the one is in the segment of the other."""
    assert crash_at_every_call(fetch_twice, check_one_answers) > 4


@pytest.fixture
def objects() -> MemoryObjectStore:
    """Return a store with a call whose inputs were not saved, merged or not."""
    objects = MemoryObjectStore()
    with Storage(objects):
        summed(np.arange(5_000))
    return objects


@pytest.mark.parametrize("is_compacted", [True, False], ids=["run", "segment"])
def test_what_is_not_saved_is_no_damage(objects: MemoryObjectStore, is_compacted: bool) -> None:  # noqa: FBT001 (a case)
    """The call answers, the output is there, and nothing complains of the input."""
    storage = Storage(objects)
    if is_compacted:
        storage.compact(full=True, delay=0)
        storage = Storage(objects)

    with storage:
        total: Any = summed(np.arange(5_000))
    assert storage.unwrap(total[0]) == 12_497_500
    for level in ("meta", "refs", "data"):
        report = storage.fsck(level)
        assert report.ok, level
        assert report.notices == (), level
    assert storage.health().ok
    assert storage.gc(dry_run=False, grace=0).deleted == ()
    assert storage.stats().call_count == 1
    assert len(RUNS) == 1
    assert sum(info.size for info in objects.list("")) < 25_000, "the input has 40 kB"


def test_what_is_not_saved_says_so_where_it_is_asked_for(objects: MemoryObjectStore) -> None:
    """By itself, and in a table; one that somebody saved elsewhere is found."""
    storage = Storage(objects)
    (call,) = calls_of(storage, summed)

    with pytest.raises(UsageError, match="an op with save_inputs=False saves no value that it is"):
        storage.unwrap(call.inputs["numbers"])
    with pytest.raises(NotFoundError, match=r"save_inputs=False .* can be named in lazy_vars"):
        storage.cf(summed).df()
    with storage:
        measured(np.arange(5_000))  # type: ignore[arg-type]  # (no matter here)
    assert storage.unwrap(call.inputs["numbers"]).shape == (5_000,)


def test_a_lost_output_says_that_the_inputs_were_not_saved(objects: MemoryObjectStore) -> None:
    """Nothing can run again without them; the next call with the value does."""
    for info in [*objects.list(PACKS), *objects.list(BLOBS)]:
        objects.delete([info.name])
    storage = Storage(objects)
    with storage:
        _, lost = summed(np.arange(5_000))
        with pytest.raises(CorruptionError, match="with save_inputs=False its input"):
            storage.unwrap(lost)
        _, again = summed(np.arange(5_000))
        assert storage.unwrap(again).shape == (2_000,)
    assert len(RUNS) == 2


def test_a_journal_brings_back_calls_without_inputs(tmp_path: Path) -> None:
    """What a dead process recorded is adopted as it is."""
    storage = Storage(tmp_path / "store")
    with storage:
        summed(np.arange(5_000))
    assert Storage(tmp_path / "store").fsck("data").ok


def test_locks_and_models_pass_through_a_store() -> None:
    """By an id, or without counting."""

    @op
    def used(lock: Any, model: Any, x: int) -> tuple[bool, int]:
        RUNS.append("used")
        return lock.locked(), model(x)

    with Storage() as storage:
        first = used(Ignore(threading.Lock()), ValuePointer("double", lambda x: 2 * x), 5)
        again = used(Ignore(None), ValuePointer("double", None), 5)
        assert storage.unwrap(first) == (False, 10)
    assert first == again
    assert RUNS == ["used"]
    (call,) = calls_of(storage, used)
    assert list(call.inputs) == ["model", "x"]
    pointer = storage.unwrap(call.inputs["model"])
    assert repr(pointer) == "ValuePointer('double')"
    with pytest.raises(UsageError, match="a store keeps the id alone"):
        _ = pointer.obj


def test_no_outputs_and_one_are_tuples_in_a_store() -> None:
    """And calls without outputs are calls: found, in frames, and no damage."""

    @op(nout="var")
    def halves(count: int) -> tuple[float, ...]:
        RUNS.append("halves")
        return tuple(i / 2 for i in range(count))

    objects = MemoryObjectStore()
    for _ in range(2):
        with Storage(objects) as storage:
            assert [storage.unwrap(halves(count)) for count in range(3)] == [(), (0.0,), (0.0, 0.5)]
        storage.compact(full=True, delay=0)

    assert RUNS == ["halves"] * 3
    table = storage.cf(halves).df()
    assert sorted(table["count"]) == [0, 1, 2]
    assert storage.fsck("data").ok
