"""The elements that tensors have: their names, how their bits are held, which bits are no number.

torch and JAX agree on the names. NumPy knows neither the short floats nor numbers below a byte, so
their bits are held by unsigned integers here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mandala_cas.codec.array_data import Floats, data_in_pieces, data_of
from mandala_cas.codec.array_pieces import pieces_of
from mandala_cas.codec.encoder import Data

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class NanBits:
    """Which bits of a short float are a NaN: those that are above ``infinity`` without sign."""

    magnitude: int
    infinity: int
    canonical: int


@dataclass(frozen=True, slots=True)
class ElementType:
    """One type of element.

    ``bits`` is the NumPy dtype that holds it, one half of it where it ``is_pair``. ``layout_name``
    is what safetensors calls that; None where it has no name for it.
    """

    name: str
    bits: str
    layout_name: str | None
    is_pair: bool = False
    nan: NanBits | None = None


BFLOAT16_NAN: Final = NanBits(0x7FFF, 0x7F80, 0x7FC0)

ELEMENT_TYPES: Final[Mapping[str, ElementType]] = {
    kind.name: kind
    for kind in (
        ElementType("bool", "|b1", "BOOL"),
        ElementType("uint8", "|u1", "U8"),
        ElementType("int8", "|i1", "I8"),
        ElementType("uint16", "<u2", "U16"),
        ElementType("int16", "<i2", "I16"),
        ElementType("uint32", "<u4", "U32"),
        ElementType("int32", "<i4", "I32"),
        ElementType("uint64", "<u8", "U64"),
        ElementType("int64", "<i8", "I64"),
        ElementType("float16", "<f2", "F16"),
        ElementType("float32", "<f4", "F32"),
        ElementType("float64", "<f8", "F64"),
        ElementType("bfloat16", "<u2", "BF16", nan=BFLOAT16_NAN),
        ElementType("float8_e5m2", "|u1", "F8_E5M2", nan=NanBits(0x7F, 0x7C, 0x7E)),
        ElementType("float8_e4m3fn", "|u1", "F8_E4M3", nan=NanBits(0x7F, 0x7E, 0x7F)),
        # These have one NaN, or none.
        ElementType("float8_e5m2fnuz", "|u1", "F8_E5M2FNUZ"),
        ElementType("float8_e4m3fnuz", "|u1", "F8_E4M3FNUZ"),
        ElementType("float8_e8m0fnu", "|u1", "F8_E8M0"),
        ElementType("complex32", "<f2", "F16", is_pair=True),
        ElementType("complex64", "<f4", "F32", is_pair=True),
        ElementType("complex128", "<f8", "F64", is_pair=True),
        # What safetensors has no name for, or packs in another way.
        ElementType("float8_e4m3", "|u1", None, nan=NanBits(0x7F, 0x78, 0x7C)),
        ElementType("float8_e3m4", "|u1", None, nan=NanBits(0x7F, 0x70, 0x78)),
        ElementType("float8_e4m3b11fnuz", "|u1", None),
        ElementType("float4_e2m1fn", "|u1", None),
        ElementType("float4_e2m1fn_x2", "|u1", None),
        ElementType("int4", "|i1", None),
        ElementType("uint4", "|u1", None),
        ElementType("int2", "|i1", None),
        ElementType("uint2", "|u1", None),
    )
}

LAYOUT_TYPES: Final[Mapping[str, ElementType]] = {
    kind.layout_name: kind
    for kind in ELEMENT_TYPES.values()
    if kind.layout_name is not None and not kind.is_pair
}
"""Types by what safetensors calls them."""


# Of an element that takes a byte and has fewer bits: those that it uses.
_USED_BITS: Final[Mapping[str, int]] = {
    "float4_e2m1fn": 0x0F,
    "float6_e2m3fn": 0x3F,
    "float6_e3m2fn": 0x3F,
}
_SHORT_INTS: Final = frozenset({"int1", "uint1", "int2", "uint2", "int4", "uint4"})


def bits_of(array: Array, kind: ElementType) -> Array:
    """Return the bits of an array of NumPy's of these elements.

    Those of complex numbers are reals, with one dimension more. Bits that an element does not use
    are what follows from the others.
    """
    if kind.name in _SHORT_INTS:
        return array.astype(kind.bits)
    # Not every view works on an array of no dimensions.
    flat = np.ascontiguousarray(array).reshape(-1).view(kind.bits)
    used = _USED_BITS.get(kind.name)
    if used is not None:
        flat = flat & flat.dtype.type(used)
    return flat.reshape((*array.shape, 2) if kind.is_pair else array.shape)


def element_data(kind: ElementType, bits: Array) -> Data | Floats:
    """Return the bytes of elements in C order, with one kind of NaN; ``bits`` holds them."""
    nan = kind.nan
    if nan is None or not any(_is_nan(chunk, nan).any() for chunk in pieces_of(bits)):
        return data_of(bits)
    return data_in_pieces(bits.nbytes, (_clean(chunk, nan) for chunk in pieces_of(bits)))


def _is_nan(bits: Array, nan: NanBits) -> Array:
    """Tell for each element whether it is a NaN."""
    magnitudes: Array = bits & bits.dtype.type(nan.magnitude)
    return magnitudes > nan.infinity


def _clean(bits: Array, nan: NanBits) -> memoryview:
    """Return the bytes of a contiguous piece, with one kind of NaN."""
    return np.where(_is_nan(bits, nan), bits.dtype.type(nan.canonical), bits).view(np.uint8).data
