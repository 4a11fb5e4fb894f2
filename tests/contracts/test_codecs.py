"""Every codec keeps the contract."""

from __future__ import annotations

import collections
import datetime as dt
import pathlib
import threading
import uuid
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgpack
import numpy as np
import pytest

from mandala_cas.codec.arrays import ArrayCodec
from mandala_cas.codec.pickles import PickleCodec
from mandala_cas.codec.plain import PlainCodec
from mandala_cas.objectstore.api import Buffer
from mandala_cas.testing.codecs import CodecSuite

Makers = Sequence[Callable[[], Any]]
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


class Words(list[str]):
    """A subclass of a plain type, with more to it."""


class Metres(np.float64):
    """A number with a unit."""


class TestPlain(CodecSuite):
    """msgpack and its markers."""

    @pytest.fixture
    def codec(self) -> PlainCodec:
        """Return the codec."""
        return PlainCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return values of every plain type, and of all of them within each other."""
        return [
            lambda: None,
            lambda: [True, False, 0, -1, 2**64 - 1, -(2**63), 2**64, -(2**300)],
            lambda: [0.0, -0.0, float("nan"), float("-inf"), 1 + 2j, complex("-0")],
            lambda: ["", "é", "\ud800", "a" * 70000, b"", b"a" * 40, bytearray(b"b")],
            lambda: [b"a" * 65536, [b"b" * 100_000]],
            lambda: [(), (1, (2, [3])), [], {}, set(), frozenset(), ((),)],
            lambda: {"a": 1, "b": {"c": (1,)}, "": None},
            lambda: {1: "a", (1, 2): "b", None: {}, b"x": [], 1.5: (), frozenset({1}): 0},
            lambda: [{1}, frozenset({2}), {frozenset({3})}],
            lambda: [dt.date(2024, 2, 29), dt.time(1, 2, 3, 4, fold=1), dt.timedelta(-1, 2, 3)],
            lambda: [dt.time(1, tzinfo=dt.UTC), dt.datetime(2024, 1, 1)],  # noqa: DTZ001 (naive)
            lambda: dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN),
            lambda: [dt.UTC, dt.timezone(dt.timedelta(hours=1), "CET"), BERLIN],
            lambda: [Decimal("1.00"), Decimal("-Infinity"), Decimal("NaN12"), Fraction(-1, 3)],
            lambda: [Decimal(n) for n in range(200)],
            lambda: [uuid.UUID(int=5), uuid.UUID(int=6, is_safe=uuid.SafeUUID.safe)],
            lambda: [pathlib.Path("a/b"), pathlib.PureWindowsPath("C:/x")],
            lambda: [
                pathlib.PurePosixPath("a"),
                range(1, 9, 2),
                slice(None, 3),
                slice([1], "a"),
                ...,
            ],
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what would come back as something else."""
        cycle: list[Any] = []
        cycle.append(cycle)
        deep: list[Any] = []
        for _ in range(1000):
            deep = [deep]
        strangers = [
            Words("a"),
            collections.OrderedDict(a=1),
            collections.Counter("a"),
            np.int64(1),
            np.float64(1.5),
            np.str_("a"),
            memoryview(b"a"),
            msgpack.ExtType(1, b""),
            msgpack.Timestamp(1),
            dt.UTC.utcoffset,
            object(),
        ]
        inside = [[stranger] for stranger in strangers] + [
            {"a": stranger} for stranger in strangers
        ]
        return [*strangers, *inside, cycle, deep]


STRUCTURE = np.dtype(
    [("a", "i1"), ("b", ">f8", (2,)), ("c", [("d", "<U2"), ("e", "?")])], align=True
)


