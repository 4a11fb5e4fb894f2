"""Nested values of every kind, copies that share nothing, and an oracle of sameness without ids."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from tests.unit.codec import plain_strategies as plain
from tests.unit.codec.nested_values import Bits, Colour, Frozen, Level, Mode, Pair, Point, Row, Word

members = st.sampled_from(
    [Colour.RED, Colour.BLUE, Level.LOW, Word.YES, Mode.READ, Mode.BOTH, Mode(0), Bits(9)]
)
scalars = st.sampled_from(
    [
        *(np.int8(1), np.int64(1), np.uint64(2**64 - 1), np.float32(0.5), np.float64(-0.0)),
        *(np.bool_(1), np.str_("1"), np.bytes_(b"1"), np.datetime64(1, "D"), np.complex64(1)),
    ]
)
dtypes = st.one_of(
    arrays_of.boolean_dtypes(),
    arrays_of.integer_dtypes(endianness="?"),
    arrays_of.floating_dtypes(endianness="?"),
    arrays_of.unicode_string_dtypes(max_len=3),
)
shapes = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
arrays = dtypes.flatmap(lambda dtype: arrays_of.arrays(dtype, shapes))
keys = st.recursive(
    st.one_of(plain.hashables, members, scalars),
    lambda inner: st.one_of(
        st.builds(Pair, inner, inner), st.builds(Frozen, inner), st.frozensets(inner, max_size=2)
    ),
    max_leaves=3,
)


def objects(elements: Iterable[Any]) -> np.ndarray[Any, Any]:
    """Return an array of these objects, whatever they are."""
    return np.fromiter(elements, np.dtype(object))


def masked(elements: list[tuple[float, bool]]) -> Any:
    """Return an array with a mask."""
    data, mask = [element[0] for element in elements], [element[1] for element in elements]
    return np.ma.array(np.array(data, float), mask=np.array(mask, bool))


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return values that are made of others."""
    some = st.lists(inner, max_size=3)
    pairs = st.lists(st.tuples(keys, inner), max_size=3)
    return st.one_of(
        some,
        some.map(tuple),
        pairs.map(dict),
        st.dictionaries(st.text(), inner, max_size=3),
        st.sets(keys, max_size=3),
        pairs.map(collections.OrderedDict),
        pairs.map(lambda items: collections.Counter(dict(items))),
        pairs.map(lambda items: collections.defaultdict(list, items)),
        some.map(collections.deque),
        some.map(lambda parts: collections.deque(parts, 5)),
        some.map(objects),
        st.builds(Pair, inner, inner),
        st.builds(Row, inner, inner),
        st.builds(Point, inner, inner),
        st.builds(Frozen, inner, inner),
        # One part in two places.
        inner.map(lambda part: [part, (part, {"a": part})]),
    )


leaves = st.one_of(
    plain.hashables,
    members,
    scalars,
    arrays,
    st.lists(st.tuples(st.floats(), st.booleans()), max_size=3).map(masked),
)
values: st.SearchStrategy[Any] = st.recursive(leaves, containers, max_leaves=8)


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same to the last bit, type and order."""
    kind = type(one)
    if kind is not type(other):
        return False
    if isinstance(one, np.ndarray | np.generic):
        return is_same_array(one, other)
    if kind in {Pair, Row, tuple, list, collections.deque}:
        limits = getattr(one, "maxlen", None), getattr(other, "maxlen", None)
        return limits[0] == limits[1] and are_same(one, other)
    if kind in {Point, Frozen}:
        names = ("x", "y") if kind is Point else ("key", "parts")
        return are_same([getattr(one, n) for n in names], [getattr(other, n) for n in names])
    if isinstance(one, dict):
        factories = (getattr(value, "default_factory", None) for value in (one, other))
        if len(set(factories)) > 1 or not are_same(one, other):
            return False
        return are_same(one.values(), other.values())
    if kind in {set, frozenset}:
        return len(one) == len(other) and all(
            any(is_same(part, found) for found in other) for part in one
        )
    if kind in {Colour, Level, Word, Mode, Bits}:
        return one is other
    return plain.is_same(one, other)


def is_same_array(one: Any, other: Any) -> bool:
    """Tell whether two arrays or scalars of NumPy are the same."""
    if isinstance(one, np.ma.MaskedArray):
        return is_same(one.data, other.data) and is_same(one.mask, other.mask)
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype == object:
        return are_same(one.ravel().tolist(), other.ravel().tolist())
    return bool(one.tobytes() == other.tobytes())


def are_same(ones: Iterable[Any], others: Iterable[Any]) -> bool:
    """Tell whether the elements of two sequences are the same, in order."""
    ones, others = list(ones), list(others)
    return len(ones) == len(others) and all(map(is_same, ones, others))
