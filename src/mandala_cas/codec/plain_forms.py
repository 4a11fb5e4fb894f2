"""What the small types of the standard library are made of, for the codec of plain values."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import pathlib
import uuid
import zoneinfo
from collections.abc import Callable, Sequence
from typing import Any, Final

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.canonical_scalars import zone_parts
from mandala_cas.errors import NotFoundError
from mandala_cas.model.pointers import Pointer


def _time_fields(value: dt.time) -> tuple[Any, ...]:
    """Return what makes a time of day."""
    clock = (value.hour, value.minute, value.second, value.microsecond)
    return (*clock, value.fold, value.tzinfo)


def _datetime_fields(value: dt.datetime) -> tuple[Any, ...]:
    """Return what makes a point in time."""
    return (value.year, value.month, value.day, *_time_fields(value.timetz()))


def _zone_fields(value: zoneinfo.ZoneInfo) -> tuple[Any, ...]:
    """Return the key of a zone."""
    if value.key is None:
        raise DeclinedError("a zone without a key cannot be kept")
    return (value.key,)


def _decimal_fields(value: decimal.Decimal) -> tuple[Any, ...]:
    """Return what makes a decimal number."""
    sign, digits, exponent = value.as_tuple()
    return (sign, "".join(map(str, digits)), exponent)


# What each small type is made of, as fields that are plain themselves. Containers among them must
# be parts of the value: one that is made here dies, and the next may be taken for it.
FIELDS: Final[dict[type, tuple[bytes, Callable[[Any], Sequence[Any]]]]] = {
    type(...): (b"...", lambda _: ()),
    type(NotImplemented): (b"!", lambda _: ()),
    dt.date: (b"date", lambda value: (value.year, value.month, value.day)),
    dt.time: (b"time", _time_fields),
    dt.datetime: (b"datetime", _datetime_fields),
    dt.timedelta: (b"timedelta", lambda value: (value.days, value.seconds, value.microseconds)),
    dt.timezone: (b"timezone", zone_parts),
    zoneinfo.ZoneInfo: (b"zone", _zone_fields),
    decimal.Decimal: (b"Decimal", _decimal_fields),
    fractions.Fraction: (b"Fraction", lambda value: (value.numerator, value.denominator)),
    uuid.UUID: (b"UUID", lambda value: (value.bytes, value.is_safe.value)),
    pathlib.PosixPath: (b"Path", lambda value: (value.as_posix(),)),
    pathlib.WindowsPath: (b"Path", lambda value: (value.as_posix(),)),
    pathlib.PurePosixPath: (b"PurePosixPath", lambda value: (value.as_posix(),)),
    pathlib.PureWindowsPath: (b"PureWindowsPath", lambda value: (value.as_posix(),)),
    range: (b"range", lambda value: (value.start, value.stop, value.step)),
    slice: (b"slice", lambda value: (value.start, value.stop, value.step)),
    Pointer: (b"pointer", lambda value: (value.id,)),
}


def _make_time(*fields: Any) -> dt.time:
    """Return a time of day."""
    *clock, fold, zone = fields
    hour, minute, second, microsecond = clock
    return dt.time(hour, minute, second, microsecond, tzinfo=zone, fold=fold)


def _make_datetime(*fields: Any) -> dt.datetime:
    """Return a point in time."""
    *clock, fold, zone = fields
    year, month, day, *time = clock
    return dt.datetime.combine(dt.date(year, month, day), _make_time(*time, fold, zone))


def _make_timezone(offset: dt.timedelta, name: str | None) -> dt.timezone:
    """Return a fixed offset."""
    return dt.timezone(offset) if name is None else dt.timezone(offset, name)


def _make_zone(key: str) -> zoneinfo.ZoneInfo:
    """Return a named zone of this machine's data base."""
    try:
        return zoneinfo.ZoneInfo(key)
    except zoneinfo.ZoneInfoNotFoundError as error:
        raise NotFoundError(
            f"a value is in time zone {key!r}, which this machine does not know; "
            "install the package tzdata",
            key=key,
        ) from error


def _make_decimal(sign: int, digits: str, exponent: int | str) -> decimal.Decimal:
    """Return a decimal number."""
    made: Any = (sign, tuple(map(int, digits)), exponent)
    return decimal.Decimal(made)


def _make_fraction(numerator: int, denominator: int) -> fractions.Fraction:
    """Return a fraction of two ints: of one text such as ``1e999999999`` it takes for ever."""
    return fractions.Fraction(numerator, denominator)


def _make_uuid(data: bytes, safety: int | None) -> uuid.UUID:
    """Return a UUID."""
    return uuid.UUID(bytes=data, is_safe=uuid.SafeUUID(safety))


def _make_pointer(id_: str) -> Pointer:
    """Return a pointer without its object."""
    if type(id_) is not str or not id_:
        raise ValueError("a pointer has a text for an id")
    return Pointer(id_)


MAKERS: Final[dict[bytes, Callable[..., Any]]] = {
    b"...": lambda: ...,
    b"!": lambda: NotImplemented,
    b"date": dt.date,
    b"time": _make_time,
    b"datetime": _make_datetime,
    b"timedelta": dt.timedelta,
    b"timezone": _make_timezone,
    b"zone": _make_zone,
    b"Decimal": _make_decimal,
    b"Fraction": _make_fraction,
    b"UUID": _make_uuid,
    b"Path": pathlib.Path,
    b"PurePosixPath": pathlib.PurePosixPath,
    b"PureWindowsPath": pathlib.PureWindowsPath,
    b"range": range,
    b"slice": slice,
    b"pointer": _make_pointer,
}
