"""Files that stay where they lie: a store keeps where that is, and what was in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mandala_cas.codec.api import Encoding
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.directory_table import pack_table, unpack_table
from mandala_cas.codec.file_contents import (
    DIGESTS,
    Entry,
    is_executable,
    list_directory,
    read_directory,
)
from mandala_cas.envelope.packing import unpack
from mandala_cas.errors import CorruptionError, MandalaError, UsageError
from mandala_cas.model.files import Dir, File

CONTAINER: Final = "nested"
# The header of a container tells of so many, and of so many bytes of their paths.
_PLACES_MAX: Final = 64
_PLACES_BYTES_MAX: Final = 16 << 10


class TrackedFileCodec:
    """A file that stays where it lies: there is no payload, and the header says what to expect."""

    name = "tracked-file"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a file that is not to be copied."""
        return type(value) is File and not value.copy

    def encode(self, value: Any) -> Encoding:
        """Return where the file lies, and what is in it now."""
        return self.encode_with_files([value], Digests())[0]

    def encode_with_files(self, values: Sequence[Any], digests: Digests) -> list[Encoding]:
        """Return where files lie, and what is in them; one that was just hashed is not read."""
        found: list[Encoding] = []
        for value in values:
            path = _tracked_path(value)
            contents = digests.files.get(value) or DIGESTS.read(value.path)
            assert isinstance(contents, tuple), "those of a file were noted for it"
            digests.taken[value] = contents
            found.append(({"path": path, "size": contents[0], "digest": contents[1]}, ()))
        return found

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> File:
        """Return the file, after a look at whether it is what it was.

        Raises:
            CorruptionError: it is gone, or has changed.
        """
        path, size, digest = header["path"], header["size"], header["digest"]
        if len(payload) or type(size) is not int or not 0 <= size < 1 << 63:
            raise ValueError("a tracked file has no payload, and a size")
        if type(digest) is not bytes or len(digest) != 32:
            raise ValueError("a tracked file has a digest")
        file = File(_checked_path(path), copy=False)
        try:
            found = DIGESTS.read(file.path, size)
        except UsageError as error:
            raise _unreadable(file, error) from error
        if found != (size, digest):
            raise CorruptionError(
                f"the file {path} is tracked where it lies, and has changed since; put back what "
                "it was, or compute it again",
                file=path,
            )
        return file


