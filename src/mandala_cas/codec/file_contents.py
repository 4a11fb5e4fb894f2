"""What is in a file or a directory on this machine, read without holding it in memory."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from mandala_cas.codec.file_names import BadNameError, check_paths
from mandala_cas.envelope.hashing import new_hasher
from mandala_cas.errors import MandalaError, UsageError

ENTRIES_MAX: Final = 250_000
_READ_AT_ONCE: Final = 8 << 20
# A file system may stamp two changes within this with one time.
_SETTLED_NS: Final = 2_000_000_000
_KNOWN_MAX: Final = 1 << 16
_EXECUTABLE: Final = 0o100
_REPARSE_POINT: Final = 0x400
_OPEN: Final = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    # What is no file must not keep anybody waiting for a writer.
    | getattr(os, "O_NONBLOCK", 0)
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a directory, under its relative name; an empty directory has no digest."""

    name: str
    size: int
    digest: bytes | None
    is_executable: bool = False


Contents = tuple[int, bytes] | list[Entry]
"""What is in a file, as size and digest; or what is in a directory."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The names in a directory: those of files, and those of directories without anything."""

    files: tuple[str, ...]
    empty: tuple[str, ...]


class FileDigests:
    """The blake3 digests of files, each file read once while nobody touches it.

    A file that looks untouched is not read again by this process: same device, number, size and
    times, the last of which was well past when it was read.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Know no file yet."""
        self._clock_ns = clock_ns
        self._known: dict[tuple[int, ...], bytes] = {}

    def read(self, path: Path, size: int | None = None) -> tuple[int, bytes]:
        """Return size and digest of a regular file; without reading it if it is not of ``size``.

        The digest is empty then.

        Raises:
            UsageError: it cannot be read, is no file, or changed meanwhile.
        """
        with usable(path), open_file(path) as file:
            status = os.fstat(file.fileno())
            if size not in {None, status.st_size}:
                return status.st_size, b""
            seen = identity(status)
            digest = self._known.get(seen)
            if digest is None:
                settled = max(status.st_mtime_ns, status.st_ctime_ns) + _SETTLED_NS
                is_settled = settled < self._clock_ns()
                digest = _digest(file, status.st_size)
                if identity(os.fstat(file.fileno())) != seen:
                    raise changed(path)
                if is_settled:
                    if len(self._known) >= _KNOWN_MAX:
                        self._known.clear()
                    self._known[seen] = digest
            return status.st_size, digest


DIGESTS: Final = FileDigests()


def identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what changes when a file does, unless somebody sees to it that it does not."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def is_executable(path: Path) -> bool:
    """Tell whether the owner of a file may run it; never on a system without such a thing."""
    return os.name != "nt" and bool(path.stat().st_mode & _EXECUTABLE)


def open_file(path: Path) -> FileIO:
    """Open a regular file for reading, unbuffered; anything else is refused unread."""
    descriptor = os.open(path, _OPEN)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return FileIO(descriptor)


def list_directory(root: Path, entries_max: int | None = None) -> Listed:
    """Return what is in a directory, at any depth, sorted by name.

    Raises:
        UsageError: it cannot be read, or holds what has no place in a store: links, devices,
            names that some system could not hold, or more entries than ``entries_max``.
    """
    limit = ENTRIES_MAX if entries_max is None else entries_max
    files: list[str] = []
    empty: list[str] = []
    waiting = [""]
    with usable(root):
        while waiting:
            below = waiting.pop()
            with os.scandir(root / below) as opened:
                entries = list(opened)
            if not entries and below:
                empty.append(below[:-1])
            for entry in entries:
                name = below + entry.name
                if _is_link(entry):
                    raise _unusable(
                        root / name,
                        "it is a link, and a link means something else on another machine",
                        "put a copy of what it leads to in its place",
                    )
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    files.append(name)
                else:
                    raise _unusable(root / name, "it is no file", "take it out of the directory")
            if len(files) + len(empty) + len(waiting) > limit:
                raise _unusable(
                    root,
                    f"it has more than {limit} files",
                    "put them into an archive, and make that a File",
                )
    try:
        check_paths(files, empty)
    except BadNameError as error:
        raise _unusable(
            root, str(error), "rename it, or put all into an archive, and make that a File"
        ) from error
    return Listed(tuple(sorted(files, key=str.encode)), tuple(sorted(empty, key=str.encode)))


def read_directory(root: Path, digests: FileDigests = DIGESTS) -> list[Entry]:
    """Return files and empty directories with what is in them, sorted by name.

    Raises:
        UsageError: as ``list_directory`` and ``FileDigests.read`` do.
    """
    listed = list_directory(root)
    entries = [Entry(name, 0, None) for name in listed.empty]
    for name in listed.files:
        path = root / name
        with usable(path):
            runs = is_executable(path)
        entries.append(Entry(name, *digests.read(path), runs))
    return sorted(entries, key=lambda entry: entry.name.encode())


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Translate what goes wrong while a user's file is read.

    Raises:
        UsageError: with ``reason`` and ``advice`` among its details.
    """
    try:
        yield
    except MandalaError:
        # That of the disk that is written to is an OSError as well.
        raise
    except FileNotFoundError as error:
        raise _unusable(path, "it is not there", "check the path, and what should make it") from (
            error
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _unusable(
            path, reason, "check the path, who may read it, and whether it is a File or a Dir"
        ) from error


def changed(path: Path) -> UsageError:
    """Return the error for a file that somebody wrote to while it was read."""
    return _unusable(
        path, "it changed while it was read", "finish it first, and never write to it again"
    )


def _unusable(path: Path, reason: str, advice: str) -> UsageError:
    """Return the error for a file that cannot be a value."""
    return UsageError(
        f"cannot use {path}: {reason}; {advice}", file=str(path), reason=reason, advice=advice
    )


def _digest(file: FileIO, size: int) -> bytes:
    """Return blake3 of the first ``size`` bytes, read some at a time."""
    hasher = new_hasher(size)
    piece = memoryview(bytearray(min(size, _READ_AT_ONCE)))
    left = size
    while left and (count := file.readinto(piece[: min(left, len(piece))])):
        hasher.update(piece[:count])
        left -= count
    # What was cut off meanwhile is noticed by whoever looks at the size again.
    return hasher.digest()


def _is_link(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a symbolic link, or a junction of Windows."""
    if entry.is_symlink():
        return True
    attributes = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
    return bool(attributes & _REPARSE_POINT) and entry.is_dir(follow_symlinks=False)
