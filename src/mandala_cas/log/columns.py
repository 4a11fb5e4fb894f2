"""Column blocks: typed columns to bytes and back, every length checked before it is used.

Our own, and not Arrow's: a crafted Arrow file can end the process, and segments come from others.
``docs/reference/format.md`` is normative for the types and their blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.envelope.packing import corruption

Numbers = npt.NDArray[np.number]
Codes = npt.NDArray[np.uint32]
Offsets = npt.NDArray[np.uint64]

_FIXED: Final = "fixed"
_WIDTHS: Final = (8, 16, 32)
_BYTES: Final = "bytes"
_TEXT: Final = "text"
_NUMBERS: Final = {name: np.dtype(f"<{name}") for name in ("u1", "u2", "u4", "u8", "i8", "f8")}
_DELTAS: Final = ("d4", "d8")
_LENGTH: Final = np.dtype("<u4")
LENGTH_MAX: Final = (1 << 32) - 1


@dataclass(frozen=True, slots=True, eq=False)
class FixedColumn:
    """Rows of ``width`` bytes each."""

    width: int
    data: bytes

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.data) // self.width

    def __getitem__(self, row: int) -> bytes:
        """Return one row."""
        return self.data[row * self.width : (row + 1) * self.width]

    def rows(self) -> list[bytes]:
        """Return all rows."""
        rows: list[bytes] = np.frombuffer(self.data, f"V{self.width}").tolist()
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class NumberColumn:
    """Numbers of one of the types ``u1 u2 u4 u8 i8 f8``."""

    array: Numbers

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.array)


@dataclass(frozen=True, slots=True, eq=False)
class DeltaColumn(NumberColumn):
    """Numbers of the types ``u4`` or ``i8``, stored as the difference of each to the one before.

    What counts upwards is then nearly the same number again and again, which compresses to nothing.
    """


@dataclass(frozen=True, slots=True, eq=False)
class BytesColumn:
    """Rows of any size; row ``i`` is ``data[offsets[i]:offsets[i + 1]]``."""

    offsets: Offsets
    data: bytes

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> bytes:
        """Return one row."""
        return self.data[int(self.offsets[row]) : int(self.offsets[row + 1])]

    def rows(self) -> list[bytes]:
        """Return all rows."""
        ends = self.offsets.tolist()
        return [self.data[begin:end] for begin, end in pairwise(ends)]


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """Rows of text; row ``i`` is ``words[codes[i]]``."""

    codes: Codes
    words: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        """Return one row."""
        return self.words[int(self.codes[row])]

    def rows(self) -> list[str]:
        """Return all rows."""
        words = self.words
        return [words[code] for code in self.codes.tolist()]


@dataclass(frozen=True, slots=True)
class RawColumn:
    """A column that this version does not know: its type, and its blocks as they were."""

    type: str
    blocks: tuple[bytes, ...]


Column = FixedColumn | NumberColumn | BytesColumn | TextColumn | RawColumn


def fixed_column(width: int, rows: Sequence[bytes]) -> FixedColumn:
    """Return a column of ``rows``, each of ``width`` bytes."""
    return FixedColumn(width, b"".join(rows))


def number_column(type_name: str, rows: Sequence[int]) -> NumberColumn:
    """Return a column of ``rows``; ``type_name`` is one of the number types."""
    return NumberColumn(np.array(rows, dtype=_NUMBERS[type_name]))


def bytes_column(rows: Sequence[bytes]) -> BytesColumn:
    """Return a column of ``rows``."""
    return BytesColumn(_offsets([len(row) for row in rows]), b"".join(rows))


def text_column(rows: Sequence[str]) -> TextColumn:
    """Return a column of ``rows``; words are numbered as they first appear."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys(rows))}
    return TextColumn(np.array([numbers[row] for row in rows], np.uint32), tuple(numbers))


def encode_column(column: Column) -> tuple[str, tuple[bytes, ...]]:
    """Return the type of a column, and its blocks."""
    match column:
        case FixedColumn(width, data):
            return f"{_FIXED}{width}", (data,)
        case DeltaColumn(array):
            return _differences(array)
        case NumberColumn(array):
            type_name = array.dtype.str[1:]
            return type_name, (array.astype(_NUMBERS[type_name], copy=False).tobytes(),)
        case BytesColumn(offsets, data):
            return _BYTES, (_lengths(offsets), data)
        case TextColumn(codes, words):
            encoded = [word.encode() for word in words]
            lengths = np.array([len(word) for word in encoded], _LENGTH).tobytes()
            return _TEXT, (codes.astype(_LENGTH, copy=False).tobytes(), lengths, b"".join(encoded))
        case RawColumn(type_name, blocks):
            return type_name, blocks


