"""Forks, spawned processes and exits: each batch is committed by the process that recorded it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mandala_cas.imports import Storage, op
from mandala_cas.log.journal import is_lock_name
from mandala_cas.log.orphans import Place, find_orphans
from mandala_cas.memo import context

CHILDREN = 8
SIZES = (10, 5_000, 160_000)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

_EXIT = """
import os, sys
from mandala_cas.imports import Storage, op
from mandala_cas.memo import context

@op(name="square")
def square(x):
    return x * x

storage = Storage(sys.argv[1])
context.enter(storage._parts.book)
square(1)
if sys.argv[2] == "fork" and os.fork() == 0:
    sys.exit()
if sys.argv[2] == "committed":
    storage.commit()
if sys.argv[2] == "dropped":
    del storage
"""


@op
def noise(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(size)


@op(name="square")
def square(x: int) -> int:
    """Return a small value."""
    return x * x


def in_child(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked child."""
    child = os.fork()
    if child:
        return child
    # A child of a test must never get back into pytest, nor wait for ever.
    try:
        signal.alarm(60)
        work()
        os._exit(0)
    finally:
        os._exit(1)


def records_of(place: Path) -> list[bytes]:
    """Return the call ids of all records, and see to it that no dot is there twice."""
    segments = list(Storage(place)._parts.view.segments.values())
    dots = [tuple(s.dot(row)) for s in segments for row in range(s.calls.row_count)]
    assert len(dots) == len(set(dots))
    return [bytes(s.call_record(row).call_id) for s in segments for row in range(s.calls.row_count)]


@needs_fork
def test_children_of_a_half_full_batch_write_what_is_their_own(tmp_path: Path) -> None:
    """Eight of them, at once, with values of all sizes; the parent goes on."""
    place = tmp_path / "store"
    storage = Storage(place)

    def work(number: int) -> None:
        for size in SIZES:
            noise(number, size)
        storage.commit()

    with storage:
        for size in SIZES:
            noise(100, size)
        children = [in_child(partial(work, number)) for number in range(CHILDREN)]
        statuses = [os.waitpid(child, 0)[1] for child in children]
        for size in SIZES:
            noise(101, size)

    assert statuses == [0] * CHILDREN
    records = records_of(place)
    assert len(records) == len(set(records)) == (CHILDREN + 2) * len(SIZES)
    with Storage(place) as later:
        for number in (*range(CHILDREN), 100, 101):
            for size in SIZES:
                ref: Any = noise(number, size)
                assert not ref.in_memory
                assert np.array_equal(later.unwrap(ref), noise.f(number, size))
    storage.close()
    journals = [path.name for path in (place / "local" / "journal").iterdir()]
    # A lock that says nothing is cleared away a day later.
    assert [name for name in journals if not is_lock_name(name)] == []
    assert list((place / "local" / "spool").iterdir()) == []


@needs_fork
def test_a_child_neither_frees_nor_keeps_its_parents_lock(tmp_path: Path) -> None:
    """While the parent lives nobody adopts its journal; when it is dead, anybody may."""
    place = tmp_path / "store"
    Storage(place).close()
    ready, go = os.pipe(), os.pipe()

    def parent() -> None:
        storage = Storage(place)
        context.enter(storage._parts.book)
        noise(1, 10)
        if os.fork() == 0:
            # Outlives its parent, without having recorded anything.
            os.write(ready[1], b"c")
            os.close(go[1])
            os.read(go[0], 1)
            os._exit(0)
        signal.pause()

    process = in_child(parent)
    os.close(go[0])
    assert os.read(ready[0], 1) == b"c"

    while_it_lives = list(find_orphans(Place(place / "local", b"k" * 32)))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    with Storage(place) as storage:
        ref: Any = noise(1, 10)
    os.close(go[1])

    assert while_it_lives == []
    assert not ref.in_memory
    storage.close()


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_process_of_multiprocessing_writes_what_is_its_own(tmp_path: Path, method: str) -> None:
    """However it was started; it does not run the interpreter's exit, so its block commits."""
    place = tmp_path / "store"
    with Storage(place) as storage:
        square(1)
        process = multiprocessing.get_context(method).Process(  # type: ignore[attr-defined]
            target=_square_in, args=(str(place), 2)
        )
        process.start()
        process.join(60)
        square(3)

    assert process.exitcode == 0
    assert len(set(records_of(place))) == len(records_of(place)) == 3
    storage.close()


def _square_in(place: str, x: int) -> None:
    """Work in another process."""
    with Storage(place):
        square(x)


@pytest.mark.parametrize("how", ["open", "committed", "dropped", "fork"])
def test_what_is_held_at_the_exit_is_committed_once(tmp_path: Path, how: str) -> None:
    """A thread that is in the middle of a block does not get to leave it."""
    place = tmp_path / "store"

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _EXIT, str(place), how],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert list((place / "local" / "journal").iterdir()) == []
    assert len(records_of(place)) == 1
