"""An object store in a directory: every object a file, whole or not there at all.

A file is written under a temporary name below ``local/tmp/`` of the store itself, synced, and only
then linked to its name. A crash before the link leaves a leftover that no listing shows; a crash
after it leaves the whole object.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

from mandala_cas.errors import NotFoundError
from mandala_cas.objectstore.api import Buffer, ByteRange, Capabilities, ObjectInfo
from mandala_cas.objectstore.buffers import flat_target
from mandala_cas.objectstore.disk import (
    NO_LINKS,
    reading,
    same_bytes,
    sync_directory,
    sync_file,
    write_file,
    writing,
)
from mandala_cas.objectstore.layout import TEMPORARY
from mandala_cas.objectstore.locks import locked
from mandala_cas.objectstore.names import check_name, check_prefix, check_range, is_name

_COPIED_AT_ONCE: Final = 1 << 20


class LocalObjectStore:
    """Objects as files below a directory, which the first put makes.

    Safe to use from several threads and processes at once, and after a fork: no file stays open
    and no lock is held between calls.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Point at the directory ``root``. Nothing is read or made yet."""
        # Absolute, so that the store stays where it is when the process changes directory.
        self._root = Path(root).absolute()
        self._temporary = self._root / TEMPORARY
        # Directories that this object has seen to it would outlive a power cut.
        self._durable: set[Path] = set()

    @property
    def url(self) -> str:
        """The directory."""
        return str(self._root)

    @property
    def root(self) -> Path:
        """The directory, as a path."""
        return self._root

    @property
    def capabilities(self) -> Capabilities:
        """What a local disk promises."""
        return Capabilities(strong_list=True, atomic_create=True, persistent=True)

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Store the concatenation of ``parts``; it is on the disk when this returns."""
        path = self._path(name)
        with writing(name, self._root):
            self._publish(path, parts)
            sync_directory(path.parent)

    def put_many(self, objects: Mapping[str, Sequence[Buffer]]) -> None:
        """Store several objects; each directory is synced once."""
        paths = {name: self._path(name) for name in objects}
        for name, parts in objects.items():
            with writing(name, self._root):
                self._publish(paths[name], parts)
        directories = {path.parent: name for name, path in paths.items()}
        for directory, name in directories.items():
            with writing(name, self._root):
                sync_directory(directory)

    def put_file(self, name: str, source: Path) -> None:
        """Store a file by giving it a second name; where that cannot be, by copying it."""
        path = self._path(name)
        with writing(name, self._root):
            self._make_directory(path.parent)
            # Before it has its name: a crash after the link must find every byte on the disk.
            with source.open("r+b", buffering=0) as file:
                sync_file(file.fileno())
            # As if it were made now: by this time others tell how long it has been here.
            os.utime(source)
            try:
                os.link(source, path)
            except OSError as error:
                # Another file system, one without links, or an object that has the name.
                if error.errno not in NO_LINKS | {errno.EXDEV, errno.EEXIST}:
                    raise
                if not same_bytes(source, path):
                    self._publish(path, _pieces(source))
            sync_directory(path.parent)

    def create(self, name: str, data: bytes) -> bool:
        """Store ``data`` unless ``name`` exists; of racing callers exactly one is told True."""
        path = self._path(name)
        with writing(name, self._root):
            made = not path.exists() and self._create(path, data)
            # Also where another made it: it may not have come to this line yet.
            sync_directory(path.parent)
        return made

    def get(self, name: str) -> bytes:
        """Return the object, whole."""
        path = self._path(name)
        with reading(name, self._root), path.open("rb", buffering=0) as file:
            return file.readall()

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Return part of an object."""
        check_range(name, offset, size)
        path = self._path(name)
        with reading(name, self._root), path.open("rb", buffering=0) as file:
            # A record may lie about sizes: allocate no more than there is.
            wanted = max(0, min(size, os.fstat(file.fileno()).st_size - offset))
            file.seek(offset)
            data = file.read(wanted)
            # One call reads at most 2 GiB.
            while len(data) < wanted and (more := file.read(wanted - len(data))):
                data += more
        return data

    def get_into(self, name: str, offset: int, buffer: memoryview) -> int:
        """Read part of an object straight into ``buffer``."""
        target = flat_target(buffer)
        check_range(name, offset, target.nbytes)
        path = self._path(name)
        with reading(name, self._root), path.open("rb", buffering=0) as file:
            return _fill(file, offset, target)

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Return several objects."""
        found: list[bytes | None] = []
        for name in [check_name(name) for name in names]:
            try:
                found.append(self.get(name))
            except NotFoundError:
                found.append(None)
        return found

    def get_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | None]:
        """Return several ranges."""
        for part in ranges:
            check_range(part.name, part.offset, part.size)
        found: list[bytes | None] = []
        for part in ranges:
            try:
                found.append(self.get_range(part.name, part.offset, part.size))
            except NotFoundError:
                found.append(None)
        return found

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield what is below ``prefix``, directory by directory, in the order of their names."""
        return self._walk(check_prefix(prefix))

    def delete(self, names: Iterable[str]) -> None:
        """Remove the objects."""
        for name, path in [(name, self._path(name)) for name in names]:
            with writing(name, self._root), suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()

    def remove_leftovers(self, *, modified_before: float) -> int:
        """Remove temporary files that dead writers left; return how many.

        A writer that is still at work on a file older than that fails, and may try again; its
        object is there whole or not at all.
        """
        removed = 0
        with writing(TEMPORARY, self._root), suppress(FileNotFoundError):
            for path in self._temporary.iterdir():
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < modified_before:
                        path.unlink()
                        removed += 1
        return removed

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    def _path(self, name: str) -> Path:
        """Return where an object is kept."""
        return self._root / check_name(name)

    def _publish(self, path: Path, parts: Iterable[Buffer]) -> None:
        """Give ``parts`` their name, in one step; a crash right after may undo that step."""
        temporary = self._write_temporary(path.parent, parts)
        try:
            try:
                os.link(temporary, path)
            except FileExistsError:
                # Mostly the very same bytes: content names content. A loose blob may have been
                # encoded otherwise, though, and what is there may be damaged and being repaired.
                if not same_bytes(temporary, path):
                    temporary.replace(path)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                temporary.replace(path)
        finally:
            _remove(temporary)

    def _create(self, path: Path, data: bytes) -> bool:
        """Give ``data`` a name unless something has it; tell whether this call did."""
        temporary = self._write_temporary(path.parent, [data])
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            # No other step is atomic here, so those who create take turns. A put in between is
            # not kept out, but nobody puts what others create.
            with locked(self._temporary / "create.lock", mode=0o666):
                if path.exists():
                    return False
                temporary.replace(path)
        finally:
            _remove(temporary)
        return True

    def _write_temporary(self, directory: Path, parts: Iterable[Buffer]) -> Path:
        """Write and sync a file that can be linked into ``directory``, which is made if need be."""
        self._make_directory(self._temporary)
        self._make_directory(directory)
        # The process id tells a person who left it; the uuid alone makes it unique after a fork.
        unique = f"{os.getpid()}-{threading.get_ident()}-{uuid.uuid4().hex}"
        path = self._temporary / unique
        write_file(path, parts)
        return path

    def _make_directory(self, directory: Path) -> None:
        """Make a directory and all above it, on the disk before anything is put into it."""
        if directory in self._durable:
            if directory.is_dir():
                return
            # Somebody removed it, and perhaps more.
            self._durable.clear()
        # Where the store itself is new, so may be what is above it: that is ours to sync, too.
        top = next((above for above in self._root.parents if above.is_dir()), self._root)
        directory.mkdir(parents=True, exist_ok=True)
        # Also where it was there: the process that made it may have died before it synced.
        unsynced = [directory]
        while (above := unsynced[-1].parent) != top and above not in self._durable:
            unsynced.append(above)
        # From the top down, so that what another thread finds in the set is durable by then.
        for made in reversed(unsynced):
            # Some directories may be passed through but not opened, such as /home.
            with suppress(PermissionError):
                sync_directory(made.parent)
            self._durable.add(made)

    def _walk(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects of one directory after the other, without holding one open."""
        waiting = [prefix]
        while waiting:
            below = waiting.pop()
            directories = []
            for info in self._entries(below):
                if info.name.endswith("/"):
                    directories.append(info.name)
                else:
                    yield info
            waiting.extend(sorted(directories, reverse=True))

    def _entries(self, below: str) -> Iterator[ObjectInfo]:
        """Yield the objects of a directory, and its directories with a slash after their names."""
        entries: list[os.DirEntry[str]] = []
        # It may not be there, or no longer. Read all at once: whoever stops reading the listing
        # must not leave a directory open.
        place = self._root / below
        with suppress(NotFoundError), reading(below, self._root), os.scandir(place) as opened:
            entries = list(opened)
        for entry in entries:
            name = below + entry.name
            if is_name(name) and (status := self._status(entry, name)) is not None:
                if stat.S_ISDIR(status.st_mode):
                    yield ObjectInfo(name + "/", 0)
                elif stat.S_ISREG(status.st_mode):
                    yield ObjectInfo(name, status.st_size, status.st_mtime)

    def _status(self, entry: os.DirEntry[str], name: str) -> os.stat_result | None:
        """Return what the file system says of ``entry``; None if it was deleted meanwhile."""
        with suppress(NotFoundError), reading(name, self._root):
            return entry.stat()
        return None


def _fill(file: FileIO, offset: int, target: memoryview) -> int:
    """Read from ``offset`` on until ``target`` is full or the file ends; return how much."""
    file.seek(offset)
    filled = 0
    while filled < target.nbytes:
        count = file.readinto(target[filled:])
        if not count:
            break
        filled += count
    return filled


def _pieces(source: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, some at a time."""
    with source.open("rb", buffering=0) as file:
        while piece := file.read(_COPIED_AT_ONCE):
            yield piece


def _remove(temporary: Path) -> None:
    """Remove a temporary file; one that stays is a leftover that no listing shows."""
    with suppress(OSError):
        temporary.unlink()
