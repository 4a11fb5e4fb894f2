"""The bytes of NumPy arrays, as they are hashed: in C order, with one kind of NaN, no padding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from mandala_cas.codec.array_pieces import PIECE_SIZE, pieces_of
from mandala_cas.codec.digests import BIG
from mandala_cas.codec.encoder import Data
from mandala_cas.envelope.hashing import new_hasher
from mandala_cas.objectstore.api import Buffer

# By class: dtypes that other packages register have any character they like.
_EXTENDED: Final = (np.longdouble, np.clongdouble)
_EXTENDED_SIZE: Final = 10
_EXTENDED_SLOT: Final = 16

Array = np.ndarray[Any, Any]


def data_of(array: Array) -> Data:
    """Return the bytes of an array in C order, with one kind of NaN and no padding."""
    if array.nbytes == 0:
        return Data(b"")
    extended = _is_extended(array.dtype)
    if array.flags.c_contiguous and not extended:
        flat = array.reshape(-1)
        if array.dtype.kind not in "fc" or not _has_nan(flat):
            return Data(flat.view(np.uint8))
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
