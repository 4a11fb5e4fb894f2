"""Locks of the operating system's on a file, which end with the process that holds them.

A lock says that a process on this host is alive, never who may change a store: on NFS, SMB and
FUSE a lock may not be seen from another host, and nothing in a store relies on one.

A forked child inherits the descriptor, not the duty: its copy keeps the lock taken after the
parent has died, so the child calls ``HeldLock.abandon``. Programs that are started from here
inherit nothing.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.disk import writing

# A journal or a cache of one person; what others must be able to lock is made with another mode.
PRIVATE: Final = 0o600

_TAKEN: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK})
# What Windows says when it has waited for ten seconds.
_STILL_TAKEN: Final = _TAKEN | {errno.EDEADLK, getattr(errno, "EDEADLOCK", errno.EDEADLK)}
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


class KernelLocks(Protocol):
    """Exclusive locks on open files."""

    def acquire(self, descriptor: int, *, wait: bool) -> bool:
        """Take the lock of the file; without ``wait``, return False where another has it.

        Raises:
            OSError: the file system has no locks, or does not answer.
        """
        ...

    def release(self, descriptor: int) -> None:
        """Free the lock, also where a forked child still has a copy of the descriptor."""
        ...


class PosixLocks:
    """Locks by flock(2), which belong to the opening of a file, not to the process."""

    def __init__(self, fcntl: Any = None) -> None:
        """Use the module ``fcntl``; the one of this Python unless another is given."""
        self._fcntl = fcntl or importlib.import_module("fcntl")

    def acquire(self, descriptor: int, *, wait: bool) -> bool:
        """Take the lock of the whole file."""
        how = self._fcntl.LOCK_EX if wait else self._fcntl.LOCK_EX | self._fcntl.LOCK_NB
        try:
            self._fcntl.flock(descriptor, how)
        except OSError as error:
            if not wait and error.errno in _TAKEN:
                return False
            raise
        return True

    def release(self, descriptor: int) -> None:
        """Free the lock for all who share the opening."""
        self._fcntl.flock(descriptor, self._fcntl.LOCK_UN)


class WindowsLocks:
    """Locks by LockFile on the first byte, whether it is there or not."""

    def __init__(self, msvcrt: Any = None) -> None:
        """Use the module ``msvcrt``; the one of this Python unless another is given."""
        self._msvcrt = msvcrt or importlib.import_module("msvcrt")

    def acquire(self, descriptor: int, *, wait: bool) -> bool:
        """Take the lock of the first byte."""
        while True:
            os.lseek(descriptor, 0, os.SEEK_SET)
            try:
                # LK_LOCK waits between its ten tries by itself, so this loop is not a busy one.
                self._msvcrt.locking(
                    descriptor, self._msvcrt.LK_LOCK if wait else self._msvcrt.LK_NBLCK, 1
                )
            except OSError as error:
                if error.errno not in _STILL_TAKEN:
                    raise
                if not wait:
                    return False
            else:
                return True

    def release(self, descriptor: int) -> None:
        """Free the lock of the first byte."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        self._msvcrt.locking(descriptor, self._msvcrt.LK_UNLCK, 1)


@cache
def running_locks() -> KernelLocks:
    """Return the locks of the running system."""
    return WindowsLocks() if sys.platform == "win32" else PosixLocks()


class HeldLock:
    """A lock that this process holds until ``release``, or until it ends."""

    def __init__(self, path: Path, descriptor: int, locks: KernelLocks) -> None:
        """Own ``descriptor``, whose lock is taken."""
        self.path = path
        self._descriptor: int | None = descriptor
        self._locks = locks
        self._process_id = os.getpid()

    def release(self) -> None:
        """Free the lock; the file stays. Harmless twice; in a forked child, the same as abandon.

        To remove the file as well, remove it before this: whoever waits for the lock of a file
        that is gone makes a new one.
        """
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            if self._process_id == os.getpid():
                # Closing alone would not do: a child that was forked meanwhile has a copy.
                with suppress(OSError):
                    self._locks.release(descriptor)
        finally:
            os.close(descriptor)

    def abandon(self) -> None:
        """In a forked child: close this copy of the descriptor. The parent's lock stays held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def try_lock(
    path: Path, *, mode: int = PRIVATE, locks: KernelLocks | None = None
) -> HeldLock | None:
    """Lock the file ``path``, which is made if need be; None where another holds its lock.

    Exclusive between processes, and between two calls in one process. The directory must be
    there. ``mode`` is for a file that this call makes.

    Raises:
        UsageError: the file may not be opened, or its file system has no locks.
        StoreUnavailableError: the file system does not answer.
    """
    with writing(path.name, path.parent):
        return _lock(path, mode, locks or running_locks(), wait=False)


@contextmanager
def locked(
    path: Path, *, mode: int = PRIVATE, locks: KernelLocks | None = None
) -> Iterator[HeldLock]:
    """Hold the lock of the file ``path``; wait for it as long as others hold it.

    Raises:
        UsageError: the file may not be opened, or its file system has no locks.
        StoreUnavailableError: the file system does not answer.
    """
    with writing(path.name, path.parent):
        held = _lock(path, mode, locks or running_locks(), wait=True)
    assert held is not None, "whoever waits gets the lock, or an error"
    try:
        yield held
    finally:
        held.release()


def _lock(path: Path, mode: int, locks: KernelLocks, *, wait: bool) -> HeldLock | None:
    """Open and lock the file that ``path`` names when the lock is taken."""
    while True:
        # For writing, too: flock on NFS is a lock that only writers may take.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), mode)
        try:
            if not locks.acquire(descriptor, wait=wait):
                os.close(descriptor)
                return None
            if _is_still(path, descriptor):
                return HeldLock(path, descriptor, locks)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError) and error.errno in _NO_LOCKS:
                raise UsageError(
                    f"cannot lock {path}: its file system has no locks; choose a directory on a "
                    "local disk",
                    path=str(path),
                ) from error
            raise
        # The file was removed between opening and locking: others would lock another one.
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Tell whether ``path`` names the file that is open as ``descriptor``."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
