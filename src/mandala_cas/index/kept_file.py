"""A file of tables that is mapped, not read.

::

    0    8   magic
    8    4   D: size of the directory
    12   4   zero bytes
    16   D   directory: {"format", "byte_order", "tables": [table, ...]}
             table: [name, row count, [[column, type, [block size, ...]], ...]]
             blocks, each at a multiple of 64; nothing behind the last one

Types and their blocks: numbers (``u1 u4 u8 i8``) and ``fixedN``: the rows; ``bytes``: where rows
begin and the last one ends (u8), the bytes; ``text``: codes (u4), where words begin and the last
one ends (u8), the words. Numbers are in this machine's byte order. It is nobody else's file: a
reader that finds another format or order does without, and the next writer replaces it.
"""

from __future__ import annotations

import mmap
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.envelope.packing import pack, unpack
from mandala_cas.errors import CorruptionError
from mandala_cas.index.mapped import MappedBytesColumn, MappedFixedColumn, MappedTextColumn
from mandala_cas.log.columns import (
    BytesColumn,
    Column,
    FixedColumn,
    NumberColumn,
    Offsets,
    TextColumn,
)
from mandala_cas.log.tables import Schema, Table
from mandala_cas.objectstore.api import Buffer

FORMAT: Final = 1

_MAGIC: Final = b"mcas-idx"
_PREFIX_SIZE: Final = 16
_DIRECTORY_MAX: Final = 1 << 20
_ALIGNMENT: Final = 64
_OFFSET: Final = np.dtype(np.uint64)
_CODE: Final = np.dtype(np.uint32)
_NUMBERS: Final = {name: np.dtype(name) for name in ("u1", "u4", "u8", "i8")}
_FIXED: Final = "fixed"
_ROW_COUNT_MAX: Final = (1 << 32) - 1
# Not there on Windows, whose links need a privilege to make.
_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def encode_kept(tables: Sequence[Table]) -> list[Buffer]:
    """Return the file that holds ``tables``."""
    described: list[list[object]] = []
    parts: list[Buffer] = []
    for table in tables:
        columns: list[list[object]] = []
        for name, column in table.columns.items():
            type_name, blocks = _encode(column)
            columns.append([name, type_name, [len(block) for block in blocks]])
            for block in blocks:
                parts += (block, bytes(-len(block) % _ALIGNMENT))
        described.append([table.name, table.row_count, columns])
    directory = pack({"format": FORMAT, "byte_order": sys.byteorder, "tables": described})
    head = _MAGIC + len(directory).to_bytes(4, "little") + bytes(4) + directory
    return [head, bytes(-len(head) % _ALIGNMENT), *parts]


def open_kept(path: Path, schema: Schema) -> dict[str, Table] | None:
    """Return the tables in a file, mapped; None if it cannot be used.

    That is so where it is not there, is another user's or writable by another user, was cut, or
    has other tables than ``schema``. Nothing in it is read but the directory.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_LINKS)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not is_private(status):
            return None
        # What is mapped stays readable when the name is gone, or means another file.
        mapping = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    try:
        return _decode(memoryview(mapping), schema)
    except CorruptionError:
        return None


def is_private(status: os.stat_result) -> bool:
    """Tell whether a file or directory is this user's, and no other user can write to it."""
    if os.name == "nt":
        return True  # a user's folders are closed to others there, and modes say nothing
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _encode(column: Column) -> tuple[str, tuple[Buffer, ...]]:
    """Return the type of a column, and its blocks."""
    match column:
        case FixedColumn(width, data):
            return f"{_FIXED}{width}", (data,)
        case NumberColumn(array):
            return array.dtype.str[1:], (_raw(array),)
        case BytesColumn(offsets, data):
            return "bytes", (_raw(offsets), data)
        case TextColumn():
            return "text", (_raw(column.codes), *_encode_words(column))
        case _:
            raise AssertionError("a kept index holds what this version knows")


def _encode_words(column: TextColumn) -> tuple[Buffer, Buffer]:
    """Return the dictionary of a column of text: where words begin, and the words."""
    if isinstance(column, MappedTextColumn):
        offsets, data = column.encoded_words()
        return _raw(offsets), data
    text = "".join(column.words)
    encoded = text.encode()
    words: Sequence[str | bytes] = column.words
    if len(encoded) != len(text):
        words = [word.encode() for word in column.words]
    offsets = np.zeros(len(words) + 1, _OFFSET)
    np.cumsum(np.fromiter(map(len, words), np.uint64, len(words)), out=offsets[1:])
    return _raw(offsets), encoded


def _raw(array: npt.NDArray[np.generic]) -> memoryview:
    """Return the bytes of an array."""
    return np.ascontiguousarray(array).view(np.uint8).data


