"""Tables in the payload of a segment: a directory, then the blocks of their columns.

::

    0    4   D: size of the directory
    4    4   zero bytes
    8    D   directory: [[table, row count, [[column, type, [block size, ...]], ...]], ...]
             blocks, each at a multiple of 8

``docs/reference/format.md`` is normative.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from mandala_cas.envelope.packing import Packable, corruption, pack, unpack
from mandala_cas.errors import UsageError
from mandala_cas.log.columns import (
    BytesColumn,
    Column,
    FixedColumn,
    NumberColumn,
    Numbers,
    RawColumn,
    TextColumn,
    decode_column,
    encode_column,
    number_column,
)
from mandala_cas.objectstore.api import Buffer

DIRECTORY_MAX: Final = 1 << 20

_ALIGNMENT: Final = 8
_PREFIX_SIZE: Final = 8
_LATER: Final = "?"
_ROW_COUNT_MAX: Final = (1 << 32) - 1

_ColumnT = TypeVar("_ColumnT", FixedColumn, NumberColumn, TextColumn, BytesColumn)

Schema = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of ``row_count`` rows each. A raw column may be of any shape."""

    name: str
    row_count: int
    columns: Mapping[str, Column]

    def fixed(self, column: str) -> FixedColumn:
        """Return a column of rows of fixed size."""
        return self._get(column, FixedColumn)

    def numbers(self, column: str) -> Numbers:
        """Return a column of numbers."""
        return self._get(column, NumberColumn).array

    def text(self, column: str) -> TextColumn:
        """Return a column of text."""
        return self._get(column, TextColumn)

    def bytes(self, column: str) -> BytesColumn:
        """Return a column of bytes of any size."""
        return self._get(column, BytesColumn)

    def _get(self, column: str, kind: type[_ColumnT]) -> _ColumnT:
        """Return a column that is known to be of ``kind``."""
        found = self.columns.get(column)
        if not isinstance(found, kind):
            raise UsageError(f"table {self.name} has no {kind.__name__} {column!r}")
        return found


def encode_tables(tables: Sequence[Table]) -> tuple[Buffer, ...]:
    """Return the payload of a segment that holds ``tables``; empty ones are left out."""
    directory: list[list[object]] = []
    parts: list[Buffer] = []
    for table in tables:
        if not table.row_count:
            continue
        columns: list[list[object]] = []
        for name, column in table.columns.items():
            type_name, blocks = encode_column(column)
            columns.append([name, type_name, [len(block) for block in blocks]])
            for block in blocks:
                parts += (block, bytes(-len(block) % _ALIGNMENT))
        directory.append([table.name, table.row_count, columns])
    packed = pack(directory)
    head = len(packed).to_bytes(4, "little") + bytes(4) + packed
    return (head, bytes(-len(head) % _ALIGNMENT), *parts)


def decode_tables(payload: memoryview, schema: Schema, *, name: str) -> dict[str, Table]:
    """Return the tables in ``payload``, by name.

    Those in ``schema`` (table, column, type) have all its columns, and are there also where they
    have no rows. A type with ``?`` behind it is that of numbers which came later: they are 0
    where a writer did not know the column. Other tables and columns are raw.

    Raises:
        CorruptionError: these are no such tables; ``name`` says where.
    """
    size = int.from_bytes(payload[:4], "little")
    if len(payload) < _PREFIX_SIZE or size > min(DIRECTORY_MAX, len(payload) - _PREFIX_SIZE):
        raise corruption(name, f"claims a directory of {size} bytes in {len(payload)}")
    directory, used = unpack(
        bytes(payload[_PREFIX_SIZE : _PREFIX_SIZE + size]), name=name, what="directory"
    )
    if used != size or any(payload[4:_PREFIX_SIZE]):
        raise corruption(name, f"has a directory of {used} bytes where {size} were announced")
    blocks = _Blocks(payload, _PREFIX_SIZE + size, name)
    tables: dict[str, Table] = {}
    for table in _triples(directory, name):
        decoded = _decode_table(table, schema, blocks, name)
        if decoded.name in tables:
            raise corruption(name, f"has two tables {decoded.name[:40]!r}")
        tables[decoded.name] = decoded
    blocks.check_end()
    for table_name, columns in schema.items():
        tables.setdefault(table_name, _empty_table(table_name, columns))
    return tables


