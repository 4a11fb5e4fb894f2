"""How sparse arrays of SciPy are encoded: what they store, in the order in which they store it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final

import numpy as np

from mandala_cas.codec.canonical_objects import attributes_of
from mandala_cas.codec.encoder import Attributes, Encoder, Record, RefusalError, Rule
from mandala_cas.codec.names import name_of

Array = np.ndarray[Any, Any]

_FORMATS: Final = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
NAMES: Final = frozenset(f"{name}_{kind}" for name in _FORMATS for kind in ("array", "matrix"))
# What the classes of SciPy itself keep, in all its versions; the rest is a subclass's own.
_OWN_ATTRIBUTES: Final = frozenset(
    {
        *("_shape", "_dict", "data", "indices", "indptr", "coords", "row", "col", "offsets"),
        *("rows", "dtype", "maxprint", "blocksize", "has_canonical_format"),
        *("_has_canonical_format", "_has_sorted_indices"),
    }
)


def find_sparse_rule(kind: Any) -> Rule | None:
    """Return how to encode values of a sparse type of SciPy; None if it is none."""
    if public_name(kind) is not None:
        return _encode_sparse
    is_plain = kind.__reduce_ex__ is object.__reduce_ex__ and kind.__reduce__ is object.__reduce__
    is_derived = any(public_name(base) is not None for base in kind.__mro__)
    return _encode_subclass if is_plain and is_derived else None


def public_name(kind: type) -> str | None:
    """Return the name of a class of sparse arrays of SciPy's own; None if it is none."""
    name = kind.__name__
    found = name in NAMES and getattr(sys.modules.get("scipy.sparse"), name, None) is kind
    return name if found else None


def stored_parts(value: Any) -> tuple[Any, tuple[Array, ...]]:
    """Return what a sparse array stores: its values, and the arrays that say where they belong.

    The values are a list where an array of the dtype would not hold them as they are. What a
    user put together wrongly raises whatever it raises.
    """
    values, indexes = _READERS[value.format](value)
    return values, tuple(np.asarray(part) for part in indexes)


def _encode_sparse(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of a sparse array."""
    return encoder.stand_in(_record_of(value, type(value).__name__))


def _encode_subclass(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of an instance of a class derived from one of SciPy's."""
    kind = type(value)
    base = next(name for name in map(public_name, kind.__mro__) if name is not None)
    more = Attributes(
        {name: part for name, part in attributes_of(value).items() if name not in _OWN_ATTRIBUTES}
    )
    return encoder.record("scipy.sparse.subclass", name_of(kind), _record_of(value, base), more)


def _record_of(value: Any, name: str) -> Record:
    """Return a sparse array as a record."""
    try:
        values, indexes = stored_parts(value)
        if value.format == "dok":
            values, indexes = _sorted_by_key(values, indexes)
        shape = tuple(map(int, value.shape))
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
        raise RefusalError(
            f"it is no well-formed sparse array ({error})", value, "build it anew from its entries"
        ) from error
    return Record("scipy.sparse", name, shape, values, indexes)


def _sorted_by_key(values: Any, keys: tuple[Array, ...]) -> tuple[Any, tuple[Array, ...]]:
    """Return values and keys in the order of the keys, as the order of a dict does not count."""
    order = np.lexsort(keys[::-1])
    in_order = values[order] if isinstance(values, np.ndarray) else [values[i] for i in order]
    return in_order, tuple(part[order] for part in keys)


def _read_compressed(value: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the parts of rows, columns or blocks, without room that is to spare."""
    count = int(value.indptr[-1])
    return np.asarray(value.data)[:count], (value.indices[:count], value.indptr)


def _read_coordinates(value: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the parts of a list of coordinates."""
    # Versions of SciPy before 1.13 know two dimensions only.
    coords = value.coords if hasattr(value, "coords") else (value.row, value.col)
    return np.asarray(value.data), tuple(coords)


def _read_diagonals(value: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the parts of diagonals."""
    return np.asarray(value.data), (value.offsets,)


def _read_rows(value: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the parts of lists of rows."""
    sizes = [len(row) for row in value.rows]
    if sizes != [len(row) for row in value.data]:
        raise ValueError("its rows and its data differ in size")
    columns = np.fromiter(chain.from_iterable(value.rows), np.int64, sum(sizes))
    values = list(chain.from_iterable(value.data))
    return _as_array(values, value.dtype), (columns, np.array(sizes, np.int64))


def _read_keys(value: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the parts of a dict of keys."""
    keys = np.array(list(value.keys()), np.int64).reshape(len(value.keys()), len(value.shape))
    coords = tuple(np.ascontiguousarray(keys[:, axis]) for axis in range(keys.shape[1]))
    return _as_array(list(value.values()), value.dtype), coords


def _as_array(values: list[Any], dtype: Any) -> Any:
    """Return values as an array of a dtype; as they are, where that would change one."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "biufc":
        return values
    plain = type(dtype.type().item())
    if not all(type(value) in {dtype.type, plain} for value in values):
        return values
    try:
        array = np.array(values, dtype)
    except OverflowError:
        return values
    # A number of Python's may be longer than the dtype. Parts that are no number equal nothing.
    pairs = zip(values, array.tolist(), strict=True)
    same = all(one == other or np.isnan(one) for one, other in pairs)
    return array if same else values


_READERS: Final[Mapping[str, Callable[[Any], tuple[Any, tuple[Any, ...]]]]] = {
    "bsr": _read_compressed,
    "csc": _read_compressed,
    "csr": _read_compressed,
    "coo": _read_coordinates,
    "dia": _read_diagonals,
    "dok": _read_keys,
    "lil": _read_rows,
}
