"""The cache of files keeps what is in use, and no more of the rest than it may."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.codec.file_trees import make_tree, read_tree

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.testing.faults import SimulatedCrash
from mandala_cas.values import file_cache, file_uses
from mandala_cas.values.file_cache import KEPT_S, FileCache
from mandala_cas.values.file_uses import FileUses, uses_of

DAY_NS = int(KEPT_S * 1e9)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        """Begin after everything that this test writes, by the clock of the disk."""
        self.now_ns = time.time_ns() + 3600 * 10**9

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> FileCache:
    """Return an empty cache of a thousand bytes."""
    return FileCache(tmp_path / "cache", 1000, clock_ns=clock)


def key_of(number: int) -> str:
    """Return the key of an entry."""
    return f"{number:032x}"


def put(cache: FileCache, number: int, size: int = 300) -> Path:
    """Put an entry of that size into the cache."""

    def fill(place: Path) -> None:
        (place / "file").write_bytes(bytes(size))

    return cache.place(key_of(number), fill, lambda place: (place / "file").exists())


def keys(cache: FileCache) -> list[int]:
    """Return the numbers of the entries that are there."""
    return sorted(int(p.name, 16) for p in cache.path.iterdir() if len(p.name) == 32)


def others_die(cache: FileCache) -> None:
    """Have the process that was given everything die, and this one be another."""
    folder = cache.path.with_name("cache-uses")
    file_uses._uses.pop(folder).let_go()
    cache._uses = uses_of(folder)


def test_what_was_used_longest_ago_goes_first(cache: FileCache, clock: Clock) -> None:
    """Until what is left is no more than there may be."""
    for number in (1, 2, 3):
        put(cache, number)
        clock.now_ns += 1_000_000
    others_die(cache)
    assert cache.find(key_of(1), lambda _: True) is not None
    others_die(cache)
    clock.now_ns += DAY_NS

    put(cache, 4)

    assert keys(cache) == [1, 3, 4]


def test_what_was_given_to_this_process_stays(cache: FileCache, clock: Clock) -> None:
    """A path that was handed out may be opened at any time."""
    paths = [put(cache, number) for number in range(5)]
    clock.now_ns += 100 * DAY_NS

    put(cache, 5)

    assert keys(cache) == [0, 1, 2, 3, 4, 5]
    assert all((path / "file").exists() for path in paths)


def test_what_was_used_within_a_day_stays(cache: FileCache, clock: Clock) -> None:
    """Its path may be in the hands of a program that announces nothing."""
    for number in range(5):
        put(cache, number)
    others_die(cache)
    clock.now_ns += DAY_NS - 1

    assert cache.trim(0) == 0
    clock.now_ns += 1
    assert cache.trim(0) == 1500
    assert keys(cache) == []


def test_it_is_not_looked_for_room_at_each_file(
    cache: FileCache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look is to ask for every file of the cache."""
    looks: list[int] = []

    def trim(self: FileCache, size_max: int) -> int:
        del self
        looks.append(size_max)
        return 0

    monkeypatch.setattr(FileCache, "trim", trim)
    for number in range(5):
        put(cache, number, 10)
    assert looks == [1000]

    clock.now_ns += int(3601e9)
    put(cache, 5, 10)
    assert looks == [1000] * 2

    put(cache, 6, 100)
    assert looks == [1000] * 3


def test_without_a_limit_nothing_goes(tmp_path: Path, clock: Clock) -> None:
    """Nor is anything looked at."""
    cache = FileCache(tmp_path / "cache", clock_ns=clock)
    put(cache, 1, 5000)
    others_die(cache)
    clock.now_ns += 10 * DAY_NS
    put(cache, 2)

    assert keys(cache) == [1, 2]


def _use_and_wait(root: str, ready: Any, done: Any) -> None:
    """Be given an entry, and live on."""
    FileCache(Path(root)).find(key_of(1), lambda _: True)
    ready.set()
    done.wait()


def _fork_and_die(root: str, ready: Any, done: Any) -> None:
    """Be given an entry, and die before one's child does."""
    FileCache(Path(root)).find(key_of(1), lambda _: True)
    if os.fork() == 0:
        ready.set()
        done.wait()
    os._exit(0)


@pytest.mark.parametrize("run", [_use_and_wait, _fork_and_die])
def test_what_another_process_was_given_stays_as_long_as_it_lives(
    cache: FileCache, clock: Clock, run: Any
) -> None:
    """It, or a child that it forked; then it may go."""
    put(cache, 1)
    others_die(cache)
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=run, args=(str(cache.path), ready, done))
    process.start()
    assert ready.wait(60)
    if run is _fork_and_die:
        process.join()
    os.utime(cache.path / key_of(1), ns=(clock.now_ns, clock.now_ns))
    clock.now_ns += 2 * DAY_NS

    first = cache.trim(0)
    done.set()
    process.join()
    second = _trim_until_something_goes(cache)

    assert (first, second) == (0, 300)
    # What the dead one announced is gone as well.
    assert sorted(p.name for p in cache.path.with_name("cache-uses").iterdir()) == ["lock"]


