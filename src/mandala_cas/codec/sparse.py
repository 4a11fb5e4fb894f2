"""Sparse arrays of SciPy: a header that says what is stored, then the stored arrays.

The payload is the values, then the arrays that say where they belong, in the order of
``docs/reference/hashing.md``; each begins at a multiple of 64 bytes, behind zeros. The header has
the name of the class, the shape, and for each array what the header of codec ``ndarray`` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.arrays import ArrayCodec, dtype_from_form
from mandala_cas.codec.canonical_sparse import NAMES, public_name, stored_parts
from mandala_cas.errors import UnsupportedFormatError
from mandala_cas.objectstore.api import Buffer

ALIGNMENT: Final = 64
_FIELDS: Final = frozenset({"class", "shape", "arrays"})
# How many dimensions the arrays of a format may have; all others have two.
_DIMENSIONS: Final[Mapping[str, range]] = {
    "coo_array": range(1, 65),
    "csr_array": range(1, 3),
    "dok_array": range(1, 3),
}

Array = np.ndarray[Any, Any]


class SparseCodec:
    """Sparse arrays and matrices of numbers, in every format of SciPy.

    Entries come back in the order in which they were stored, with duplicates, stored zeros and the
    dtype of the indexes. What an array noted about itself, and how many elements it prints, is
    left behind. Keys of a ``dok`` come back as ints, values of a ``lil`` as numbers of Python,
    which is how SciPy itself makes them.
    """

    name = "sparse"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is an instance of one of SciPy's own classes."""
        return public_name(type(value)) is not None

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return what the arrays are, and their own memory where it is contiguous."""
        name = type(value).__name__
        try:
            values, indexes = stored_parts(value)
            shape = [int(side) for side in value.shape]
        except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
            raise DeclinedError(f"it is no well-formed {name} ({error})") from error
        if not isinstance(values, np.ndarray):
            raise DeclinedError(f"some values of a {name} are no numbers of its dtype")
        try:
            _check(name, shape, values, indexes)
        except ValueError as error:
            raise DeclinedError(f"a {name} would not come back as it is: {error}") from error
        headers: list[Mapping[str, Any]] = []
        payload: list[Buffer] = []
        size = 0
        for array in (values, *indexes):
            header, buffers = ArrayCodec().encode(array)
            headers.append(header)
            if buffers:
                payload += (bytes(-size % ALIGNMENT), *buffers)
                size += -size % ALIGNMENT + array.nbytes
        return {"class": name, "shape": shape, "arrays": headers}, payload

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the sparse array.

        Raises:
            UnsupportedFormatError: SciPy is not here, or does not know such a sparse array yet.
        """
        name, shape = header["class"], header["shape"]
        if header.keys() != _FIELDS or name not in NAMES:
            raise ValueError(f"{name!r} is no class of sparse arrays")
        values, *indexes = _read_arrays(header["arrays"], payload)
        _check(name, shape, values, indexes)
        # Rows of blocks are as many as the payload has; rows of single elements may be far more.
        more = {"blocksize": values.shape[1:]} if name.startswith("bsr") else {}
        made = _make_empty(name, tuple(shape), **more)
        _FILLERS[made.format](made, values, indexes)
        return made


def _read_arrays(headers: Sequence[Mapping[str, Any]], payload: memoryview) -> list[Array]:
    """Return the arrays of a payload, all of which they take."""
    arrays = []
    place = 0
    for header in headers:
        if not all(type(side) is int for side in header["shape"]):
            raise ValueError(f"{header['shape']!r} is no shape")
        size = math.prod(header["shape"]) * dtype_from_form(header["dtype"]).itemsize
        if size:
            place += -place % ALIGNMENT
        if size < 0 or place + size > len(payload) or "scalar" in header:
            raise ValueError("the header lists other arrays than there are")
        arrays.append(ArrayCodec().decode(header, payload[place : place + size]))
        place += size
    if place != len(payload):
        raise ValueError("the payload is longer than its header says")
    return arrays


