"""The part of the second implementation that knows sparse arrays of SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp  # type: ignore[import-untyped]  # (it has no types)
from tests.format import spec_hashing as spec


def encode(value: Any) -> bytes | None:
    """Return the encoding of a sparse array; None for anything else."""
    if not sp.issparse(value):
        return None
    values, indexes = parts(value)
    return spec.record("scipy.sparse", type(value).__name__, value.shape, values, indexes)


def parts(value: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the values, and where they belong."""
    match value.format:
        case "csr" | "csc" | "bsr":
            end = value.indptr[-1]
            return value.data[:end], (value.indices[:end], value.indptr)
        case "coo":
            return value.data, value.coords
        case "dia":
            return value.data, (value.offsets,)
        case "lil":
            values = [part for row in value.data for part in row]
            columns = [column for row in value.rows for column in row]
            sizes = [len(row) for row in value.rows]
            return np.array(values, value.dtype), (whole_numbers(columns), whole_numbers(sizes))
    keys = sorted(key if isinstance(key, tuple) else (key,) for key in value.keys())  # noqa: SIM118 (iterating over one gives rows)
    values = [value[key] for key in keys]
    axes = tuple(whole_numbers([key[axis] for key in keys]) for axis in range(value.ndim))
    return np.array(values, value.dtype), axes


def whole_numbers(numbers: list[Any]) -> Any:
    """Return numbers as int64."""
    return np.array(numbers, np.int64)
