"""Files and directories in a store, and as paths in a cache of this machine.

``docs/reference/format.md`` draws the payloads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mandala_cas.codec.api import Encoding
from mandala_cas.codec.canonical_files import directory_id, file_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.directory_table import pack_table, table_size, unpack_table
from mandala_cas.codec.file_contents import Entry, is_executable, list_directory, open_file, usable
from mandala_cas.codec.file_names import safe_name
from mandala_cas.codec.file_places import (
    TABLE_NAME,
    FilePlaces,
    directory_check,
    file_check,
    place_key,
    write_file,
)
from mandala_cas.codec.file_taking import Target, copy, copy_and_hash, taken, write_all
from mandala_cas.envelope.hashing import new_hasher
from mandala_cas.envelope.packing import unpack
from mandala_cas.errors import MandalaError
from mandala_cas.model.files import Dir, File
from mandala_cas.model.ids import ContentId


class FileCodec:
    """A file: its bytes are the payload, and come back as a path in ``places``."""

    name = "file"
    version = 1
    runs_code = False

    def __init__(self, places: FilePlaces) -> None:
        """Bring files back to ``places``."""
        self._places = places

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a file whose contents are to be stored."""
        return type(value) is File and value.copy

    def encode(self, value: Any) -> Encoding:
        """Return the name that the file has here, and its bytes as they are now."""
        return self.encode_with_files([value], Digests())[0]

    def encode_with_files(self, values: Sequence[Any], digests: Digests) -> list[Encoding]:
        """Return names and bytes of files, copied one after the other."""
        executable: list[bool] = []

        def write(path: Path, target: Target) -> None:
            """Write what is in a file now."""
            with usable(path), open_file(path) as file:
                executable.append(is_executable(path))
                copy(file, target, os.fstat(file.fileno()).st_size)

        size = sum(_size_of(value.path) for value in values)
        payloads = taken(self._places, size, [partial(write, value.path) for value in values])
        for value, payload in zip(values, payloads, strict=True):
            digests.taken[value] = (payload.nbytes, digests.of(payload))
        return [
            ({"name": safe_name(value.path.name), "executable": runs}, (payload,))
            for value, runs, payload in zip(values, executable, payloads, strict=True)
        ]

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> File:
        """Return the file, in the cache."""
        name, runs = _name(header), header["executable"]
        if type(runs) is not bool:
            raise ValueError("a file is executable or not")
        content_id = file_id(len(payload), _digest(payload))

        def fill(entry: Path) -> None:
            write_file(entry / name, payload, is_executable=runs)

        key = place_key(self.name, content_id, name, runs)
        return File(self._places.place(key, fill, file_check(content_id, name, runs)) / name)


