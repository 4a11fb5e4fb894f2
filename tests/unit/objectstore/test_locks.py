"""Locks on files: who has one, for how long, and what is said where there are none."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.objectstore.locks import KernelLocks, PosixLocks, WindowsLocks, locked, try_lock
from mandala_cas.testing.windows import FakeMsvcrt

HOLDER = """
import os, sys
from pathlib import Path
from mandala_cas.objectstore.locks import try_lock
held = try_lock(Path(sys.argv[1]))
print("held" if held else "taken", flush=True)
sys.stdin.readline()
"""
FORKER = """
import os, sys
from pathlib import Path
from mandala_cas.objectstore.locks import try_lock
path = Path(sys.argv[1])
held = try_lock(path)
if os.fork() == 0:
    getattr(held, sys.argv[2])()
    print("after the child", "free" if try_lock(path) else "held", flush=True)
    sys.stdin.readline()
    os._exit(0)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the lock file will be."""
    return tmp_path / "lock"


@pytest.fixture(params=[PosixLocks, lambda: WindowsLocks(FakeMsvcrt())], ids=["posix", "windows"])
def locks(request: pytest.FixtureRequest) -> KernelLocks:
    """Return the locks of one system after the other."""
    made: KernelLocks = request.param()
    return made


class RefusingLocks:
    """Locks of a file system that answers with an error."""

    def __init__(self, number: int) -> None:
        """Answer with ``number``."""
        self._number = number

    def acquire(self, descriptor: int, *, wait: bool) -> bool:
        """Refuse."""
        del descriptor, wait
        raise OSError(self._number, os.strerror(self._number))

    def release(self, descriptor: int) -> None:
        """Never come here."""
        raise AssertionError(descriptor)


def test_a_lock_is_for_one_at_a_time(path: Path, locks: KernelLocks) -> None:
    """Two who both think they own a journal would both replay it."""
    first = try_lock(path, locks=locks)
    second = try_lock(path, locks=locks)

    assert first is not None
    assert second is None
    first.release()
    third = try_lock(path, locks=locks)
    assert third is not None
    third.release()


def test_the_file_is_private_and_stays(path: Path) -> None:
    """Whoever removed it at the end would take it from the next one, who is waiting for it."""
    held = try_lock(path)
    assert held is not None

    held.release()
    held.release()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_locks_leave_no_descriptor_open(path: Path) -> None:
    """Opening a store asks for many locks that others hold."""
    held = try_lock(path)
    assert held is not None
    before = list(Path("/dev/fd").iterdir())

    assert [try_lock(path) for _ in range(3)] == [None] * 3

    assert len(list(Path("/dev/fd").iterdir())) == len(before)
    held.release()
    assert len(list(Path("/dev/fd").iterdir())) == len(before) - 1


def test_a_lock_file_that_was_removed_meanwhile_is_made_again(path: Path) -> None:
    """A lock of a file that nobody else can open keeps nobody out."""

    class Overtaken(PosixLocks):
        """Locks that another's clean-up overtakes, once."""

        def acquire(self, descriptor: int, *, wait: bool) -> bool:
            """Lose the file just before its lock is taken."""
            if path.stat().st_nlink == 1 and not seen:
                seen.append(path.stat().st_ino)
                path.unlink()
            return super().acquire(descriptor, wait=wait)

    seen: list[int] = []
    held = try_lock(path, locks=Overtaken())

    assert len(seen) == 1
    assert held is not None
    assert path.exists()
    assert try_lock(path) is None
    held.release()


def test_a_lock_ends_with_its_process(path: Path) -> None:
    """However it ends: nobody is there to tidy up after a kill."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        while_it_lived = try_lock(path)
        holder.kill()

    after = try_lock(path)

    assert while_it_lived is None
    assert after is not None
    after.release()


@pytest.mark.parametrize("way", ["abandon", "release"])
def test_a_forked_child_lets_go_without_freeing(path: Path, way: str) -> None:
    """The lock is the parent's while it lives, and free when it is dead: not when both are."""
    command = [sys.executable, "-c", FORKER, str(path), way]

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as forker:
        assert forker.stdout is not None
        said = forker.stdout.readline()
        # The parent ends at once; the child stays until its input ends, with this block.
        forker.wait()
        after = try_lock(path)

    assert said == b"after the child held\n"
    assert after is not None
    after.release()


def test_a_release_does_not_wait_for_forked_children(path: Path) -> None:
    """A child that knows nothing of the lock keeps a copy of the descriptor, for hours perhaps."""
    held = try_lock(path)
    assert held is not None
    assert held._descriptor is not None
    copy = os.dup(held._descriptor)

    held.release()

    again = try_lock(path)
    os.close(copy)
    assert again is not None
    again.release()


def test_who_waits_gets_the_lock(path: Path) -> None:
    """Windows gives up after ten seconds; we do not."""
    waits: list[int] = []

    def wait() -> None:
        waits.append(1)
        if len(waits) == 25:
            first.release()

    locks = WindowsLocks(FakeMsvcrt(wait))
    held = try_lock(path, locks=locks)
    assert held is not None
    first = held

    with locked(path, locks=locks):
        inside = try_lock(path, locks=locks)

    assert len(waits) == 25
    assert inside is None
    last = try_lock(path, locks=locks)
    assert last is not None
    last.release()


def test_a_block_that_fails_frees_its_lock(path: Path) -> None:
    """The next one would wait for ever."""
    with pytest.raises(KeyError), locked(path):
        raise KeyError

    held = try_lock(path)
    assert held is not None
    held.release()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(path: Path, number: int) -> None:
    """Some mounted drives have none; trying again is of no use."""
    with pytest.raises(UsageError, match="has no locks; choose a directory on a local disk"):
        try_lock(path, locks=RefusingLocks(number))


@pytest.mark.parametrize(
    "take", [try_lock, lambda path, locks: locked(path, locks=locks).__enter__()]
)
def test_an_error_is_neither_a_lock_nor_its_refusal(
    path: Path, take: Callable[..., object]
) -> None:
    """Who took an error for "taken" would leave a dead process's calls lying for ever."""
    before = list(Path("/dev/fd").iterdir())

    with pytest.raises(StoreUnavailableError, match="cannot write lock: input/output error"):
        take(path, locks=RefusingLocks(errno.EIO))

    assert len(list(Path("/dev/fd").iterdir())) == len(before)


def test_a_file_that_may_not_be_opened_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It belongs to someone else."""

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)

    with pytest.raises(UsageError, match="permission denied"):
        try_lock(path)
