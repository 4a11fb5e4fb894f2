"""Streams of Arrow are looked at before Arrow reads them: they say what it allocates."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandala_cas.codec.arrow_messages import check_messages
from mandala_cas.codec.arrow_streams import read_stream, write_stream

TABLE = pa.table({"a": np.arange(3000.0), "b": ["x", None] * 1500})
WORDS = pa.table({"c": pa.array(["u", "v", "u"]).dictionary_encode()})


def stream_of(table: Any, **options: Any) -> bytes:
    """Return a table as Arrow writes it."""
    sink = pa.BufferOutputStream()
    chosen = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, table.schema, options=chosen) as writer:
        writer.write_table(table)
    return bytes(memoryview(sink.getvalue()))


def replaced(data: bytes, old: int, new: int, *, which: int = 0) -> bytes:
    """Return a stream with one of its 64-bit numbers changed."""
    pattern = struct.pack("<q", old)
    place = -1
    for _ in range(which + 1):
        place = data.index(pattern, place + 1)
    return data[:place] + struct.pack("<q", new) + data[place + 8 :]


@pytest.mark.parametrize("table", [TABLE, WORDS, TABLE[:0], pa.table({})])
def test_what_is_written_can_be_read(table: Any) -> None:
    """Near the refusals below lies what must not be refused."""
    data = b"".join(write_stream(table.schema, table.to_batches()))

    assert read_stream(memoryview(data)).equals(table)
    assert read_stream(memoryview(stream_of(table))).equals(table)


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_compressed_stream_is_refused(compression: str) -> None:
    """A few bytes of it claim any number of gigabytes."""
    data = stream_of(TABLE, compression=compression)

    assert pa.ipc.open_stream(data).read_all().equals(TABLE)
    with pytest.raises(ValueError, match="compressed"):
        read_stream(memoryview(data))


def test_buffers_that_overlap_are_refused() -> None:
    """One megabyte, read as each of a thousand columns, is a gigabyte in pandas."""
    table = pa.table({"a": np.full(100, 5.0), "b": np.full(100, 6.0)})
    data = stream_of(table)
    # Buffers of 800 bytes: one of them is made to span both columns.
    crafted = [
        replaced(data, 800, 1600, which=n) for n in range(data.count(struct.pack("<q", 800)))
    ]
    read = [stream for stream in crafted if is_read_as(stream, table)]

    # The place of an empty buffer may be anything; the size of the first column may not.
    assert sum(map(says_overlap, read)) == 1


def says_overlap(stream: bytes) -> bool:
    """Tell whether a stream is refused because its buffers overlap."""
    try:
        check_messages(memoryview(stream))
    except ValueError as error:
        return "overlap" in str(error)
    return False


def is_read_as(stream: bytes, table: Any) -> bool:
    """Tell whether Arrow sees nothing wrong with a stream, and this table in it."""
    try:
        found = pa.ipc.open_stream(stream).read_all()
        found.validate(full=True)
    except (pa.ArrowException, OSError):
        return False
    return bool(found.equals(table))


def test_a_body_that_is_not_there_is_refused() -> None:
    """Nothing is allocated for it."""
    data = stream_of(TABLE)
    for size in (2**40, -8):
        crafted = [
            data[:place] + struct.pack("<q", size) + data[place + 8 :]
            for place in range(0, 600, 4)
            if struct.unpack_from("<q", data, place)[0] > 20_000
            and struct.unpack_from("<q", data, place)[0] < len(data)
        ]

        assert crafted
        for stream in crafted:
            with pytest.raises(ValueError, match=r"claims a longer|outside the body"):
                check_messages(memoryview(stream))


@pytest.mark.parametrize(
    "wrong",
    [
        b"\0",
        b"\0" * 8,
        struct.pack("<II", 0xFFFFFFFF, 2**31),
        struct.pack("<II", 0xFFFFFFFF, 8) + bytes(8),
        stream_of(TABLE) + b"\0",
        stream_of(TABLE)[:-1],
        stream_of(TABLE) + stream_of(TABLE),
    ],
)
def test_what_is_no_stream_is_refused(wrong: bytes) -> None:
    """By what the check says, or by what it cannot read."""
    with pytest.raises((ValueError, struct.error)):
        check_messages(memoryview(wrong))


@given(st.integers(0, 8 * 700), st.booleans())
def test_a_check_of_wrong_bytes_ends(bit: int, cut: bool) -> None:  # noqa: FBT001 (drawn)
    """With a verdict, or with an error of the kind that the registry turns into corruption."""
    data = bytearray(stream_of(WORDS))
    place = min(bit // 8, len(data) - 1)
    data[place] ^= 1 << bit % 8
    try:
        check_messages(memoryview(data[:place] if cut else data))
    except (ValueError, struct.error):
        return
