"""What a store in a directory asks of the operating system, one small step at a time.

Each step may be the last one before a crash, so each is a method of its own: whoever hands in
another platform can record the steps, refuse them, or act out another system.
``mandala_cas.testing.PlatformSuite`` checks the contract.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from io import FileIO
from pathlib import Path
from typing import Any, Final, Protocol

from mandala_cas.objectstore.locks import KernelLocks, PosixLocks, WindowsLocks

# What fsync says of a directory on file systems that have nothing to sync there.
_NO_DIRECTORY_SYNC: Final = frozenset({errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS})
# What fcntl says of F_FULLFSYNC on file systems that have no such thing.
_NO_FULL_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOTTY, errno.ENOSYS})
# What link(2) says where the file system has no hard links, or has run out of them.
NO_LINKS: Final = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}
)
# ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION.
_IN_USE: Final = frozenset({32, 33})

# Virus scanners and indexers hold a new file for some milliseconds; all waits make 1.3 seconds.
WAITS_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)


class NoLinksError(OSError):
    """This file system has no hard links; never leaves the object store layer."""


class Platform(Protocol):
    """The steps that change a directory, and the locks. Whatever fails raises ``OSError``."""

    @property
    def locks(self) -> KernelLocks:
        """Locks on files."""
        ...

    @property
    def keeps_unlinked(self) -> bool:
        """Whether a file that is unlinked while it is mapped stays for whoever has mapped it."""
        ...

    def new_file(self, path: Path) -> FileIO:
        """Open a file for writing, unbuffered, that must not be there yet.

        Raises:
            FileExistsError: it is.
        """
        ...

    def sync_file(self, descriptor: int) -> None:
        """Have the disk itself confirm what was written to a file.

        One that failed must not be tried again: the kernel may have dropped what it could not
        write, and would call the second try a success.
        """
        ...

    def make_directory(self, path: Path) -> None:
        """Make a directory and all above it; one that is there is a success."""
        ...

    def sync_directory(self, path: Path) -> None:
        """Have the disk confirm the names in a directory, where a system needs to be asked."""
        ...

    def place(self, source: Path, target: Path) -> None:
        """Give a file the name ``target`` in one step, unless something has it.

        The name ``source`` may stay; it is the caller's to remove.

        Raises:
            FileExistsError: something has that name, and keeps it.
            NoLinksError: the file system does not do that.
        """
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Give a file the name ``target`` in one step, whatever had it; ``source`` is gone."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a file.

        Raises:
            FileNotFoundError: it is not there.
        """
        ...


class PosixPlatform:
    """Linux, and what is like it."""

    def __init__(self, locks: KernelLocks | None = None) -> None:
        """Lock with ``locks``, by default with those of the system."""
        self._locks = locks or PosixLocks()

    @property
    def locks(self) -> KernelLocks:
        """Locks by flock."""
        return self._locks

    @property
    def keeps_unlinked(self) -> bool:
        """Unlinking takes the name alone."""
        return True

    def new_file(self, path: Path) -> FileIO:
        """Open a new file."""
        return FileIO(path, "xb")

    def sync_file(self, descriptor: int) -> None:
        """Sync by fsync."""
        os.fsync(descriptor)

    def make_directory(self, path: Path) -> None:
        """Make a directory."""
        path.mkdir(parents=True, exist_ok=True)

    def sync_directory(self, path: Path) -> None:
        """Sync by fsync of the directory."""
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NO_DIRECTORY_SYNC:
                raise
        finally:
            os.close(descriptor)

    def place(self, source: Path, target: Path) -> None:
        """Make a hard link: a rename would take the place of what is there."""
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno in NO_LINKS:
                raise NoLinksError(*error.args) from error
            raise

    def replace(self, source: Path, target: Path) -> None:
        """Rename."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Unlink; who has the file open keeps it."""
        path.unlink()


class MacPlatform(PosixPlatform):
    """macOS, where fsync stops at the cache of the drive."""

    def __init__(self, locks: KernelLocks | None = None, fcntl: Any = None) -> None:
        """Use the module ``fcntl``; the one of this Python unless another is given."""
        super().__init__(locks)
        self._fcntl = fcntl or importlib.import_module("fcntl")

    def sync_file(self, descriptor: int) -> None:
        """Sync by F_FULLFSYNC; network file systems refuse it, and fsync is the best they have."""
        try:
            self._fcntl.fcntl(descriptor, self._fcntl.F_FULLFSYNC)
        except OSError as error:
            # Of an error of the disk, fsync would know nothing any more, and call it a success.
            if error.errno not in _NO_FULL_SYNC:
                raise
            super().sync_file(descriptor)


class WindowsPlatform(PosixPlatform):
    """Windows, where a file that somebody has open can be neither replaced nor removed.

    Scanners open what is new for a moment, so both are tried again a few times.
    """

    def __init__(
        self, locks: KernelLocks | None = None, wait: Callable[[float], object] = time.sleep
    ) -> None:
        """Lock with ``locks``; call ``wait`` with seconds between two tries."""
        super().__init__(locks or WindowsLocks())
        self._wait = wait

    @property
    def keeps_unlinked(self) -> bool:
        """A file that is mapped cannot be removed."""
        return False

    def sync_directory(self, path: Path) -> None:
        """Do nothing: NTFS journals names, and a directory cannot be opened."""

    def place(self, source: Path, target: Path) -> None:
        """Rename, which takes no name that is taken here, and leaves no second one to remove."""
        self._patiently(lambda: os.rename(source, target), target)  # noqa: PTH104 (see docstring)

    def replace(self, source: Path, target: Path) -> None:
        """Rename, as soon as nobody has either file open."""
        self._patiently(lambda: source.replace(target), target)

    def unlink(self, path: Path) -> None:
        """Remove a file, as soon as nobody has it open."""
        self._patiently(path.unlink, path)

    def _patiently(self, step: Callable[[], object], path: Path) -> None:
        """Take a step again while it is refused as it is for files in use."""
        for seconds in WAITS_S:
            try:
                step()
            except PermissionError:
                self._wait(seconds)
            else:
                return
        try:
            step()
        except PermissionError as error:
            # Windows says "denied" of a target that is open as well: where there is one, that is
            # the likely reason, and trying again is of use.
            if getattr(error, "winerror", None) in _IN_USE or path.exists():
                raise OSError(errno.EBUSY, "in use by another program", str(path)) from error
            raise


@cache
def running_platform() -> Platform:
    """Return the platform of the running system."""
    match sys.platform:
        case "win32":
            return WindowsPlatform()
        case "darwin":
            return MacPlatform()
        case _:
            return PosixPlatform()
