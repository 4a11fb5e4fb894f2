"""Kinds of values of the standard library."""

from __future__ import annotations

import collections
import copy
import datetime as dt
import uuid
import zoneinfo
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Final

from mandala_cas.testing.values import classes
from mandala_cas.testing.values.kinds import Kind
from mandala_cas.testing.values.parts import Items, Members, Part, Parts
from mandala_cas.testing.values.slots import Bytes, Choice, Integer, Number, Spelling, Text

_CONSTANTS: Final[Mapping[str, Any]] = {
    "None": None,
    "True": True,
    "False": False,
    "Ellipsis": ...,
    "NotImplemented": NotImplemented,
    "1": 1,
    "1.0": 1.0,
    "text 1": "1",
    "bytes 1": b"1",
    "1j": 1j,
    "Decimal": Decimal(1),
    "Fraction": Fraction(1),
}
_ZONES: Final[Mapping[str, Any]] = {
    "": None,
    "UTC": dt.UTC,
    "+1": dt.timezone(dt.timedelta(hours=1)),
    "+1 named": dt.timezone(dt.timedelta(hours=1), "CET"),
    "Berlin": zoneinfo.ZoneInfo("Europe/Berlin"),
    "Paris": zoneinfo.ZoneInfo("Europe/Paris"),
    "zone UTC": zoneinfo.ZoneInfo("UTC"),
}
_FACTORIES: Final[Mapping[str, Any]] = {"": None, "int": int, "list": list, "dict": dict}
_DAY: Final = 86_400_000_000


def _twice(part: Any, is_one: Any) -> Any:
    """Return a value with a part in two places, as one object or as two equal ones."""
    return [part, (part if is_one else copy.deepcopy(part), {"a": part})]


def _moment(micros: int, zone: str, fold: int) -> dt.datetime:
    """Return a moment as the clock of a zone shows it."""
    made = dt.datetime(2024, 3, 1) + dt.timedelta(microseconds=micros)  # noqa: DTZ001 (see below)
    return made.replace(tzinfo=_ZONES[zone], fold=fold)


