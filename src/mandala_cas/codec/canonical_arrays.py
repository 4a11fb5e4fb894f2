"""How NumPy arrays, scalars and dtypes are encoded."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from mandala_cas.codec.array_pieces import PIECE_SIZE, pieces_of
from mandala_cas.codec.canonical_random import find_random_rule
from mandala_cas.codec.digests import BIG
from mandala_cas.codec.encoder import RULES, Data, Encoder, RefusalError, Rule
from mandala_cas.codec.names import name_of
from mandala_cas.envelope.hashing import new_hasher
from mandala_cas.objectstore.api import Buffer

_EXTENDED_SIZE: Final = 10
_EXTENDED_SLOT: Final = 16

Array = np.ndarray[Any, Any]


def find_array_rule(kind: type) -> Rule | None:
    """Return how to encode values of a type of NumPy's; None if it is none."""
    if issubclass(kind, np.ndarray):
        if kind in {np.ndarray, np.memmap}:
            return encode_array
        if kind is type(np.ma.masked):
            return _encode_masked_element
        if issubclass(kind, np.ma.MaskedArray):
            return _encode_masked
        return _encode_subarray if kind.__reduce__ is np.ndarray.__reduce__ else None
    if issubclass(kind, np.generic):
        # A subclass that somebody derived may hold more than the number.
        return _encode_scalar if kind.__module__.partition(".")[0] == "numpy" else None
    if issubclass(kind, np.dtype):
        return lambda encoder, dtype: encoder.record("dtype", np.empty(0, dtype))
    if issubclass(kind, np.ufunc):
        return _encode_ufunc
    return find_random_rule(kind)


def encode_array(encoder: Encoder, value: Array) -> bytes:
    """Return the encoding of an array, whatever its layout in memory."""
    array = np.asarray(value)
    dtype = array.dtype
    if dtype.names is not None:
        parts = [(name, array[name]) for name in dtype.names]
        if dtype.type is np.void:
            return encoder.record("fields", array.shape, parts)
        return encoder.record("fields", array.shape, parts, name_of(dtype.type))
    if dtype.kind in "OT":
        return encoder.record("ndarray", f"|{dtype.kind}", array.shape, array.ravel().tolist())
    return encoder.record("ndarray", dtype.str, array.shape, data_of(array))


def _encode_scalar(encoder: Encoder, value: np.generic) -> bytes:
    """Return the encoding of a scalar."""
    return encoder.record("scalar", np.asarray(value))


def _encode_masked(encoder: Encoder, array: Any) -> bytes:
    """Return the encoding of an array with a mask; an absent mask is all False."""
    mask = np.ma.getmaskarray(array)
    name = name_of(type(array))
    return encoder.record("masked", name, np.asarray(array.data), mask, array.fill_value)


