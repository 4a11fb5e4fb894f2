"""NumPy arrays and scalars: a header that says what the bytes are, then the bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.array_pieces import Array, pieces_of
from mandala_cas.codec.registered_dtypes import find_registered, is_registered, stored_name
from mandala_cas.objectstore.api import Parts, Pieces

# What `dtype.str` gives for everything but objects, strings of variable width and structures.
# Anything else from outside is refused: the bytes of an object dtype would be used as addresses.
_SIMPLE: Final = re.compile(r"[<>|][biufcSUVmM][0-9]{1,18}(\[[0-9]{0,18}[A-Za-zμ]{1,8}\])?")
# By class: dtypes that other packages register have any character they like.
_EXTENDED: Final = (np.longdouble, np.clongdouble)
_EXTENDED_SIZE: Final = 10
_EXTENDED_SLOT: Final = 16
# Below this, a copy costs less than it is in the way.
_PIECES_MIN: Final = 16 << 20


class ArrayCodec:
    """Arrays of numbers, times, fixed-width strings and structures, and their scalars.

    Arrays of objects, subclasses, and dtypes that do not come back as they are, are declined. A
    memory map comes back as an array. An array in Fortran order keeps it; any other layout
    becomes C order.
    """

    name = "ndarray"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is an array or scalar of NumPy's own."""
        kind = type(value)
        if kind is np.ndarray or kind is np.memmap:
            return not value.dtype.hasobject
        return isinstance(value, np.generic) and not value.dtype.hasobject

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Parts]:
        """Return the shape and dtype, and the array's own memory where that is contiguous.

        A large one that is not, or has padding to be cleared, is copied piece by piece.
        """
        array = np.asarray(value)
        form = _dtype_form(array.dtype)
        made = dtype_from_form(form)
        if made != array.dtype or made.type is not array.dtype.type or array.dtype.metadata:
            raise DeclinedError(f"an array of dtype {array.dtype!r} would not come back as it is")
        header: dict[str, Any] = {"dtype": form, "shape": list(array.shape)}
        if isinstance(value, np.generic):
            if made.type is not type(value):
                raise DeclinedError(f"a {type(value).__name__} would not come back as it is")
            header["scalar"] = True
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            header["order"] = "F"
            array = array.T
        if array.nbytes == 0:
            return header, ()
        if array.nbytes >= _PIECES_MIN and not _is_as_stored(array):
            return header, _pieces(array)
        return header, (_bytes_of(np.ascontiguousarray(array).reshape(-1)),)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the array, or the scalar."""
        dtype = dtype_from_form(header["dtype"])
        shape = tuple(header["shape"])
        if not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError(f"{shape!r} is no shape")
        size = math.prod(shape) * dtype.itemsize
        if size != len(payload):
            raise ValueError(f"an array of {size} bytes in a payload of {len(payload)}")
        order = header.get("order", "C")
        if size == 0:
            # Not `empty`: it makes strings of no letters one letter wide.
            array: Array = np.ndarray(shape, dtype, order=order)
        else:
            array = _own(payload, dtype).reshape(shape, order=order)
        return array[()] if header.get("scalar") else array


def _is_as_stored(array: Array) -> bool:
    """Tell whether the memory of an array is its payload."""
    return bool(array.flags.c_contiguous) and not (
        _is_extended(array.dtype) or _has_padding(array.dtype)
    )


def _pieces(array: Array) -> Pieces:
    """Return the payload of an array in pieces; each pass copies them anew."""

    def sample(offset: int, size: int) -> memoryview:
        start = offset // array.itemsize
        found = array.flat[start : start + max(1, size // array.itemsize)]
        return _bytes_of(np.ascontiguousarray(found))

    return Pieces(array.nbytes, lambda: map(_bytes_of, pieces_of(array)), sample)


def _bytes_of(flat: Array) -> memoryview:
    """Return the elements of a contiguous row as they are stored."""
    return _without_padding(flat).view(np.uint8).data


def _own(payload: memoryview, dtype: np.dtype[Any]) -> Array:
    """Return the elements as a writable array; the payload itself where it may be kept."""
    data = np.frombuffer(payload, np.uint8)
    if payload.readonly or data.__array_interface__["data"][0] % max(dtype.alignment, 1):
        data = data.copy()
    return data.view(dtype)


def _dtype_form(dtype: np.dtype[Any]) -> Any:
    """Return a dtype as msgpack types: a str, or a map for structures and arrays of fixed shape."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"base": _dtype_form(base), "shape": list(shape)}
    if dtype.names is None or dtype.fields is None:
        return _form_of_registered(dtype) if is_registered(dtype) else dtype.str
    fields = [dtype.fields[name] for name in dtype.names]
    if any(len(field) > 2 for field in fields):
        raise DeclinedError("an array whose fields have titles would not come back as it is")
    return {
        "names": list(dtype.names),
        "formats": [_dtype_form(field[0]) for field in fields],
        "offsets": [field[1] for field in fields],
        "itemsize": dtype.itemsize,
        "aligned": dtype.isalignedstruct,
    }


