"""Columns that lie in a mapped file: nothing is read before it is asked for.

They are the log's columns to whoever reads them. A file can be damaged where nobody looked yet, so
every code and every offset is checked when it is used.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, cast

import numpy as np

from mandala_cas.envelope.packing import corruption
from mandala_cas.errors import CorruptionError
from mandala_cas.log.columns import BytesColumn, Codes, FixedColumn, Offsets, TextColumn

KEPT_NAME: Final = "the kept index"


def damaged(what: str) -> CorruptionError:
    """Return the error for a kept index that was found damaged after it was opened."""
    return corruption(KEPT_NAME, f"{what}, delete it and open the store again")


class MappedFixedColumn(FixedColumn):
    """Rows of one size in a file."""

    __slots__ = ()

    @classmethod
    def of(cls, width: int, data: memoryview) -> MappedFixedColumn:
        """Return the column that lies in ``data``."""
        # Everything that is done with the bytes of a column can be done with a view of them.
        return cls(width, cast("bytes", data))

    def __getitem__(self, row: int) -> bytes:
        """Return one row."""
        return bytes(self.data[row * self.width : (row + 1) * self.width])


class MappedBytesColumn(BytesColumn):
    """Rows of any size in a file."""

    __slots__ = ()

    @classmethod
    def of(cls, offsets: Offsets, data: memoryview) -> MappedBytesColumn:
        """Return the column that lies in ``data``."""
        return cls(offsets, cast("bytes", data))

    def __getitem__(self, row: int) -> bytes:
        """Return one row."""
        return bytes(span(self.offsets, row, cast("memoryview", self.data)))

    def rows(self) -> list[bytes]:
        """Return all rows."""
        check_offsets(self.offsets, len(self.data))
        return [bytes(self.data[begin:end]) for begin, end in pairwise(self.offsets.tolist())]


class MappedTextColumn(TextColumn):
    """Rows of text in a file; the dictionary may have a word for every row."""

    __slots__ = ("_data", "_offsets", "_words")

    _offsets: Offsets
    _data: memoryview
    _words: tuple[str, ...] | None

    @classmethod
    def of(cls, codes: Codes, offsets: Offsets, data: memoryview) -> MappedTextColumn:
        """Return the column of ``codes``, whose words lie in ``data``."""
        column = object.__new__(cls)
        for name, value in (
            ("codes", codes),
            ("_offsets", offsets),
            ("_data", data),
            ("_words", None),
        ):
            object.__setattr__(column, name, value)
        return column

    @property
    def words(self) -> tuple[str, ...]:
        """The dictionary; all of it is decoded."""
        if self._words is None:
            check_offsets(self._offsets, len(self._data))
            ends = self._offsets.tolist()
            try:
                text = str(self._data, "utf-8")
                # One decoding for all is several times faster, where a byte is a character.
                words = (
                    tuple([text[begin:end] for begin, end in pairwise(ends)])
                    if len(text) == len(self._data)
                    else tuple([str(self._data[a:b], "utf-8") for a, b in pairwise(ends)])
                )
            except UnicodeDecodeError as error:
                raise damaged("has text that is not UTF-8") from error
            object.__setattr__(self, "_words", words)
            return words
        return self._words

    def __getitem__(self, row: int) -> str:
        """Return one row; its word alone is decoded."""
        code = int(self.codes[row])
        if code >= len(self._offsets) - 1:
            raise damaged("has a code beyond its words")
        try:
            return str(span(self._offsets, code, self._data), "utf-8")
        except UnicodeDecodeError as error:
            raise damaged("has text that is not UTF-8") from error

    def rows(self) -> list[str]:
        """Return all rows."""
        self.check()
        return TextColumn.rows(self)

    def check(self) -> None:
        """Refuse a column that has a code beyond its words."""
        if len(self.codes) and int(self.codes.max()) >= len(self._offsets) - 1:
            raise damaged("has a code beyond its words")

    def encoded_words(self) -> tuple[Offsets, memoryview]:
        """Return the dictionary as it lies in the file."""
        return self._offsets, self._data


def span(offsets: Offsets, at: int, data: memoryview) -> memoryview:
    """Return one of the spans that ``offsets`` cut ``data`` into."""
    begin, end = int(offsets[at]), int(offsets[at + 1])
    if not 0 <= begin <= end <= len(data):
        raise damaged("has a row that lies nowhere")
    return data[begin:end]


def check_offsets(offsets: Offsets, size: int) -> None:
    """Refuse offsets that do not cut ``size`` bytes into spans."""
    if int(offsets[0]) or int(offsets[-1]) != size or bool((offsets[1:] < offsets[:-1]).any()):
        raise damaged("has rows that lie nowhere")


def check_below(numbers: np.ndarray, bound: int) -> None:
    """Refuse numbers from ``bound`` on."""
    if len(numbers) and int(numbers.max()) >= bound:
        raise damaged(f"has a number beyond {bound}")


def checked_row(row: int, row_count: int) -> int:
    """Return ``row`` if it is there: numbers of rows lie in the file, too."""
    if not 0 <= row < row_count:
        raise damaged(f"speaks of row {row} of {row_count}")
    return row
