"""The layout of safetensors files, written and read with every bound checked.

::

    8 bytes       size of the header, little-endian
    header        JSON: {"__metadata__": {str: str}, name: {"dtype", "shape", "data_offsets"}, ...}
    data          the tensors in C order, without holes

Offsets count from the beginning of the data. Here the header ends in spaces, so that the data
begins at a multiple of 64 bytes, and tensors of wide elements come first, so that each begins at a
multiple of the size of its elements; the header has them in the order of the value. The format
itself allows no padding between tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mandala_cas.objectstore.api import Buffer

ALIGNMENT: Final = 64
HEADER_MAX: Final = 16 << 20
DIMENSIONS_MAX: Final = 64
METADATA: Final = "__metadata__"

# A tensor takes three brackets in no less than three times this: more would be a header that
# becomes many times its size when it is read.
_BYTES_PER_BRACKET: Final = 16
_SOME_BRACKETS: Final = 64
_SIZE_BYTES: Final = 8

ELEMENT_SIZES: Final[Mapping[str, int]] = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E5M2": 1,
    "F8_E4M3": 1,
    "F8_E5M2FNUZ": 1,
    "F8_E4M3FNUZ": 1,
    "F8_E8M0": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a file; ``data`` is its elements as bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: memoryview


def write_layout(entries: Sequence[Entry], metadata: Mapping[str, str]) -> list[Buffer]:
    """Return a file as buffers that are not copied.

    Raises:
        ValueError: the header would be one that ``read_layout`` refuses.
    """
    ordered = sorted(entries, key=lambda entry: -ELEMENT_SIZES[entry.dtype])
    places: dict[str, list[int]] = {}
    end = 0
    for entry in ordered:
        places[entry.name] = [end, end + entry.data.nbytes]
        end += entry.data.nbytes
    fields: dict[str, Any] = {METADATA: dict(metadata)}
    for entry in entries:
        fields[entry.name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": places[entry.name],
        }
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + _SIZE_BYTES) % ALIGNMENT)
    _check_header(text)
    head = len(text).to_bytes(_SIZE_BYTES, "little") + text
    return [head, *(entry.data for entry in ordered if entry.data.nbytes)]


def read_layout(payload: memoryview) -> tuple[dict[str, str], list[Entry]]:
    """Return metadata and tensors of a file, the latter as views of the payload.

    Raises:
        ValueError: this is no such file.
    """
    size = int.from_bytes(payload[:_SIZE_BYTES], "little")
    if len(payload) < _SIZE_BYTES or size > len(payload) - _SIZE_BYTES:
        raise ValueError(f"a header of {size} bytes in a payload of {len(payload)}")
    text = bytes(payload[_SIZE_BYTES : _SIZE_BYTES + size])
    _check_header(text)
    fields = json.loads(text.decode(), object_pairs_hook=_unique)
    if type(fields) is not dict:
        raise ValueError("a header is one JSON object")
    metadata = fields.pop(METADATA, {})
    if type(metadata) is not dict or not all(type(part) is str for part in metadata.values()):
        raise ValueError("metadata is a map from str to str")
    data = payload[_SIZE_BYTES + size :]
    entries = [_read_entry(name, form, data) for name, form in fields.items()]
    _check_holes((form["data_offsets"] for form in fields.values()), len(data))
    return metadata, entries


def _check_header(text: bytes) -> None:
    """Refuse a header that would take many times its size in memory."""
    brackets = text.count(b"[") + text.count(b"{")
    if len(text) > HEADER_MAX or brackets > len(text) // _BYTES_PER_BRACKET + _SOME_BRACKETS:
        raise ValueError(f"a header of {len(text)} bytes with {brackets} brackets is too much")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields of a JSON object, none of which may be there twice."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name is there twice")
    return fields


def _read_entry(name: str, form: Any, data: memoryview) -> Entry:
    """Return one tensor."""
    if type(form) is not dict or form.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r} has no dtype, shape and offsets, or more")
    shape, offsets = _counts(form["shape"]), _counts(form["data_offsets"])
    if len(shape) > DIMENSIONS_MAX or len(offsets) != 2:
        raise ValueError(f"tensor {name!r} has too many dimensions, or other than two offsets")
    begin, end = offsets
    size = math.prod(shape) * ELEMENT_SIZES[form["dtype"]]
    if not begin <= end <= len(data) or end - begin != size:
        raise ValueError(f"tensor {name!r} of {size} bytes is at {begin} to {end}")
    return Entry(name, form["dtype"], shape, data[begin:end])


def _counts(form: Any) -> tuple[int, ...]:
    """Return a tuple of ints that are not negative, nor larger than any memory."""
    if type(form) is not list or not all(type(n) is int and 0 <= n < 1 << 63 for n in form):
        raise ValueError("a shape and offsets are lists of sizes")
    return tuple(form)


def _check_holes(offsets: Iterable[Sequence[int]], size: int) -> None:
    """Refuse data that belongs to no tensor, or to two."""
    place = 0
    for begin, end in sorted(map(tuple, offsets)):
        if begin != place:
            raise ValueError(f"a tensor begins at {begin}, and the one before ends at {place}")
        place = end
    if place != size:
        raise ValueError(f"tensors of {place} bytes in {size} bytes of data")
