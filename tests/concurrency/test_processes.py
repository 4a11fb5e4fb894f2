"""Several processes and threads on one store: nothing lost, nothing twice, nothing half-seen."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.imports import Storage, op
from mandala_cas.values.batches import Clocks

WORKER = Path(__file__).parent / "worker.py"
# Both save 16 MB, the child after its parent has hashed on several threads.
_FORKED_SAVE = """
import os, sys
import numpy as np
from mandala_cas.imports import Storage, op

@op(name="noise")
def noise(seed):
    return np.random.default_rng(seed).random(2_000_000)

storage = Storage(sys.argv[1])
with storage:
    noise(1)
child = os.fork()
with storage:
    noise(2)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
with Storage(sys.argv[1]) as again:
    print(np.array_equal(again.unwrap(noise(2)), noise.f(2)))
"""
CHILDREN = 4
CALLS = 25


@op
def square(x: int) -> int:
    """Return a small value."""
    return x * x


@op
def repeat(x: int) -> bytes:
    """Return a value that goes into a pack."""
    return x.to_bytes(2, "big") * 3000


def test_processes_share_a_store(tmp_path: Path) -> None:
    """Each writes segments of its own, so none waits for another."""
    place = str(tmp_path / "store")
    children = [
        subprocess.Popen([sys.executable, "-W", "error", str(WORKER), place, str(i), str(CALLS)])
        for i in range(CHILDREN)
    ]

    exit_codes = [child.wait(120) for child in children]

    assert exit_codes == [0] * CHILDREN
    storage = Storage(place)
    with storage:
        refs: list[Any] = [square(x) for x in range(CHILDREN * CALLS)]
        packed: list[Any] = [repeat(x) for x in range(CHILDREN * CALLS)]
    assert not any(ref.in_memory for ref in (*refs, *packed))
    assert storage.unwrap(refs) == [x * x for x in range(CHILDREN * CALLS)]
    assert storage.unwrap(packed[7]) == repeat.f(7)
    assert len(storage.cf(square).df()) == CHILDREN * CALLS + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_writes_what_is_its_own_and_nothing_twice(tmp_path: Path) -> None:
    """A half-full batch at the fork is the parent's to write."""
    storage = Storage(tmp_path / "store")
    with storage:
        square(1)
        child = os.fork()
        if child == 0:
            # A child of a test must never get back into pytest.
            try:
                square(2)
                storage.commit()
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        square(3)

    assert status == 0
    segments = list(Storage(tmp_path / "store")._parts.view.segments.values())
    recorded = [s.call_record(row).call_id for s in segments for row in range(s.calls.row_count)]
    assert len(recorded) == len(set(recorded)) == 3
    assert len({segment.header.writer for segment in segments}) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_stores_large_values(tmp_path: Path) -> None:
    """The threads that hashed for the parent are not in the child, which must not wait for them."""
    done = subprocess.run(
        [sys.executable, "-c", _FORKED_SAVE, str(tmp_path / "store")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


def test_threads_share_a_storage(tmp_path: Path) -> None:
    """Each thread enters the storage by itself; the batch is one."""
    storage = Storage(tmp_path / "store")
    start = threading.Barrier(8)

    def work(thread: int) -> None:
        start.wait()
        with storage:
            for x in range(50):
                square(thread * 50 + x)
                repeat(x)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    again = Storage(tmp_path / "store")
    with again:
        refs: list[Any] = [square(x) for x in range(400)]
    assert not any(ref.in_memory for ref in refs)
    assert again.unwrap(refs) == [x * x for x in range(400)]


def test_a_storage_sees_what_another_published_when_it_is_entered(tmp_path: Path) -> None:
    """Two notebooks on one store need no restart."""
    now = 0.0
    one, other = Storage(tmp_path / "store"), Storage(tmp_path / "store")
    other._parts.recorder.lookout.clocks = Clocks(lambda: 0, lambda: now)
    other.refresh()
    with one:
        square(5)

    with other:
        before: Any = square.f
        stale = other.tables().calls.height
    now = 10.0
    with other:
        ref: Any = square(5)

    assert before is square.f
    assert stale == 0
    assert not ref.in_memory
