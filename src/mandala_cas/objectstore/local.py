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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from mandala_cas.errors import NotFoundError
from mandala_cas.objectstore.api import (
    Buffer,
    ByteRange,
    Capabilities,
    MappedObject,
    ObjectInfo,
    Parts,
)
from mandala_cas.objectstore.buffers import fill, flat_target
from mandala_cas.objectstore.disk import reading, writing
from mandala_cas.objectstore.files import publish, publish_once, same_bytes, write_file
from mandala_cas.objectstore.layout import LOCAL, TEMPORARY
from mandala_cas.objectstore.maps import map_file
from mandala_cas.objectstore.mounts import capabilities_of, file_system_of
from mandala_cas.objectstore.names import check_name, check_prefix, check_range, is_name
from mandala_cas.objectstore.platforms import NO_LINKS, Platform, running_platform

_COPIED_AT_ONCE: Final = 1 << 20


class LocalObjectStore:
    """Objects as files below a directory, which the first put makes.

    Safe to use from several threads and processes at once, and after a fork: no file stays open
    and no lock is held between calls.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        platform: Platform | None = None,
        file_system_of: Callable[[Path], str] = file_system_of,
    ) -> None:
        """Point at the directory ``root``. Nothing is read or made yet.

        ``platform`` takes the steps that change the directory; by default, the running system.
        ``file_system_of`` names the type of the file system that a path is on.
        """
        # Absolute, so that the store stays where it is when the process changes directory.
        self._root = Path(root).absolute()
        self._temporary = self._root / TEMPORARY
        self._platform = platform or running_platform()
        self._file_system_of = file_system_of
        self._capabilities: Capabilities | None = None
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
        """What a disk of this host promises, or a directory that others may have mounted.

        The file system is looked up once, at the first question.
        """
        if self._capabilities is None:
            self._capabilities = capabilities_of(self._file_system_of(self._root))
        return self._capabilities

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Store the concatenation of ``parts``; it is on the disk when this returns."""
        path = self._path(name)
        with writing(name, self._root):
            self._publish(path, parts)
            self._platform.sync_directory(path.parent)

    def put_many(self, objects: Mapping[str, Parts]) -> None:
        """Store several objects; each directory is synced once."""
        paths = {name: self._path(name) for name in objects}
        for name, parts in objects.items():
            with writing(name, self._root):
                self._publish(paths[name], parts)
        directories = {path.parent: name for name, path in paths.items()}
        for directory, name in directories.items():
            with writing(name, self._root):
                self._platform.sync_directory(directory)

    def put_file(self, name: str, source: Path) -> None:
        """Store a file by giving it a second name; where that cannot be, by copying it."""
        path = self._path(name)
        with writing(name, self._root):
            self._make_directory(path.parent)
            # Before it has its name: a crash after the link must find every byte on the disk.
            with source.open("r+b", buffering=0) as file:
                self._platform.sync_file(file.fileno())
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
            self._platform.sync_directory(path.parent)

    def create(self, name: str, data: bytes) -> bool:
        """Store ``data`` unless ``name`` exists; of racing callers exactly one is told True."""
        path = self._path(name)
        with writing(name, self._root):
            made = not path.exists() and self._create(path, data)
            # Also where another made it: it may not have come to this line yet.
            self._platform.sync_directory(path.parent)
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
            return fill(file, offset, target)

    @property
    def maps_objects(self) -> bool:
        """Whether a deleted file stays for who has mapped it.

        That is so on a disk of this host, but on Windows, where a map would keep the file from
        being deleted. Where another host deletes it, reading a map would end the process.
        """
        return self._platform.keeps_unlinked and self.capabilities.strong_list

    def map_object(self, name: str) -> MappedObject | None:
        """Return an object as a private map; None where maps are not to be had."""
        path = self._path(name)
        if not self.maps_objects:
            return None
        with reading(name, self._root), path.open("rb", buffering=0) as file:
            return map_file(file)

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
        return _walk(self._root, check_prefix(prefix))

    def delete(self, names: Iterable[str]) -> None:
        """Remove the objects."""
        for name, path in [(name, self._path(name)) for name in names]:
            with writing(name, self._root), suppress(FileNotFoundError, NotADirectoryError):
                self._platform.unlink(path)

    def remove_leftovers(self, *, modified_before: float) -> int:
        """Remove temporary files that dead writers left; return how many.

        A writer that is still at work on a file older than that fails, and may try again; its
        object is there whole or not at all. Where a system keeps files that are in use, they stay.
        """
        removed = 0
        with writing(TEMPORARY, self._root), suppress(FileNotFoundError):
            for path in self._temporary.iterdir():
                try:
                    if path.stat().st_mtime < modified_before:
                        self._platform.unlink(path)
                        removed += 1
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if error.errno != errno.EBUSY:
                        raise
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
            publish(self._platform, temporary, path)
        finally:
            self._remove(temporary)

    def _create(self, path: Path, data: bytes) -> bool:
        """Give ``data`` a name unless something has it; tell whether this call did."""
        temporary = self._write_temporary(path.parent, [data])
        try:
            return publish_once(self._platform, temporary, path, self._root / LOCAL / "create.lock")
        finally:
            self._remove(temporary)

    def _remove(self, temporary: Path) -> None:
        """Remove a temporary file; one that stays is a leftover that no listing shows."""
        with suppress(OSError):
            self._platform.unlink(temporary)

    def _write_temporary(self, directory: Path, parts: Iterable[Buffer]) -> Path:
        """Write and sync a file that can be linked into ``directory``, which is made if need be."""
        self._make_directory(self._temporary)
        self._make_directory(directory)
        # The process id tells a person who left it; the uuid alone makes it unique after a fork.
        unique = f"{os.getpid()}-{threading.get_ident()}-{uuid.uuid4().hex}"
        path = self._temporary / unique
        write_file(self._platform, path, parts)
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
        self._platform.make_directory(directory)
        # Also where it was there: the process that made it may have died before it synced.
        unsynced = [directory]
        while (above := unsynced[-1].parent) != top and above not in self._durable:
            unsynced.append(above)
        # From the top down, so that what another thread finds in the set is durable by then.
        for made in reversed(unsynced):
            # Some directories may be passed through but not opened, such as /home.
            with suppress(PermissionError):
                self._platform.sync_directory(made.parent)
            self._durable.add(made)