def _encode_masked_element(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of what stands for an element that is masked: there is only one."""
    del value
    return encoder.record("name", "numpy.ma:masked")


def _encode_subarray(encoder: Encoder, array: Array) -> bytes:
    """Return the encoding of an array of a derived class."""
    attributes = dict(getattr(array, "__dict__", {}))
    return encoder.record("subarray", name_of(type(array)), array.view(np.ndarray), attributes)


def _encode_ufunc(encoder: Encoder, value: np.ufunc) -> bytes:
    """Return the encoding of a ufunc that can be found by its name."""
    name = value.__name__
    for module in ("numpy", "scipy.special"):
        if getattr(sys.modules.get(module), name, None) is value:
            return encoder.record("name", f"{module}:{name}")
    raise RefusalError("it cannot be found by its name", value, "pass a Python function instead")


class Floats:
    """The bytes of large contiguous floats: hashed as they lie, unless there is a NaN in them."""

    __slots__ = ("flat",)

    def __init__(self, flat: Array) -> None:
        """Take an array of one dimension."""
        self.flat = flat


def _encode_floats(encoder: Encoder, value: Floats) -> bytes:
    """Return the encoding of the bytes, with one kind of NaN."""
    flat = value.flat
    # One pass over memory for both: looking for a NaN first would take a third of the time again.
    digest = encoder.digests.of_plain(
        flat.view(np.uint8).data, lambda piece: not _has_nan(np.frombuffer(piece, flat.dtype))
    )
    if digest is None:
        return encoder.stand_in(_cleaned(flat, extended=False))
    return encoder.stand_in(Data(flat.nbytes, digest))


RULES[Floats] = _encode_floats


def data_of(array: Array) -> Data | Floats:
    """Return the bytes of an array in C order, with one kind of NaN and no padding."""
    if array.nbytes == 0:
        return Data(b"")
    extended = _is_extended(array.dtype)
    if array.flags.c_contiguous and not extended:
        flat = array.reshape(-1)
        is_float = array.dtype.kind in "fc"
        if is_float and array.nbytes >= BIG:
            return Floats(flat)
        if not is_float or not _has_nan(flat):
            return Data(flat.view(np.uint8))
    return _cleaned(array, extended=extended)


def _cleaned(array: Array, *, extended: bool) -> Data:
    """Return the bytes of an array, cleaned piece by piece."""
    size = array.nbytes // _EXTENDED_SLOT * _EXTENDED_SIZE if extended else array.nbytes
    # In pieces, so that a large array is never copied whole.
    return data_in_pieces(size, (_clean(chunk, extended=extended) for chunk in pieces_of(array)))


def data_in_pieces(size: int, pieces: Iterable[Buffer]) -> Data:
    """Return data of ``size`` bytes of which no more than a piece is in memory at a time."""
    if size < BIG:
        return Data(b"".join(pieces))
    hasher = new_hasher(size)
    for piece in pieces:
        hasher.update(piece)
    return Data(size, hasher.digest())


def _is_extended(dtype: np.dtype[Any]) -> bool:
    """Tell whether the numbers are 80-bit ones of x86, in slots of 16 bytes."""
    return dtype.char in "gG" and np.finfo(np.longdouble).nmant == 63


def _clean(chunk: Array, *, extended: bool) -> memoryview:
    """Return the bytes of a contiguous array, with one kind of NaN and no padding."""
    if chunk.dtype.kind in "fc" and _has_nan(chunk):
        chunk = chunk.copy()
        reals = _reals(chunk)
        reals[np.isnan(reals)] = np.nan
    if extended:
        slots = _reals(chunk)
        native = slots.astype(slots.dtype.newbyteorder("="), copy=False).view(np.uint8)
        chunk = np.ascontiguousarray(native.reshape(-1, _EXTENDED_SLOT)[:, :_EXTENDED_SIZE])
    return chunk.reshape(-1).view(np.uint8).data


def one_nan(flat: Array) -> Array:
    """Return contiguous floats with one kind of NaN: the same array where it has none."""
    if not _has_nan(flat):
        return flat
    flat = flat.copy()
    flat[np.isnan(flat)] = np.nan
    return flat


def _reals(flat: Array) -> Array:
    """Return the real and imaginary parts of a contiguous array, as one array."""
    if flat.dtype.kind == "f":
        return flat
    code = flat.dtype.str
    return flat.view(f"{code[0]}f{flat.dtype.itemsize // 2}")


def _has_nan(flat: Array) -> bool:
    """Tell whether there is a NaN in a contiguous array."""
    reals = _reals(flat)
    # The minimum is NaN if one of them is. It takes a fraction of the time of `isnan`, and no
    # threads: those of a linear algebra library would fight with the ones that hash.
    step = PIECE_SIZE // reals.dtype.itemsize
    with np.errstate(all="ignore"):
        return any(
            np.isnan(np.minimum.reduce(reals[start : start + step]))
            for start in range(0, reals.size, step)
        )


ARRAY_RULES: Final[dict[type, Rule]] = {
    np.ndarray: encode_array,
    **{kind: _encode_scalar for kind in np.sctypeDict.values() if kind is not np.object_},
}
