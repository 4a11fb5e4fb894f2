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
    return spec.record("masked", class_name(type(value)), data, mask, value.fill_value)


def encode_array(value: Any) -> bytes:
    """Return the encoding of an array."""
    if value.dtype.names is not None:
        fields = [(name, np.array(value[name], subok=False)) for name in value.dtype.names]
        more = ["numpy:record"] if issubclass(value.dtype.type, np.record) else []
        return spec.record("fields", value.shape, fields, *more)
    if value.dtype.kind in {"O", "T"}:
        # In C order, whatever the layout.
        places = itertools.product(*map(range, value.shape))
        elements = [value[place] for place in places]
        return spec.record("ndarray", f"|{value.dtype.kind}", value.shape, elements)
    return spec.record("ndarray", value.dtype.str, value.shape, b"".join(pieces(value)))


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