class TestArrays(CodecSuite):
    """NumPy."""

    @pytest.fixture
    def codec(self) -> ArrayCodec:
        """Return the codec."""
        return ArrayCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return arrays of every dtype, shape and layout."""
        return [
            lambda: np.arange(24.0).reshape(2, 3, 4),
            lambda: np.asfortranarray(np.arange(6).reshape(2, 3)),
            lambda: np.arange(10)[::-3],
            lambda: np.arange(12).reshape(3, 4)[:, 1:3],
            lambda: np.arange(3, dtype=">i2"),
            lambda: np.array([1.5, np.nan, -0.0], np.float16),
            lambda: np.array([1 + 2j, np.nan], np.complex64),
            lambda: np.array([True, False]),
            lambda: np.array(["a", "bcd", ""]),
            lambda: np.array([b"a", b"bcd"]),
            lambda: np.array(["2024-02-29", "NaT"], "M8[25m]"),
            lambda: np.array([1, 2], "m8[us]"),
            lambda: np.array([1, 2], np.longdouble),
            lambda: np.zeros(3, STRUCTURE),
            lambda: np.zeros(3, [("a", "i4", (2,)), ("b", [("c", "u1")])]),
            lambda: np.zeros(3, "V5"),
            lambda: np.array(5),
            lambda: np.zeros((0, 3)),
            lambda: np.zeros((2, 0, 3), order="F"),
            lambda: np.ndarray((2,), "<U0"),
            lambda: np.arange(20000.0),
            lambda: np.float64(1.5),
            lambda: np.bool_(1),
            lambda: np.datetime64("2024", "Y"),
            lambda: np.str_("é"),
            lambda: np.longdouble(1) / 3,
            lambda: np.zeros((), STRUCTURE)[()],
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what is no array of bytes."""
        titled = np.dtype({"names": ["a"], "formats": ["i4"], "titles": ["A"]})
        return [
            1.5,
            [1, 2],
            np.array([1, "a"], object),
            np.zeros(2, [("a", object)]),
            np.longlong(1) if np.longlong is not np.int64 else "the same here",
            Metres(1.5),
            np.ma.array([1, 2]),
            np.zeros(2, [("a", "i4")]).view(np.recarray),
            np.zeros(2, (np.record, [("a", "i4")])),
            np.zeros(2, titled),
            np.zeros(2, np.dtype("i4", metadata={"a": 1})),
            np.array(["a"], getattr(np.dtypes, "StringDType", lambda: "O")()),
            np.dtype("i4"),
        ]


class Point:
    """A class of a user's."""

    def __init__(self, x: float, weights: np.ndarray[Any, Any]) -> None:
        """Hold two attributes."""
        self.x = x
        self.weights = weights


class TestPickles(CodecSuite):
    """Everything else."""

    @pytest.fixture
    def codec(self) -> PickleCodec:
        """Return the codec."""
        return PickleCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return what the other codecs decline."""
        return [
            lambda: collections.OrderedDict(a=1),
            lambda: Fraction(1, 3),
            lambda: [Point(1.5, np.arange(2000)), Point],
            lambda: np.array([1, "a"], object),
            lambda: {
                "a": np.arange(10000),
                "b": np.arange(3),
                "c": np.zeros((200, 300), order="F"),
            },
            lambda: np.arange(60000)[::2],
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what cannot be copied."""
        return [threading.Lock(), [threading.Lock()], (n for n in "a")]


class WordsCodec:
    """A codec that a user might write."""

    name = "words"
    version = 3
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether these are words."""
        return type(value) is Words

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return one word a line."""
        return {"count": len(value)}, ("\n".join(value).encode(),)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the words."""
        words = Words(bytes(payload).decode().split("\n"))
        if len(words) != header["count"]:
            raise ValueError("too many or too few")
        return words


class TestCodecOfAUser(CodecSuite):
    """The suite serves others, too."""

    @pytest.fixture
    def codec(self) -> WordsCodec:
        """Return the codec."""
        return WordsCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return words."""
        return [lambda: Words(["a", "b"])]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what only looks like words."""
        return [["a"], "a"]
