"""A look at an Arrow stream before Arrow's own reader has one.

A stream says how large its parts are, and Arrow's reader allocates what it says: a few bytes may
claim to be gigabytes once they are decompressed, or be read many times over. Here each message
must lie within the stream, be neither compressed nor of an unknown kind, and name no more bytes
than it brings. Messages are FlatBuffers: a table begins with the distance back to its vtable,
which has the place of each field in the table, 0 where it is left out.
"""

from __future__ import annotations

import struct
from typing import Final

_CONTINUATION: Final = 0xFFFFFFFF
_PREFIX_SIZE: Final = 8
_SCHEMA: Final = 1
_DICTIONARY: Final = 2
_BATCH: Final = 3
_PAIR_SIZE: Final = 16
# Field numbers in the tables of Arrow's format.
_HEADER_KIND: Final = 1
_HEADER: Final = 2
_BODY_SIZE: Final = 3
_DICTIONARY_DATA: Final = 1
_BUFFERS: Final = 2
_COMPRESSION: Final = 3


def check_messages(stream: memoryview) -> None:
    """Check what the messages of a stream claim.

    Raises:
        ValueError: a message claims more than it brings, or is none that codecs write.
    """
    place = 0
    while place < len(stream):
        mark, size = struct.unpack("<II", stream[place : place + _PREFIX_SIZE])
        if mark != _CONTINUATION:
            raise ValueError("a message of Arrow does not begin as one")
        place += _PREFIX_SIZE
        if size == 0:
            break
        if size > len(stream) - place:
            raise ValueError("a message of Arrow is longer than the stream")
        place += size + _check_message(_Buffer(stream[place : place + size]), len(stream) - place)
    if place != len(stream):
        raise ValueError("a stream of Arrow ends before or after its bytes")


class _Buffer:
    """The FlatBuffer of one message, every access checked."""

    def __init__(self, data: memoryview) -> None:
        """Take its bytes."""
        self._data = data

    def number(self, place: int, form: str) -> int:
        """Return a number of this form at a place."""
        size = struct.calcsize(form)
        if not 0 <= place <= len(self._data) - size:
            raise ValueError("a message of Arrow points outside itself")
        (found,) = struct.unpack_from(form, self._data, place)
        return int(found)

    def root(self) -> int:
        """Return the place of the outermost table."""
        return self.number(0, "<I")

    def field(self, table: int, number: int) -> int:
        """Return the place of a field of a table; 0 where it is left out."""
        vtable = table - self.number(table, "<i")
        entry = 4 + 2 * number
        if entry + 2 > self.number(vtable, "<H"):
            return 0
        offset = self.number(vtable + entry, "<H")
        return table + offset if offset else 0

    def target(self, place: int) -> int:
        """Return the place that a field points to."""
        if place == 0:
            raise ValueError("a message of Arrow lacks a part")
        return place + self.number(place, "<I")


def _check_message(message: _Buffer, size_max: int) -> int:
    """Check one message; return the size of the body behind it."""
    root = message.root()
    kind_place = message.field(root, _HEADER_KIND)
    size_place = message.field(root, _BODY_SIZE)
    kind = message.number(kind_place, "<B") if kind_place else 0
    body_size = message.number(size_place, "<q") if size_place else 0
    if not 0 <= body_size <= size_max:
        raise ValueError("a message of Arrow claims a longer body than there is")
    header = message.target(message.field(root, _HEADER))
    if kind == _DICTIONARY:
        header = message.target(message.field(header, _DICTIONARY_DATA))
    elif kind not in {_SCHEMA, _BATCH}:
        raise ValueError(f"a message of Arrow of kind {kind} has no place in a value")
    if kind != _SCHEMA:
        _check_batch(message, header, body_size)
    return body_size


def _check_batch(message: _Buffer, batch: int, body_size: int) -> None:
    """Check that the buffers of a batch lie in its body, and are not more than that."""
    if message.field(batch, _COMPRESSION):
        raise ValueError("a batch of Arrow is compressed, and no codec writes such")
    place = message.field(batch, _BUFFERS)
    if place == 0:
        return
    vector = message.target(place)
    claimed = 0
    for number in range(message.number(vector, "<I")):
        entry = vector + 4 + number * _PAIR_SIZE
        offset, size = message.number(entry, "<q"), message.number(entry + 8, "<q")
        if offset < 0 or size < 0 or offset + size > body_size:
            raise ValueError("a buffer of Arrow lies outside the body of its batch")
        claimed += size
    if claimed > body_size:
        raise ValueError("the buffers of a batch of Arrow overlap")