def _decode(data: memoryview, schema: Schema) -> dict[str, Table]:
    """Return the tables in ``data``.

    Raises:
        CorruptionError: they are not those of ``schema``, or a block does not fit.
    """
    size = int.from_bytes(data[8:12], "little")
    _check(
        len(data) >= _PREFIX_SIZE and bytes(data[:8]) == _MAGIC and not any(data[12:_PREFIX_SIZE])
    )
    _check(size <= min(_DIRECTORY_MAX, len(data) - _PREFIX_SIZE))
    directory, used = unpack(
        bytes(data[_PREFIX_SIZE : _PREFIX_SIZE + size]), name="kept index", what="directory"
    )
    _check(isinstance(directory, dict) and used == size)
    assert isinstance(directory, dict), "checked in the line before"
    _check(directory.get("format") == FORMAT and directory.get("byte_order") == sys.byteorder)
    blocks = _Blocks(data, _PREFIX_SIZE + size)
    described = directory.get("tables")
    _check(isinstance(described, list) and len(described) == len(schema))
    assert isinstance(described, list), "checked in the line before"
    tables = {}
    for item, (name, columns) in zip(described, schema.items(), strict=True):
        tables[name] = _decode_table(item, name, columns, blocks)
    _check(blocks.position == len(data))
    return tables


def _decode_table(item: object, name: str, schema: Mapping[str, str], blocks: _Blocks) -> Table:
    """Return one table, which has the columns of ``schema`` in that order."""
    _check(isinstance(item, list) and len(item) == 3 and item[0] == name)
    assert isinstance(item, list), "checked in the line before"
    _, row_count, described = item
    _check(isinstance(row_count, int) and 0 <= row_count <= _ROW_COUNT_MAX)
    _check(isinstance(described, list) and len(described) == len(schema))
    columns: dict[str, Column] = {}
    for column, (column_name, type_name) in zip(described, schema.items(), strict=True):
        _check(isinstance(column, list) and column[:2] == [column_name, type_name])
        _check(len(column) == 3 and isinstance(column[2], list))
        columns[column_name] = _decode_column(type_name, column[2], row_count, blocks)
    return Table(name, row_count, columns)


def _decode_column(
    type_name: str, sizes: Sequence[object], row_count: int, blocks: _Blocks
) -> Column:
    """Return one column; its blocks are as long as its rows need."""
    if type_name in _NUMBERS:
        _check(len(sizes) == 1)
        return NumberColumn(blocks.numbers(sizes[0], _NUMBERS[type_name], row_count))
    if type_name == "bytes":
        _check(len(sizes) == 2)
        offsets = blocks.offsets(sizes[0], row_count + 1)
        return MappedBytesColumn.of(offsets, _whole(blocks.take(sizes[1]), offsets))
    if type_name == "text":
        _check(len(sizes) == 3 and isinstance(sizes[1], int) and sizes[1] >= _OFFSET.itemsize)
        codes = np.asarray(blocks.numbers(sizes[0], _CODE, row_count), np.uint32)
        assert isinstance(sizes[1], int), "checked two lines before"
        offsets = blocks.offsets(sizes[1], sizes[1] // _OFFSET.itemsize)
        return MappedTextColumn.of(codes, offsets, _whole(blocks.take(sizes[2]), offsets))
    width = int(type_name.removeprefix(_FIXED))
    _check(sizes == [width * row_count])
    return MappedFixedColumn.of(width, blocks.take(sizes[0]))


def _whole(data: memoryview, offsets: Offsets) -> memoryview:
    """Return ``data`` if it ends where the last row does."""
    _check(int(offsets[-1]) == len(data))
    return data


class _Blocks:
    """Hands out the blocks of a file one after the other, within its bounds."""

    def __init__(self, data: memoryview, position: int) -> None:
        """Begin at ``position``, where the directory ends."""
        self._data = data
        self.position = position
        self._align()

    def take(self, size: object) -> memoryview:
        """Return the next block."""
        _check(isinstance(size, int) and 0 <= size <= len(self._data) - self.position)
        assert isinstance(size, int), "checked in the line before"
        block = self._data[self.position : self.position + size]
        self.position += size
        self._align()
        return block

    def numbers(
        self, size: object, dtype: np.dtype[np.number], count: int
    ) -> npt.NDArray[np.number]:
        """Return the next block, which is ``count`` numbers."""
        block = self.take(size)
        _check(len(block) == count * dtype.itemsize)
        return np.frombuffer(block, dtype) if count else np.empty(0, dtype)

    def offsets(self, size: object, count: int) -> Offsets:
        """Return the next block, which says where rows begin and end."""
        return np.asarray(self.numbers(size, _OFFSET, count), np.uint64)

    def _align(self) -> None:
        """Go on to the next multiple of the alignment."""
        self.position += -self.position % _ALIGNMENT
        _check(self.position <= len(self._data))


def _check(holds: object) -> None:
    """Refuse a file for which a rule does not hold."""
    if not holds:
        raise CorruptionError("a kept index that cannot be used is made again")
