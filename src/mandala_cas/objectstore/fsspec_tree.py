"""A root path of an fsspec file system: paths, requests, listings, with errors as they come."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import Capabilities, ObjectInfo, Parts
from mandala_cas.objectstore.azure_blocks import put_in_blocks
from mandala_cas.objectstore.buffers import joined, size_of
from mandala_cas.objectstore.filesystems import ask_each, close_filesystem, remake_filesystem
from mandala_cas.objectstore.gcs_session import put_in_session
from mandala_cas.objectstore.layout import LOCAL, TEMPORARY
from mandala_cas.objectstore.names import check_name, is_name
from mandala_cas.objectstore.protocols import promises_of
from mandala_cas.objectstore.s3_parts import put_in_parts
from mandala_cas.objectstore.tree import STREAMED_MIN, Asked

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

Upload = Callable[["AbstractFileSystem", str, Parts], None]

# How a large object is sent by the packages that can send one piece by piece, and show none of them
# before the last. Not by protocol: other packages speak the same ones.
_UPLOADS: Final[Mapping[str, Upload]] = {
    "s3fs": put_in_parts,
    "gcsfs": put_in_session,
    "adlfs": put_in_blocks,
}
# Whose listing of a bucket that is not there looks like one of an empty bucket.
_SILENT: Final = frozenset({"az", "abfs", "abfss"})

_MODIFIED: Final = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")


class FsspecTree:
    """The objects below a root, as the file system may be asked for them in this process.

    Everything raises what the file system raises. What it remembers of listings is dropped
    whenever one is asked for.
    """

    def __init__(self, fs: AbstractFileSystem, root: str, *, owned: bool = False) -> None:
        """Ask ``fs`` for what is below ``root``; it is closed with the tree if it is ``owned``."""
        if getattr(fs, "asynchronous", False):
            raise UsageError(
                "this file system works only inside an event loop; make it without "
                "asynchronous=True"
            )
        self.protocol: str = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
        # fsspec has no public name for how a file system spells its paths.
        self.base: str = fs._strip_protocol(root).rstrip("/")  # noqa: SLF001 (see above)
        self.bucket = self.base.strip("/").partition("/")[0]
        self._promises = promises_of(self.protocol, self.bucket)
        self._fs = fs
        self._owned = owned
        self._pid = os.getpid()
        # What is no async file system is rarely made for several threads.
        self._lock = threading.RLock()
        self._inherited: list[AbstractFileSystem] = []

    @property
    def fs(self) -> AbstractFileSystem:
        """The file system; a fresh one after a fork."""
        if self._pid != os.getpid():
            # Kept for ever: its finalizer would close connections that the parent still uses.
            self._inherited.append(self._fs)
            self._fs = remake_filesystem(self._fs)
            self._lock = threading.RLock()
            self._pid = os.getpid()
        return self._fs

    @property
    def url(self) -> str:
        """Where the root is, as fsspec would spell it."""
        return f"{self.protocol}://{self.base.lstrip('/')}"

    @property
    def capabilities(self) -> Capabilities:
        """What the protocol promises; ``create`` looks before it puts, which two may do at once."""
        return self._promises.capabilities(atomic_create=False)

    def path(self, name: str) -> str:
        """Return what the file system calls an object."""
        return f"{self.base}/{check_name(name)}"

    def ask_all(
        self, method: str, questions: Sequence[tuple[object, ...]], **keywords: Sequence[object]
    ) -> list[Any]:
        """Ask the file system; return its answers, some of which may be exceptions."""
        with self._turn():
            return ask_each(self.fs, method, questions, **keywords)

    def ask(self, method: str, *question: object) -> Any:
        """Ask the file system one thing."""
        (answer,) = self.ask_all(method, [question])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def size(self, name: str) -> int:
        """Return the size of an object, as it is now."""
        self.fs.invalidate_cache()
        info = self.ask("info", self.path(name))
        if info["type"] != "file":
            raise FileNotFoundError(name)
        return int(info["size"])

    def read_each(self, asked: Sequence[Asked]) -> list[Any]:
        """Read all at the same time, where the file system can."""
        return self.ask_all(
            "cat_file",
            [(self.path(part.name),) for part in asked],
            start=[part.offset for part in asked],
            end=[None if part.size is None else part.offset + part.size for part in asked],
        )

    def write(self, name: str, parts: Parts) -> None:
        """Store an object in the way that shows no half of it."""
        if not self._promises.atomic_put:
            self._write_renamed(self.path(name), joined(parts))
            return
        upload = _upload_of(self.fs) if size_of(parts) >= STREAMED_MIN else None
        if upload is None:
            self.ask("pipe_file", self.path(name), joined(parts))
        else:
            upload(self.fs, self.path(name), parts)

    def write_each(self, objects: Mapping[str, bytes]) -> list[Any]:
        """Store all, at the same time where the file system can."""
        if self._promises.atomic_put:
            return self.ask_all("pipe_file", [(self.path(n), data) for n, data in objects.items()])
        answers: list[Exception | None] = []
        for name, data in objects.items():
            try:
                self.write(name, [data])
            except Exception as error:  # noqa: BLE001 (handed to the caller, who raises it)
                answers.append(error)
            else:
                answers.append(None)
        return answers

    def create(self, name: str, data: bytes) -> bool:
        """Look, then put: conditions are ignored by some file systems without a word."""
        try:
            self.size(name)
        except FileNotFoundError:
            self.write(name, [data])
            return True
        return False

    def remove_each(self, names: Sequence[str]) -> list[Any]:
        """Remove all, one request each: a bulk request may fail in part, unnoticed."""
        return self.ask_all("rm_file", [(self.path(name),) for name in names])

    def listing(self, prefix: str) -> list[ObjectInfo]:
        """Return what is below ``prefix`` now, whatever the file system remembers of before."""
        self.fs.invalidate_cache()
        place = f"{self.base}/{prefix}".rstrip("/")
        infos = self._find(place) if self._promises.one_listing else self._walk(place)
        return [info for info in infos if info.name.startswith(prefix)]

    def close(self) -> None:
        """Close connections, unless they are the caller's; a later question opens new ones."""
        if self._owned:
            close_filesystem(self.fs)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other thread uses a file system that is not made for it."""
        if self.fs.async_impl:
            yield
        else:
            with self._lock:
                yield

    def _write_renamed(self, path: str, data: bytes) -> None:
        """Write an object under another name first: this file system shows half a file."""
        with self._turn():
            if not has_move(self.fs):
                # A copy followed by a removal would show half a file as well, and take longer.
                self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                self.fs.pipe_file(path, data)
                return
            temporary = f"{self.base}/{TEMPORARY}{uuid.uuid4().hex}"
            for place in (temporary, path):
                self.fs.makedirs(place.rpartition("/")[0], exist_ok=True)
            try:
                self.fs.pipe_file(temporary, data)
                self._move(temporary, path, data)
            except BaseException:
                # One that stays is a leftover that no listing shows.
                with suppress(Exception):
                    self.fs.rm_file(temporary)
                raise

    def _move(self, temporary: str, path: str, data: bytes) -> None:
        """Give a file its name, also where the file system moves nothing onto a file.

        Some raise then, others do nothing and say so to nobody.
        """
        try:
            self.fs.mv(temporary, path)
        except OSError:
            if not self._is_file(path):
                raise
        if not self._is_file(temporary):
            return
        if self.fs.cat_file(path) != data:
            # Damaged, or encoded otherwise. A crash here loses an object that is being replaced,
            # whose writer does not take it for written.
            self.fs.rm_file(path)
            self.fs.mv(temporary, path)
        else:
            self.fs.rm_file(temporary)

    def _is_file(self, path: str) -> bool:
        """Tell whether there is a file now."""
        self.fs.invalidate_cache()
        try:
            return bool(self.fs.info(path)["type"] == "file")
        except FileNotFoundError:
            return False

    def _find(self, place: str) -> list[ObjectInfo]:
        """Return what is below ``place``, in one listing."""
        found: Mapping[str, Mapping[str, Any]] = {}
        with suppress(FileNotFoundError), self._turn():
            answer = self.fs.find(place, detail=True)
            # adlfs answers with a list where an object has the name of the prefix.
            found = answer if isinstance(answer, Mapping) else {}
            if found or self.protocol not in _SILENT:
                return self._objects_in(found)
        # Nothing below the root yet, which is well, or no bucket, which must not look so.
        self.ask("info", self.bucket)
        return []

    def _objects_in(self, found: Mapping[str, Mapping[str, Any]]) -> list[ObjectInfo]:
        """Return what a listing says of objects; by name, if the protocol is known to list so."""
        infos = [info for info in map(self._info, found.values()) if info is not None]
        return sorted(infos, key=lambda info: info.name) if self._promises.flat_list else infos

    def _walk(self, place: str) -> list[ObjectInfo]:
        """Return what is below ``place``, directory by directory.

        ``find`` would do the same, and leave out without a word what it may not read.
        """
        infos: list[ObjectInfo] = []
        waiting = [place]
        while waiting:
            # It may not be there, or no longer.
            with suppress(FileNotFoundError, NotADirectoryError):
                for entry in self.ask("ls", waiting.pop(), True):
                    info = self._info(entry)
                    if info is not None:
                        infos.append(info)
                    elif entry["type"] == "directory" and f"{self._name(entry)}/" != LOCAL:
                        waiting.append(entry["name"].rstrip("/"))
        return infos

    def _name(self, entry: Mapping[str, Any]) -> str:
        """Return the name of what a listing shows; empty where it is not below the root."""
        path: str = entry["name"]
        below = path.startswith(f"{self.base}/")
        return path[len(self.base) + 1 :].rstrip("/") if below else ""

    def _info(self, entry: Mapping[str, Any]) -> ObjectInfo | None:
        """Return what a listing says of an object; None for what was not put by a store."""
        name = self._name(entry)
        # A bucket may hold markers that stand for directories, and what other programs put.
        if entry["type"] != "file" or entry["name"].endswith("/") or not is_name(name):
            return None
        return ObjectInfo(name, int(entry["size"]), _modified(entry))


def has_move(fs: AbstractFileSystem) -> bool:
    """Tell whether ``fs`` moves files in one step; fsspec by itself copies, then removes."""
    from fsspec.spec import AbstractFileSystem as Base  # noqa: PLC0415 (heavy)

    return type(fs).mv is not Base.mv


def _upload_of(fs: AbstractFileSystem) -> Upload | None:
    """Return how a large object is sent through ``fs``; None where it can only be sent at once."""
    packages = [cls.__module__.partition(".")[0] for cls in type(fs).__mro__]
    return next((_UPLOADS[package] for package in packages if package in _UPLOADS), None)


def _modified(entry: Mapping[str, Any]) -> float | None:
    """Return when an object was put, in seconds since 1970, where a listing says so."""
    for key in _MODIFIED:
        value = entry.get(key)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, str):
            with suppress(ValueError):
                return datetime.fromisoformat(value).timestamp()
    return None
