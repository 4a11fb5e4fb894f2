"""Plain values of every type, near misses of each, and copies that share nothing."""

from __future__ import annotations

import copy
import datetime as dt
import pathlib
import zoneinfo
from collections.abc import Hashable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

ZONES = [dt.UTC, dt.timezone(dt.timedelta(hours=-3)), zoneinfo.ZoneInfo("Europe/Berlin")]

# Those that are next to one another: most mistakes are made between them.
neighbours: st.SearchStrategy[Hashable] = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 0.0, -0.0, 1.0, 1j, complex(1), complex(0, -0.0)),
        *("", "1", b"", b"1", "\ud800", float("nan"), float("inf"), 2**63 - 1, 2**63, -(2**63) - 1),
        *(..., NotImplemented, Decimal(1), Decimal("1.0"), Fraction(1), range(0), range(1, 1)),
        *(
            (),
            ((),),
            frozenset(),
            dt.date(2024, 1, 1),
            dt.timedelta(0),
            dt.time(0),
            dt.time(fold=1),
        ),
        *(pathlib.Path("a"), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a")),
    ]
)
hashables: st.SearchStrategy[Hashable] = st.one_of(
    neighbours,
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(exclude_categories=[])),
    st.binary(),
    st.decimals().filter(lambda value: not value.is_snan()),
    st.fractions(),
    st.uuids(),
    st.dates(),
    st.timedeltas(),
    st.times(timezones=st.none() | st.sampled_from(ZONES)),
    st.datetimes(timezones=st.none() | st.sampled_from(ZONES)),
)
keys = st.recursive(
    hashables,
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
values: st.SearchStrategy[Any] = st.recursive(
    hashables | st.binary().map(bytearray),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(st.text(), inner, max_size=4),
        st.sets(keys, max_size=4),
        st.builds(slice, inner, inner, inner),
    ),
    max_leaves=12,
)


def rebuilt(value: Any) -> Any:
    """Return an equal value that shares nothing with ``value``, in another order where it can."""
    kind = type(value)
    if kind is dict:
        return {rebuilt(key): rebuilt(part) for key, part in reversed(value.items())}
    if kind in {list, tuple}:
        return kind(rebuilt(part) for part in value)
    if kind in {set, frozenset}:
        return kind(rebuilt(part) for part in reversed(list(value)))
    if kind is str:
        return "".join(list(value))
    return copy.deepcopy(value)


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same to the last bit and type; an oracle without ids."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind in {list, tuple}:
        return len(one) == len(other) and all(map(is_same, one, other))
    if kind is slice:
        return all(
            is_same(getattr(one, end), getattr(other, end)) for end in ("start", "stop", "step")
        )
    if kind is dict:
        return len(one) == len(other) and all(
            any(is_same(key, k) and is_same(part, p) for k, p in other.items())
            for key, part in one.items()
        )
    if kind in {set, frozenset}:
        return len(one) == len(other) and all(
            any(is_same(part, found) for found in other) for part in one
        )
    if kind in {dt.datetime, dt.time}:
        return repr(one) == repr(other)
    if kind is complex:
        return is_same(one.real, other.real) and is_same(one.imag, other.imag)
    return repr(one) == repr(other)
