"""How NumPy arrays, scalars and dtypes are encoded."""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np

from mandala_cas.codec.array_data import data_of
from mandala_cas.codec.canonical_random import find_random_rule
from mandala_cas.codec.encoder import Encoder, RefusalError, Rule
from mandala_cas.codec.names import name_of
from mandala_cas.codec.registered_dtypes import is_registered, registered_data

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
        is_known = kind.__module__.partition(".")[0] == "numpy" or _is_registered_type(kind)
        return _encode_scalar if is_known else None
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
    if dtype.type not in _OWN_TYPES:
        return _encode_foreign(encoder, array)
    if dtype.kind == "O":
        return encoder.record("ndarray", "|O", array.shape, array.ravel().tolist())
    if dtype.kind == "T":
        flags = _string_flags(dtype)
        return encoder.record("ndarray", "|T", array.shape, array.ravel().tolist(), *flags)
    return encoder.record("ndarray", dtype.str, array.shape, data_of(array))


def _string_flags(dtype: Any) -> tuple[Any, ...]:
    """Return what a dtype of strings does beyond the default; nothing where that is nothing."""
    missing = (dtype.na_object,) if hasattr(dtype, "na_object") else ()
    return (bool(dtype.coerce), missing) if missing or not dtype.coerce else ()


def _encode_foreign(encoder: Encoder, array: Array) -> bytes:
    """Return the encoding of an array whose elements are of no class of NumPy's."""
    dtype = array.dtype
    name = name_of(dtype.type) if dtype.type else ""
    if is_registered(dtype) and not dtype.hasobject:
        if not dtype.isnative:
            # NumPy reads the pickle of one in the wrong order, and leaves the dtype itself so.
            advice = "turn it into the byte order of this machine, with astype"
            raise RefusalError(f"it is of dtype {name} in another byte order", array, advice)
        return encoder.record("ndarray", name, array.shape, registered_data(array))
    if issubclass(dtype.type or object, np.void):
        return encoder.record("ndarray", dtype.str, array.shape, data_of(array), name)
    advice = "pass it as an array of a dtype of NumPy's"
    raise RefusalError(f"it is of dtype {dtype}, which has parameters unknown here", array, advice)


def _encode_scalar(encoder: Encoder, value: np.generic) -> bytes:
    """Return the encoding of a scalar."""
    return encoder.record("scalar", np.asarray(value))


def _encode_masked(encoder: Encoder, array: Any) -> bytes:
    """Return the encoding of an array with a mask; an absent mask is all False."""
    mask = np.ma.getmaskarray(array)
    name = name_of(type(array))
    # Whether others share the mask is left out: it says nothing of the array itself.
    hard = (True,) if array.hardmask else ()
    return encoder.record("masked", name, np.asarray(array.data), mask, array.fill_value, *hard)


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


def _is_registered_type(kind: type) -> bool:
    """Tell whether a scalar's type is one that a package registered; not one derived from that."""
    try:
        dtype: np.dtype[Any] = np.dtype(kind)
    except TypeError:
        return False
    return dtype.type is kind and is_registered(dtype)


# The classes of the elements of NumPy's own dtypes. Other packages add to what NumPy lists.
_SCALAR_TYPES: Final = frozenset(
    kind for kind in np.sctypeDict.values() if kind.__module__.partition(".")[0] == "numpy"
)
# Strings of variable width are `str`.
_OWN_TYPES: Final = _SCALAR_TYPES | {str}

ARRAY_RULES: Final[dict[type, Rule]] = {
    np.ndarray: encode_array,
    **dict.fromkeys(_SCALAR_TYPES - {np.object_}, _encode_scalar),
}