class _Blocks:
    """Hands out the blocks of a payload one after the other, within its bounds."""

    def __init__(self, payload: memoryview, position: int, name: str) -> None:
        """Begin at ``position``, where the directory ends."""
        self._payload = payload
        self._position = position
        self._name = name
        self._skip_padding()

    def take(self, size: Packable) -> memoryview:
        """Return the next block."""
        if not isinstance(size, int) or not 0 <= size <= len(self._payload) - self._position:
            raise corruption(self._name, f"claims a block of {str(size)[:20]} bytes at its end")
        block = self._payload[self._position : self._position + size]
        self._position += size
        self._skip_padding()
        return block

    def check_end(self) -> None:
        """Refuse bytes that no column speaks of."""
        if self._position != len(self._payload):
            raise corruption(self._name, "has more bytes than its directory speaks of")

    def _skip_padding(self) -> None:
        """Go on to the next multiple of the alignment."""
        end = self._position + -self._position % _ALIGNMENT
        if end > len(self._payload) or any(self._payload[self._position : end]):
            raise corruption(self._name, "has a block that is not followed by zero bytes")
        self._position = end


def _decode_table(
    table: tuple[str, Packable, Packable], schema: Schema, blocks: _Blocks, name: str
) -> Table:
    """Return one table of the directory."""
    table_name, row_count, directory = table
    if not isinstance(row_count, int) or not 0 < row_count <= _ROW_COUNT_MAX:
        raise corruption(name, f"claims {str(row_count)[:20]} rows of {table_name[:40]!r}")
    known = schema.get(table_name, {})
    columns: dict[str, Column] = {}
    for column_name, type_name, sizes in _triples(directory, name):
        if not isinstance(type_name, str) or not isinstance(sizes, list) or column_name in columns:
            raise corruption(name, f"has no description of column {column_name[:40]!r}")
        taken = [blocks.take(size) for size in sizes]
        expected = known.get(column_name, "").rstrip(_LATER)
        if not expected:
            columns[column_name] = RawColumn(type_name, tuple(bytes(block) for block in taken))
        elif type_name == expected:
            columns[column_name] = decode_column(type_name, taken, row_count, name=name)
        else:
            raise corruption(name, f"has {column_name!r} as {type_name[:20]!r}, not {expected}")
    missing = known.keys() - columns.keys()
    for column_name in [column for column in missing if known[column].endswith(_LATER)]:
        columns[column_name] = number_column(known[column_name].rstrip(_LATER), [0] * row_count)
        missing.discard(column_name)
    if missing:
        raise corruption(name, f"lacks {sorted(missing)} in table {table_name!r}")
    return Table(table_name, row_count, columns)


def _triples(directory: Packable, name: str) -> Iterator[tuple[str, Packable, Packable]]:
    """Yield the items of one level of the directory: a name, and two more things."""
    if not isinstance(directory, list):
        raise corruption(name, "has no directory")
    for item in directory:
        if not isinstance(item, list) or len(item) != 3 or not isinstance(item[0], str):
            raise corruption(name, "has a directory of another shape")
        yield item[0], item[1], item[2]


def _empty_table(table_name: str, columns: Mapping[str, str]) -> Table:
    """Return a table of no rows."""
    blocks = {"text": 3, "bytes": 2}
    empty = memoryview(b"")
    return Table(
        table_name,
        0,
        {
            column: decode_column(
                type_name.rstrip(_LATER), [empty] * blocks.get(type_name, 1), 0, name=table_name
            )
            for column, type_name in columns.items()
        },
    )
