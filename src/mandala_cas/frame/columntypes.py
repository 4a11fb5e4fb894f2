"""The type of a column of values: the same on pandas 2 and 3, and nothing is ever rounded."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mandala_cas.frame.arrays import Mask

if TYPE_CHECKING:
    import pandas as pd

_FLOAT_TYPES = (float, np.float32, np.float16)
_TIME_TYPES = (datetime, np.datetime64)


def typed_series(cells: npt.NDArray[np.object_], absent: Mask, *, opaque: bool) -> pd.Series[Any]:
    """Return the cells as a column of the narrowest type that holds them all exactly.

    A stored None is missing, as an absent cell is. ``opaque`` cells are kept as they are.
    """
    import pandas as pd  # noqa: PLC0415 (heavy)

    kinds: set[type] = {object} if opaque else set(map(type, cells[~absent].tolist()))
    missing = absent
    if type(None) in kinds:
        kinds.discard(type(None))
        missing = absent | np.fromiter((c is None for c in cells), dtype=bool, count=len(cells))
    if kinds and _all_of(kinds, (bool, np.bool_)):
        return _booleans(cells, missing)
    if kinds and _all_of(kinds, (int, np.integer)):
        return _integers(cells, missing)
    if kinds and _all_of(kinds, _FLOAT_TYPES):
        numbers = np.full(len(cells), np.nan)
        numbers[~missing] = cells[~missing].astype(np.float64)
        return pd.Series(numbers)
    if kinds == {str} or (kinds and _all_of(kinds, _TIME_TYPES)):
        # pandas knows which type of text it has, and which times fit one type.
        return pd.Series(cells.tolist())
    return pd.Series(cells, dtype=object)


def _all_of(kinds: set[type], wanted: tuple[type, ...]) -> bool:
    """Tell whether every kind is one of these; a bool is not taken for an int."""
    return all(issubclass(k, wanted) and (k is not bool or bool in wanted) for k in kinds)


def _booleans(cells: npt.NDArray[np.object_], missing: Mask) -> pd.Series[Any]:
    """Return a column of bools; of pandas' nullable ones where some are missing."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    flags = np.zeros(len(cells), dtype=bool)
    flags[~missing] = cells[~missing].astype(bool)
    return pd.Series(pd.arrays.BooleanArray(flags, missing.copy()) if missing.any() else flags)


def _integers(cells: npt.NDArray[np.object_], missing: Mask) -> pd.Series[Any]:
    """Return a column of ints; nullable where some are missing, objects where 64 bits are few."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    numbers = np.zeros(len(cells), dtype=np.int64)
    try:
        numbers[~missing] = cells[~missing].astype(np.int64)
    except OverflowError:
        return pd.Series(cells, dtype=object)
    return pd.Series(pd.arrays.IntegerArray(numbers, missing.copy()) if missing.any() else numbers)