def dtype_from_form(form: Any) -> np.dtype[Any]:
    """Return the dtype of a form; ValueError and its like if it is none."""
    if isinstance(form, str):
        if _SIMPLE.fullmatch(form) is None:
            registered = find_registered(form)
            if registered is not None:
                return registered
            raise ValueError(f"{form!r} is no dtype of an array in a store")
        return np.dtype(form)
    if "base" in form:
        return np.dtype((dtype_from_form(form["base"]), tuple(form["shape"])))
    description = {
        "names": form["names"],
        "formats": [dtype_from_form(part) for part in form["formats"]],
        "offsets": form["offsets"],
        "itemsize": form["itemsize"],
    }
    made: np.dtype[Any] = np.dtype(description, align=form["aligned"])  # type: ignore[call-overload]  # (a dict is fine)
    return made


def _form_of_registered(dtype: np.dtype[Any]) -> str:
    """Return the form of a dtype that another package registered."""
    name = stored_name(dtype)
    if name is None:
        raise DeclinedError(f"an array of dtype {dtype!r} would not come back as it is")
    return name


def _without_padding(flat: Array) -> Array:
    """Return the elements with zeros where nothing stands.

    What lies between the fields of a structure, and behind an 80-bit number, is whatever was in
    memory before: it would make equal arrays different, and is nobody's business.
    """
    dtype = flat.dtype
    if _is_extended(dtype):
        clean = flat.copy()
        clean.view(np.uint8).reshape(-1, _EXTENDED_SLOT)[:, _EXTENDED_SIZE:] = 0
        return clean
    if dtype.names is None or not _has_padding(dtype):
        return flat
    clean = np.zeros(flat.shape, dtype)
    _copy_fields(flat, clean)
    return clean


def _is_extended(dtype: np.dtype[Any]) -> bool:
    """Tell whether the numbers are 80-bit ones of x86, in slots of 16 bytes."""
    return dtype.type in _EXTENDED and np.finfo(np.longdouble).nmant == 63 and bool(dtype.isnative)


def _has_padding(dtype: np.dtype[Any]) -> bool:
    """Tell whether some bytes of a dtype belong to no field."""
    if dtype.subdtype is not None:
        return _has_padding(dtype.subdtype[0])
    if dtype.names is None or dtype.fields is None:
        return False
    parts = [dtype.fields[name][0] for name in dtype.names]
    return sum(part.itemsize for part in parts) != dtype.itemsize or any(map(_has_padding, parts))


def _copy_fields(source: Array, target: Array) -> None:
    """Copy field by field, at every level."""
    for name in source.dtype.names or ():
        if source[name].dtype.names is None:
            target[name] = source[name]
        else:
            _copy_fields(source[name], target[name])
