"""The local cache of files: where the contents of stored files and directories lie as such.

An entry is a directory under the hash of what is in it. It is filled under a temporary name and
then renamed, so that whoever finds it finds all of it, and looked at before it is given out: users
may have written to what they were given. Deleting any of it loses time only.

What was used longest ago goes when there is too much, but for what a living process was given
(``file_uses``) and what was used within a day: its path may be in the hands of a program that is
no process of ours, or of one on another host. The time of its last use is that of its directory.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import tempfile
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.objectstore.disk import writing
from mandala_cas.objectstore.locks import locked
from mandala_cas.objectstore.platforms import running_platform
from mandala_cas.values.file_uses import uses_of

SIZE_MAX: Final = 20 << 30
KEPT_S: Final = 86_400.0

_LOGGER: Final = logging.getLogger("mandala_cas")

# To look for what may go is to look at every file: so often, or when so much was added.
_LOOK_EVERY_S: Final = 3600.0
_LOOK_SHARE: Final = 16
_ENTRY: Final = re.compile(r"[0-9a-f]{32}")
_LOOKED: Final = "looked"
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


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    """What is to be known of an entry to choose what goes: the least of them first."""

    used_ns: int
    key: str
    size: int


class FileCache:
    """Files and directories below a folder. Safe to use from several threads and processes."""

    def __init__(
        self,
        root: Path | None,
        size_max: int | None = None,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Keep them below ``root``; for None, in a folder that goes with this object.

        Where there are more than ``size_max`` bytes, what may go does; for None, nothing does.
        """
        self._root = root
        self._size_max = size_max
        self._clock_ns = clock_ns
        # Beside it, so that clearing the cache takes no promise back.
        self._uses = None if root is None else uses_of(root.with_name(f"{root.name}-uses"))
        self._added = 0

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
        if not entry.is_dir():
            return None
        # In this order: an entry that is whole once it is announced goes no more.
        self._announce(key)
        with suppress(OSError):
            now_ns = self._clock_ns()
            os.utime(entry, ns=(now_ns, now_ns))
        return entry if is_intact(entry) else None

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
                now_ns = self._clock_ns()
                os.utime(temporary, ns=(now_ns, now_ns))
                # Before it has its name: a crash in between leaves the announcement of a dead
                # process, and a temporary directory for whoever looks for what may go.
                self._announce(key)
                for _ in range(_TRIES_MAX):
                    if _rename(temporary, entry) or is_intact(entry):
                        self._make_room(entry)
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

    def trim(self, size_max: int = 0, *, kept_s: float = KEPT_S) -> int:
        """Remove what was used longest ago until ``size_max`` bytes are left; return how many go.

        What a living process of this host was given stays, what was used within ``kept_s`` seconds
        as well. Several processes may do this at once.

        Raises:
            UsageError: nothing can be locked here, so that nobody knows what is in use.
            StoreUnavailableError: the disk does not answer.
        """
        if not self.path.is_dir():
            return 0
        with writing("the cache of files", self.path):
            return self._trim(size_max, int(kept_s * 1e9))

    def _trim(self, size_max: int, kept_ns: int) -> int:
        """Do so."""
        entries = sorted(self._entries())
        excess = sum(entry.size for entry in entries) - size_max
        now_ns = self._clock_ns()
        going = [path for path in self._left_over() if now_ns - _newest_ns(path) >= kept_ns]
        with ExitStack() as stack:
            in_use = set() if self._uses is None else stack.enter_context(self._uses.in_use())
            for entry in entries:
                path = self.path / entry.key
                if excess <= 0 or now_ns - entry.used_ns < kept_ns:
                    break
                if entry.key in in_use or not _is_untouched(path, entry.used_ns):
                    continue
                # Its name first: nobody finds half of it. A crash after this line leaves a
                # temporary directory as old as the entry, which the next one removes.
                aside = self._fresh()
                if _rename(path, aside):
                    going.append(aside)
                    excess -= entry.size
        freed = 0
        for path in going:
            before = _size_of(path)
            _remove(path)
            freed += before - _size_of(path)
        return freed

    def _make_room(self, entry: Path) -> None:
        """Remove what may go if that was not looked for lately, or much was added since."""
        if self._size_max is None:
            return
        self._added += _size_of(entry)
        looked = self.path / _LOOKED
        since_ns = 0
        with suppress(OSError):
            since_ns = looked.stat().st_mtime_ns
        now_ns = self._clock_ns()
        is_recent = 0 <= now_ns - since_ns < _LOOK_EVERY_S * 1e9
        if is_recent and self._added <= self._size_max // _LOOK_SHARE:
            return
        self._added = 0
        try:
            # First of all, so that of many processes that start at once one looks.
            looked.touch()
            os.utime(looked, ns=(now_ns, now_ns))
            freed = self.trim(self._size_max)
        except (OSError, UsageError) as error:
            # A store that is not available is one as well. The file is there, and that counts.
            _LOGGER.warning("cannot look for files that may leave the cache: %s", error)
        else:
            _LOGGER.debug("removed %d bytes from the cache of files", freed)

    def _entries(self) -> Iterator[_Entry]:
        """Yield the entries."""
        for path in self.path.iterdir():
            if _ENTRY.fullmatch(path.name) and not path.is_symlink():
                with suppress(OSError):
                    yield _Entry(path.stat().st_mtime_ns, path.name, _size_of(path))

    def _left_over(self) -> list[Path]:
        """Return what is being filled, and what processes that died left of that."""
        return [path for path in self.path.iterdir() if path.name.startswith(_TEMPORARY)]

    def _announce(self, key: str) -> None:
        """Tell other processes that this one is given an entry."""
        if self._uses is not None:
            self._uses.add(key)

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
    """Yield what the system says of every file below ``root``; what a link leads to is not."""
    if root.is_symlink():
        return
    for folder, _, names in os.walk(root):
        for name in names:
            with suppress(OSError):
                yield os.lstat(os.path.join(folder, name))  # noqa: PTH118 (what `walk` gives)


def _size_of(path: Path) -> int:
    """Return how many bytes the files below ``path`` take."""
    return sum(status.st_size for status in _files(path))


def _newest_ns(path: Path) -> int:
    """Return when something below ``path`` was written last, or itself was."""
    times = [status.st_mtime_ns for status in _files(path)]
    with suppress(OSError):
        times.append(path.lstat().st_mtime_ns)
    return max(times, default=0)


def _is_untouched(path: Path, used_ns: int) -> bool:
    """Tell whether nobody used an entry since it was looked at."""
    try:
        return path.stat().st_mtime_ns == used_ns
    except OSError:
        return False


def _remove(path: Path) -> None:
    """Remove a directory or file as far as that goes; what stays costs space only."""
    if path.is_symlink():
        # Whoever put it there: what it leads to is not of the cache, and `walk` would go there.
        _remove_file(path)
        return
    for folder, folders, names in os.walk(path, topdown=False):
        for name in names:
            _remove_file(Path(folder, name))
        for name in folders:
            below = Path(folder, name)
            if below.is_symlink():
                _remove_file(below)
            with suppress(OSError):
                below.rmdir()
    if path.is_dir():
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