class TrackedDirCodec:
    """A directory that stays where it lies: the payload is the table of what to expect in it."""

    name = "tracked-dir"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a directory that is not to be copied."""
        return type(value) is Dir and not value.copy

    def encode(self, value: Any) -> Encoding:
        """Return where the directory lies, and what is in it now."""
        return self.encode_with_files([value], Digests())[0]

    def encode_with_files(self, values: Sequence[Any], digests: Digests) -> list[Encoding]:
        """Return where directories lie, and what is in them; one just hashed is not read."""
        found: list[Encoding] = []
        for value in values:
            path = _tracked_path(value)
            entries = digests.files.get(value)
            if entries is None:
                entries = read_directory(value.path)
            assert isinstance(entries, list), "those of a directory were noted for it"
            digests.taken[value] = entries
            found.append(({"path": path}, (pack_table(entries),)))
        return found

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Dir:
        """Return the directory, after a look at whether everything in it is what it was.

        Raises:
            CorruptionError: something in it is gone, new or changed.
        """
        path = header["path"]
        directory = Dir(_checked_path(path), copy=False)
        try:
            difference = _difference(directory.path, unpack_table(payload))
        except UsageError as error:
            raise _unreadable(directory, error) from error
        if difference is not None:
            raise CorruptionError(
                f"the directory {path} is tracked where it lies, and has changed since: "
                f"{difference}; put back what it was, or compute it again",
                file=path,
            )
        return directory


MAY_TRACK: Final = frozenset({TrackedFileCodec.name, TrackedDirCodec.name, CONTAINER})


def is_in_place(codec_name: str, header: bytes) -> bool:
    """Tell whether nothing is tracked in a value, or what is seems to lie where it did.

    Only a look: nothing is read. ``header`` is that of the codec, as anybody may have written it.
    """
    try:
        return all(seems_there(*place) for place in tracked_places(codec_name, header))
    except (MandalaError, OSError, LookupError, ValueError, TypeError, AttributeError):
        return False


def places_of_leaves(leaves: Iterable[tuple[str, bytes]]) -> list[list[Any]]:
    """Return what the header of a container says of the tracked files among its leaves.

    Of each codec name and header: path and size; None is the size of a directory. Not more than a
    header has room for: it is for a look whether they are there, and no more than that.
    """
    places: list[list[Any]] = []
    room = _PLACES_BYTES_MAX
    for codec_name, header in leaves:
        for path, size in tracked_places(codec_name, header):
            room -= len(path.encode())
            if room < 0 or len(places) == _PLACES_MAX:
                return places
            places.append([path, size])
    return places


def tracked_places(codec_name: str, header: bytes) -> Iterator[Sequence[Any]]:
    """Yield the places that a header tells of, which anybody may have written."""
    if codec_name not in MAY_TRACK:
        return
    unpacked, _ = unpack(header, name="a value", what="header of its codec")
    # Whatever is amiss with it, the caller says so, or takes it for something that is not there.
    fields: Any = unpacked
    if codec_name == CONTAINER:
        yield from islice(fields.get("tracked", ()), _PLACES_MAX)
    else:
        yield fields["path"], fields.get("size")


def seems_there(path: object, size: object) -> bool:
    """Tell whether there is a file of that size, or for None a directory."""
    if not isinstance(path, str) or not is_local(path):
        return False
    return Path(path).is_dir() if size is None else Path(path).stat().st_size == size


def _difference(root: Path, entries: Sequence[Entry]) -> str | None:
    """Return what is different in a directory, None if nothing is; names before contents."""
    # Not longer than the table: one that was crafted may name the root of this system.
    listed = list_directory(root, len(entries))
    expected = {entry.name: entry for entry in entries}
    found = {**dict.fromkeys(listed.files, True), **dict.fromkeys(listed.empty, False)}
    for name in sorted(expected.keys() - found.keys()):
        return f"{name!r} is gone"
    for name in sorted(found.keys() - expected.keys()):
        return f"{name!r} is new"
    for name, entry in expected.items():
        if found[name] is not (entry.digest is not None):
            return f"{name!r} is a file or a directory, and was the other"
        if entry.digest is None:
            continue
        path = root / name
        if DIGESTS.read(path, entry.size) != (entry.size, entry.digest):
            return f"{name!r} has other contents"
        # Windows has no such thing, and whoever looks from there sees the same contents.
        if os.name != "nt" and is_executable(path) != entry.is_executable:
            return f"{name!r} can be executed, and could not, or the other way round"
    return None


def _tracked_path(value: File | Dir) -> str:
    """Return the path of what is to be tracked.

    Raises:
        UsageError: it would not be followed by who reads it.
    """
    path = str(value.path)
    if not is_local(path) or any("\ud800" <= letter <= "\udfff" for letter in path):
        kind = type(value).__name__
        advice = f"use {kind}(path) to store its contents"
        reason = "a share of another host, or a name that is no text, is not safe to follow"
        raise UsageError(
            f"cannot track {path!r} where it lies: {reason}; {advice}",
            file=path,
            reason=reason,
            advice=advice,
        )
    return path


def _checked_path(path: object) -> str:
    """Return a path out of a header, which anybody may have written.

    Raises:
        CorruptionError: it is no place on this machine.
    """
    if type(path) is not str or "\0" in path:
        raise ValueError("what is tracked has a path")
    if not (is_local(path) and Path(path).is_absolute()):
        raise CorruptionError(
            f"a file was tracked at {path!r}, which is no place on this machine; compute it "
            "again here",
            file=path,
        )
    return path


def _unreadable(value: File | Dir, error: UsageError) -> CorruptionError:
    """Return the error for what is tracked and cannot be read."""
    kind = "file" if isinstance(value, File) else "directory"
    name = error.details["file"]
    return CorruptionError(
        f"a {kind} that is tracked where it lies cannot be read: {error.details['reason']}: "
        f"{name}; put it back, or compute it again",
        file=str(value.path),
    )


def is_local(path: str) -> bool:
    """Tell whether a path is none of a share: to look there is to log in at a host it names."""
    return not path.startswith(("//", "\\\\"))
