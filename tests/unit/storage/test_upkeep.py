"""Keeping a store up, as somebody does it who has a `Storage`."""

from __future__ import annotations

import json
import logging
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.unit.storage.buckets import Bucket

from mandala_cas.errors import (
    MandalaWarning,
    StoreUnavailableError,
    UsageError,
)
from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.layout import BLOBS, RUNS, SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import ErrorBefore, FaultStore, Rule

LARGE = 2 << 20
# So many segments that no run covers are merged, and so many failures in a row are told.
UNCOVERED_MAX = 64
FAILURES_UNTIL_WARNING = 3


@op
def noise(seed: int) -> bytes:
    """Return bytes that do not compress, and are an object of their own."""
    return random.Random(seed).randbytes(LARGE)  # noqa: S311 (no secret)


@op
def increment(x: int) -> int:
    """Return the next number."""
    return x + 1


def commit_one_by_one(storage: Storage, count: int, start: int = 0) -> None:
    """Make calls, each in a segment of its own."""
    for number in range(start, start + count):
        with storage:
            increment(number)


def names(objects: Any, prefix: str) -> list[str]:
    """Return what is below a prefix."""
    return [info.name for info in objects.list(prefix)]


@pytest.fixture
def objects() -> MemoryObjectStore:
    """Return an empty object store."""
    return MemoryObjectStore()


@pytest.fixture
def storage(objects: MemoryObjectStore) -> Storage:
    """Return a storage on it that has computed a little, in three commits."""
    storage = Storage(objects)
    with storage:
        noise(1)
    commit_one_by_one(storage, 2)
    return storage


def test_compaction_changes_no_answer(storage: Storage, objects: MemoryObjectStore) -> None:
    """And what it replaced goes with the next one, once nobody can have listed it just now."""
    before = storage.tables().calls.height

    report = storage.compact(full=True, delay=0)

    assert len(report.merged_segments) == 3
    assert names(objects, SEGMENTS) == []
    assert storage.tables().calls.height == before
    with Storage(objects) as other:
        found: Any = increment(0)
    assert not found.in_memory
    assert other.unwrap(found) == 1


def test_compaction_waits_before_it_deletes(storage: Storage, objects: MemoryObjectStore) -> None:
    """A reader who has listed the segments still finds them."""
    storage.compact(full=True)

    assert len(names(objects, RUNS)) == 1
    assert len(names(objects, SEGMENTS)) == 3


def test_garbage_is_shown_before_it_is_deleted(
    storage: Storage, objects: MemoryObjectStore
) -> None:
    """A dry run is what one gets without asking, and it names the next step."""
    storage.drop_calls(storage.cf(noise).calls_by_func()["noise"])

    plan = storage.gc(grace=0)
    still_there = names(objects, BLOBS)
    done = storage.gc(dry_run=False, grace=0)

    assert plan.deleted == done.deleted == tuple(still_there)
    assert "mandala-cas gc --delete" in str(plan)
    assert "mandala-cas gc" not in str(done)
    assert names(objects, BLOBS) == []


def test_what_is_young_is_left_alone_by_default(storage: Storage) -> None:
    """Somebody else may be about to use it, and a drop can be regretted."""
    storage.drop_calls(storage.cf(noise).calls_by_func()["noise"])

    assert storage.gc(dry_run=False).deleted == ()


