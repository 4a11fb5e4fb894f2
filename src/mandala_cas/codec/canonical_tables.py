"""How the frames, series, indexes and scalars of pandas are encoded."""

from __future__ import annotations

import sys
from typing import Any

from mandala_cas.codec.canonical_arrow import type_of
from mandala_cas.codec.canonical_offsets import frequency_of
from mandala_cas.codec.encoder import Encoder, Rule
from mandala_cas.codec.names import name_of
from mandala_cas.codec.pandas_columns import column_of, zone_of
from mandala_cas.codec.pieces import Deferred


def find_table_rule(kind: type) -> Rule | None:
    """Return how to encode values of a type of pandas'; None if it is none.

    pandas is not imported for this: who has such a value has imported it.
    """
    pandas = sys.modules.get("pandas")
    if pandas is None or not hasattr(pandas, "DataFrame"):
        return None
    for base, rule in (
        (pandas.DataFrame, _encode_frame),
        (pandas.Series, _encode_series),
        (pandas.Index, _encode_index),
    ):
        if issubclass(kind, base):
            return rule if _is_of_pandas(kind) else _subclass_rule(base)
    if issubclass(kind, pandas.api.extensions.ExtensionArray):
        return _encode_column
    if issubclass(kind, pandas.api.extensions.ExtensionDtype):
        return _encode_dtype
    if issubclass(kind, pandas.tseries.offsets.BaseOffset):
        return lambda encoder, offset: encoder.stand_in(frequency_of(offset))
    return {
        pandas.Timestamp: _encode_timestamp,
        pandas.Timedelta: lambda e, v: e.record("pandas.Timedelta", v.asm8),
        type(pandas.NaT): lambda e, _: e.record("pandas.NaT"),
        type(pandas.NA): lambda e, _: e.record("pandas.NA"),
        pandas.Period: lambda e, v: e.record("pandas.Period", v.freqstr, v.ordinal),
        pandas.Interval: lambda e, v: e.record("pandas.Interval", v.closed, v.left, v.right),
    }.get(kind)


def _is_of_pandas(kind: type) -> bool:
    """Tell whether a class is one of pandas' own."""
    return kind.__module__.partition(".")[0] == "pandas"


def _encode_frame(encoder: Encoder, frame: Any) -> bytes:
    """Return the encoding of a frame: both its indexes, and its columns by position."""
    columns = [_deferred(frame.iloc[:, i].array) for i in range(frame.shape[1])]
    fields = (frame.index, frame.columns, columns)
    return encoder.record("pandas.DataFrame", *fields, *_notes(frame))


def _encode_series(encoder: Encoder, series: Any) -> bytes:
    """Return the encoding of a series."""
    fields = (series.index, column_of(series.array), series.name)
    return encoder.record("pandas.Series", *fields, *_notes(series))


def _deferred(array: Any) -> Deferred:
    """Return a column that is looked at when its turn comes."""
    return Deferred(lambda: column_of(array))


def _notes(table: Any) -> tuple[Any, ...]:
    """Return the attributes and the flag of a table, if there is anything to say."""
    unique = not table.flags.allows_duplicate_labels
    return (dict(table.attrs), unique) if table.attrs or unique else ()


def _encode_index(encoder: Encoder, index: Any) -> bytes:
    """Return the encoding of an index: a range is the numbers in it."""
    if index.nlevels > 1 or type(index).__name__ == "MultiIndex":
        # By value: levels may hold what no row has, in any order.
        levels = [column_of(index.get_level_values(i).array) for i in range(index.nlevels)]
        return encoder.record("pandas.MultiIndex", tuple(index.names), levels)
    frequency = getattr(index, "freq", None)
    # The frequency of periods is part of their dtype.
    if frequency is None or type(index).__name__ == "PeriodIndex":
        return encoder.record("pandas.Index", index.name, column_of(index.array))
    column = column_of(index.array)
    return encoder.record("pandas.Index", index.name, column, frequency_of(frequency))


def _encode_timestamp(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of a point in time."""
    return encoder.record("pandas.Timestamp", value.asm8, zone_of(value.tz))


def _encode_dtype(encoder: Encoder, dtype: Any) -> bytes:
    """Return the encoding of a dtype of pandas."""
    categories = getattr(dtype, "categories", None)
    if categories is not None:
        return encoder.record("pandas.dtype", "category", categories, dtype.ordered)
    if hasattr(dtype, "pyarrow_dtype"):
        return encoder.record("pandas.dtype", "arrow", type_of(dtype.pyarrow_dtype))
    return encoder.record("pandas.dtype", str(dtype))


def _subclass_rule(base: Any) -> Rule:
    """Return the rule for a class that somebody derived from one of pandas'."""

    def encode(encoder: Encoder, value: Any) -> bytes:
        """Return the encoding of what the class adds, and of the rest as pandas' own."""
        names = getattr(value, "_metadata", ())
        metadata = {name: getattr(value, name, None) for name in names if name != "_name"}
        name = name_of(type(value))
        # What was noted on a table does not pass to the table that is made of it here.
        notes = _notes(value) if hasattr(value, "flags") else ()
        return encoder.record("pandas.subclass", name, base(value), metadata, *notes)

    return encode


def _encode_column(encoder: Encoder, array: Any) -> bytes:
    """Return the encoding of an array of pandas."""
    return encoder.stand_in(column_of(array))
