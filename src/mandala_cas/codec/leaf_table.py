"""The leaves of a container in its payload, behind a table that says where each one is.

    kinds    of each kind: sizes of name and header, version; name; header
    records  of each leaf: number of its kind, size
    leaves   each at a multiple of 64 bytes, a small one at a multiple of 16

``docs/reference/format.md`` is normative. A kind is what leaves have in common: codec, version
and header. The table is in the payload because a header of the codec is bounded, and the number
of leaves is not.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.leaves import Leaf
from mandala_cas.objectstore.api import Buffer

ALIGNMENT: Final = 64
_SMALL_ALIGNMENT: Final = 16
# Parts that are smaller are joined: a hundred thousand buffers take longer than a copy of them.
_JOINED_MAX: Final = 1024

_NAME_MAX: Final = 255
_KIND = struct.Struct("<BII")
_RECORD = struct.Struct("<IQ")


@dataclass(frozen=True, slots=True)
class StoredLeaf:
    """A leaf as the table describes it."""

    codec_name: str
    codec_version: int
    header: bytes
    payload: memoryview


def write_leaves(document: bytes, leaves: Sequence[Leaf]) -> tuple[int, list[Buffer]]:
    """Return the size of the kinds, and a payload that begins with ``document``."""
    kinds: dict[tuple[str, int, bytes], int] = {}
    records = []
    for leaf in leaves:
        key = (leaf.codec_name, leaf.codec_version, leaf.header)
        number = kinds.setdefault(key, len(kinds))
        size = sum(memoryview(part).nbytes for part in leaf.payload)
        records.append((number, size))
    head = b"".join(_kind(*key) for key in kinds)
    joiner = _Joiner()
    joiner.add(document)
    joiner.add(head)
    joiner.add(b"".join(_RECORD.pack(*record) for record in records))
    for leaf, (_, size) in zip(leaves, records, strict=True):
        joiner.add(bytes(-joiner.size % _alignment(size)))
        for part in leaf.payload:
            joiner.add(part)
    return len(head), joiner.finish()


def read_leaves(
    payload: memoryview, document_size: int, kinds_size: int, count: int
) -> list[StoredLeaf]:
    """Return the leaves behind a document; ValueError where the sizes are not those written."""
    sizes = (document_size, kinds_size, count)
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError(f"{sizes!r} are no sizes")
    place = document_size + kinds_size
    end = place + count * _RECORD.size
    if end > len(payload):
        raise ValueError(f"a table of leaves of {end} bytes in a payload of {len(payload)}")
    kinds = _read_kinds(bytes(payload[document_size:place]))
    leaves: list[StoredLeaf] = []
    records = payload[place:end]
    place = end
    for number, size in _RECORD.iter_unpack(records):
        place += -place % _alignment(size)
        if place + size > len(payload):
            raise ValueError(f"leaf {len(leaves)} lies behind the end of the payload")
        name, version, header = kinds[number]
        leaves.append(StoredLeaf(name, version, header, payload[place : place + size]))
        place += size
    if place != len(payload):
        raise ValueError("the payload is longer than its leaves")
    return leaves


class _Joiner:
    """Collects buffers, and copies small ones together."""

    def __init__(self) -> None:
        """Have none yet."""
        self.size = 0
        self._buffers: list[Buffer] = []
        self._small: list[Buffer] = []

    def add(self, buffer: Buffer) -> None:
        """Put a buffer behind the others."""
        size = memoryview(buffer).nbytes
        if size == 0:
            return
        self.size += size
        if size <= _JOINED_MAX:
            self._small.append(buffer)
            return
        self._join()
        self._buffers.append(buffer)

    def finish(self) -> list[Buffer]:
        """Return the buffers."""
        self._join()
        return self._buffers

    def _join(self) -> None:
        """Copy the small ones that wait into one."""
        if self._small:
            self._buffers.append(b"".join(self._small))
            self._small = []


def _alignment(size: int) -> int:
    """Return what the place of a leaf of that size is a multiple of."""
    return ALIGNMENT if size >= ALIGNMENT else _SMALL_ALIGNMENT


def _kind(codec_name: str, codec_version: int, header: bytes) -> bytes:
    """Return what the table says about one kind of leaves."""
    name = codec_name.encode()
    if len(name) > _NAME_MAX:
        raise DeclinedError(f"the name of codec {codec_name!r} is too long for a leaf")
    return _KIND.pack(len(name), codec_version, len(header)) + name + header


def _read_kinds(data: bytes) -> list[tuple[str, int, bytes]]:
    """Return the kinds of a table."""
    kinds: list[tuple[str, int, bytes]] = []
    place = 0
    while place < len(data):
        name_size, codec_version, header_size = _KIND.unpack_from(data, place)
        place += _KIND.size
        end = place + name_size + header_size
        if end > len(data):
            raise ValueError(f"kind {len(kinds)} of leaves lies behind the end of the table")
        name = data[place : place + name_size].decode()
        kinds.append((name, codec_version, data[place + name_size : end]))
        place = end
    return kinds
