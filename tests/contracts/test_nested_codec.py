"""The codec of containers keeps the contract."""

from __future__ import annotations

import collections
import datetime as dt
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.unit.codec.nested_values import (
    Bits,
    Box,
    Child,
    Colour,
    Deeper,
    Dying,
    Failure,
    Frozen,
    Hiding,
    Lazy,
    Level,
    Made,
    Mode,
    Named,
    Odd,
    Open,
    Ordinary,
    Other,
    Pair,
    Point,
    Reduced,
    Restored,
    Row,
    Segment,
    Shape,
    Square,
    Stateful,
    Word,
)

from mandala_cas.codec.leaves import SafeLeaves
from mandala_cas.codec.nested import NAME, NestedCodec
from mandala_cas.codec.registry import CodecRegistry, default_registry
from mandala_cas.testing.codecs import CodecSuite

Makers = Sequence[Callable[[], Any]]


def objects(*elements: Any) -> np.ndarray[Any, Any]:
    """Return an array of these objects, whatever they are."""
    return np.fromiter(elements, np.dtype(object), len(elements))


def uncounted() -> collections.Counter[str]:
    """Return a counter whose count is no number."""
    counts: Any = {"a": "none"}
    return collections.Counter(counts)


class NestedSuite(CodecSuite):
    """What all of these need."""

    @pytest.fixture
    def registry(self) -> CodecRegistry:
        """Return the codecs of mandala-cas: the leaves need them."""
        return default_registry()

    @pytest.fixture
    def codec(self, registry: CodecRegistry) -> NestedCodec:
        """Return the codec."""
        return NestedCodec(SafeLeaves(registry, NAME))


