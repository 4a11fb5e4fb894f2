"""One value of every type of Arrow, made anew at each call."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

NUMBERS: Final = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def union(*, dense: bool) -> Any:
    """Return a union of numbers and strings, whose rows take turns."""
    codes = pa.array([5, 2, 5], pa.int8())
    if dense:
        offsets = pa.array([0, 0, 1], pa.int32())
        parts = [pa.array([1, 3]), pa.array(["b"])]
        return pa.UnionArray.from_dense(codes, offsets, parts, ["n", "s"], [5, 2])
    parts = [pa.array([1, 2, 3]), pa.array(["a", "b", "c"])]
    return pa.UnionArray.from_sparse(codes, parts, ["n", "s"], [5, 2])


def moments() -> Mapping[str, Callable[[], Any]]:
    """Return arrays of dates and times."""
    now = dt.datetime(2024, 10, 27, 1, 30)  # noqa: DTZ001 (Arrow takes naive ones)
    return {
        "date32": lambda: pa.array([now.date(), None], pa.date32()),
        "date64": lambda: pa.array([now.date(), None], pa.date64()),
        "time32": lambda: pa.array([dt.time(1, 2), None], pa.time32("ms")),
        "time64": lambda: pa.array([dt.time(1, 2), None], pa.time64("ns")),
        "timestamp": lambda: pa.array([now, None], pa.timestamp("us")),
        "zoned": lambda: pa.array([now, None], pa.timestamp("s", "Europe/Berlin")),
        "duration": lambda: pa.array([dt.timedelta(1), None], pa.duration("ms")),
        "interval": lambda: pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
    }


ARRAYS: Final[Mapping[str, Callable[[], Any]]] = {
    **{name: functools.partial(pa.array, [1, None, 3], name) for name in NUMBERS},
    "float16": lambda: pa.array([1.5, None, float("nan")], pa.float64()).cast(pa.float16()),
    "float32": lambda: pa.array([1.5, None, float("nan")], pa.float32()),
    "float64": lambda: pa.array([1.5, None, -0.0, float("nan")]),
    "bool": lambda: pa.array([True, None, False]),
    "null": lambda: pa.nulls(3),
    **moments(),
    "decimal128": lambda: pa.array([Decimal("1.50"), None], pa.decimal128(5, 2)),
    "decimal256": lambda: pa.array([Decimal("-1.500"), None], pa.decimal256(50, 3)),
    "string": lambda: pa.array(["é", None, ""]),
    "large_string": lambda: pa.array(["é", None, ""], pa.large_string()),
    "string_view": lambda: pa.array(["é", None, "longer than twelve"], pa.string_view()),
    "binary": lambda: pa.array([b"\xff", None, b""]),
    "large_binary": lambda: pa.array([b"\xff", None, b""], pa.large_binary()),
    "binary_view": lambda: pa.array([b"\xff", None, b"longer than twelve"], pa.binary_view()),
    "fixed_size_binary": lambda: pa.array([b"ab", None], pa.binary(2)),
    "list": lambda: pa.array([[1, None], None, []]),
    "large_list": lambda: pa.array([["a"], None, []], pa.large_list(pa.string())),
    "list_view": lambda: pa.array([[1, 2], None, []], pa.list_view(pa.int8())),
    "large_list_view": lambda: pa.array([[1, 2], None], pa.large_list_view(pa.int8())),
    "fixed_size_list": lambda: pa.array([[1, 2], None, [3, None]], pa.list_(pa.int16(), 2)),
    "struct": lambda: pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
    "map": lambda: pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    "dictionary": lambda: pa.array(["b", None, "a", "b"]).dictionary_encode(),
    "run_end_encoded": lambda: pc.run_end_encode(pa.array([1, 1, 2])),
    "dense_union": lambda: union(dense=True),
    "sparse_union": lambda: union(dense=False),
    "extension": lambda: pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.int8(), [2]), pa.array([[1, 2], None], pa.list_(pa.int8(), 2))
    ),
    "nested": lambda: pa.array([[{"a": [1], "b": None}], None, [None, {"a": None, "b": "x"}]]),
}
"""An array of each type, most with a value that is missing."""
