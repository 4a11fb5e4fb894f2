"""Arrays piece by piece, so that a large one is never copied whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

PIECE_SIZE: Final = 4 << 20

Array = np.ndarray[Any, Any]


def pieces_of(array: Array) -> Iterator[Array]:
    """Yield the elements in C order, as contiguous arrays of moderate size."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        step = max(1, PIECE_SIZE // array.dtype.itemsize)
        yield from (flat[start : start + step] for start in range(0, flat.size, step))
        return
    row_bytes = array.nbytes // len(array)
    if row_bytes > PIECE_SIZE and array.ndim > 1:
        for row in array:
            yield from pieces_of(row)
        return
    step = max(1, PIECE_SIZE // row_bytes)
    for start in range(0, len(array), step):
        yield np.ascontiguousarray(array[start : start + step]).reshape(-1)
