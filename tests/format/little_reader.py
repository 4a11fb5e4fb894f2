"""A reader of stores written from ``docs/reference/format.md`` alone.

It shares no line with the library, so that what tests expect was not copied from what the encoder
happened to do.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import zstandard
from blake3 import blake3


def read_envelope(data: bytes, kind: int) -> tuple[dict[str, Any], bytes]:
    """Return header and payload of an envelope, after the checks of the page."""
    magic, version, found_kind, compression, flags, size = struct.unpack_from("<8s4BI", data)
    assert (magic, version, found_kind) == (bytes.fromhex("894d43530d0a1a0a"), 1, kind)
    assert (16 + size) % 64 == 0
    head = data[: 16 + size]
    trailer_size = 56 + (80 if flags & 4 else 0)
    stored, trailer = data[16 + size : -trailer_size], data[-trailer_size:]
    raw_size, stored_size, digest = struct.unpack_from("<QQ32s", trailer)
    assert stored_size == len(stored)
    assert digest == blake3(stored).digest()
    assert trailer[-8:] == blake3(head + trailer[:-8]).digest()[:8]
    unpacker = msgpack.Unpacker()
    unpacker.feed(head[16:])
    header = unpacker.unpack()
    assert not any(head[16 + unpacker.tell() :])
    payload = zstandard.decompress(stored) if compression else stored
    assert raw_size == len(payload)
    return header, payload


def read_tables(payload: bytes) -> dict[str, dict[str, list[Any]]]:
    """Return the rows of every column of every table."""
    size, zero = struct.unpack_from("<II", payload)
    assert zero == 0
    position = 8 + size
    tables: dict[str, dict[str, list[Any]]] = {}
    for table, row_count, columns in msgpack.unpackb(payload[8:position]):
        tables[table] = {}
        for column, type_name, sizes in columns:
            blocks = []
            for block_size in sizes:
                position += -position % 8
                blocks.append(payload[position : position + block_size])
                position += block_size
            tables[table][column] = read_column(type_name, blocks, row_count)
    assert position + -position % 8 == len(payload)
    return tables


def read_column(type_name: str, blocks: list[bytes], row_count: int) -> list[Any]:
    """Return the rows of a column."""
    if type_name.startswith("fixed"):
        width = int(type_name[5:])
        return [blocks[0][row * width : (row + 1) * width] for row in range(row_count)]
    if type_name == "bytes":
        return cut(blocks[1], blocks[0])
    if type_name == "text":
        words = [word.decode() for word in cut(blocks[2], blocks[1])]
        return [words[code] for code in struct.unpack(f"<{row_count}I", blocks[0])]
    if type_name in {"d4", "d8"}:
        return add_up(type_name, blocks[0], row_count)
    letter = {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "i8": "q", "f8": "d"}[type_name]
    return list(struct.unpack(f"<{row_count}{letter}", blocks[0]))


def cut(data: bytes, lengths: bytes) -> list[bytes]:
    """Return the rows that ``lengths`` cuts ``data`` into."""
    rows, position = [], 0
    for (length,) in struct.iter_unpack("<I", lengths):
        rows.append(data[position : position + length])
        position += length
    assert position == len(data)
    return rows


def add_up(type_name: str, block: bytes, row_count: int) -> list[int]:
    """Return the numbers of which a block has the differences."""
    bits = 8 * int(type_name[1:])
    numbers, total = [], 0
    for difference in struct.unpack(f"<{row_count}{'I' if bits == 32 else 'Q'}", block):
        total = (total + difference) % 2**bits
        signed = total - 2**bits if bits == 64 and total >= 2**63 else total
        numbers.append(signed)
    return numbers
