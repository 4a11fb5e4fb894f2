"""The archives of skops, made a function of the model, and checked before they are read.

skops names parts by their addresses in memory, and stamps them with the time. Here they are
numbered as they are met in the schema, so that equal models have equal archives. An archive stays
one that ``skops.io.load`` reads.

skops checks which classes an archive names. It follows sizes and references on trust: what it
would need much more memory or time for than the archive is long is refused here.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Callable
from typing import Any, Final

import numpy as np

_SCHEMA: Final = "schema.json"
_ID: Final = "__id__"
_FILE: Final = "file"
_LOADER: Final = "__loader__"
_SCALAR: Final = "JsonNode"
_REFERENCE: Final = "CachedNode"
_OLDEST: Final = (1980, 1, 1, 0, 0, 0)
_ARRAY_FILE: Final = re.compile(r"[0-9]{1,9}\.npy")
# Bytes of a schema for each bracket in it: skops writes more, and fewer would become many times
# their size when they are read.
_BYTES_PER_BRACKET: Final = 12
_SOME_BRACKETS: Final = 64
# A header of an array; NumPy evaluates it.
_ARRAY_HEADER_MAX: Final = 10_000


def normalized(archive: bytes) -> bytes:
    """Return an archive of skops with its parts numbered.

    Raises:
        ValueError: it has parts that ``check_archive`` refuses.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        schema = json.loads(source.read(_SCHEMA))
        numbering = _Numbering()
        schema = numbering.numbered(schema)
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as target:
            for name, new in numbering.files.items():
                target.writestr(zipfile.ZipInfo(new, _OLDEST), source.read(name))
            text = json.dumps(schema, separators=(",", ":"))
            target.writestr(zipfile.ZipInfo(_SCHEMA, _OLDEST), text)
    archive = made.getvalue()
    check_archive(archive)
    return archive


def check_archive(archive: bytes) -> None:
    """Refuse an archive that would take much more than its size in memory or time.

    Raises:
        ValueError: it would, or it is none.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as source:
            sizes = _stored_sizes(source, len(archive))
            text = source.read(_SCHEMA)
            brackets = text.count(b"[") + text.count(b"{")
            if brackets > len(text) // _BYTES_PER_BRACKET + _SOME_BRACKETS:
                raise ValueError(f"a schema of {len(text)} bytes with {brackets} brackets")
            schema = json.loads(text, object_pairs_hook=_unique)
            met: dict[Any, Any] = {}
            named: dict[str, Any] = {}

            def check(node: dict[str, Any]) -> None:
                """Refuse a node that stands for another than it says, or for a file of another."""
                if _ID in node and met.setdefault(node[_ID], node) != node:
                    raise ValueError(f"two different parts have number {node[_ID]!r}")
                if _FILE in node and named.setdefault(node[_FILE], node.get(_ID)) != node.get(_ID):
                    raise ValueError(f"two parts have the file {node[_FILE]!r}")
                if node.get(_LOADER) == _REFERENCE:
                    raise ValueError("a part stands for another")

            _visit(schema, check)
            if sizes.keys() - {_SCHEMA} != named.keys() or None in named.values():
                raise ValueError("there are other files than the schema names")
            for name in named:
                with source.open(name) as file:
                    _check_array(file, sizes[name])
    except zipfile.BadZipFile as error:
        raise ValueError(f"this is no archive: {error}") from error


class _Numbering:
    """Gives the parts of one schema, and their files, numbers in the order they are met in."""

    def __init__(self) -> None:
        """Have met nothing yet."""
        self.files: dict[str, str] = {}
        self._met: dict[Any, dict[str, Any]] = {}

    def numbered(self, node: Any) -> Any:
        """Return a node with numbers for names.

        One that was met before is what it was then: skops makes some of its parts anew for each
        look, but reads those of the first alone.
        """
        if type(node) is list:
            return [self.numbered(part) for part in node]
        if type(node) is not dict:
            return node
        # Whether two equal texts or numbers are one object says nothing about a value.
        key = None if node.get(_LOADER) == _SCALAR else node.get(_ID)
        if key in self._met:
            return self._met[key]
        made: dict[str, Any] = {}
        if key is not None:
            self._met[key] = made
            # Zero would be taken for none.
            made[_ID] = len(self._met)
        for name, part in node.items():
            if name == _FILE and type(part) is str:
                ending = part[part.rindex(".") :]
                made[name] = self.files.setdefault(part, f"{len(self.files)}{ending}")
            elif name != _ID:
                made[name] = self.numbered(part)
        return made


def _visit(node: Any, visit: Callable[[dict[str, Any]], None]) -> None:
    """Call ``visit`` with each object of a schema, the outer ones first."""
    if type(node) is dict:
        visit(node)
        for part in node.values():
            _visit(part, visit)
    elif type(node) is list:
        for part in node:
            _visit(part, visit)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields of a JSON object, none of which may be there twice."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name is there twice")
    return fields


def _stored_sizes(source: zipfile.ZipFile, archive_size: int) -> dict[str, int]:
    """Return the sizes of the files of an archive, none of which may be compressed."""
    entries = source.infolist()
    sizes = {entry.filename: entry.file_size for entry in entries}
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"file {entry.filename!r} is compressed")
        if entry.filename != _SCHEMA and _ARRAY_FILE.fullmatch(entry.filename) is None:
            raise ValueError(f"{entry.filename!r} is no file of an array")
    if len(sizes) != len(entries) or sum(sizes.values()) > archive_size:
        raise ValueError("files of an archive lie over each other")
    return sizes


def _check_array(file: Any, size: int) -> None:
    """Refuse a file whose array is not as long as it says: NumPy would make room for it."""
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, _, dtype = read(file, max_header_size=_ARRAY_HEADER_MAX)
    if dtype.hasobject or not all(side >= 0 for side in shape):
        raise ValueError("an array of objects, or of no shape")
    if file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"an array of shape {shape} in a file of {size} bytes")