def _time(micros: int, zone: str, fold: int) -> dt.time:
    """Return a time of a day."""
    seconds, micro = divmod(micros, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return dt.time(hour, minute, second, micro, tzinfo=_ZONES[zone], fold=fold)


def _zone(minutes: int, name: str) -> dt.timezone:
    """Return a zone, with a name or not."""
    offset = dt.timedelta(minutes=minutes)
    return dt.timezone(offset, name) if name else dt.timezone(offset)


_MOMENT: Final = (Integer(-(10**15), 10**15), Choice([*_ZONES]), Choice([0, 1]))
_THREE_NUMBERS: Final = (Integer(-(2**70), 2**70), Integer(-(2**70), 2**70), Integer(1, 2**66))
_WORD: Final = Text("aB.", size_min=1)

SCALARS: Final[dict[str, Kind]] = {
    "constant": Kind(lambda name: _CONSTANTS[name], (Choice([*_CONSTANTS]),), is_key=True),
    "int": Kind(int, (Integer(),), "int", is_key=True),
    "int subclass": Kind(classes.Count, (Integer(),), "int", is_key=True),
    "float": Kind(float, (Number(),), is_key=True),
    "complex": Kind(complex, (Number(), Number()), is_key=True),
    "str": Kind(lambda text: "".join(list(text)), (Text(),), is_key=True),
    "bytes": Kind(lambda data: bytes(bytearray(data)), (Bytes(),), "bytes", is_key=True),
    "bytearray": Kind(bytearray, (Bytes(),), "bytes"),
    "date": Kind(dt.date.fromordinal, (Integer(1, 10**6),), is_key=True),
    "time": Kind(_time, (Integer(0, _DAY - 1), *_MOMENT[1:]), is_key=True),
    "datetime": Kind(_moment, _MOMENT, is_key=True),
    "timedelta": Kind(
        lambda micros: dt.timedelta(microseconds=micros), (Integer(-_DAY, _DAY),), is_key=True
    ),
    "timezone": Kind(_zone, (Integer(1, 1000), Choice(["", "a", "CET"])), is_key=True),
    "ZoneInfo": Kind(
        zoneinfo.ZoneInfo, (Choice(["UTC", "Europe/Paris", "Asia/Tokyo"]),), is_key=True
    ),
    "Decimal": Kind(
        lambda sign, digits, exponent: Decimal((sign, tuple(map(int, str(digits))), exponent)),
        (Choice([0, 1]), Integer(0, 10**30), Choice([-3, -1, 0, 2, "n"])),
        is_key=True,
    ),
    # Odd and a power of two: never reduced, so that every change counts.
    "Fraction": Kind(
        lambda half, power: Fraction(2 * half + 1, 2**power),
        (Integer(-(2**70), 2**70), Integer(0, 70)),
        is_key=True,
    ),
    "UUID": Kind(lambda number: uuid.UUID(int=number), (Integer(0, 2**128 - 1),), is_key=True),
    "PurePosixPath": Kind(PurePosixPath, (_WORD,), "path", is_key=True),
    "PureWindowsPath": Kind(PureWindowsPath, (_WORD,), "path"),
    "range": Kind(range, _THREE_NUMBERS, is_key=True),
    "member": Kind(
        lambda kind, name: getattr(classes, kind)[name],
        (Choice(["Colour", "Tint"]), Choice(["RED"])),
        is_key=True,
    ),
    "other member": Kind(
        lambda text: getattr(classes, text.split()[0])[text.split()[1]],
        (
            Choice(
                ["Colour BLUE", "Colour MIXED", "Level LOW", "Level HIGH", "Word YES", "Word NO"]
            ),
        ),
        is_key=True,
    ),
    "flag": Kind(classes.Mode, (Integer(0, 7),), "flag", is_key=True),
    "int flag": Kind(classes.Bits, (Integer(0, 7),), "flag", is_key=True),
}

_PAIR: Final = (Part(), Part())
CONTAINERS: Final[dict[str, Kind]] = {
    "list": Kind(list, (Parts(),), "sequence"),
    "tuple": Kind(tuple, (Parts(),), "sequence", is_key=True),
    "deque": Kind(collections.deque, (Parts(),), "sequence"),
    "list subclass": Kind(classes.Words, (Parts(),), "sequence"),
    "bounded deque": Kind(collections.deque, (Parts(), Choice([3, 4, 5]))),
    "set": Kind(set, (Members(),), "set"),
    "frozenset": Kind(frozenset, (Members(),), "set", is_key=True),
    "set subclass": Kind(classes.Tags, (Members(),), "set"),
    "dict": Kind(dict, (Items(),), "dict"),
    "Counter": Kind(lambda items: collections.Counter(dict(items)), (Items(),), "dict"),
    "OrderedDict": Kind(collections.OrderedDict, (Items(is_ordered=True),)),
    "defaultdict": Kind(
        lambda factory, items: collections.defaultdict(_FACTORIES[factory], items),
        (Choice([*_FACTORIES]), Items()),
    ),
    "slice": Kind(slice, (Part(), Part(), Part())),
    "twice": Kind(_twice, (Part(), Spelling([True, False]))),
    "namedtuple": Kind(classes.Pair, _PAIR, "pair", is_key=True),
    "older namedtuple": Kind(classes.Row, _PAIR, "pair", is_key=True),
    "dataclass": Kind(classes.Point, _PAIR, "pair"),
    "frozen dataclass": Kind(classes.Frozen, _PAIR, "pair", is_key=True),
    "derived dataclass": Kind(classes.Deeper, _PAIR, "pair"),
    "instance": Kind(classes.Plain, _PAIR, "pair"),
    "rebuilt": Kind(classes.Rebuilt, _PAIR, "pair"),
}
