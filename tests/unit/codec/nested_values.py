"""Classes whose instances are parts of nested values, and near misses of them.

They are in a module of their own, because a store finds them by its name.
"""

from __future__ import annotations

import abc
import collections
import enum
import functools
from dataclasses import InitVar, dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, NoReturn, Self, TypeVar

T = TypeVar("T")


class Colour(enum.Enum):
    """Members of simple values, and an alias."""

    RED = "red"
    BLUE = 2
    CRIMSON = "red"  # noqa: PIE796 (an alias)


class Shape(enum.Enum):
    """Members whose values are no simple ones."""

    FLAT = (1, [2])
    NAN = float("nan")

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        """Fail: nothing may run this."""
        del value
        raise AssertionError("_missing_ ran")


class Level(enum.IntEnum):
    """Members that are ints."""

    LOW = 1


class Word(enum.StrEnum):
    """Members that are strs."""

    YES = "yes"


class Mode(enum.Flag):
    """Flags that can be combined."""

    READ = 1
    WRITE = 2
    BOTH = 3

    @classmethod
    def _missing_(cls, value: object) -> Any:
        """Go on as flags do; `tampered` tells whether this ran."""
        tampered.append(value)
        return super()._missing_(value)


class Bits(enum.IntFlag):
    """Flags that keep what they do not know."""

    ONE = 1
    TWO = 2


tampered: list[Any] = []
"""What code of the classes here was run with."""


class Pair(NamedTuple):
    """A named tuple with a default."""

    left: Any
    right: Any = None


Row = collections.namedtuple("Row", "id cells")  # noqa: PYI024 (the older way)


class Segment(Row):
    """A named tuple with methods, and code that runs when it is made."""

    __slots__ = ()

    def __new__(cls, *cells: Any) -> Self:
        """Take the elements in another form."""
        tampered.append(cells)
        return super().__new__(cls, len(cells), cells)

    def first(self) -> Any:
        """Return one."""
        return self.cells[0]


class Box(NamedTuple, Generic[T]):
    """A generic named tuple."""

    inside: T


class Open(Row):
    """A named tuple with a dict."""


class Other(Row):
    """A named tuple that says how it is copied."""

    __slots__ = ()

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return something else."""
        return ()


@dataclass
class Point:
    """A dataclass as most are."""

    x: Any
    y: Any = 0

    def __post_init__(self) -> None:
        """Note that it ran."""
        tampered.append(self.x)


@dataclass(frozen=True, slots=True)
class Frozen:
    """One that cannot be changed, and has no dict."""

    key: Any
    parts: Any = ()


@dataclass(kw_only=True)
class Named:
    """One whose fields must be named, and that has other attributes."""

    size: int
    count: ClassVar[int] = 3
    extra: InitVar[int] = 1
    total: int = field(init=False)
    hidden: list[int] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self, extra: int) -> None:
        """Set what is not given."""
        self.total = self.size + extra


@dataclass
class Deeper(Named, Generic[T]):
    """One that inherits fields, and is generic."""

    inside: T | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        """Note that it ran."""
        tampered.append(name)
        super().__setattr__(name, value)


@dataclass
class Base(abc.ABC):
    """One with an abstract method."""

    __slots__ = ("__private",)
    x: int

    @abc.abstractmethod
    def area(self) -> int:
        """Return a number."""


@dataclass
class Square(Base):
    """One that implements it, with a dict next to a slot, and a result that is kept."""

    side: int = 1

    def area(self) -> int:
        """Return a number."""
        return self.side**2

    @functools.cached_property
    def kept(self) -> list[int]:
        """Return a result that is kept."""
        return [self.side]


class Child(Point):
    """A subclass that is no dataclass itself."""


@dataclass
class Reduced:
    """One that says how it is copied."""

    x: int

    def __reduce__(self) -> Any:
        """Return a way."""
        return Reduced, (self.x,)


@dataclass
class Stateful:
    """One that says what its state is."""

    x: int

    def __getstate__(self) -> Any:
        """Return nothing."""
        return None


@dataclass
class Restored:
    """One that does more when its state comes back."""

    x: int

    def __setstate__(self, state: Any) -> None:
        """Take it."""


@dataclass
class Made:
    """One whose making is special."""

    x: int

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make one."""
        del args, kwargs
        return super().__new__(cls)


@dataclass
class Dying:
    """One that runs code when it goes."""

    x: int

    def __del__(self) -> None:
        """Do something."""


@dataclass
class Hiding:
    """One whose dict is not what it seems."""

    x: int

    @property
    def __dict__(self) -> Any:  # type: ignore[override]  # (that is the point)
        """Return another."""
        return {"x": 5}


@dataclass
class Failure(Exception):  # noqa: N818 (a name)
    """One that is an exception, too."""

    x: int


@dataclass
class Lazy:
    """One with a field that is of the class."""

    x: int = field(default=3, init=False)


class Meta(type):
    """A class of classes."""


@dataclass
class Odd(metaclass=Meta):
    """One whose class is special."""

    x: int


class Ordinary:
    """A class that is no dataclass."""

    def __init__(self, x: Any) -> None:
        """Hold an attribute."""
        self.x = x
