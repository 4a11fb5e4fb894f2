"""A store that may only be read: everything that asks works, and nothing leaves a trace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mandala_cas.errors import MandalaError, UsageError
from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.testing.faults import WRITES, Deny, FaultStore, Rule


@op
def numbers(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(size)


@op
def total(values: Any) -> float:
    """Use a value."""
    return float(values.sum())


# Of a script given on a command line nobody has the source, so its hash is another one.
@op(name="forgotten", on_stale="keep")
def forgotten(x: int) -> int:
    """Return a value that a process makes that dies right after."""
    return x


_DIES = """
import os, sys
from mandala_cas.imports import Storage, op

@op(name="forgotten")
def forgotten(x):
    return x

with Storage(sys.argv[1], flush_after=1000.0):
    forgotten(5)
    os._exit(0)
"""
SIZES = (10, 5_000, 160_000)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a store with everything: a run, segments, drops, tags, announcements, a journal."""
    folder = tmp_path / "store"
    with Storage(folder) as storage:
        for size in SIZES:
            total(numbers(1, size))
        doomed = numbers(9, 5_000)
    storage.tag("best", doomed)
    storage.untag("best")
    storage.drop_calls(list(storage.cf(numbers).df()[numbers.name])[-1:])
    storage.gc(dry_run=False, grace=0)
    storage.compact(full=True, delay=0)
    storage.compact(full=True, delay=0)
    with storage:
        for size in SIZES:
            total(numbers(2, size))
    with storage:
        # Garbage, when it is dropped: it is alone in its pack.
        numbers(7, 5_000)
    storage.drop_calls(list(storage.cf(numbers).df()[numbers.name])[-1:])
    storage.tag("mine", storage.cf(total).df()["total"])
    storage.close()
    return folder


def state_of(place: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return what there is at a place: kinds, sizes, times and bytes of files and folders."""
    found = {}
    for path in sorted([place, *place.rglob("*")]):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        size = status.st_size if path.is_file() else 0
        found[str(path)] = (status.st_mode, size, status.st_mtime_ns, data)
    return found


def use(storage: Storage) -> None:
    """Ask everything that can be asked."""
    executed = len(storage._parts.recorder.unpublished())
    with storage:
        refs = [numbers(seed, size) for seed in (1, 2) for size in SIZES]
        sums = [total(ref) for ref in refs]
    assert not any(ref.in_memory for ref in (*refs, *sums))
    for ref, value in zip(refs, storage.unwrap(refs), strict=True):
        assert value.size in SIZES, ref
    assert len(storage.cf(total).expand_back().df()) == len(sums)
    assert list(storage.tags()) == ["mine"]
    storage.refresh()
    for level in ("meta", "refs", "data"):
        assert storage.fsck(level).ok
    assert str(storage.health())
    assert storage.stats(listed=True).to_dict()
    assert not storage.gc(grace=0).carried_out
    storage.commit()
    assert len(storage._parts.recorder.unpublished()) == executed == 0


CHANGES: dict[str, Callable[[Storage], object]] = {
    "drop": lambda storage: storage.drop_calls(list(storage.cf(total).df()["total"])),
    "tag": lambda storage: storage.tag("new", storage.tags()["mine"]),
    "untag": lambda storage: storage.untag("mine"),
    "compact": lambda storage: storage.compact(full=True, delay=0),
    "collect": lambda storage: storage.gc(dry_run=False, grace=0),
    "vacuum": lambda storage: storage.vacuum(),
    "repair": lambda storage: storage.repair(),
    "evict": lambda storage: storage.evict(storage.url),
}


def test_a_store_that_is_opened_for_reading_is_left_as_it_is(place: Path) -> None:
    """Not a byte, not a time, not a folder, also not below ``local/``."""
    before = state_of(place)

    storage = Storage(place, mode="r")
    use(storage)
    storage.close()

    assert state_of(place) == before


@pytest.mark.parametrize("mode", ["r", "rw"])
def test_who_may_not_write_can_read_everything(place: Path, mode: Any) -> None:
    """Credentials that may only read are enough, whatever the mode."""
    denied = FaultStore(LocalObjectStore(place), [Rule(Deny(), WRITES, times=None)])
    before = state_of(place)

    storage = Storage(denied, mode=mode)
    use(storage)
    storage.close()

    assert not [call for call in denied.calls if call.operation in WRITES]
    assert state_of(place) == before


@pytest.mark.parametrize("mode", ["r", "rw"])
def test_a_store_on_a_disk_that_may_only_be_read_is_read(place: Path, mode: Any) -> None:
    """A share of somebody else, or a DVD."""
    folders = [place, *(path for path in place.rglob("*") if path.is_dir())]
    before = state_of(place)
    for folder in folders:
        folder.chmod(0o555)
    try:
        storage = Storage(place, mode=mode)
        use(storage)
        storage.close()
    finally:
        for folder in folders:
            folder.chmod(0o755)

    after = state_of(place)
    assert {name: entry[1:] for name, entry in after.items()} == {
        name: entry[1:] for name, entry in before.items()
    }


@pytest.mark.parametrize("change", CHANGES)
def test_what_would_change_a_store_opened_for_reading_is_refused(place: Path, change: str) -> None:
    """With a message that says how to do it; and before anything was done."""
    before = state_of(place)
    storage = Storage(place, mode="r")

    with pytest.raises(UsageError, match="mode='rw'"):
        CHANGES[change](storage)

    storage.close()
    assert state_of(place) == before


@pytest.mark.parametrize("change", CHANGES.keys() - {"evict"})
def test_what_would_change_a_store_that_denies_writes_fails_and_says_so(
    place: Path, change: str
) -> None:
    """Nothing is changed, and what is on record can be read afterwards."""
    objects = LocalObjectStore(place)
    storage = Storage(FaultStore(objects, [Rule(Deny(), WRITES, times=None)]))
    before = {info.name: info.size for info in objects.list("")}

    # There is nothing to repair.
    with nullcontext() if change == "repair" else pytest.raises(MandalaError):
        CHANGES[change](storage)

    assert {info.name: info.size for info in objects.list("")} == before
    storage._parts.recorder.abandon()
    use(Storage(objects, mode="r"))


def test_a_reader_leaves_a_dead_writers_journal_to_others(place: Path) -> None:
    """Whoever may write adopts it."""
    subprocess.run([sys.executable, "-c", _DIES, place], check=True)
    assert list((place / "local" / "journal").iterdir())
    before = state_of(place)

    reader = Storage(place, mode="r")
    use(reader)
    reader.close()

    assert state_of(place) == before
    with Storage(place):
        ref: Any = forgotten(5)
    assert not ref.in_memory