class DirCodec:
    """A directory: a table and the bytes of all its files are the payload."""

    name = "dir"
    version = 1
    runs_code = False

    def __init__(self, places: FilePlaces) -> None:
        """Bring directories back to ``places``."""
        self._places = places

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a directory whose contents are to be stored."""
        return type(value) is Dir and value.copy

    def encode(self, value: Any) -> Encoding:
        """Return the name that the directory has here, and its files as they are now."""
        return self.encode_with_files([value], Digests())[0]

    def encode_with_files(self, values: Sequence[Any], digests: Digests) -> list[Encoding]:
        """Return names and files of directories, copied one after the other."""
        listed = [(value.path, list_directory(value.path)) for value in values]
        sizes = [table_size((*found.files, *found.empty)) for _, found in listed]

        def write(number: int, target: Target) -> None:
            """Write the contents behind the place of the table, then the table."""
            root, found = listed[number]
            start = target.tell()
            write_all(target, memoryview(bytes(sizes[number])))
            entries = [Entry(name, 0, None) for name in found.empty]
            for name in found.files:
                with usable(root / name), open_file(root / name) as file:
                    copied, digest = copy_and_hash(file, target)
                    runs = is_executable(root / name)
                entries.append(Entry(name, copied, digest, runs))
            end = target.tell()
            target.seek(start)
            entries.sort(key=lambda entry: entry.name.encode())
            write_all(target, memoryview(pack_table(entries)))
            target.seek(end)
            digests.taken[values[number]] = entries

        contents_size = sum(_size_of(root / name) for root, found in listed for name in found.files)
        writes = [partial(write, number) for number in range(len(values))]
        payloads = taken(self._places, sum(sizes) + contents_size, writes)
        return [
            ({"name": safe_name(root.name), "table": size}, (payload,))
            for (root, _), size, payload in zip(listed, sizes, payloads, strict=True)
        ]

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Dir:
        """Return the directory, in the cache."""
        name = _name(header)
        table = _table(header, payload)
        entries = unpack_table(table)
        if len(table) + sum(entry.size for entry in entries) != len(payload):
            raise ValueError("the payload is not as long as its table says")
        # Before anything is written: what the table says is what the id is taken of.
        for entry, contents in _contents(entries, payload[len(table) :]):
            if _digest(contents) != entry.digest:
                raise ValueError(f"the contents of {entry.name!r} are not those of its table")
        content_id = directory_id(entries)

        def fill(place: Path) -> None:
            write_file(place / TABLE_NAME, table, is_executable=False)
            root = place / name
            root.mkdir()
            for entry in entries:
                if entry.digest is None:
                    (root / entry.name).mkdir(parents=True, exist_ok=True)
            for entry, contents in _contents(entries, payload[len(table) :]):
                path = root / entry.name
                path.parent.mkdir(parents=True, exist_ok=True)
                write_file(path, contents, is_executable=entry.is_executable)

        key = place_key(self.name, content_id, name, runs=False)
        return Dir(self._places.place(key, fill, directory_check(content_id, name)) / name)


def find_kept(
    places: FilePlaces, codec_name: str, header: bytes, content_id: ContentId
) -> File | Dir | None:
    """Return the value if ``places`` has it already; it is looked at, not taken on trust.

    ``header`` is that of the codec, as anybody may have written it.
    """
    if codec_name not in {FileCodec.name, DirCodec.name}:
        return None
    try:
        fields, _ = unpack(header, name="a value", what="header of its codec")
        if not isinstance(fields, dict):
            return None
        name = _name(fields)
        if codec_name == DirCodec.name:
            key = place_key(codec_name, content_id, name, runs=False)
            entry = places.find(key, directory_check(content_id, name))
            return None if entry is None else Dir(entry / name)
        runs = fields["executable"] is True
        key = place_key(codec_name, content_id, name, runs)
        entry = places.find(key, file_check(content_id, name, runs))
        return None if entry is None else File(entry / name)
    except (MandalaError, OSError, KeyError, ValueError):
        # The codec will say what is wrong with it, or the disk is not in the mood.
        return None


def _size_of(path: Path) -> int:
    """Return how large a file is now."""
    with usable(path):
        return path.stat().st_size


def _name(header: Mapping[str, Any]) -> str:
    """Return the name in a header, which anybody may have written."""
    name = header["name"]
    if type(name) is not str or safe_name(name) != name:
        raise ValueError(f"{name!r} is no name for a file")
    return name


def _table(header: Mapping[str, Any], payload: memoryview) -> memoryview:
    """Return the table at the beginning of a payload."""
    size = header["table"]
    if type(size) is not int or not 0 <= size <= len(payload):
        raise ValueError(f"a table of {size!r} bytes in a payload of {len(payload)}")
    return payload[:size]


def _contents(entries: Iterable[Entry], contents: memoryview) -> Iterator[tuple[Entry, memoryview]]:
    """Yield the files of a directory with what is in them."""
    place = 0
    for entry in entries:
        if entry.digest is not None:
            yield entry, contents[place : place + entry.size]
            place += entry.size


def _digest(contents: memoryview) -> bytes:
    """Return plain blake3."""
    return new_hasher(len(contents)).update(contents).digest()
