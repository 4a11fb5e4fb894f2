"""How the small values of the standard library are encoded."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import pathlib
import uuid
import zoneinfo
from typing import Any, Final

from mandala_cas.codec.encoder import Encoder, RefusalError, Rule


def _time(encoder: Encoder, value: dt.time) -> bytes:
    """Return the encoding of a time of day."""
    bare = value.replace(tzinfo=None).isoformat()
    return encoder.record("time", bare, value.fold, value.tzinfo)


def _datetime(encoder: Encoder, value: dt.datetime) -> bytes:
    """Return the encoding of a point in time, with its zone as it was given."""
    bare = value.replace(tzinfo=None).isoformat()
    return encoder.record("datetime", bare, value.fold, value.tzinfo)


def _timedelta(encoder: Encoder, value: dt.timedelta) -> bytes:
    """Return the encoding of a duration."""
    return encoder.record("timedelta", value.days, value.seconds, value.microseconds)


def _timezone(encoder: Encoder, value: dt.timezone) -> bytes:
    """Return the encoding of a fixed offset; a name counts where one was given."""
    offset, name = zone_parts(value)
    return encoder.record("timezone", offset, name)


def zone_parts(value: dt.timezone) -> tuple[dt.timedelta, str | None]:
    """Return offset and given name of a fixed offset."""
    # Only this tells a name that was given from one that was made up.
    arguments: tuple[Any, ...] = value.__getinitargs__()  # type: ignore[attr-defined]  # (typeshed)
    return arguments[0], arguments[1] if len(arguments) > 1 else None


def _zone(encoder: Encoder, value: zoneinfo.ZoneInfo) -> bytes:
    """Return the encoding of a named zone."""
    if value.key is None:
        raise RefusalError("it was read from a file and has no key", value, "use ZoneInfo(key)")
    return encoder.record("zone", value.key)


def _decimal(encoder: Encoder, value: decimal.Decimal) -> bytes:
    """Return the encoding of a decimal number; 1.0 and 1.00 differ."""
    sign, digits, exponent = value.as_tuple()
    return encoder.record("Decimal", sign, "".join(map(str, digits)), exponent)


def _path(name: str) -> Rule:
    """Return the rule for one flavour of paths."""
    return lambda encoder, value: encoder.record(name, value.as_posix())


# By exact type: a subclass may hold more than these look at.
SCALAR_RULES: Final[dict[type, Rule]] = {
    dt.date: lambda encoder, value: encoder.record("date", value.isoformat()),
    dt.time: _time,
    dt.datetime: _datetime,
    dt.timedelta: _timedelta,
    dt.timezone: _timezone,
    zoneinfo.ZoneInfo: _zone,
    decimal.Decimal: _decimal,
    fractions.Fraction: lambda encoder, value: encoder.record(
        "Fraction", value.numerator, value.denominator
    ),
    uuid.UUID: lambda encoder, value: encoder.record("UUID", value.bytes),
    range: lambda encoder, value: encoder.record("range", value.start, value.stop, value.step),
    slice: lambda encoder, value: encoder.record("slice", value.start, value.stop, value.step),
    pathlib.PosixPath: _path("Path"),
    pathlib.WindowsPath: _path("Path"),
    pathlib.PurePosixPath: _path("PurePosixPath"),
    pathlib.PureWindowsPath: _path("PureWindowsPath"),
}
