"""The part of the second implementation that knows the arrays of NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from tests.format import spec_hashing as spec

# The quiet NaN without payload, big-endian, by the size of a number.
NANS = {
    2: bytes.fromhex("7e00"),
    4: bytes.fromhex("7fc00000"),
    8: bytes.fromhex("7ff8000000000000"),
    10: bytes.fromhex("7fffc000000000000000"),
}
# By dtype of ml_dtypes: the infinity, above which there are NaNs, and the NaN that stands for all.
SHORT_NANS = {
    "bfloat16": (0x7F80, 0x7FC0),
    "float16": (0x7C00, 0x7E00),
    "float8_e5m2": (0x7C, 0x7E),
    "float8_e4m3fn": (0x7E, 0x7F),
    "float8_e4m3": (0x78, 0x7C),
    "float8_e3m4": (0x70, 0x78),
}
PAIRS = {"complex32": "float16", "bcomplex32": "bfloat16"}
# How many bits of a byte count, and whether the first of them is a sign that fills the others.
BITS = {
    "int1": (1, True),
    "int2": (2, True),
    "int4": (4, True),
    "uint1": (1, False),
    "uint2": (2, False),
    "uint4": (4, False),
    "float4_e2m1fn": (4, False),
    "float6_e2m3fn": (6, False),
    "float6_e3m2fn": (6, False),
}
MODULES = {
    "recarray": "numpy",
    "record": "numpy",
    "matrix": "numpy",
    "memmap": "numpy",
    "chararray": "numpy",
    "MaskedArray": "numpy.ma",
    "MaskedConstant": "numpy.ma",
    "mvoid": "numpy.ma",
    "MaskedRecords": "numpy.ma",
}


def encode(value: Any) -> bytes | None:
    """Return the encoding of a value of NumPy's; None for any other."""
    if value is np.ma.masked:
        return spec.record("name", "numpy.ma:masked")
    if isinstance(value, np.ma.MaskedArray):
        return encode_masked(value)
    if isinstance(value, np.ndarray):
        if type(value) in {np.ndarray, np.memmap}:
            return encode_array(value)
        attributes = dict(value.__dict__) if hasattr(value, "__dict__") else {}
        plain = value.view(np.ndarray)
        return spec.record("subarray", class_name(type(value)), plain, attributes)
    if isinstance(value, np.generic):
        return spec.record("scalar", np.array(value))
    if isinstance(value, np.dtype):
        return spec.record("dtype", np.zeros(0, value))
    if isinstance(value, np.ufunc):
        return spec.record("name", f"numpy:{value.__name__}")
    return None


def class_name(kind: type) -> str:
    """Return the name of a class, which for some of NumPy's is the same in all versions."""
    is_numpy = kind.__module__.split(".", maxsplit=1)[0] == "numpy"
    module = MODULES.get(kind.__name__, kind.__module__) if is_numpy else kind.__module__
    return f"{module}:{kind.__qualname__}"


def encode_masked(value: Any) -> bytes:
    """Return the encoding of an array with a mask."""
    mask = np.ma.getmaskarray(value)
    data = np.array(value.data, subok=False)
    more = [True] if value.hardmask else []
    return spec.record("masked", class_name(type(value)), data, mask, value.fill_value, *more)


def encode_array(value: Any) -> bytes:
    """Return the encoding of an array."""
    if value.dtype.names is not None:
        fields = [(name, np.array(value[name], subok=False)) for name in value.dtype.names]
        kinds = ["numpy:record"] if issubclass(value.dtype.type, np.record) else []
        return spec.record("fields", value.shape, fields, *kinds)
    kind = value.dtype.type
    if value.dtype.isbuiltin == 2:
        return spec.record("ndarray", class_name(kind), value.shape, registered(value))
    if value.dtype.kind == "V" and kind is not np.void:
        data = value.tobytes("C")
        return spec.record("ndarray", value.dtype.str, value.shape, data, class_name(kind))
    more: list[Any] = []
    if value.dtype.kind == "T":
        missing = (value.dtype.na_object,) if hasattr(value.dtype, "na_object") else ()
        if missing != () or value.dtype.coerce is False:
            more = [value.dtype.coerce, missing]
    if value.dtype.kind in {"O", "T"}:
        # In C order, whatever the layout.
        places = itertools.product(*map(range, value.shape))
        elements = [value[place] for place in places]
        return spec.record("ndarray", f"|{value.dtype.kind}", value.shape, elements, *more)
    return spec.record("ndarray", value.dtype.str, value.shape, b"".join(pieces(value)))


def registered(value: Any) -> bytes:
    """Return the bytes of an array of a dtype that a package registered, little-endian."""
    data = value.tobytes("C")
    name = value.dtype.type.__qualname__
    if value.dtype.type.__module__ != "ml_dtypes":
        return bytes(data)
    if name in BITS:
        width, is_signed = BITS[name]
        return bytes(sign_extended(byte, width) if is_signed else byte % 2**width for byte in data)
    if name in PAIRS:
        name, size = PAIRS[name], 2
    else:
        size = value.dtype.itemsize
    infinity, quiet = SHORT_NANS.get(name, (None, None))
    numbers = [data[start : start + size] for start in range(0, len(data), size)]
    if infinity is None or quiet is None:
        return b"".join(numbers)
    without_sign = 2 ** (8 * size - 1)
    return b"".join(
        quiet.to_bytes(size, "little")
        if int.from_bytes(number, "little") % without_sign > infinity
        else number
        for number in numbers
    )


def sign_extended(byte: int, width: int) -> int:
    """Return a byte whose unused bits are the sign of a number of so many bits."""
    number = byte % (1 << width)
    return number + 256 - (1 << width) if number >= 1 << (width - 1) else number


def pieces(value: Any) -> Iterator[bytes]:
    """Yield the bytes of each element, or of each part of one."""
    if value.dtype.kind not in {"f", "c"}:
        yield value.tobytes("C")
        return
    size = value.dtype.itemsize // (1 if value.dtype.kind == "f" else 2)
    order = value.dtype.str[0]
    parts = np.frombuffer(value.tobytes("C"), f"{order}f{size}")
    for part in parts:
        data = np.array(part, parts.dtype).tobytes()[: min(size, 10)]
        if np.isnan(part):
            data = NANS[len(data)] if order == ">" else NANS[len(data)][::-1]
        yield data