def _trim_until_something_goes(cache: FileCache) -> int:
    """Wait for the end of a process that is no child of this one, and trim."""
    for _ in range(1000):
        freed = cache.trim(0)
        if freed:
            return freed
        threading.Event().wait(0.01)
    return 0


@pytest.mark.parametrize("is_alive", [True, False])
def test_what_is_used_while_it_is_chosen_stays(
    cache: FileCache, clock: Clock, monkeypatch: pytest.MonkeyPatch, is_alive: Any
) -> None:
    """Whoever comes between the look and the choice is seen by the second look; dead or alive."""
    put(cache, 1)
    put(cache, 2)
    others_die(cache)
    clock.now_ns += DAY_NS
    real = FileUses.in_use

    def in_use(self: FileUses) -> Any:
        other = FileCache(cache.path, clock_ns=clock)
        assert other.find(key_of(1), lambda _: True) is not None
        if not is_alive:
            others_die(cache)
        return real(self)

    monkeypatch.setattr(FileUses, "in_use", in_use)

    assert cache.trim(0) == 300
    assert keys(cache) == [1]


def test_what_is_being_looked_at_does_not_go(cache: FileCache, clock: Clock) -> None:
    """A path that was found whole must not be handed out empty."""
    put(cache, 1)
    others_die(cache)
    clock.now_ns += DAY_NS
    other = FileCache(cache.path, clock_ns=clock)

    def is_intact(place: Path) -> bool:
        clock.now_ns += 2 * DAY_NS
        other.trim(0)
        return place.exists()

    path = cache.find(key_of(1), is_intact)

    assert path is not None
    assert path.exists()


