"""What a storage holds, how it lets go of it, and how it was opened."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.unit.storage.round_trips import RoundTripStore

from mandala_cas.imports import File, Storage, op


@op
def repeat(x: int) -> bytes:
    """Return what goes into a pack."""
    return x.to_bytes(2, "big") * 3000


@op
def square(x: int) -> int:
    """Return a small value."""
    return x * x


@op
def write(folder: str) -> File:
    """Return a file."""
    path = Path(folder, "made.txt")
    path.write_text("text")
    return File(path)


def test_what_is_held_is_counted(tmp_path: Path) -> None:
    """Calls that wait, with their bytes, and what can be had again."""
    storage = Storage(tmp_path / "store", cache_dir=tmp_path / "cache", flush_after=1000)
    empty = storage.cache_info()
    with storage:
        repeat(1)
        square(3)
        waiting = storage.cache_info()
        storage.tables()
        made: Any = write(str(tmp_path))
    with storage:
        square(3)
    storage.unwrap(made.detached())

    info = storage.cache_info()

    assert all(not amount["count"] for amount in empty.to_dict().values())
    assert waiting.uncommitted.count == 2
    assert waiting.uncommitted.size is not None
    assert info.uncommitted == empty.uncommitted
    assert (info.records.count, info.log.count, info.tables.count) == (1, 3, 2)
    assert info.files.count == 1
    assert info.files.size == storage.file_cache.size() == 4
    assert "uncommitted calls" in str(info)


def test_waiting_bytes_are_those_of_the_values(tmp_path: Path) -> None:
    """Ten times as many take about ten times as much."""
    storage = Storage(tmp_path, flush_after=1000)
    sizes = []
    with storage:
        for x in range(10):
            repeat(x)
            size = storage.cache_info().uncommitted.size
            assert size is not None
            sizes.append(size)

        square(7)
        with_small = storage.cache_info().uncommitted.size

    assert sizes[-1] == pytest.approx(10 * sizes[0], rel=0.1)
    assert with_small is not None
    assert 0 < with_small - sizes[-1] < 100


def test_clearing_lets_go_of_what_can_be_had_again(tmp_path: Path) -> None:
    """Nothing is lost: what waits is committed first."""
    storage = Storage(tmp_path, flush_after=1000)
    with storage:
        first: Any = square(2)
        storage.tables()
        storage.clear_cache()
        info = storage.cache_info()

        assert (info.uncommitted.count, info.records.count, info.tables.count) == (0, 0, 0)
        assert info.log.count == 1
        assert square(2) == first
        assert storage.tables().calls.height == 1
    assert Storage(tmp_path, mode="r").exists_call(storage.get_creators(first)[0])


def test_clearing_does_not_change_what_answers(tmp_path: Path) -> None:
    """Records are made from the log's columns again."""
    with Storage(tmp_path) as storage:
        square(2)
    with storage:
        first: Any = square(2)
        held = storage.cache_info().records.count
        storage.clear_cache()

        assert (held, storage.cache_info().records.count) == (1, 0)
        assert square(2) == first
    assert storage.cache_info().records.count == 1


def test_clearing_a_storage_that_may_not_write_keeps_what_it_computed(tmp_path: Path) -> None:
    """It is nowhere else."""
    Storage(tmp_path).close()
    reader = Storage(tmp_path, mode="r")
    with reader:
        ref: Any = square(5)
        reader.clear_cache()

        assert square(5) == ref
        assert reader.cache_info().uncommitted.count == 1


def test_preloaded_calls_leave_nothing_to_read() -> None:
    """The tables are made, and the small values of runs are there."""
    objects = RoundTripStore()
    with Storage(objects) as first:
        refs: list[Any] = [square(x) for x in range(5)]
    first.compact(full=True, delay=0)
    late = Storage(objects)
    with first:
        square(77)
    objects.taken()
    detached = [ref.detached() for ref in refs]

    late.preload()
    assert objects.taken()
    assert late.cache_info().tables.count == 6
    assert late.unwrap(detached) == [x * x for x in range(5)]
    assert objects.taken() == []

    other = Storage(objects)
    objects.taken()
    other.unwrap(detached)
    assert objects.taken()


def test_a_preload_survives_a_part_that_is_gone() -> None:
    """Whoever asks for a value of it learns that; the others are there."""
    objects = RoundTripStore()
    with Storage(objects) as first:
        square(3)
    first.compact(full=True, delay=0)
    late = Storage(objects)
    objects.delete([info.name for info in objects.list("") if info.name.startswith("run-parts/")])

    late.preload_calls()

    assert late.cache_info().tables.count == 1


def test_a_storage_knows_whether_calls_go_to_it() -> None:
    """In this thread and task, and not while an inner storage takes them."""
    storage, inner = Storage(), Storage()
    seen: list[bool] = []

    @op
    def ask() -> bool:
        """Return what the body of a call sees."""
        seen.append(storage.in_context())
        return True

    async def in_a_task() -> bool:
        """Return what a task sees that was started inside the block."""
        return storage.in_context()

    assert not storage.in_context()
    with storage:
        assert storage.in_context()
        thread = threading.Thread(target=lambda: seen.append(storage.in_context()))
        thread.start()
        thread.join()
        ask()
        with inner:
            assert (storage.in_context(), inner.in_context()) == (False, True)
        assert asyncio.run(in_a_task())
    assert seen == [False, True]
    assert not storage.in_context()


def test_a_dumped_configuration_opens_the_same_store(tmp_path: Path) -> None:
    """It can be written down: there is no secret in it."""
    storage = Storage(
        db_path=tmp_path / "store",
        key="ab" * 32,
        pickle="refuse",
        flush_after=2.5,
        cache_dir=tmp_path / "cache",
        file_cache_max=None,
        check_mutation=True,
    )
    with storage:
        square(4)

    config = json.loads(json.dumps(storage.dump_config()))
    again = Storage(**config)

    assert again.ops["square"].call_count == 1
    assert again.dump_config() == storage.dump_config() == config
    assert config["path_or_url"] == str(tmp_path / "store")
    assert "ab" * 32 not in str(config)
    assert Storage().dump_config()["path_or_url"] is None
