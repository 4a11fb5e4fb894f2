"""A second implementation of ``docs/reference/hashing.md``, by the letter and for clarity.

It is slow, and shares no code with the library: what both agree on is what the page says. This
module knows the plain types; ``FURTHER`` names those that know the types of libraries, and objects.
"""

from __future__ import annotations

import datetime as dt
import fractions
import importlib
import math
import pathlib
import struct
import uuid
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from blake3 import blake3

# Each has `encode(value)`, which gives None for a value that it does not know. Objects come last.
FURTHER = [
    "spec_hashing_custom",
    "spec_hashing_tables",
    "spec_hashing_arrays",
    "spec_hashing_random",
    "spec_hashing_sparse",
    "spec_hashing_files",
    "spec_hashing_images",
    "spec_hashing_objects",
]

# The values that are being encoded, the outermost first.
LEVELS: list[Any] = []


class Record:
    """A record that is a field of another."""

    def __init__(self, name: str, *fields: Any) -> None:
        """Name it and its fields."""
        self.name = name
        self.fields = fields


def derive(context: str, data: bytes, size: int = 32) -> bytes:
    """Return blake3 in key derivation mode."""
    return blake3(data, derive_key_context=context).digest(size)


def content_id(value: Any) -> bytes:
    """Return the content id of a value."""
    return derive("mandala-cas v1 content id", encoding(value))


def number(count: int) -> bytes:
    """Return ``N`` of the page."""
    return struct.pack("<Q", count)


def buffer(data: bytes) -> bytes:
    """Return ``BUF`` of the page."""
    return number(len(data)) + (data if len(data) < 65536 else blake3(data).digest())


def text(value: str) -> bytes:
    """Return ``TEXT`` of the page."""
    return buffer(value.encode("utf-8", "surrogatepass"))


def element(value: Any) -> bytes:
    """Return ``ELEM`` of the page."""
    encoded = encoding(value)
    return encoded if len(encoded) <= 1024 else b"#" + derive("mandala-cas v1 content id", encoded)


def elements(parts: Sequence[Any]) -> bytes:
    """Return a count and the elements in order."""
    return number(len(parts)) + b"".join(element(part) for part in parts)


def unordered(parts: list[bytes]) -> bytes:
    """Return a count and encoded parts, sorted."""
    return number(len(parts)) + b"".join(sorted(parts))


def record(name: str, *fields: Any) -> bytes:
    """Return a record."""
    return b"r" + text(name) + elements(fields)


def encoding(value: Any) -> bytes:
    """Return ``E`` of the page."""
    for distance, outer in enumerate(reversed(LEVELS), 1):
        if outer is value:
            return b"^" + number(distance)
    LEVELS.append(value)
    try:
        return encoding_of_new(value)
    finally:
        LEVELS.pop()


def encoding_of_new(value: Any) -> bytes:
    """Return the encoding of a value that is not inside itself."""
    known = ENCODINGS.get(type(value))
    if known is not None:
        return known(value)
    for name in FURTHER:
        encoded: bytes | None = importlib.import_module(f"tests.format.{name}").encode(value)
        if encoded is not None:
            return encoded
    raise TypeError(f"the page says nothing about {type(value)}")


def encode_int(value: int) -> bytes:
    """Return the encoding of an int."""
    if -(2**63) <= value < 2**63:
        return b"i" + value.to_bytes(8, "little", signed=True)
    size = len(f"{abs(value):b}") // 8 + 1
    return b"I" + buffer(value.to_bytes(size, "little", signed=True))


def float_bytes(value: float) -> bytes:
    """Return the eight bytes of a float."""
    return bytes.fromhex("000000000000f87f") if math.isnan(value) else struct.pack("<d", value)


def encode_dict(value: Mapping[Any, Any]) -> bytes:
    """Return the encoding of a dict."""
    return b"d" + unordered([element(key) + element(part) for key, part in value.items()])


def encode_decimal(value: Decimal) -> bytes:
    """Return the encoding of a decimal number."""
    form = value.as_tuple()
    return record("Decimal", form.sign, "".join(str(digit) for digit in form.digits), form.exponent)


def encode_timezone(value: dt.timezone) -> bytes:
    """Return the encoding of a fixed offset, which tells its name where one was given."""
    offset = value.utcoffset(None)
    unnamed = dt.timezone(offset)
    name = None if str(value) == str(unnamed) else str(value)
    return record("timezone", offset, name)