def test_one_that_was_chosen_is_not_found_any_more(
    cache: FileCache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even while it is being removed: half of it would be handed out."""
    path = put(cache, 1)
    others_die(cache)
    clock.now_ns += DAY_NS
    real = file_cache._remove
    found: list[Path | None] = []

    def remove(path: Path) -> None:
        found.append(cache.find(key_of(1), lambda place: (place / "file").exists()))
        real(path)

    monkeypatch.setattr(file_cache, "_remove", remove)

    cache.trim(0)

    assert found == [None]
    assert not path.exists()
    assert (put(cache, 1) / "file").exists()


@pytest.mark.parametrize("crash_at", range(3))
def test_a_crash_at_any_removal_leaves_what_the_next_one_removes(
    cache: FileCache, clock: Clock, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    """Between the renaming of entries and the end: no entry is half there."""
    for number in range(3):
        put(cache, number)
    others_die(cache)
    clock.now_ns += DAY_NS
    real = file_cache._remove
    left = [crash_at]

    def remove(path: Path) -> None:
        if left[0] == 0:
            raise SimulatedCrash("here")
        left[0] -= 1
        real(path)

    with monkeypatch.context() as patched:
        patched.setattr(file_cache, "_remove", remove)
        with pytest.raises(SimulatedCrash):
            cache.trim(0)
    assert keys(cache) == []
    assert cache.find(key_of(0), lambda _: True) is None

    assert cache.trim(0) == 300 * (3 - crash_at)
    assert list(cache.path.iterdir()) == [cache.path / "looked"]


def test_a_crash_while_an_entry_is_filled_leaves_what_goes_a_day_later(
    cache: FileCache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not sooner: others may be filling theirs."""
    real = file_cache._remove
    monkeypatch.setattr(file_cache, "_remove", lambda _: None)

    def fill(place: Path) -> None:
        (place / "half").write_bytes(bytes(100))
        os.utime(place / "half", ns=(clock.now_ns, clock.now_ns))
        os.utime(place, ns=(clock.now_ns - 5 * DAY_NS,) * 2)
        raise SimulatedCrash("here")

    with pytest.raises(SimulatedCrash):
        cache.place(key_of(1), fill, lambda _: True)
    monkeypatch.setattr(file_cache, "_remove", real)
    os.utime(next(cache.path.iterdir()), ns=(clock.now_ns - 5 * DAY_NS,) * 2)

    assert cache.trim(0) == 0
    clock.now_ns += DAY_NS
    assert cache.trim(0) == 100


class TestUses:
    """What processes announce."""

    @pytest.fixture
    def uses(self, tmp_path: Path) -> Iterator[FileUses]:
        """Return those of a process."""
        uses = FileUses(tmp_path / "uses")
        yield uses
        uses.let_go()

    def announced(self, uses: FileUses) -> set[str]:
        """Return what living processes announced."""
        with uses.in_use() as found:
            return found

    def test_nothing_is_announced_twice(self, uses: FileUses, tmp_path: Path) -> None:
        """Each look at a file must not cost a write."""
        for number in (1, 2, 1):
            uses.add(key_of(number))

        (file,) = (tmp_path / "uses").glob("*.keys")
        assert file.read_text() == f"{key_of(1)}\n{key_of(2)}\n"
        assert self.announced(uses) == {key_of(1), key_of(2)}

    def test_all_is_announced_again_when_the_folder_is_removed(
        self, uses: FileUses, tmp_path: Path
    ) -> None:
        """A user may clear caches by hand at any time."""
        uses.add(key_of(1))
        for path in (tmp_path / "uses").iterdir():
            path.unlink()
        (tmp_path / "uses").rmdir()
        assert uses.is_gone

        uses.add(key_of(2))

        assert self.announced(uses) == {key_of(1), key_of(2)}

    def test_what_is_no_key_is_not_taken_for_one(self, uses: FileUses, tmp_path: Path) -> None:
        """A line that was cut off by a crash says nothing."""
        uses.add(key_of(1))
        (file,) = (tmp_path / "uses").glob("*.keys")
        file.write_text(file.read_text() + "abc")

        assert self.announced(uses) == {key_of(1)}

    @pytest.mark.parametrize("names", [["a"], ["a", "a.keys"], ["a.keys"]])
    def test_what_dead_processes_left_is_removed(
        self, uses: FileUses, tmp_path: Path, names: list[str]
    ) -> None:
        """Wherever they died."""
        (tmp_path / "uses").mkdir()
        for name in names:
            (tmp_path / "uses" / name).write_text(key_of(1))

        assert self.announced(uses) == set()
        assert read_tree(tmp_path / "uses") == {"lock": b""}

    def test_one_that_has_not_said_anything_yet_says_nothing(
        self, uses: FileUses, tmp_path: Path
    ) -> None:
        """Its lock comes first."""
        uses.add(key_of(1))
        next((tmp_path / "uses").glob("*.keys")).unlink()

        assert self.announced(uses) == set()

    def test_those_of_a_folder_are_one(self, tmp_path: Path) -> None:
        """Storages come and go, and paths stay with the process."""
        assert uses_of(tmp_path / "a") is uses_of(tmp_path / "a")

    def test_those_of_a_folder_that_is_gone_are_let_go(self, tmp_path: Path) -> None:
        """Each has a file open."""
        first = uses_of(tmp_path / "a")
        first.add(key_of(1))
        for path in (tmp_path / "a").iterdir():
            path.unlink()
        (tmp_path / "a").rmdir()

        assert uses_of(tmp_path / "b") is not first
        assert tmp_path / "a" not in file_uses._uses


def no_locks(*_: Any, **__: Any) -> Any:
    """Be a file system without locks."""
    raise UsageError("no locks")


def test_where_nothing_can_be_locked_nothing_goes(
    cache: FileCache,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody knows what is in use; files are handed out all the same."""
    monkeypatch.setattr(file_uses, "locked", no_locks)
    for number in range(5):
        put(cache, number)
        clock.now_ns += 5 * DAY_NS

    assert keys(cache) == [0, 1, 2, 3, 4]
    assert "cannot look" in caplog.text
    with pytest.raises(UsageError, match="no locks"):
        cache.trim(0)


def test_a_disk_that_does_not_answer_keeps_nobody_from_a_file(
    cache: FileCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is there; that there may be too much is another matter."""

    def fail(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("full")

    monkeypatch.setattr(file_uses, "locked", fail)
    caplog.set_level(logging.WARNING)

    assert (put(cache, 1) / "file").exists()


def test_a_cache_that_is_not_there_has_nothing_to_lose(cache: FileCache) -> None:
    """Nothing was ever unwrapped."""
    assert cache.trim(0) == 0
    assert not cache.path.exists()


def test_what_a_user_put_there_is_left_alone(
    cache: FileCache, clock: Clock, tmp_path: Path
) -> None:
    """It is no entry, by its name."""
    put(cache, 1)
    (cache.path / "mine").mkdir()
    (cache.path / "mine" / "a").write_bytes(b"1")
    (cache.path / key_of(7)).symlink_to(tmp_path)
    others_die(cache)
    clock.now_ns += 10 * DAY_NS

    freed = cache.trim(0)

    assert (cache.path / "mine" / "a").exists()
    assert (cache.path / key_of(7)).is_symlink()
    assert freed == 300


@pytest.mark.parametrize("how", ["cleared", "replaced"])
def test_what_a_link_in_the_cache_leads_to_is_not_removed(
    cache: FileCache, tmp_path: Path, how: str
) -> None:
    """A user who moved an entry to another disk must not lose what else is there."""
    elsewhere = make_tree(tmp_path / "elsewhere", {"precious": b"1"})
    cache.path.mkdir()
    (cache.path / key_of(1)).symlink_to(elsewhere)

    if how == "cleared":
        assert cache.clear() == 0
    else:
        put(cache, 1)

    assert read_tree(elsewhere) == {"precious": b"1"}
    assert not (cache.path / key_of(1)).is_symlink()


def test_a_temporary_cache_can_be_trimmed() -> None:
    """Nobody else knows of it."""
    cache = FileCache(None)
    put(cache, 1)

    assert cache.trim(0, kept_s=0) == 300