def decode_column(
    type_name: str, blocks: Sequence[memoryview], row_count: int, *, name: str
) -> Column:
    """Return the column in ``blocks``.

    Raises:
        CorruptionError: the blocks are not ``row_count`` rows of that type; ``name`` says where.
    """
    if type_name in _NUMBERS:
        (block,) = _expect(blocks, 1, name)
        return NumberColumn(_numbers(block, _NUMBERS[type_name], row_count, name))
    if type_name in _DELTAS:
        (block,) = _expect(blocks, 1, name)
        return DeltaColumn(_sums(type_name, block, row_count, name))
    if type_name == _BYTES:
        lengths, data = _expect(blocks, 2, name)
        return BytesColumn(_read_offsets(lengths, data, row_count, name), bytes(data))
    if type_name == _TEXT:
        return _decode_text(*_expect(blocks, 3, name), row_count=row_count, name=name)
    if type_name.startswith(_FIXED):
        (block,) = _expect(blocks, 1, name)
        for width in _WIDTHS:
            if type_name == f"{_FIXED}{width}" and len(block) == width * row_count:
                return FixedColumn(width, bytes(block))
    raise corruption(name, f"has no {row_count} rows of type {type_name[:20]!r} where it should")


def _decode_text(
    codes: memoryview, lengths: memoryview, data: memoryview, *, row_count: int, name: str
) -> TextColumn:
    """Return a text column: every code names a word, and no two words are equal."""
    ends = _read_offsets(lengths, data, len(lengths) // _LENGTH.itemsize, name).tolist()
    # Many words may be as many as rows. One decoding for all is several times faster than one
    # for each; and bytes that are not ASCII need their own.
    try:
        text = str(data, "utf-8")
        if len(text) == len(data):
            words = tuple(text[a:b] for a, b in pairwise(ends))
        else:
            words = tuple(str(data[a:b], "utf-8") for a, b in pairwise(ends))
    except UnicodeDecodeError as error:
        raise corruption(name, "has text that is not UTF-8") from error
    if len(set(words)) != len(words):
        raise corruption(name, "has a word twice in one dictionary")
    array = _numbers(codes, _LENGTH, row_count, name)
    if row_count and int(array.max()) >= len(words):
        raise corruption(name, f"has a code beyond its {len(words)} words")
    return TextColumn(array.astype(np.uint32, copy=False), words)


def _differences(array: Numbers) -> tuple[str, tuple[bytes, ...]]:
    """Return type and block of a column of differences."""
    # Modulo 2^32 or 2^64: no difference is too large, and none is out of bounds.
    if array.dtype == np.uint32:
        return "d4", (np.diff(array, prepend=np.uint32(0)).astype("<u4").tobytes(),)
    unsigned = array.astype(np.int64, copy=False).view(np.uint64)
    return "d8", (np.diff(unsigned, prepend=np.uint64(0)).astype("<u8").tobytes(),)


def _sums(type_name: str, block: memoryview, row_count: int, name: str) -> Numbers:
    """Return the numbers of which ``block`` has the differences."""
    sums: Numbers
    if type_name == "d4":
        sums = np.cumsum(_numbers(block, np.dtype("<u4"), row_count, name), dtype=np.uint32)
    else:
        deltas = _numbers(block, np.dtype("<u8"), row_count, name)
        sums = np.cumsum(deltas, dtype=np.uint64).view(np.int64)
    sums.flags.writeable = False
    return sums


def _expect(blocks: Sequence[memoryview], count: int, name: str) -> Sequence[memoryview]:
    """Return the blocks if there are as many as the type has."""
    if len(blocks) != count:
        raise corruption(name, f"has a column of {len(blocks)} blocks where {count} make it up")
    return blocks


def _numbers(block: memoryview, dtype: np.dtype[np.number], row_count: int, name: str) -> Numbers:
    """Return a copy of the numbers in ``block``: a view would keep the whole payload alive."""
    if len(block) != row_count * dtype.itemsize:
        raise corruption(name, f"has {len(block)} bytes for {row_count} numbers")
    numbers = np.frombuffer(block, dtype).copy()
    numbers.flags.writeable = False
    return numbers


def _read_offsets(lengths: memoryview, data: memoryview, row_count: int, name: str) -> Offsets:
    """Return where rows begin and end; together they are exactly ``data``."""
    offsets = _offsets(_numbers(lengths, _LENGTH, row_count, name))
    # No overflow: 2^28 bytes of payload hold fewer than 2^26 lengths below 2^32.
    if int(offsets[-1]) != len(data):
        raise corruption(name, f"has rows of {int(offsets[-1])} bytes in a block of {len(data)}")
    return offsets


def _offsets(lengths: npt.ArrayLike) -> Offsets:
    """Return the running sum of ``lengths``, from 0 on."""
    sizes = np.asarray(lengths, np.uint64)
    offsets = np.zeros(len(sizes) + 1, np.uint64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _lengths(offsets: Offsets) -> bytes:
    """Return the sizes of the rows, as they are stored."""
    return np.diff(offsets).astype(_LENGTH).tobytes()
