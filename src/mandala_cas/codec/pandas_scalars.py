"""Single times, periods and intervals of pandas, as one document of plain values."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.columns import plain_zone
from mandala_cas.codec.pandas_indexes import read_frequency, write_frequency
from mandala_cas.codec.plain import from_plain, to_plain
from mandala_cas.objectstore.api import Buffer

_NAMES: Final = frozenset({"Timestamp", "Timedelta", "Period", "Interval"})


class PandasScalarCodec:
    """Timestamp, Timedelta, Period, Interval, NaT, NA and frequencies; its decoder is our own."""

    name = "pandas-scalar"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is such a value; pandas is not imported to find out."""
        pandas = sys.modules.get("pandas")
        return pandas is not None and hasattr(pandas, "DataFrame") and _is_ours(value, pandas)

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return one document."""
        document = to_plain(_form_of(value))
        try:
            made = _value_of(from_plain(document))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise DeclinedError(f"{value!r:.100} would not come back: {error}") from error
        if type(made) is not type(value) or content_id(made) != content_id(value):
            raise DeclinedError(f"{value!r:.100} would come back as {made!r:.100}")
        return {}, (document,)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the value."""
        if header:
            raise ValueError("the header of a time says nothing")
        return _value_of(from_plain(bytes(payload)))


def _is_ours(value: Any, pandas: Any) -> bool:
    """Tell whether a value is of one of the types, and not of one derived from them."""
    kind = type(value)
    if kind.__module__.partition(".")[0] != "pandas":
        return False
    return (
        value is pandas.NaT
        or value is pandas.NA
        or kind in {getattr(pandas, name) for name in _NAMES}
        or issubclass(kind, pandas.offsets.BaseOffset)
    )


def _form_of(value: Any) -> Any:
    """Return what makes a value: a list that begins with its type."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    if value is pd.NaT or value is pd.NA:
        return ["NaT" if value is pd.NaT else "NA"]
    if isinstance(value, pd.offsets.BaseOffset):
        return ["frequency", write_frequency(value)]
    if isinstance(value, pd.Timestamp):
        ticks = value.asm8
        return ["Timestamp", int(ticks.view("i8")), value.unit, plain_zone(value.tz)]
    if isinstance(value, pd.Timedelta):
        return ["Timedelta", int(value.asm8.view("i8")), value.unit]
    if isinstance(value, pd.Period):
        return ["Period", value.ordinal, value.freqstr]
    return ["Interval", *map(_end_of, (value.left, value.right)), value.closed]


def _end_of(value: Any) -> Any:
    """Return one end of an interval: a number, or what makes a time."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    return _form_of(value) if isinstance(value, pd.Timestamp | pd.Timedelta) else value


def _value_of(form: Any) -> Any:
    """Return the value that a form makes."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    name, *parts = form
    if name in {"NaT", "NA"} and not parts:
        return getattr(pd, name)
    if name == "frequency":
        (frequency,) = parts
        return read_frequency(frequency)
    if name == "Timestamp":
        ticks, unit, zone = parts
        naive = pd.Timestamp(np.datetime64(_ticks(ticks), unit))
        return naive if zone is None else naive.tz_localize("UTC").tz_convert(zone)
    if name == "Timedelta":
        ticks, unit = parts
        return pd.Timedelta(np.timedelta64(_ticks(ticks), unit))
    if name == "Period":
        ordinal, frequency = parts
        return pd.Period(ordinal=_ticks(ordinal), freq=frequency)
    if name == "Interval":
        left, right, closed = parts
        start, end = (_value_of(end) if isinstance(end, list) else end for end in (left, right))
        return pd.Interval(start, end, closed=closed)
    raise ValueError(f"{name!r} is no type of this codec")


def _ticks(number: Any) -> int:
    """Return a count of ticks; anything else would be read as a date in words."""
    if type(number) is not int:
        raise ValueError(f"{number!r} is no count of ticks")
    return number
