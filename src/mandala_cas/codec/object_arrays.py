"""Arrays of NumPy that are more than their bytes: of objects, of strings of any length, masked."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.nested_document import Form, NestedLowering, NestedRaising
from mandala_cas.errors import NotFoundError

Array = np.ndarray[Any, Any]


def find_array_form(value: Any) -> Form | None:
    """Return the form of an array that the codec of arrays has none for; None if there is none."""
    kind = type(value)
    if not issubclass(kind, np.ndarray):
        return None
    if kind is np.ndarray:
        return _OF_DTYPE_KIND.get(value.dtype.kind)
    if kind is np.recarray:
        return _RECORDS
    if kind is np.matrix:
        return _MATRIX
    masked = sys.modules.get("numpy.ma")
    if masked is not None and kind is masked.MaskedArray:
        return _MASKED
    return None


def _layout(array: Array) -> tuple[str, list[int], list[Any]]:
    """Return the order in memory, the shape, and the elements in that order."""
    shape = list(array.shape)
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        return "F", shape, array.T.ravel().tolist()
    return "C", shape, array.ravel().tolist()


def _size(order: Any, shape: Any, count: int) -> tuple[int, ...]:
    """Return a shape, if it is one of so many elements."""
    if order not in {"C", "F"} or type(shape) is not list:
        raise ValueError(f"{order!r} is no order, or {shape!r} no shape")
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"{shape!r} is no shape")
    if math.prod(shape) != count:
        raise ValueError(f"an array of shape {shape!r} of {count} elements")
    return tuple(shape)


def _lower_objects(lowering: NestedLowering, value: Array, depth: int) -> Sequence[Any]:
    """Return layout and elements of an array of objects."""
    if value.dtype.metadata:
        raise DeclinedError("a dtype with metadata would not come back as it is")
    order, shape, elements = _layout(value)
    return [order, shape, *lowering.each(elements, depth)]


def _restore_objects(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return an array of objects."""
    order, shape, *elements = parts
    sides = _size(order, shape, len(elements))
    # Assigning would take what is in an element that is an array or a list itself.
    flat = np.fromiter(raising.each(elements, depth), np.dtype(object), len(elements))
    return flat.reshape(sides, order=order)


def _lower_strings(lowering: NestedLowering, value: Array, depth: int) -> Sequence[Any]:
    """Return dtype, layout and elements of an array of strings of any length."""
    dtype: Any = value.dtype
    has_missing = hasattr(dtype, "na_object")
    missing = dtype.na_object if has_missing else None
    if type(missing) not in {type(None), float, str} or dtype.metadata:
        raise DeclinedError(f"an array of dtype {dtype!r} would not come back as it is")
    order, shape, elements = _layout(value)
    head = [order, shape, bool(dtype.coerce), has_missing, missing]
    return [*head, *lowering.each(elements, depth)]


def _restore_strings(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return an array of strings of any length."""
    del raising, depth
    order, shape, coerce, has_missing, missing, *elements = parts
    sides = _size(order, shape, len(elements))
    if type(missing) not in {type(None), float, str}:
        raise ValueError(f"{missing!r} stands for no missing string")
    kinds = {str, type(missing)} if has_missing else {str}
    if not kinds.issuperset(map(type, elements)):
        raise ValueError("an array of strings has an element that is none")
    make: Any = getattr(np.dtypes, "StringDType", None)
    if make is None:
        raise NotFoundError(
            "a value is an array of strings of any length, which NumPy "
            f"{np.__version__} does not have; install NumPy 2",
            found=np.__version__,
        )
    arguments = {"na_object": missing} if has_missing else {}
    flat: Array = np.array(elements, dtype=make(coerce=coerce, **arguments))
    return flat.reshape(sides, order=order)


def _lower_masked(lowering: NestedLowering, value: Any, depth: int) -> Sequence[Any]:
    """Return flags, data, mask and fill value of an array with a mask."""
    if value.__dict__["_optinfo"] or value.baseclass is not np.ndarray:
        raise DeclinedError("an array with a mask, of another class, would not come back as it is")
    mask = value.mask
    # As it lies there: to ask for it is to set it, and to set it is to cut a string short.
    fill_value = value.__dict__["_fill_value"]
    parts = [value.data, None if mask is np.ma.nomask else mask, fill_value]
    return [value.hardmask, value.sharedmask, *lowering.each_kept(parts, depth)]


def _restore_masked(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return an array with a mask."""
    hard, shared, *rest = parts
    data, mask, fill_value = raising.each(rest, depth)
    if type(data) is not np.ndarray or type(hard) is not bool or type(shared) is not bool:
        raise ValueError("an array with a mask is no array")
    if mask is None:
        mask = np.ma.nomask
    elif (
        type(mask) is not np.ndarray
        or mask.shape != data.shape
        or mask.dtype != np.ma.make_mask_descr(data.dtype)
    ):
        raise ValueError("a mask does not fit its array")
    if fill_value is not None and (type(fill_value) is not np.ndarray or fill_value.shape):
        raise ValueError("a fill value is an array of no dimensions")
    made: Any = np.ma.MaskedArray(data, mask, hard_mask=hard)
    made.__dict__.update(_sharedmask=shared, _fill_value=fill_value)
    return made


def _lower_view(lowering: NestedLowering, value: Array, depth: int) -> Sequence[Any]:
    """Return the array that one of a derived class is a view of."""
    if any(value.__dict__.values()):
        raise DeclinedError(f"a {type(value).__qualname__} with attributes has no form")
    base: Any = value.view(np.ndarray)
    if base.dtype.type is np.record:
        base = base.view(np.dtype((np.void, base.dtype)))
    if base.view(type(value)).dtype != value.dtype:
        raise DeclinedError(f"a {type(value).__qualname__} would not come back as it is")
    return lowering.each_kept([base], depth)


def _restore_records(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return an array of records."""
    return _base(raising, parts, depth).view(np.recarray)


def _restore_matrix(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return a matrix."""
    base = _base(raising, parts, depth)
    if base.ndim != 2:
        raise ValueError("a matrix has two dimensions")
    return base.view(np.matrix)


def _base(raising: NestedRaising, parts: list[Any], depth: int) -> Array:
    """Return the only part, which is an array."""
    (base,) = raising.each(parts, depth)
    if type(base) is not np.ndarray:
        raise ValueError("what is to be a view of an array is none")
    return base


_RECORDS: Final = Form(b"recarray", _lower_view, _restore_records)
_MATRIX: Final = Form(b"matrix", _lower_view, _restore_matrix)
_MASKED: Final = Form(b"masked array", _lower_masked, _restore_masked)
_OF_DTYPE_KIND: Final[dict[str, Form]] = {
    "O": Form(b"objects", _lower_objects, _restore_objects),
    "T": Form(b"strings", _lower_strings, _restore_strings),
}
ARRAY_FORMS: Final = (*_OF_DTYPE_KIND.values(), _RECORDS, _MATRIX, _MASKED)