def _make_empty(name: str, shape: tuple[int, ...], **more: Any) -> Any:
    """Return an empty sparse array; its parts are put into it, or SciPy might convert them."""
    try:
        # An installation without SciPy stores none of these, and may have to read one.
        from scipy import sparse  # type: ignore[import-untyped] # noqa: PLC0415 (first needed here)
    except ImportError as error:
        raise UnsupportedFormatError(
            f"cannot load a {name} without SciPy; install it: pip install scipy", found=name
        ) from error
    try:
        return getattr(sparse, name)(shape, **more)
    except (AttributeError, TypeError, ValueError) as error:
        raise UnsupportedFormatError(
            f"cannot load a {name} of shape {shape}: this version of SciPy has none ({error}); "
            "upgrade it: pip install -U scipy",
            found=name,
        ) from error


def _fill_compressed(made: Any, values: Array, indexes: Sequence[Array]) -> None:
    """Put the parts of rows, columns or blocks into a sparse array."""
    made.data = values
    made.indices, made.indptr = indexes


def _fill_coordinates(made: Any, values: Array, indexes: Sequence[Array]) -> None:
    """Put coordinates into a sparse array."""
    made.data = values
    if hasattr(made, "coords"):
        made.coords = tuple(indexes)
    else:
        made.row, made.col = indexes
    # An empty one is in canonical format, and would hand duplicates on as if they were none.
    made.has_canonical_format = False


def _fill_diagonals(made: Any, values: Array, indexes: Sequence[Array]) -> None:
    """Put diagonals into a sparse array."""
    made.data = values
    (made.offsets,) = indexes


def _fill_rows(made: Any, values: Array, indexes: Sequence[Array]) -> None:
    """Put values into the lists of each row."""
    made.dtype = values.dtype
    columns, sizes = indexes
    ends = [0, *np.cumsum(sizes).tolist()]
    for row, (start, end) in enumerate(pairwise(ends)):
        if start < end:
            made.rows[row] = columns[start:end].tolist()
            made.data[row] = values[start:end].tolist()


def _fill_keys(made: Any, values: Array, indexes: Sequence[Array]) -> None:
    """Put values into the dict of a sparse array."""
    made.dtype = values.dtype
    lists = [part.tolist() for part in indexes]
    keys = lists[0] if len(lists) == 1 else list(zip(*lists, strict=True))
    # Setting items one by one would leave out zeros that are stored. Before SciPy 1.13 the sparse
    # array is the dict itself.
    entries = getattr(made, "_dict", made)
    dict.update(entries, zip(keys, values, strict=True))
    if len(entries) != len(keys):
        raise ValueError("a key is there twice")


def _check(name: str, shape: Any, values: Array, indexes: Sequence[Array]) -> None:
    """Raise a ValueError unless these parts make up a sparse array.

    SciPy's own loops believe what stands in the indexes, and read and write where those say.
    """
    kind = name.partition("_")[0]
    if values.dtype.kind not in "biufc":
        raise ValueError(f"values of dtype {values.dtype} are no numbers")
    index_dtype = indexes[0].dtype if indexes else None
    if index_dtype not in {np.dtype(np.int32), np.dtype(np.int64)}:
        raise ValueError(f"indexes of dtype {index_dtype} are none of SciPy's")
    if any(part.dtype != index_dtype or part.ndim != 1 for part in indexes):
        raise ValueError("its indexes are not of one dtype and one dimension")
    # Loops over the indexes count up to each side, and to sums of two, in the dtype of the indexes.
    side_max = int(np.iinfo(index_dtype).max)
    if len(shape) not in _DIMENSIONS.get(name, (2,)):
        raise ValueError(f"a {name} of {len(shape)} dimensions")
    if not all(type(side) is int and 0 <= side <= side_max for side in shape):
        raise ValueError(f"{shape!r} is no shape that its indexes can reach")
    _CHECKS[kind](shape, values, *indexes)


def _check_rows(shape: Sequence[int], values: Array, indices: Array, indptr: Array) -> None:
    """Check compressed rows."""
    rows, columns = (1, *shape)[-2:]
    _check_compressed(rows, columns, values, indices, indptr)