def test_vacuum_collects_and_says_what_it_is_called(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """People come from mandala."""
    with caplog.at_level(logging.INFO, "mandala_cas"):
        plan = storage.vacuum()

    assert plan.carried_out
    assert "storage.gc(dry_run=False)" in caplog.text


def test_evicted_values_come_back_from_where_they_are(tmp_path: Path) -> None:
    """The call stays on record, and nobody notices but by the time it takes."""
    stores = []
    for name in ("near", "far"):
        with Storage(tmp_path / name) as storage:
            noise(1)
        stores.append(storage)
    near, far = stores

    report = near.evict(str(tmp_path / "far"), verify=True)
    with Storage(tmp_path / "near") as later:
        found: Any = noise(1)

    assert report.freed_size > LARGE
    assert not list((tmp_path / "near" / "blobs").rglob("*/*"))
    assert not found.in_memory
    assert later.unwrap(found) == far.unwrap(noise.f(1))
    assert later.fsck().ok


def test_what_dies_with_the_process_is_promised_nothing(storage: Storage, tmp_path: Path) -> None:
    """There is nowhere to write down who has it."""
    Storage(tmp_path / "far").close()

    with pytest.raises(UsageError, match="dies with this process"):
        storage.evict(str(tmp_path / "far"))


def test_a_missing_value_is_found_repaired_and_computed_again(
    storage: Storage, objects: MemoryObjectStore
) -> None:
    """From the alarm to a store that is whole, in three steps."""
    objects.delete(names(objects, BLOBS))

    found = storage.fsck()
    mended = storage.repair()
    with storage:
        again: Any = noise(1)

    assert [problem.is_lost for problem in found.problems] == [True]
    assert "storage.repair() or `mandala-cas repair`" in str(found)
    assert mended.ok
    assert again.in_memory
    assert storage.fsck("data").ok


def test_verification_that_looks_closely_names_the_repair_that_does(
    storage: Storage, objects: MemoryObjectStore
) -> None:
    """Repair at the default level would find nothing to do."""
    (name,) = names(objects, BLOBS)
    data = bytearray(objects.get(name))
    data[LARGE // 2] ^= 1
    objects.put(name, [bytes(data)])

    report = storage.fsck("data")

    assert storage.fsck().ok
    assert 'storage.repair("data")' in str(report)
    assert [str(action.act) for action in storage.repair("data").actions]


def test_health_says_that_nothing_is_to_be_done(tmp_path: Path) -> None:
    """Also while this process has a journal of its own."""
    storage = Storage(tmp_path)
    commit_one_by_one(storage, 1)
    with storage:
        increment(5)
        report = storage.health()

    assert report.ok, str(report)
    assert str(report).endswith("nothing to do")


def test_health_of_a_store_that_is_read_touches_nothing(tmp_path: Path) -> None:
    """A reader cannot tell whether a journal's process is alive, and says so."""
    writer = Storage(tmp_path)
    with writer:
        increment(1)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        report = Storage(tmp_path, mode="r").health()

        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert "journals of any process" in str(report)


def test_stats_count_calls_and_bytes(storage: Storage) -> None:
    """By op, by where values are, and by folder if asked."""
    stats = storage.stats(listed=True)

    assert (stats.call_count, stats.by_op["noise"].call_count) == (3, 1)
    assert stats.by_folder is not None
    assert stats.by_folder[BLOBS].object_count == 1
    assert storage.stats().by_folder is None


def test_every_report_is_text_to_people_and_data_to_programs(storage: Storage) -> None:
    """At a prompt, in a notebook, and as JSON."""
    reports: list[Any] = [
        storage.stats(),
        storage.health(),
        storage.fsck(),
        storage.repair(),
        storage.gc(),
        storage.compact(),
    ]

    for report in reports:
        assert json.loads(json.dumps(report.to_dict()))
        assert repr(report) == str(report)
        assert report._repr_html_().startswith("<pre")
        assert max(map(len, str(report).splitlines())) <= 80


def test_what_changes_a_store_is_refused_to_a_reader(tmp_path: Path) -> None:
    """And what only looks is not."""
    Storage(tmp_path).close()
    reader = Storage(tmp_path, mode="r")

    for change in (
        reader.compact,
        reader.vacuum,
        reader.repair,
        lambda: reader.evict("elsewhere"),
        lambda: reader.tag("name", "00" * 16),
        lambda: reader.untag("name"),
    ):
        with pytest.raises(UsageError, match="mode='rw'"):
            change()
    assert reader.fsck().ok
    assert reader.gc().deleted == ()
    assert reader.stats().call_count == 0
    assert reader.tags() == {}


# Compaction in passing


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have every draw say that it is this process that compacts."""
    monkeypatch.setattr("mandala_cas.storage.upkeep._PASSING_SHARE", 256)
    return monkeypatch


@pytest.mark.usefixtures("drawn")
def test_a_log_that_grows_long_is_merged_in_passing() -> None:
    """A store that nobody keeps up must not open ever more slowly."""
    objects = MemoryObjectStore()

    commit_one_by_one(Storage(objects), UNCOVERED_MAX)

    assert len(names(objects, RUNS)) == 1


@pytest.mark.usefixtures("drawn")
def test_a_short_log_is_left_alone() -> None:
    """Merging a little at each commit would cost more than it saves."""
    objects = MemoryObjectStore()

    commit_one_by_one(Storage(objects), UNCOVERED_MAX - 1)

    assert names(objects, RUNS) == []


def test_who_is_not_drawn_leaves_it_to_others(drawn: pytest.MonkeyPatch) -> None:
    """A hundred writers who find it due at once must not all begin."""
    objects = MemoryObjectStore()
    drawn.setattr("mandala_cas.storage.upkeep._PASSING_SHARE", 0)

    commit_one_by_one(Storage(objects), UNCOVERED_MAX)

    assert names(objects, RUNS) == []


@pytest.mark.usefixtures("drawn")
def test_compaction_that_fails_again_and_again_is_heard_of_once() -> None:
    """The third time in a row nobody is keeping the store up; no commit fails for it."""
    rule = Rule(ErrorBefore(), "put", RUNS, times=None)
    storage = Storage(FaultStore(MemoryObjectStore(), [rule]))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        commit_one_by_one(storage, UNCOVERED_MAX + FAILURES_UNTIL_WARNING + 2)

    assert [str(warning.message)[:14] for warning in caught] == ["compaction of "]
    assert f"has failed {FAILURES_UNTIL_WARNING} times in a row" in str(caught[0].message)
    assert caught[0].category is MandalaWarning
    assert "storage.compact()" in str(storage.health())
    with pytest.raises(StoreUnavailableError):
        storage.compact()
    rule.times = 0
    storage.compact()
    assert storage.health().ok


# What is kept for the next opening


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have an index kept of the smallest log."""
    monkeypatch.setattr("mandala_cas.index.kept._ROW_COUNT_MIN", 0)
    return monkeypatch


@pytest.mark.usefixtures("quick")
def test_the_next_opening_reads_what_came_later(tmp_path: Path) -> None:
    """However long the log is."""
    bucket = Bucket()
    first = Storage(bucket, cache_dir=tmp_path)
    commit_one_by_one(first, 5)
    first.close()
    with Storage(bucket.inner, cache_dir=tmp_path / "elsewhere"):
        increment(100)
    bucket.calls.clear()

    second = Storage(bucket, cache_dir=tmp_path)

    assert len(bucket.read(SEGMENTS)) == 1
    with second:
        found: Any = increment(3)
    assert not found.in_memory
    assert second.unwrap(found) == 4


@pytest.mark.usefixtures("quick")
def test_another_machine_reads_the_whole_log(tmp_path: Path) -> None:
    """What one machine kept is its own."""
    bucket = Bucket()
    first = Storage(bucket, cache_dir=tmp_path / "one")
    commit_one_by_one(first, 5)
    first.close()
    bucket.calls.clear()

    Storage(bucket, cache_dir=tmp_path / "two")

    assert len(bucket.read(SEGMENTS)) == 5


@pytest.mark.usefixtures("quick")
def test_a_store_that_lost_what_it_had_is_noticed(tmp_path: Path) -> None:
    """A bucket that was rolled back must not go on as if nothing had been there."""
    bucket = Bucket()
    first = Storage(bucket, cache_dir=tmp_path)
    commit_one_by_one(first, 3)
    first.close()
    bucket.delete(names(bucket, SEGMENTS)[-1:])

    with pytest.warns(MandalaWarning, match="has lost log objects that were there"):
        second = Storage(bucket, cache_dir=tmp_path)

    assert second.tables().calls.height == 2
