"""Pairs of values that are nearly the same, or the same though they do not look it."""

from __future__ import annotations

import collections
import datetime as dt
import functools
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]  # (it has no types)
from tests.format import hashing_things as things

Make = Callable[[], Any]


def rows(name: str = "csr_array", shape: tuple[int, ...] = (2, 3), **changes: Any) -> Any:
    """Return a sparse array of two rows, with some of its parts exchanged."""
    made = things.sparse(name, shape, [1.0, 2.0], indices=[1, 0], indptr=[0, 1, 2])
    for part, array in changes.items():
        setattr(made, part, array)
    return made


def looked_at() -> Any:
    """Return one that was asked what it is like, and by how much it is to be printed."""
    made = rows()
    assert made.has_sorted_indices
    assert made.has_canonical_format
    made.maxprint = 3
    return made


def in_a_subclass(value: Any, note: str) -> Any:
    """Return a sparse array of a derived class, with an attribute."""
    made = Noted(value)
    made.note = note
    return made


class Noted(sparse.csr_array):  # type: ignore[misc]  # (it has no types)
    """A derived class with an attribute of its own."""


def keyed(*keys: tuple[int, int]) -> Any:
    """Return a sparse array that got a one at each key, in this order."""
    made = sparse.dok_array((2, 2))
    for key in keys:
        made[key] = 1.0
    return made


def listed(number: Any, dtype: str = "f8") -> Any:
    """Return lists of rows that hold this very object."""
    made = sparse.lil_array((1, 2), dtype=dtype)
    made.rows[0], made.data[0] = [1], [number]
    return made


def in_state_of(seed: int, other: int) -> Any:
    """Return the generator of one seed, in the state of another's."""
    made = np.random.PCG64(seed)
    made.state = np.random.PCG64(other).state
    return made


def ordered(*names: str) -> Any:
    """Return an ordered dict."""
    return collections.OrderedDict((name, 1) for name in names)


def pattern(flags: int = 0) -> Any:
    """Return a compiled pattern."""
    return re.compile("a", flags)


def model_that_was_looked_at() -> Any:
    """Return a model whose default was read, and set to what it is."""
    made = things.Model(x=1)
    made.names = list(made.names)
    return made


def opened(**more: Any) -> Any:
    """Return a model that took more than it declares."""
    return things.OpenModel.model_validate({"x": 0, **more})


def hidden(number: int) -> Any:
    """Return a model with a private attribute."""
    made = things.OpenModel()
    made._hidden = number
    return made


def record_array() -> Any:
    """Return an array whose elements are records."""
    return np.rec.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])


def structures() -> Any:
    """Return an array whose elements are structures."""
    return np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])


