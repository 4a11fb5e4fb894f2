"""The table at the beginning of the payload of a ``Dir``: what follows it, and under which names.

::

    for each file and each empty directory, in the order of their names in UTF-8
    0     1     kind: 0 file, 1 executable file, 2 empty directory
    1     8     size of the contents
    9     32    blake3 of the contents; zeros for a directory
    41    2     size n of the name
    43    n     name in UTF-8, relative, with forward slashes

``docs/reference/format.md`` is normative.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from mandala_cas.codec.file_contents import ENTRIES_MAX, Entry
from mandala_cas.codec.file_names import check_paths

_ROW: Final = struct.Struct("<BQ32sH")
_FILE: Final = 0
_EXECUTABLE: Final = 1
_DIRECTORY: Final = 2
_NO_DIGEST: Final = bytes(32)


def pack_table(entries: Iterable[Entry]) -> bytes:
    """Return the table of entries, which are sorted by name."""
    rows: list[bytes] = []
    for entry in entries:
        name = entry.name.encode()
        kind = _EXECUTABLE if entry.is_executable else _FILE
        if entry.digest is None:
            kind = _DIRECTORY
        rows += (_ROW.pack(kind, entry.size, entry.digest or _NO_DIGEST, len(name)), name)
    return b"".join(rows)


def table_size(names: Iterable[str]) -> int:
    """Return the size of a table with these names."""
    return sum(_ROW.size + len(name.encode()) for name in names)


def unpack_table(table: memoryview) -> Sequence[Entry]:
    """Return the entries of a table that anybody may have written.

    Raises:
        ValueError: it is none, or its names are not safe to use.
    """
    entries: list[Entry] = []
    place = 0
    last = b""
    while place < len(table):
        if len(entries) == ENTRIES_MAX:
            raise ValueError(f"a table of more than {ENTRIES_MAX} entries")
        if len(table) - place < _ROW.size:
            raise ValueError("a row is cut off")
        kind, size, digest, name_size = _ROW.unpack_from(table, place)
        place += _ROW.size
        name = bytes(table[place : place + name_size])
        place += name_size
        if name <= last or len(name) != name_size:
            raise ValueError("the names are not in order, or cut off")
        last = name
        if kind > _DIRECTORY or (kind == _DIRECTORY and (size or digest != _NO_DIGEST)):
            raise ValueError(f"{name!r} is of kind {kind}")
        entries.append(
            Entry(name.decode(), size, None if kind == _DIRECTORY else digest, kind == _EXECUTABLE)
        )
    check_paths(
        [entry.name for entry in entries if entry.digest is not None],
        [entry.name for entry in entries if entry.digest is None],
    )
    return entries
