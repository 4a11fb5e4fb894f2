"""How the frames, series and dtypes of Polars are encoded."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, Final

from mandala_cas.codec.arrow_columns import data_of
from mandala_cas.codec.encoder import Attributes, Encoder, Record, RefusalError, Rule
from mandala_cas.codec.names import name_of
from mandala_cas.codec.pieces import Deferred
from mandala_cas.codec.polars_dtypes import form_of, storage_of

# Where a frame and a series keep what is Polars' own.
_HANDLES: Final = frozenset({"_df", "_s", "_accessors"})
_PANIC: Final = "PanicException"


def find_polars_rule(kind: type) -> Rule | None:
    """Return how to encode values of a type of Polars'; None if it is none.

    Polars is not imported for this: who has such a value has imported it.
    """
    polars = sys.modules.get("polars")
    if polars is None or not hasattr(polars, "LazyFrame"):
        return None
    for base, rule in ((polars.DataFrame, _encode_frame), (polars.Series, _encode_series)):
        if issubclass(kind, base):
            return rule if kind is base else _subclass_rule(base)
    if issubclass(kind, polars.LazyFrame):
        return _refuse_lazy_frame
    # The second is the class of what was not instantiated, such as `pl.Int64`.
    if issubclass(kind, polars.DataType | type(polars.Int64)):
        return _encode_dtype
    return None


def _encode_frame(encoder: Encoder, frame: Any) -> bytes:
    """Return the encoding of a frame: its columns by position."""
    columns = [_column_of(series) for series in frame.iter_columns()]
    return encoder.record("polars.DataFrame", frame.height, columns)


def _encode_series(encoder: Encoder, series: Any) -> bytes:
    """Return the encoding of a series."""
    return encoder.record("polars.Series", *_column_of(series))


def _column_of(series: Any) -> tuple[Any, ...]:
    """Return name, dtype and values of a column."""
    dtype = _dtype_record(series.dtype)
    return series.name, dtype, Deferred(lambda: _values_of(series))


def _values_of(series: Any) -> Any:
    """Return the values of a column as Arrow has them, or a list where these are objects."""
    if type(series.dtype).__name__ == "Object":
        return series.to_list()
    with refusing_panics(series.dtype):
        column = to_storage(series)
    return data_of([column], column.type)


def to_storage(series: Any) -> Any:
    """Return the Arrow array of a column, with text for what Arrow has no form for."""
    storage = storage_of(series.dtype)
    return (series if storage == series.dtype else series.cast(storage)).to_arrow()


def _dtype_record(dtype: Any) -> Record:
    """Return a dtype as a record."""
    form = form_of(dtype)
    if form is None:
        raise RefusalError(f"the dtype {dtype} of Polars is not known here", dtype, "cast it")
    return Record("polars.dtype", *([form] if isinstance(form, str) else form))


def _encode_dtype(encoder: Encoder, dtype: Any) -> bytes:
    """Return the encoding of a dtype, given as a class or as an instance."""
    return encoder.stand_in(_dtype_record(dtype))


def _refuse_lazy_frame(encoder: Encoder, frame: Any) -> bytes:
    """Refuse a plan: what it gives depends on files that it would read when asked."""
    del encoder
    raise RefusalError("it is a plan, not a table", frame, "pass what frame.collect() gives")


def _subclass_rule(base: Any) -> Rule:
    """Return the rule for a class that somebody derived from one of Polars'."""

    def encode(encoder: Encoder, value: Any) -> bytes:
        """Return the encoding of what the class adds, and of the rest as Polars' own."""
        attributes = Attributes(getattr(value, "__dict__", {}))
        for name in _HANDLES & attributes.keys():
            del attributes[name]
        name = name_of(type(value))
        return encoder.record("polars.subclass", name, base(value), attributes)

    return encode


@contextlib.contextmanager
def refusing_panics(dtype: Any) -> Iterator[None]:
    """Turn what Polars says into a refusal to hash a column; its panics are no ``Exception``."""
    import polars as pl  # noqa: PLC0415 (heavy)
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    try:
        yield
    except BaseException as error:
        known = isinstance(error, pl.exceptions.PolarsError | pa.ArrowException | ValueError)
        if not known and type(error).__name__ != _PANIC:
            raise
        reason = f"Polars cannot give the values of dtype {dtype} to Arrow ({error})"
        raise RefusalError(reason, dtype, "cast it to another dtype") from error