DIFFERENT: list[tuple[Make, Make]] = [
    # Sparse arrays.
    (rows, lambda: rows("csr_matrix")),
    (rows, lambda: sparse.csc_array(rows())),
    (rows, lambda: rows().toarray()),
    (rows, lambda: rows(shape=(2, 4))),
    (rows, lambda: rows(data=np.array([1, 2], "f4"))),
    (rows, lambda: rows(data=np.array([1.0, 3.0]))),
    (rows, lambda: rows(data=np.array([1.0, 2.0], ">f8"))),
    (rows, lambda: rows(indices=np.array([1, 2], "i4"))),
    (rows, lambda: rows(indices=np.array([1, 0], "i8"))),
    (rows, lambda: rows(indptr=np.array([0, 2, 2], "i4"))),
    (rows, lambda: in_a_subclass(rows(), "a")),
    (lambda: in_a_subclass(rows(), "a"), lambda: in_a_subclass(rows(), "b")),
    (lambda: sparse.csr_array((2, 3)), lambda: sparse.csr_array((3, 2))),
    (lambda: sparse.coo_array((2, 3)), lambda: sparse.coo_array((3, 2))),
    (
        lambda: sparse.coo_array(([1.0, 2.0], ([0, 0], [0, 0])), shape=(1, 1)),
        lambda: sparse.coo_array(([2.0, 1.0], ([0, 0], [0, 0])), shape=(1, 1)),
    ),
    (
        lambda: sparse.coo_array(([1.0, 2.0], ([0, 0], [0, 0])), shape=(1, 1)),
        lambda: sparse.coo_array(([3.0], ([0], [0])), shape=(1, 1)),
    ),
    (
        lambda: sparse.bsr_array(np.eye(4), blocksize=(2, 2)),
        lambda: sparse.bsr_array(np.eye(4), blocksize=(1, 1)),
    ),
    (
        lambda: sparse.dia_array(([[1.0, 2.0]], [0]), shape=(2, 2)),
        lambda: sparse.dia_array(([[1.0, 2.0]], [1]), shape=(2, 2)),
    ),
    (lambda: keyed((0, 1)), lambda: keyed((1, 0))),
    (lambda: sparse.dok_array((2, 2)), lambda: sparse.dok_array((2, 2), dtype="f4")),
    (lambda: sparse.lil_array((2, 2)), lambda: sparse.lil_array((2, 2), dtype="f4")),
    (lambda: listed(5.0), lambda: listed(5)),
    (lambda: listed(0.1, "f4"), lambda: listed(np.float32(0.1), "f4")),
    (lambda: sparse.lil_array([[1.0, 1.0], [0, 0]]), lambda: sparse.lil_array(np.eye(2))),
    # Arrays.
    (structures, record_array),
    (lambda: structures()[0], lambda: record_array()[0]),
    (lambda: structures()[0], lambda: (1, 2.0)),
    (lambda: np.zeros(2, "i4"), lambda: np.zeros(2, ">i4")),
    (lambda: np.zeros(2, "U2"), lambda: np.zeros(2, "U3")),
    (lambda: np.array("a"), lambda: np.str_("a")),
    (lambda: np.array(1), lambda: np.array([1])),
    (lambda: np.zeros((0, 2)), lambda: np.zeros((2, 0))),
    (lambda: np.array([1, 2], object), lambda: np.array([1, 2.0], object)),
    (lambda: np.zeros(1, "M8[s]"), lambda: np.zeros(1, "M8[ms]")),
    (lambda: np.zeros(1, "M8[s]"), lambda: np.zeros(1, "m8[s]")),
    (lambda: np.zeros(1, "m8[s]"), lambda: np.zeros(1, "m8[60s]")),
    (lambda: np.array([0.0]), lambda: np.array([-0.0])),
    (lambda: np.array([b"a"]), lambda: np.array(["a"])),
    (lambda: np.array([b"a"]), lambda: np.array([b"a"], "V1")),
    (lambda: np.ma.masked, lambda: np.ma.array(0.0, mask=True)),
    (
        lambda: np.ma.array([1, 2], mask=[False, True]),
        lambda: np.ma.array([1, 2], mask=[True, False]),
    ),
    (lambda: np.float64(1), lambda: 1.0),
    (lambda: np.float64(1), lambda: np.float32(1)),
    (lambda: np.dtype("i4"), lambda: np.zeros(0, "i4")),
    # Sources of random numbers.
    (lambda: np.random.default_rng(1), lambda: np.random.default_rng(2)),
    (lambda: np.random.default_rng(1), lambda: things.spawned(1)),
    (lambda: np.random.default_rng(1), lambda: np.random.PCG64(1)),
    (lambda: np.random.PCG64(1), lambda: np.random.PCG64DXSM(1)),
    (lambda: np.random.PCG64(1), lambda: in_state_of(2, 1)),
    (lambda: np.random.RandomState(1), lambda: things.gaussian(1)),
    (lambda: np.random.SeedSequence(1), lambda: np.random.SeedSequence([1])),
    (lambda: np.random.SeedSequence(1), lambda: np.random.SeedSequence(1).spawn(1)[0]),
    # Models.
    (lambda: things.Model(x=1), lambda: things.Model(x=2)),
    (lambda: things.Model(x=1), lambda: things.Model.model_construct(x=1.0, names=[])),
    (lambda: things.Model(x=1), lambda: {"x": 1, "names": []}),
    (lambda: things.OpenModel(x=0), lambda: opened(y=0)),
    (lambda: hidden(5), lambda: hidden(6)),
    (things.OpenModel, lambda: things.OpenModel.model_validate({"secret": "t"})),
    (lambda: things.Point(1, 0.5), lambda: things.ModelPoint(1, 0.5)),
    # Objects and containers.
    (lambda: things.Pair(1, 2), lambda: (1, 2)),
    (lambda: things.Colour.RED, lambda: "red"),
    (lambda: things.Number.ONE, lambda: 1),
    (lambda: things.Access.READ, lambda: things.Access.WRITE),
    (lambda: things.Point(1), lambda: things.Frozen(1)),
    (lambda: things.Point(1), lambda: things.Point(1.0)),
    (lambda: things.Plain(x=1), lambda: things.Child(x=1)),
    (lambda: ordered("a", "b"), lambda: ordered("b", "a")),
    (lambda: ordered("a"), lambda: {"a": 1}),
    (lambda: collections.Counter("a"), lambda: {"a": 1}),
    (lambda: collections.defaultdict(int), lambda: collections.defaultdict(float)),
    (lambda: collections.deque([1]), lambda: collections.deque([1], 1)),
    (lambda: collections.deque([1]), lambda: [1]),
    (pattern, lambda: pattern(re.IGNORECASE)),
    (lambda: {1: "a"}, lambda: {True: "a"}),
    (lambda: [1, (2,)], lambda: [1, [2]]),
    (lambda: {frozenset({1})}, lambda: {frozenset({1.0})}),
    (lambda: Decimal("1.0"), lambda: Decimal("1.00")),
    (lambda: dt.datetime(2024, 1, 1, tzinfo=dt.UTC), lambda: dt.datetime(2024, 1, 1)),  # noqa: DTZ001 (naive)
    (lambda: Path("a"), lambda: PurePosixPath("a")),
    # Code.
    (lambda: things.adder(1), lambda: things.adder(True)),
    (lambda: things.scaled, lambda: functools.partial(things.scaled)),
    (lambda: functools.partial(len), lambda: functools.partial(sum)),
    (lambda: things.make_class(1), lambda: things.make_class(2)),
    (lambda: things.Plain, lambda: things.Child),
    (lambda: things.Plain(x=1).shown, lambda: things.Plain(x=2).shown),
]