class TestContainersOfLeaves(NestedSuite):
    """Tuples, lists, dicts and sets, and those of ``collections``."""

    @pytest.fixture
    def makers(self) -> Makers:
        """Return containers of leaves of every codec, and of each other."""
        return [
            lambda: [np.arange(5.0)],
            lambda: (np.arange(3), {"a": np.float32(1.5), 1: [np.str_("é")]}, {np.int64(5)}),
            lambda: {"w": np.zeros((2, 3), order="F"), "b": np.zeros((0, 3)), "n": None},
            lambda: {np.int64(1): np.int8(2), (1, np.uint8(3)): frozenset({np.bool_(1)})},
            lambda: [pd.DataFrame({"a": [1, 2]}), pd.Series([1.5]), dt.UTC],
            lambda: [b"a" * 70_000, np.arange(9000), bytearray(b"b"), 2**300, 1j],
            lambda: [np.arange(n % 5, dtype=f"i{2 ** (n % 4)}") for n in range(300)],
            lambda: collections.OrderedDict([("b", np.arange(2)), ("a", 1)]),
            lambda: collections.Counter({"a": 2, (1,): -1, np.int64(3): 0}),
            lambda: collections.Counter({"a": 2**70}),
            uncounted,
            lambda: collections.defaultdict(list, {"a": [np.arange(2)]}),
            lambda: collections.defaultdict(None, a=1),
            lambda: collections.defaultdict(collections.Counter, a=collections.Counter("a")),
            lambda: collections.deque([1, np.arange(2), [3]]),
            lambda: collections.deque([1, 2], maxlen=2),
            lambda: [collections.deque(maxlen=0), collections.OrderedDict(), collections.Counter()],
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what contains itself, or what only pickle takes."""
        cycle: list[Any] = [np.arange(3)]
        cycle.append(cycle)
        ring: collections.deque[Any] = collections.deque()
        ring.append(ring)
        deep: Any = np.arange(3)
        for _ in range(1000):
            deep = [deep]
        noted: Any = collections.OrderedDict(a=1)
        noted.note = 5
        counted: Any = collections.Counter("a")
        counted.note = 5
        strangers = [
            Ordinary(1),
            noted,
            counted,
            collections.defaultdict(lambda: 1),
            collections.defaultdict(functools.partial(int)),
            collections.ChainMap({}),
            object(),
            len,
            np.float64,
            np.zeros(2, [("a", object)]),
        ]
        inside = [[np.arange(3), stranger] for stranger in strangers]
        return [*strangers, *inside, cycle, ring, deep, 1, "a", None, np.arange(3), np.float64(1)]


class TestInstances(NestedSuite):
    """Members of enumerations, named tuples, dataclasses."""

    @pytest.fixture
    def makers(self) -> Makers:
        """Return instances of every kind."""
        return [
            lambda: Colour.RED,
            lambda: [Colour.CRIMSON, Colour.BLUE, Shape.FLAT, Shape.NAN, Level.LOW, Word.YES],
            lambda: {Colour.RED: np.arange(2), Level.LOW: {Word.YES}},
            lambda: [Mode.READ, Mode.READ | Mode.WRITE, Mode(0), Bits.ONE | Bits.TWO, Bits(0)],
            lambda: [Bits(9), ~Bits.ONE],
            lambda: Pair(1, np.arange(3)),
            lambda: [Row(1, ()), Segment("a", [1]), Box({1}), Open(1, 2), Pair(Pair(1), {})],
            lambda: Point(np.arange(3), [Point(1), Frozen("k")]),
            lambda: {Frozen((1, "a")), Frozen(Pair(1), frozenset({Colour.RED}))},
            lambda: [Named(size=1), Deeper(size=2, extra=5, inside=Pair(1))],
            lambda: [Square(1, 2), Child(1, 2)],
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return instances that are more than their attributes, or are not found by name."""
        cycle = Point(1)
        cycle.y = [cycle]
        partial = Point(1)
        del partial.x
        open_: Any = Open(1, 2)
        open_.note = 5
        attributes: dict[Any, Any] = vars(odd := Point(1))
        attributes[5] = 1
        local = type("Local", (Point,), {})
        strangers = [
            Other(1, 2),
            Reduced(1),
            Stateful(1),
            Restored(1),
            Made(1),
            Dying(1),
            Hiding(1),
            Failure(1),
            Lazy(),
            Odd(1),
            open_,
            partial,
            odd,
            local(1),
            Ordinary(1),
        ]
        return [*strangers, *[[stranger] for stranger in strangers], cycle, Point(Ordinary(1))]


def strings(*elements: Any, **arguments: Any) -> Any:
    """Return an array of strings of any length; of objects, where NumPy has no such dtype."""
    kind = getattr(np.dtypes, "StringDType", None)
    return np.array(elements, object if kind is None else kind(**arguments))


def masked(data: Any, mask: Any, **arguments: Any) -> Any:
    """Return an array with a mask."""
    return np.ma.array(data, mask=mask, **arguments)


class Masked(np.ma.MaskedArray[Any, Any]):
    """An array with a mask, of a derived class."""


class TestArraysOfMoreThanBytes(NestedSuite):
    """Arrays of objects and strings, with a mask, and of derived classes."""

    @pytest.fixture
    def makers(self) -> Makers:
        """Return arrays of every such kind."""
        return [
            lambda: np.array([1, "a", None, 2.5], object),
            lambda: np.array([[1, "a"], [None, (2,)], [[], {}]], object),
            lambda: np.asfortranarray(np.array([[1, "a"], [None, 2]], object)),
            lambda: np.array([[1, "a"], [None, 2]], object)[::-1, :1],
            lambda: np.array("a", object),
            lambda: np.zeros((2, 0, 3), object),
            lambda: objects([1, 2], np.arange(2), np.array(5), Point(1), objects(1), [3, 4]),
            lambda: objects([1, 2], [3, 4]),
            lambda: [objects(b"a" * 70_000)],
            lambda: strings("a", "", "é" * 50),
            lambda: strings("a", None, na_object=None).reshape(1, 2),
            lambda: strings("a", float("nan"), na_object=float("nan")),
            lambda: strings("a", "NA", na_object="NA", coerce=False),
            strings,
            lambda: np.ma.array([1.5, 2.5], mask=[True, False]),
            lambda: np.ma.array([[1, 2]], mask=True, fill_value=7, hard_mask=True),
            lambda: np.ma.array(["a", "bc"]),
            lambda: masked([(1, 2.5)], [(1, 0)], dtype="i4,f8"),
            lambda: masked(objects(1, "a"), [0, 1]),
            lambda: np.zeros(2, [("a", "i1"), ("b", "f8")]).view(np.recarray),
            lambda: np.rec.array([(1, "a")], np.dtype([("n", ">i4"), ("s", "U3")], align=True)),
            lambda: np.eye(2).view(np.matrix),
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return arrays that would come back as something else."""
        cycle = objects(1, 2)
        cycle[0] = cycle
        noted: Any = np.eye(2).view(np.matrix)
        noted.note = 5
        described: Any = np.ma.array([1])
        described._optinfo["note"] = 5
        titled = np.dtype({"names": ["a"], "formats": ["i4"], "titles": ["A"]})
        return [
            cycle,
            noted,
            described,
            objects(Ordinary(1)),
            np.array([1], np.dtype(object, metadata={"a": 1})),
            np.zeros(2, titled).view(np.recarray),
            np.zeros(2, [("a", object)]).view(np.recarray),
            np.ma.array(np.eye(2).view(np.matrix)),
            masked([1], [1]).view(Masked),
            np.zeros(2, (np.record, [("a", "i4")])),
            strings("a", na_object=pd.NA) if hasattr(np.dtypes, "StringDType") else object(),
        ]