def _walk(root: Path, prefix: str) -> Iterator[ObjectInfo]:
    """Yield the objects of one directory after the other, without holding one open."""
    waiting = [prefix]
    while waiting:
        below = waiting.pop()
        directories = []
        for info in _entries(root, below):
            if info.name.endswith("/"):
                directories.append(info.name)
            else:
                yield info
        waiting.extend(sorted(directories, reverse=True))


def _entries(root: Path, below: str) -> Iterator[ObjectInfo]:
    """Yield the objects of a directory, and its directories with a slash after their names."""
    entries: list[os.DirEntry[str]] = []
    # It may not be there, or no longer. Read all at once: whoever stops reading the listing
    # must not leave a directory open.
    place = root / below
    with suppress(NotFoundError), reading(below, root), os.scandir(place) as opened:
        entries = list(opened)
    for entry in entries:
        name = below + entry.name
        if is_name(name) and (status := _status(entry, name, root)) is not None:
            if stat.S_ISDIR(status.st_mode):
                yield ObjectInfo(name + "/", 0)
            elif stat.S_ISREG(status.st_mode):
                yield ObjectInfo(name, status.st_size, status.st_mtime)


def _status(entry: os.DirEntry[str], name: str, root: Path) -> os.stat_result | None:
    """Return what the file system says of ``entry``; None if it was deleted meanwhile."""
    with suppress(NotFoundError), reading(name, root):
        return entry.stat()
    return None


def _pieces(source: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, some at a time."""
    with source.open("rb", buffering=0) as file:
        while piece := file.read(_COPIED_AT_ONCE):
            yield piece