SAME: list[tuple[Make, Make]] = [
    (rows, lambda: rows().copy()),
    (rows, looked_at),
    (rows, lambda: rows(data=np.array([1.0, 2.0, 9.0]), indices=np.array([1, 0, 0], "i4"))),
    (lambda: keyed((0, 1), (1, 0)), lambda: keyed((1, 0), (0, 1))),
    (lambda: listed(5.0), lambda: listed(np.float64(5))),
    (lambda: listed(float("nan")), lambda: listed(np.float64("nan"))),
    (
        lambda: sparse.dia_array((np.ones((2, 3)), [0, 1]), shape=(3, 3)),
        lambda: sparse.dia_array((np.ones((2, 3), order="F"), [0, 1]), shape=(3, 3)),
    ),
    (lambda: np.random.default_rng(1), lambda: np.random.Generator(np.random.PCG64(1))),
    (lambda: np.random.PCG64(1), lambda: np.random.PCG64(np.random.SeedSequence(1))),
    (lambda: things.Model(x=1), lambda: things.Model(x=1, names=[])),
    (lambda: things.Model(x=1), model_that_was_looked_at),
    (lambda: things.Model(x=1), lambda: things.Model.model_construct(x=1, names=[])),
    (lambda: opened(a=1, b=2), lambda: opened(b=2, a=1)),
    (lambda: hidden(5), things.OpenModel),
    (lambda: things.Plain(x=1, y=2), lambda: things.Plain(y=2, x=1)),
    (lambda: collections.Counter("ab"), lambda: collections.Counter("ba")),
    (lambda: things.Tags("ab"), lambda: things.Tags("ba")),
    (lambda: [things.Pair(1)] * 2, lambda: [things.Pair(1), things.Pair(1)]),
    (lambda: things.adder([1]), lambda: things.adder([1])),
    (lambda: things.make_class(1), lambda: things.make_class(1)),
]