def encode_moment(name: str) -> Callable[[Any], bytes]:
    """Return how times and datetimes are encoded."""
    return lambda value: record(
        name, value.replace(tzinfo=None).isoformat(), value.fold, value.tzinfo
    )


ENCODINGS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"n",
    bool: lambda value: b"T" if value else b"F",
    type(...): lambda _: b".",
    type(NotImplemented): lambda _: b"!",
    int: encode_int,
    float: lambda value: b"f" + float_bytes(value),
    complex: lambda value: b"c" + float_bytes(value.real) + float_bytes(value.imag),
    str: lambda value: b"s" + text(value),
    bytes: lambda value: b"b" + buffer(value),
    bytearray: lambda value: b"B" + buffer(bytes(value)),
    list: lambda value: b"l" + elements(value),
    tuple: lambda value: b"t" + elements(value),
    dict: encode_dict,
    set: lambda value: b"e" + unordered([element(part) for part in value]),
    frozenset: lambda value: b"E" + unordered([element(part) for part in value]),
    dt.date: lambda value: record("date", value.isoformat()),
    dt.time: encode_moment("time"),
    dt.datetime: encode_moment("datetime"),
    dt.timedelta: lambda value: record("timedelta", value.days, value.seconds, value.microseconds),
    dt.timezone: encode_timezone,
    zoneinfo.ZoneInfo: lambda value: record("zone", value.key),
    Decimal: encode_decimal,
    fractions.Fraction: lambda value: record("Fraction", value.numerator, value.denominator),
    uuid.UUID: lambda value: record("UUID", value.bytes),
    pathlib.PosixPath: lambda value: record("Path", value.as_posix()),
    pathlib.WindowsPath: lambda value: record("Path", value.as_posix()),
    pathlib.PurePosixPath: lambda value: record("PurePosixPath", value.as_posix()),
    pathlib.PureWindowsPath: lambda value: record("PureWindowsPath", value.as_posix()),
    range: lambda value: record("range", value.start, value.stop, value.step),
    Record: lambda value: record(value.name, *value.fields),
    slice: lambda value: record("slice", value.start, value.stop, value.step),
}


def payload_hash(name: str, version: int, header: bytes, payload: bytes) -> bytes:
    """Return a payload hash."""
    message = text(name) + number(version) + buffer(header) + buffer(payload)
    return derive("mandala-cas v1 payload hash", message)


def sized4(data: bytes) -> bytes:
    """Return data behind its size in four bytes."""
    return struct.pack("<I", len(data)) + data


def call_message(op: str, version: str, inputs: list[tuple[str, bytes]]) -> bytes:
    """Return what a call is hashed from."""
    named = sorted((name.encode(), id_) for name, id_ in inputs)
    tail = b"".join(sized4(name) + id_ for name, id_ in named)
    return sized4(op.encode()) + sized4(version.encode()) + tail


def call_history_id(op: str, version: str, inputs: list[tuple[str, bytes]]) -> bytes:
    """Return the id of a call by histories."""
    return derive("mandala-cas v1 call history id", call_message(op, version, inputs), 16)


def call_content_id(op: str, version: str, inputs: list[tuple[str, bytes]]) -> bytes:
    """Return the id of a call by contents."""
    return derive("mandala-cas v1 call content id", call_message(op, version, inputs), 16)


def output_history_id(call_id: bytes, name: str) -> bytes:
    """Return the history id of an output."""
    return derive("mandala-cas v1 output history id", call_id + name.encode(), 16)


def remade_history_id(call_id: bytes, name: str, content: bytes) -> bytes:
    """Return the history id of an output of a call that was made anew."""
    data = call_id + content + name.encode()
    return derive("mandala-cas v1 remade output history id", data, 16)


def constant_history_id(value_id: bytes) -> bytes:
    """Return the history id of a value from outside."""
    return derive("mandala-cas v1 constant history id", value_id, 16)


def collection_content_id(kind: str, element_ids: list[bytes], keys: list[str]) -> bytes:
    """Return the content id of a collection."""
    tag = {"list": b"l", "tuple": b"t", "set": b"e", "dict": b"d"}[kind]
    if kind == "set":
        parts = sorted(set(element_ids))
    elif kind == "dict":
        named = sorted((key.encode(), id_) for key, id_ in zip(keys, element_ids, strict=True))
        parts = [sized4(key) + id_ for key, id_ in named]
    else:
        parts = element_ids
    message = tag + number(len(parts)) + b"".join(parts)
    return derive("mandala-cas v1 collection content id", message)
