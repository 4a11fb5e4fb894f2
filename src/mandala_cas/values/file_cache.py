"""The local cache of files: where the contents of stored files and directories lie as such.

An entry is a directory under the hash of what is in it. It is filled under a temporary name and
then renamed, so that whoever finds it finds all of it, and looked at before it is given out: users
may have written to what they were given. Deleting any of it loses time only.
"""

from __future__ import annotations

import os
import stat
import tempfile
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from typing import Final

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.objectstore.disk import writing
from mandala_cas.objectstore.locks import locked
from mandala_cas.objectstore.platforms import running_platform

_TEMPORARY: Final = "tmp-"
_LOCK: Final = "lock"
_TRIES_MAX: Final = 8
_PRIVATE: Final = 0o700
_OWN: Final = 0o600
_SCRATCH: Final = (
    os.O_RDWR
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_TEMPORARY", 0)
)


class FileCache:
    """Files and directories below a folder. Safe to use from several threads and processes."""

    def __init__(self, root: Path | None) -> None:
        """Keep them below ``root``; for None, in a folder that goes with this object."""
        self._root = root

    @property
    def path(self) -> Path:
        """The folder; it may not be there yet."""
        if self._root is None:
            # Random, so that nobody can have put a folder of theirs there.
            self._root = Path(tempfile.gettempdir(), f"mandala-cas-{uuid.uuid4().hex}")
            weakref.finalize(self, _remove_own, self._root, os.getpid())
        return self._root

    def find(self, key: str, is_intact: Callable[[Path], bool]) -> Path | None:
        """Return the directory ``key``, if it is there and intact."""
        entry = self.path / key
        return entry if entry.is_dir() and is_intact(entry) else None

    def place(
        self, key: str, fill: Callable[[Path], None], is_intact: Callable[[Path], bool]
    ) -> Path:
        """Return the directory ``key``, whole: filled now, unless it is there and intact."""
        entry = self.path / key
        temporary = self._fresh()
        with writing(key, self.path):
            if self.find(key, is_intact) is not None:
                return entry
            self._make_root()
            temporary.mkdir()
            try:
                fill(temporary)
                for _ in range(_TRIES_MAX):
                    if _rename(temporary, entry) or is_intact(entry):
                        return entry
                    self._put_aside(entry, is_intact)
            finally:
                _remove(temporary)
        raise StoreUnavailableError(
            f"cannot put a file into the cache at {entry}: others write there at the same time; "
            "try again",
            path=str(entry),
        )

    def scratch(self) -> FileIO:
        """Return a new file that is gone when it is closed."""
        with writing("a copy of a file", self.path):
            self._make_root()
            # Beside the cache, not where temporary files go: that may be memory.
            path = self._fresh()
            descriptor = os.open(path, _SCRATCH, _OWN)
            # Windows keeps the name as long as the file is open, and then drops it by itself.
            if not hasattr(os, "O_TEMPORARY"):
                path.unlink()
            return FileIO(descriptor, "r+b")

    def size(self) -> int:
        """Return how many bytes the files take."""
        return sum(status.st_size for status in _files(self.path))

    def clear(self) -> int:
        """Remove everything, and return how many bytes that gives.

        What was given out before leads nowhere then; it is fetched anew when it is asked for.
        Files that the system keeps because they are in use stay.
        """
        before = self.size()
        with suppress(FileNotFoundError):
            for path in list(self.path.iterdir()):
                if path.name != _LOCK:
                    _remove(path)
        return before - self.size()

    def _put_aside(self, entry: Path, is_intact: Callable[[Path], bool]) -> None:
        """Remove an entry that is damaged, by taking its name away first."""
        with ExitStack() as stack:
            # One at a time: another process may have mended it since it was looked at, and what
            # it made must not go. Where nothing can be locked, it is made once more.
            with suppress(UsageError):
                stack.enter_context(locked(self.path / _LOCK))
            if is_intact(entry):
                return
            aside = self._fresh()
            if _rename(entry, aside):
                _remove(aside)

    def _fresh(self) -> Path:
        """Return a name that nothing has."""
        return self.path / f"{_TEMPORARY}{os.getpid()}-{uuid.uuid4().hex}"

    def _make_root(self) -> None:
        """Make the folder, for this user alone."""
        self.path.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)


def _rename(source: Path, target: Path) -> bool:
    """Rename a directory, unless something has the new name or the old one is gone."""
    if target.exists():
        return False
    try:
        running_platform().replace(source, target)
    except OSError:
        # Another process was faster: no system puts a directory in the place of one with files.
        if target.exists() or not source.exists():
            return False
        raise
    return True


def _files(root: Path) -> Iterator[os.stat_result]:
    """Yield what the system says of every file below ``root``."""
    for folder, _, names in os.walk(root):
        for name in names:
            with suppress(OSError):
                yield os.lstat(os.path.join(folder, name))  # noqa: PTH118 (what `walk` gives)


def _remove(path: Path) -> None:
    """Remove a directory or file as far as that goes; what stays costs space only."""
    for folder, folders, names in os.walk(path, topdown=False):
        for name in names:
            _remove_file(Path(folder, name))
        for name in folders:
            below = Path(folder, name)
            if below.is_symlink():
                _remove_file(below)
            with suppress(OSError):
                below.rmdir()
    if path.is_dir() and not path.is_symlink():
        with suppress(OSError):
            path.rmdir()
    else:
        _remove_file(path)


def _remove_file(path: Path) -> None:
    """Remove one file."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # Windows removes nothing that is read-only.
        with suppress(OSError):
            path.chmod(stat.S_IWRITE)
            path.unlink(missing_ok=True)


def _remove_own(root: Path, process_id: int) -> None:
    """Remove a folder that this process made; in a forked child it is the parent's."""
    if process_id == os.getpid():
        _remove(root)
