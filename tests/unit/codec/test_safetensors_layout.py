"""The layout of safetensors: readable by others, and no bound is taken on trust."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mandala_cas.codec.safetensors_layout import HEADER_MAX, Entry, read_layout, write_layout


def entry(name: str, dtype: str, shape: tuple[int, ...], data: bytes) -> Entry:
    """Return a tensor."""
    return Entry(name, dtype, shape, memoryview(data))


ENTRIES = [
    entry("b", "U8", (3,), b"abc"),
    entry("a", "F64", (1, 2), bytes(range(16))),
    entry("none", "F32", (0, 5), b""),
    entry("é", "I16", (), b"xy"),
]


def crafted(fields: Any, data: bytes = b"") -> memoryview:
    """Return a file with any header."""
    text = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return memoryview(len(text).to_bytes(8, "little") + text + data)


def tensor(begin: Any, end: Any, shape: Any, dtype: Any = "U8") -> dict[str, Any]:
    """Return what a header says of a tensor."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_a_file_comes_back() -> None:
    """In the order of the value, whatever the order of the data."""
    payload = b"".join(write_layout(ENTRIES, {"note": "x"}))

    metadata, found = read_layout(memoryview(payload))

    assert metadata == {"note": "x"}
    assert [(e.name, e.dtype, e.shape, bytes(e.data)) for e in found] == [
        (e.name, e.dtype, e.shape, bytes(e.data)) for e in ENTRIES
    ]


def test_the_file_is_what_the_format_says() -> None:
    """Read here by the letter of the format: size, JSON, and data without holes."""
    payload = b"".join(write_layout(ENTRIES, {}))
    size = int.from_bytes(payload[:8], "little")
    header = json.loads(payload[8 : 8 + size])
    data = payload[8 + size :]

    assert (8 + size) % 64 == 0
    assert data == bytes(range(16)) + b"xy" + b"abc"
    assert header["a"] == {"dtype": "F64", "shape": [1, 2], "data_offsets": [0, 16]}
    assert header["é"] == {"dtype": "I16", "shape": [], "data_offsets": [16, 18]}
    assert header["b"] == {"dtype": "U8", "shape": [3], "data_offsets": [18, 21]}


@pytest.mark.parametrize(
    "payload",
    [
        memoryview(b""),
        memoryview(bytes(7)),
        memoryview((1 << 62).to_bytes(8, "little") + b"{}"),
        crafted(b"[]"),
        crafted(b"{}", b"left over"),
        crafted(b"\xff"),
        crafted({"a": tensor(0, 4, [4])}, b"abc"),
        crafted({"a": tensor(0, 3, [4])}, b"abc"),
        crafted({"a": tensor(1, 3, [2])}, b"abc"),
        crafted({"a": tensor(0, 2, [2])}, b"abc"),
        crafted({"a": tensor(0, 2, [2]), "b": tensor(1, 3, [2])}, b"abc"),
        crafted({"a": tensor(0, 1, [1]), "b": tensor(2, 3, [1])}, b"abc"),
        crafted({"a": tensor(3, 0, [-3])}, b"abc"),
        crafted({"a": tensor(0, 3, [3.0])}, b"abc"),
        crafted({"a": tensor(0, 3, [True, 3])}, b"abc"),
        crafted({"a": tensor(0, 0, [0, 1 << 64])}),
        crafted({"a": tensor(0, 3, [3] + [1] * 64)}, b"abc"),
        crafted({"a": tensor(0, 3, 3)}, b"abc"),
        crafted({"a": {"dtype": "U8", "shape": [0]}}),
        crafted({"a": [1]}),
        crafted({"__metadata__": {"a": 1}}),
        crafted({"__metadata__": []}),
        crafted(b'{"a":{},"a":{}}'),
        crafted(b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}"),
        crafted(b"{" + b" " * HEADER_MAX + b"}"),
    ],
)
def test_a_crafted_file_is_refused(payload: memoryview) -> None:
    """Sizes, offsets and names come from whoever wrote the file."""
    with pytest.raises(ValueError, match=r"."):
        read_layout(payload)


def test_an_unknown_dtype_is_refused() -> None:
    """Its size is not known, so nothing else can be checked."""
    with pytest.raises(KeyError):
        read_layout(crafted({"a": tensor(0, 1, [1], "Q9")}, b"a"))


def test_what_could_not_be_read_is_not_written() -> None:
    """A header of brackets alone would be refused when it is read."""
    with pytest.raises(ValueError, match="is too much"):
        write_layout([entry("[" * 1000, "U8", (1,), b"a")], {})
