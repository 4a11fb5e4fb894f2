"""The bytes of NumPy arrays, as they are hashed: in C order, with one kind of NaN, no padding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from mandala_cas.codec.array_pieces import PIECE_SIZE, pieces_of
from mandala_cas.codec.digests import BIG
from mandala_cas.codec.encoder import RULES, Data, Encoder
from mandala_cas.envelope.hashing import new_hasher
from mandala_cas.objectstore.api import Buffer

# By class: dtypes that other packages register have any character they like.
_EXTENDED: Final = (np.longdouble, np.clongdouble)
_EXTENDED_SIZE: Final = 10
_EXTENDED_SLOT: Final = 16

Array = np.ndarray[Any, Any]


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
    return dtype.type in _EXTENDED and np.finfo(np.longdouble).nmant == 63


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
