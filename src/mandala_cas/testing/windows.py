"""What Windows does differently, acted out here, for those who have no Windows at hand."""

from __future__ import annotations

import errno
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final


class FakeMsvcrt:
    """The locks of the module ``msvcrt``: of a region, from where the descriptor stands.

    ``while_waiting`` is called where the real one would sleep; after ten such times it gives up,
    as the real one does.
    """

    LK_LOCK: Final = 1
    LK_NBLCK: Final = 2
    LK_UNLCK: Final = 0

    def __init__(self, while_waiting: Callable[[], None] = lambda: None) -> None:
        """Lock by flock, which is there wherever this is of use."""
        self._fcntl = importlib.import_module("fcntl")
        self._while_waiting = while_waiting

    def locking(self, descriptor: int, mode: int, size: int) -> None:
        """Lock or unlock ``size`` bytes; only the first byte is known here."""
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        assert (place, size) == (0, 1), "unlocking must name the very region that was locked"
        if mode == self.LK_UNLCK:
            self._fcntl.flock(descriptor, self._fcntl.LOCK_UN)
            return
        for _ in range(10 if mode == self.LK_LOCK else 1):
            try:
                self._fcntl.flock(descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)
            except BlockingIOError:
                if mode == self.LK_LOCK:
                    self._while_waiting()
            else:
                return
        number = errno.EDEADLK if mode == self.LK_LOCK else errno.EACCES
        raise OSError(number, os.strerror(number))


class FakeWindows:
    """A stand-in for ``os``, as far as files go, that behaves as Windows does.

    ``busy`` says how often a file is still found in use: by a rename onto it or away from it, or
    by its removal.
    """

    def __init__(self) -> None:
        """Have no file in use."""
        self.busy: dict[Path, int] = {}
        self.waits: list[float] = []
        self._link, self._replace, self._unlink = os.link, os.replace, os.unlink
        self._open = os.open

    def install(self, patch: Callable[[object, str, object], None]) -> None:
        """Take the place of the real functions; ``patch`` is pytest's ``monkeypatch.setattr``."""
        for name in ("rename", "replace", "unlink", "open"):
            patch(os, name, getattr(self, name))
        patch(os, "link", self.link)

    def rename(self, source: Path, target: Path) -> None:
        """Rename, unless the name is taken."""
        self._refuse(source)
        # In one step, as far as others can see: a look before the rename would come too early.
        self._link(source, target)
        self._unlink(source)

    def replace(self, source: Path, target: Path) -> None:
        """Rename onto what is there, unless that is in use."""
        self._refuse(source)
        self._refuse(target)
        self._replace(source, target)

    def unlink(self, path: Path, *, dir_fd: int | None = None) -> None:
        """Remove a file that is not in use."""
        self._refuse(path)
        self._unlink(path, dir_fd=dir_fd)

    def link(self, source: Path, target: Path) -> None:
        """Fail the test: a second name of a file in use could not be removed."""
        raise AssertionError(f"a link from {source} to {target}")

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        """Open a file; no directory."""
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return self._open(path, flags, mode)

    def _refuse(self, path: Path) -> None:
        """Refuse a step on a file in use."""
        left = self.busy.get(Path(path), 0)
        if left:
            self.busy[Path(path)] = left - 1
            raise PermissionError(errno.EACCES, "Access is denied", str(path))