def _check_columns(shape: Sequence[int], values: Array, indices: Array, indptr: Array) -> None:
    """Check compressed columns."""
    rows, columns = shape
    _check_compressed(columns, rows, values, indices, indptr)


def _check_blocks(shape: Sequence[int], values: Array, indices: Array, indptr: Array) -> None:
    """Check compressed blocks."""
    if values.ndim != 3 or not all(values.shape[1:]):
        raise ValueError(f"values of shape {values.shape} are no blocks")
    if any(side % part for side, part in zip(shape, values.shape[1:], strict=True)):
        raise ValueError(f"a shape of {shape} is not made of blocks of {values.shape[1:]}")
    rows, columns = (s // part for s, part in zip(shape, values.shape[1:], strict=True))
    _check_compressed(rows, columns, values[:, 0, 0], indices, indptr)


def _check_compressed(
    rows: int, columns: int, values: Array, indices: Array, indptr: Array
) -> None:
    """Check where rows begin, and which columns they have."""
    if values.shape != indices.shape or len(indptr) != rows + 1:
        raise ValueError("its parts differ in size")
    if indptr[0] != 0 or indptr[-1] != len(indices) or (indptr[1:] < indptr[:-1]).any():
        raise ValueError("its rows do not follow each other")
    _check_bounds(indices, columns)


def _check_coordinates(shape: Sequence[int], values: Array, *coords: Array) -> None:
    """Check coordinates."""
    if len(coords) != len(shape) or any(part.shape != values.shape for part in coords):
        raise ValueError("its parts differ in size")
    for part, side in zip(coords, shape, strict=True):
        _check_bounds(part, side)


def _check_keys(shape: Sequence[int], values: Array, *keys: Array) -> None:
    """Check the keys of a dict."""
    _check_of_python(keys)
    _check_coordinates(shape, values, *keys)


def _check_diagonals(shape: Sequence[int], values: Array, offsets: Array) -> None:
    """Check diagonals."""
    if values.ndim != 2 or len(values) != len(offsets):
        raise ValueError("its parts differ in size")
    if len(np.unique(offsets)) != len(offsets):
        raise ValueError("a diagonal is there twice")
    # An offset plus or minus a side must not leave the dtype.
    limit = int(np.iinfo(offsets.dtype).max) - max(*shape, values.shape[1])
    if limit < 0 or (offsets > limit).any() or (offsets < -limit).any():
        raise ValueError("a diagonal is too far away")


def _check_lists(shape: Sequence[int], values: Array, columns: Array, sizes: Array) -> None:
    """Check lists of rows."""
    _check_of_python((columns, sizes))
    if values.shape != columns.shape or len(sizes) != shape[0]:
        raise ValueError("its parts differ in size")
    _check_bounds(sizes, len(columns) + 1)
    if int(sizes.sum()) != len(columns):
        raise ValueError("its rows do not follow each other")
    _check_bounds(columns, shape[1])


def _check_of_python(indexes: Sequence[Array]) -> None:
    """Check that what stands for ints is written in the one form there is for them."""
    if any(part.dtype != np.int64 for part in indexes):
        raise ValueError("ints are written as int64")


def _check_bounds(indexes: Array, end: int) -> None:
    """Check that indexes lie between zero and an end."""
    if indexes.size and (indexes.min() < 0 or indexes.max() >= end):
        raise ValueError(f"an index is not between 0 and {end}")


_CHECKS: Final[Mapping[str, Callable[..., None]]] = {
    "bsr": _check_blocks,
    "coo": _check_coordinates,
    "csc": _check_columns,
    "csr": _check_rows,
    "dia": _check_diagonals,
    "dok": _check_keys,
    "lil": _check_lists,
}
_FILLERS: Final[Mapping[str, Callable[[Any, Array, Sequence[Array]], None]]] = {
    "bsr": _fill_compressed,
    "coo": _fill_coordinates,
    "csc": _fill_compressed,
    "csr": _fill_compressed,
    "dia": _fill_diagonals,
    "dok": _fill_keys,
    "lil": _fill_rows,
}
