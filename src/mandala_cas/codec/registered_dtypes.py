"""Dtypes that other packages register with NumPy, such as those of ml_dtypes.

NumPy knows them by the class of their elements alone: what it gives as their ``str``, ``kind`` and
``char`` is shared by several of them, and by dtypes of its own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mandala_cas.codec.array_data import Floats, data_of
from mandala_cas.codec.element_types import (
    BFLOAT16_NAN,
    ELEMENT_TYPES,
    ElementType,
    bits_of,
    element_data,
)
from mandala_cas.codec.encoder import Data
from mandala_cas.errors import UnsupportedFormatError

Array = np.ndarray[Any, Any]

_PACKAGE: Final = "ml_dtypes"
_STORED: Final = re.compile(rf"{_PACKAGE}:([a-z][a-z0-9_]{{2,40}})")

# Beyond those that tensors have.
_MORE: Final[Mapping[str, ElementType]] = {
    kind.name: kind
    for kind in (
        ElementType("int1", "|i1", None),
        ElementType("uint1", "|u1", None),
        ElementType("float6_e2m3fn", "|u1", None),
        ElementType("float6_e3m2fn", "|u1", None),
        ElementType("bcomplex32", "<u2", None, is_pair=True, nan=BFLOAT16_NAN),
    )
}


def is_registered(dtype: np.dtype[Any]) -> bool:
    """Tell whether a package registered this dtype; it has no parameters then."""
    return dtype.isbuiltin == 2


def registered_data(array: Array) -> Data | Floats:
    """Return the bytes of an array of such a dtype, with one kind of NaN where that is known."""
    kind = _element_type(array.dtype)
    if kind is None:
        return data_of(array.view(f"V{array.dtype.itemsize}"))
    return element_data(kind, bits_of(array, kind))


def stored_name(dtype: np.dtype[Any]) -> str | None:
    """Return the name under which the dtype is found again; None if it has none."""
    name = f"{dtype.type.__module__}:{dtype.type.__qualname__}"
    if _STORED.fullmatch(name) is None or not dtype.isnative:
        return None
    found = getattr(sys.modules.get(_PACKAGE), dtype.type.__qualname__, None)
    return name if found is dtype.type else None


def find_registered(name: str) -> np.dtype[Any] | None:
    """Return the dtype that ``stored_name`` named; None if it cannot be such a name.

    Raises:
        UnsupportedFormatError: the package is not here, or has no such dtype yet.
    """
    match = _STORED.fullmatch(name)
    if match is None:
        return None
    try:
        import ml_dtypes  # noqa: PLC0415 (nothing else needs it)
    except ImportError as error:
        raise _missing(name, "is not installed here") from error
    kind: Any = getattr(ml_dtypes, match[1], None)
    if kind is None:
        raise _missing(name, "does not have that here")
    is_scalar_type = isinstance(kind, type) and issubclass(kind, np.generic)
    if not is_scalar_type:
        raise ValueError(f"{name!r} is no dtype of an array in a store")
    found: np.dtype[Any] = np.dtype(kind)
    return found


def _missing(name: str, what: str) -> UnsupportedFormatError:
    """Return the error for a dtype that is not here."""
    return UnsupportedFormatError(
        f"cannot load an array of dtype {name}: the package {_PACKAGE} {what}; "
        f"run: pip install {_PACKAGE} --upgrade",
        package=_PACKAGE,
    )


def _element_type(dtype: np.dtype[Any]) -> ElementType | None:
    """Return what is known of the bits of such a dtype."""
    if dtype.type.__module__ != _PACKAGE:
        return None
    name = dtype.type.__qualname__
    return ELEMENT_TYPES.get(name) or _MORE.get(name)
