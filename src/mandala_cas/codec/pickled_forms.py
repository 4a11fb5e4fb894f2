"""How to pickle values of which their own libraries lose something in a pickle.

Each is made again by a function of its library, so that nothing but pickle is needed to read it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

# The last version of pickle's protocol in which arrays may lie beside the stream.
_PROTOCOL = 5


def find_reduced(value: Any) -> Any:
    """Return by which call to make a value that would not come back as it is; None if it would."""
    if isinstance(value, np.ndarray):
        return _reduced_array(value)
    kind = type(value)
    if kind.__name__ == "MapType" and kind.__module__.partition(".")[0] == "pyarrow":
        return _reduced_map(value)
    return None


def _reduced_array(array: Any) -> Any:
    """Return how to make an array of NumPy's, or of a class derived from that."""
    kind = type(array)
    if kind is np.ndarray:
        return _reduced_plain(array)
    if kind is np.ma.MaskedArray:
        return _reduced_masked(array)
    if not _is_turned(array.dtype) or not _is_copied_as_arrays_are(kind):
        return None
    base = array.view(np.ndarray)
    if base.view(kind).dtype != array.dtype:
        return None
    return np.ndarray.view, (base, kind)


def _reduced_plain(array: Any) -> Any:
    """Return how to make an array whose byte order NumPy would lose.

    It does where an array does not lie in one piece, and where it holds times, which have no buffer
    that pickle could take as it is.
    """
    if array.dtype.isnative or array.dtype.hasobject:
        return None
    if array.dtype.kind in "mM":
        counts = np.dtype("i8").newbyteorder(array.dtype.byteorder)
        return np.ndarray.view, (array.view(counts), array.dtype)
    if array.flags.c_contiguous or array.flags.f_contiguous:
        return None
    return np.ascontiguousarray(array).__reduce_ex__(_PROTOCOL)


def _reduced_masked(array: Any) -> Any:
    """Return how to make an array with a mask, of which NumPy keeps neither order nor hardness."""
    # As it lies there: to ask for it is to set it.
    fill_value = array.__dict__["_fill_value"]
    # What NumPy made up for who asked may be wider than the strings of the array, and is cut to
    # their width where it is set. It is made up again where it is not.
    is_made_up = fill_value is not None and fill_value.dtype != array.dtype
    if not (array.hardmask or is_made_up or _is_turned(array.dtype)):
        return None
    if array.baseclass is not np.ndarray or array.__dict__["_optinfo"]:
        return None
    keeps_mask, keeps_class, dimensions_min = True, True, 0
    return np.ma.MaskedArray, (
        array.data,
        array.mask,
        None,
        False,
        keeps_class,
        dimensions_min,
        None if is_made_up else fill_value,
        keeps_mask,
        array.hardmask,
    )


def _reduced_map(kind: Any) -> Any:
    """Return how to make a type of maps, of which Arrow does not keep that keys are sorted."""
    if not kind.keys_sorted:
        return None
    return sys.modules["pyarrow"].map_, (kind.key_field, kind.item_field, True)


def _is_turned(dtype: np.dtype[Any]) -> bool:
    """Tell whether elements have the byte order of another machine, each as a whole."""
    return dtype.byteorder in "<>"


def _is_copied_as_arrays_are(kind: type) -> bool:
    """Tell whether a class that derives from arrays says nothing of its own of copies."""
    return all(
        getattr(kind, name) is getattr(np.ndarray, name)
        for name in ("__reduce__", "__reduce_ex__", "__setstate__")
    )
