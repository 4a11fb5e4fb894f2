"""Classes and functions whose instances are values of the test kit, found by their names."""

from __future__ import annotations

import collections
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"
    BLUE = 2
    MIXED = (1, "red")


class Tint(enum.Enum):
    """Another one, with a member of the same name."""

    RED = "red"


class Level(enum.IntEnum):
    """Members that are ints."""

    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    """Members that are strs."""

    YES = "yes"
    NO = "no"


class Mode(enum.Flag):
    """Flags that can be combined."""

    READ = 1
    WRITE = 2
    HIDE = 4


class Bits(enum.IntFlag):
    """Flags that keep what they do not know."""

    ONE = 1
    TWO = 2


class Pair(NamedTuple):
    """A named tuple."""

    left: Any
    right: Any = None


Row = collections.namedtuple("Row", "left right")  # noqa: PYI024 (the older way)


@dataclass
class Point:
    """A dataclass with a dict."""

    x: Any
    y: Any = 0


@dataclass(frozen=True, slots=True)
class Frozen:
    """A dataclass without one."""

    x: Any
    y: Any = 0


@dataclass
class Deeper(Point):
    """A dataclass that adds nothing but its name."""


class Plain:
    """A class that is no dataclass."""

    def __init__(self, x: Any, y: Any) -> None:
        """Hold two attributes."""
        self.x = x
        self.y = y

    def shown(self) -> str:
        """Return a text."""
        return f"{self.x} {self.y}"


class Rebuilt:
    """A class that says by which call it is made."""

    def __init__(self, x: Any, y: Any) -> None:
        """Hold two attributes."""
        self.x = x
        self.y = y

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call."""
        return Rebuilt, (self.x, self.y)


class Words(list[Any]):
    """A subclass of a list."""


class Tags(set[Any]):
    """A subclass of a set."""


class Count(int):
    """A subclass of an int."""


def doubled(x: Any) -> Any:
    """Return twice as much."""
    return 2 * x


def tripled(x: Any) -> Any:
    """Return three times as much."""
    return 3 * x


def adder(by: Any) -> Callable[[Any], Any]:
    """Return a function that closes over a value."""

    def add(x: Any) -> Any:
        return x + by

    return add


def subtracter(by: Any) -> Callable[[Any], Any]:
    """Return another one."""

    def subtract(x: Any) -> Any:
        return x - by

    return subtract


def scaler(by: Any) -> Callable[..., Any]:
    """Return a function with a default."""

    def scale(x: Any, factor: Any = by) -> Any:
        return x * factor

    return scale
