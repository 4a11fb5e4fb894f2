"""Classes and functions of the test vectors: their source is part of ids, so nothing here changes.

Add what new vectors need at the end.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pydantic
import pydantic.dataclasses
import scipy.sparse as sp  # type: ignore[import-untyped]  # (it has no types)


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"
    CRIMSON = "red"  # noqa: PIE796 (another name for it is what is tested)
    BLUE = (0, 0, 255)


class Number(enum.IntEnum):
    """An enumeration of ints."""

    ONE = 1


class Access(enum.Flag):
    """An enumeration whose members combine."""

    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    """A namedtuple."""

    a: Any
    b: Any = None


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: Any
    y: Any = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    """A dataclass without a dict."""

    x: Any
    y: Any = 0


class Plain:
    """A class that holds what it is given."""

    def __init__(self, **attributes: Any) -> None:
        """Hold attributes."""
        self.__dict__.update(attributes)

    def shown(self, prefix: str = "-") -> str:
        """Return a text."""
        return prefix + repr(self)


class Child(Plain):
    """A class that adds nothing but its name."""


class Slotted:
    """A class without a dict."""

    __slots__ = ("__private", "x")

    def __init__(self, x: Any, private: Any) -> None:
        """Hold an attribute, and one that only this class sees."""
        self.x = x
        self.__private = private


class Chosen:
    """A class that chooses what is copied."""

    def __init__(self, kept: Any) -> None:
        """Hold what is kept, and what is not."""
        self.kept = kept
        self.noise = object()

    def __getstate__(self) -> dict[str, Any]:
        """Return what is kept."""
        return {"kept": self.kept}


class Rebuilt:
    """A class that says by which call it is made."""

    def __init__(self, *parts: Any) -> None:
        """Hold parts."""
        self.parts = parts

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call."""
        return Rebuilt, self.parts


class Words(list[Any]):
    """A subclass of a container."""


class Tags(set[Any]):
    """A subclass of a set."""


class Count(int):
    """A subclass of a number."""


def scaled(x: float, *, by: float = 2.0) -> float:
    """Return a product."""
    # A comment is part of the source.
    return x * by


def greeted(name: str = "you", /, *more: str, **others: str) -> str:
    """Return a greeting."""
    return f"{name} {more} {others}"


def adder(by: Any) -> Callable[[Any], Any]:
    """Return a function that closes over a value."""

    def add(x: Any) -> Any:
        return x + by

    return add


def make_class(result: Any) -> type:
    """Return a class whose method closes over a value."""

    class Made:
        def f(self) -> Any:
            return result

    return Made


@functools.lru_cache
def cached(x: int) -> int:
    """Return a result that is kept."""
    return x**2


doubled = lambda x: 2 * x  # noqa: E731 (a lambda is what is tested)


class Model(pydantic.BaseModel):
    """A model."""

    x: int
    names: list[str] = []


class OpenModel(pydantic.BaseModel, extra="allow"):
    """A model that takes more than it declares, and keeps something to itself."""

    x: int = 0
    secret: pydantic.SecretStr = pydantic.SecretStr("s")
    _hidden: int = 5


@pydantic.dataclasses.dataclass
class ModelPoint:
    """A dataclass of pydantic."""

    x: int
    y: float = 0.5


class Tagged(np.ndarray[Any, Any]):
    """An array with more to it."""

    tag = "none"


def tagged(values: Any, tag: str) -> Tagged:
    """Return an array with a tag."""
    array = np.asarray(values).view(Tagged)
    array.tag = tag
    return array


def self_holding_list() -> list[Any]:
    """Return a list that is its own last element."""
    made: list[Any] = [1]
    made.append(made)
    return made


def self_holding_object() -> Plain:
    """Return an object that a list in it leads back to."""
    made = Plain()
    made.__dict__["parts"] = [made, (made,)]
    return made


def padded(byte: int) -> Any:
    """Return a structure whose padding is full of one byte."""
    dtype = np.dtype([("a", "i1"), ("b", "f8"), ("c", "i2", (3,))], align=True)
    made = np.full(2 * dtype.itemsize, byte, np.uint8).view(dtype)
    made["a"], made["b"], made["c"] = [1, 2], [0.5, np.nan], [[1, 2, 3], [4, 5, 6]]
    return made


def spawned(seed: int) -> Any:
    """Return a generator that made another one."""
    made = np.random.default_rng(seed)
    made.spawn(1)
    return made


def advanced(seed: int, kind: str) -> Any:
    """Return a generator of a kind that gave three numbers."""
    made = np.random.Generator(getattr(np.random, kind)(seed))
    made.random(3, np.float32)
    return made


def gaussian(seed: int) -> Any:
    """Return a generator of the old kind, which keeps the second of two numbers."""
    made = np.random.RandomState(seed)
    made.standard_normal()
    return made


def sparse(name: str, shape: Any, values: Any, *, index_dtype: str = "i4", **indexes: Any) -> Any:
    """Return a sparse array of these parts, whatever dtype SciPy would choose for its indexes."""
    made = getattr(sp, name)(shape)
    made.data = np.asarray(values)
    for part, numbers in indexes.items():
        arrays = [
            np.array(row, index_dtype) for row in (numbers if part == "coords" else [numbers])
        ]
        setattr(made, part, tuple(arrays) if part == "coords" else arrays[0])
    return made


class Raw(np.void):  # type: ignore[misc]  # (NumPy lets it be derived from)
    """Bytes with a class of their own."""
