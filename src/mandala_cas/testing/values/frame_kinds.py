"""Kinds of values of Polars and Arrow."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import polars as pl
import pyarrow as pa

from mandala_cas.testing.values.kinds import Kind, first_alike
from mandala_cas.testing.values.parts import Parts
from mandala_cas.testing.values.slots import Choice, Elements, Spelling

Numbers = tuple[int, ...]
ROWS: Final = 3

_WHOLE: Final = [0, 1, None, 3, 4, 100]
_REAL: Final = [0.0, -0.0, None, float("nan"), float("inf"), 2.0]
_TRUTH: Final = [False, True, None, True, True, False]
_TEXT: Final = ["", "a", None, "b", "\u00e9", "A"]
_LABELS: Final = ["u", "v", None, "w", "v", "u"]
_BYTES: Final = [b"", b"\0", None, b"b", b"\xff", b"aa"]
_DAYS: Final = [None if n == 2 else dt.date(2024, 1, 1 + n) for n in range(6)]
_MOMENTS: Final = [None if n == 2 else dt.datetime(2024, 1, 1 + n) for n in range(6)]  # noqa: DTZ001
_TIMES: Final = [None if n == 2 else dt.time(n, 30) for n in range(6)]
_SPANS: Final = [None if n == 2 else dt.timedelta(hours=n) for n in range(6)]
_EXACT: Final = [None if n == 2 else Decimal(n).scaleb(-2) for n in range(6)]
_LISTS: Final[list[Any]] = [[], [None], None, [1], [1, 2], [2, 1]]
_PAIRS: Final[list[Any]] = [[1, 2], [2, 1], None, [None, 1], [0, 0], [0, None]]
_STRUCTS: Final[list[Any]] = [
    *({"a": 1, "b": "x"}, {"a": 1, "b": None}, None, {"a": None, "b": None}),
    *({"a": 2, "b": "y"}, {"a": 3, "b": "y"}),
]
_DEEP: Final[list[Any]] = [[], [{"a": None}], None, [{"a": [1]}], [{"a": [1]}, None], [None]]
_MAPS: Final[list[Any]] = [[], [("a", 1)], None, [("a", None)], [("a", 1), ("b", 2)], [("b", 2)]]

Column = tuple[list[Any], Callable[[], Any]]


def _type_named(library: Any, name: str) -> Any:
    """Return a type without parameters."""
    return getattr(library, name)()


# Without `Object`: Polars itself cannot write such a column, so that nothing stores it.
POLARS: Final[Mapping[str, Column]] = {
    **{
        name: (_WHOLE, functools.partial(_type_named, pl, name))
        for name in ("Int8", "UInt16", "Int64", "UInt64", "Int128")
    },
    **{name: (_REAL, functools.partial(_type_named, pl, name)) for name in ("Float32", "Float64")},
    "Boolean": (_TRUTH, pl.Boolean),
    "String": (_TEXT, pl.String),
    "Binary": (_BYTES, pl.Binary),
    "Date": (_DAYS, pl.Date),
    "Datetime us": (_MOMENTS, lambda: pl.Datetime("us")),
    "Datetime ms": (_MOMENTS, lambda: pl.Datetime("ms")),
    "Datetime UTC": (_MOMENTS, lambda: pl.Datetime("us", "UTC")),
    "Datetime Paris": (_MOMENTS, lambda: pl.Datetime("us", "Europe/Paris")),
    "Time": (_TIMES, pl.Time),
    "Duration us": (_SPANS, lambda: pl.Duration("us")),
    "Duration ns": (_SPANS, lambda: pl.Duration("ns")),
    "Decimal 2": (_EXACT, lambda: pl.Decimal(9, 2)),
    "Decimal 3": (_EXACT, lambda: pl.Decimal(9, 3)),
    "Categorical": (_LABELS, pl.Categorical),
    "Enum uvw": (_LABELS, lambda: pl.Enum(["u", "v", "w"])),
    "Enum wvu": (_LABELS, lambda: pl.Enum(["w", "v", "u"])),
    "Enum uvwx": (_LABELS, lambda: pl.Enum(["u", "v", "w", "x"])),
    "List 8": (_LISTS, lambda: pl.List(pl.Int8)),
    "List 16": (_LISTS, lambda: pl.List(pl.Int16)),
    "Array": (_PAIRS, lambda: pl.Array(pl.Int8, 2)),
    "Struct": (_STRUCTS, lambda: pl.Struct({"a": pl.Int8, "b": pl.String})),
    "Struct of labels": (_STRUCTS, lambda: pl.Struct({"a": pl.Int8, "b": pl.Categorical})),
    "deep": (_DEEP, lambda: pl.List(pl.Struct({"a": pl.List(pl.Int8)}))),
}
ARROW: Final[Mapping[str, Column]] = {
    **{
        name: (_WHOLE, functools.partial(_type_named, pa, name))
        for name in ("int8", "uint16", "int64", "uint64")
    },
    **{name: (_REAL, functools.partial(_type_named, pa, name)) for name in ("float32", "float64")},
    "bool": (_TRUTH, pa.bool_),
    "string": (_TEXT, pa.string),
    "large string": (_TEXT, pa.large_string),
    "string view": (_TEXT, pa.string_view),
    "binary": (_BYTES, pa.binary),
    "fixed binary": ([b"aa", b"ab", None, b"\0\0", b"\xff\0", b"ba"], lambda: pa.binary(2)),
    "date": (_DAYS, pa.date32),
    "date64": (_DAYS, pa.date64),
    "timestamp us": (_MOMENTS, lambda: pa.timestamp("us")),
    "timestamp s": (_MOMENTS, lambda: pa.timestamp("s")),
    "timestamp Paris": (_MOMENTS, lambda: pa.timestamp("us", "Europe/Paris")),
    "time32": (_TIMES, lambda: pa.time32("s")),
    "time64": (_TIMES, lambda: pa.time64("us")),
    "duration": (_SPANS, lambda: pa.duration("ms")),
    "decimal 2": (_EXACT, lambda: pa.decimal128(9, 2)),
    "decimal 3": (_EXACT, lambda: pa.decimal128(9, 3)),
    "decimal 256": (_EXACT, lambda: pa.decimal256(9, 2)),
    "list": (_LISTS, lambda: pa.list_(pa.int8())),
    "list of not null": (
        [[], [5], None, [1], [1, 2], [2, 1]],
        lambda: pa.list_(pa.field("item", pa.int8(), nullable=False)),
    ),
    "large list": (_LISTS, lambda: pa.large_list(pa.int8())),
    "fixed list": (_PAIRS, lambda: pa.list_(pa.int8(), 2)),
    "struct": (_STRUCTS, lambda: pa.struct([("a", pa.int8()), ("b", pa.string())])),
    "map": (_MAPS, lambda: pa.map_(pa.string(), pa.int8())),
    "sorted map": (_MAPS, lambda: pa.map_(pa.string(), pa.int8(), keys_sorted=True)),
    "deep": (_DEEP, lambda: pa.list_(pa.struct([("a", pa.list_(pa.int8()))]))),
}
_METADATA: Final[Mapping[str, Any]] = {"": None, "a": {b"a": b"1"}, "b": {b"a": b"2"}}
_WAYS: Final = ("whole", "chunks", "slice")


def _normal(columns: Mapping[str, Column], kind: str, numbers: Numbers) -> Numbers:
    """Return the first numbers of the same elements of a column."""
    return first_alike([repr(element) for element in columns[kind][0]], numbers)


def _normal_labels(*literals: Any) -> tuple[Any, ...]:
    """Return the literals of the same labels that come first; the numbers are the last of them."""
    *others, numbers = literals
    return (*others, first_alike(_LABELS, numbers))


def _normal_column(kind: str, numbers: Numbers, *ways: str) -> tuple[Any, ...]:
    """Return the literals of the same column of Arrow that come first."""
    return (kind, _normal(ARROW, kind, numbers), *ways)


def _polars_series(name: str, kind: str, numbers: Numbers, way: str) -> Any:
    """Return a series of Polars, which was put together in one of some ways."""
    values, dtype = POLARS[kind]
    elements = [values[number] for number in numbers]
    if way == "slice":
        return _new_series(name, [*elements, elements[0]], dtype())[:ROWS]
    if way == "whole":
        return _new_series(name, elements, dtype())
    made = _new_series(name, elements[:1], dtype())
    return made.append(_new_series(name, elements[1:], dtype()))


def _new_series(name: str, elements: list[Any], dtype: Any) -> Any:
    """Return a series of Polars."""
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        plain = pl.Series(name, elements, pl.Datetime(dtype.time_unit))
        return plain.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
    return pl.Series(name, elements, dtype)


def _polars_frame(columns: list[Any], names: Any) -> Any:
    """Return a frame of Polars."""
    return pl.DataFrame([column.alias(name) for column, name in zip(columns, names, strict=False)])


def _arrow_array(kind: str, numbers: Numbers, *, is_sliced: bool = False) -> Any:
    """Return an array of Arrow."""
    values, dtype = ARROW[kind]
    elements = [values[number] for number in numbers]
    if is_sliced:
        return pa.array([elements[-1], *elements, elements[0]], dtype()).slice(1, len(elements))
    return pa.array(elements, dtype())


def _arrow_chunks(kind: str, numbers: Numbers, way: str) -> Any:
    """Return an array of Arrow in chunks, cut in one of some ways."""
    if way == "chunks":
        halves = [_arrow_array(kind, numbers[:1]), _arrow_array(kind, numbers[1:])]
        return pa.chunked_array(halves)
    return pa.chunked_array([_arrow_array(kind, numbers, is_sliced=way == "slice")])


def _dictionary(order: str, is_ordered: Any, width: str, numbers: Numbers) -> Any:
    """Return an array of Arrow that numbers its values."""
    labels = [_LABELS[number] for number in numbers]
    places = pa.array(
        [None if label is None else order.index(label) for label in labels], getattr(pa, width)()
    )
    return pa.DictionaryArray.from_arrays(places, pa.array(list(order)), ordered=bool(is_ordered))


def _arrow_table(columns: list[Any], names: Any, notes: tuple[str, str], kind: str) -> Any:
    """Return a table or a batch of Arrow."""
    fields = [pa.field(name, column.type) for name, column in zip(names, columns, strict=False)]
    fields[0] = fields[0].with_metadata(_METADATA[notes[1]])
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields, _METADATA[notes[0]]))
    return table if kind == "table" else table.combine_chunks().to_batches()[0]


_NAMES: Final = (("a", "b", "c"), ("b", "a", "c"), ("", "b", "c"), ("a ", "x", "\u00e9"))
_NOTES: Final = [("", ""), ("a", ""), ("b", ""), ("", "a"), ("", "b")]

FRAMES: Final[dict[str, Kind]] = {
    "Polars series": Kind(
        _polars_series,
        (Choice(["", "a", "b"]), Choice([*POLARS]), Elements(ROWS), Spelling(_WAYS)),
        normal=lambda name, kind, numbers, way: (name, kind, _normal(POLARS, kind, numbers), way),
    ),
    "Polars frame": Kind(_polars_frame, (Parts(1, 3, ("Polars column",)), Choice(_NAMES))),
    "Polars column": Kind(
        lambda kind, numbers, way: _polars_series("", kind, numbers, way),
        (Choice([*POLARS]), Elements(ROWS), Spelling(_WAYS)),
        normal=lambda kind, numbers, way: (kind, _normal(POLARS, kind, numbers), way),
    ),
    "Polars dtype": Kind(lambda kind: POLARS[kind][1](), (Choice([*POLARS]),), is_key=True),
    "Arrow array": Kind(
        lambda kind, numbers, way: _arrow_array(kind, numbers, is_sliced=way == "slice"),
        (Choice([*ARROW]), Elements(ROWS), Spelling(["whole", "slice"])),
        "arrow",
        normal=_normal_column,
    ),
    "Arrow chunks": Kind(
        _arrow_chunks,
        (Choice([*ARROW]), Elements(ROWS), Spelling(_WAYS)),
        "arrow",
        normal=_normal_column,
    ),
    "Arrow dictionary": Kind(
        _dictionary,
        (Choice(["uvw", "wuv", "uvwx"]), Choice([0, 1]), Choice(["int8", "int32"]), Elements(ROWS)),
        normal=_normal_labels,
    ),
    "Arrow scalar": Kind(
        lambda kind, numbers: _arrow_array(kind, numbers)[0],
        (Choice([*ARROW]), Elements(1)),
        normal=_normal_column,
    ),
    "Arrow type": Kind(lambda kind: ARROW[kind][1](), (Choice([*ARROW]),), is_key=True),
    "Arrow table": Kind(
        _arrow_table,
        (
            Parts(1, 3, ("Arrow column", "Arrow column of a dictionary")),
            Choice(_NAMES),
            Choice(_NOTES),
            Choice(["table", "batch"]),
        ),
    ),
    "Arrow column of a dictionary": Kind(
        lambda order, is_ordered, numbers: pa.chunked_array(
            [_dictionary(order, is_ordered, "int32", numbers)]
        ),
        (Choice(["uvw", "wuv", "uvwx"]), Choice([0, 1]), Elements(ROWS)),
        normal=_normal_labels,
    ),
    # Like the chunks, but never exchanged for an array: a table has no such column.
    "Arrow column": Kind(
        _arrow_chunks,
        (Choice([*ARROW]), Elements(ROWS), Spelling(_WAYS)),
        normal=_normal_column,
    ),
    "Arrow schema": Kind(
        lambda fields, note: pa.schema(fields, _METADATA[note]),
        (Parts(0, 3, ("Arrow field",)), Choice([*_METADATA])),
    ),
    "Arrow field": Kind(
        lambda kind, name, may_be_null, note: pa.field(
            name, ARROW[kind][1](), bool(may_be_null), _METADATA[note]
        ),
        (Choice([*ARROW]), Choice(["", "a", "b"]), Choice([0, 1]), Choice([*_METADATA])),
        is_key=True,
    ),
}
