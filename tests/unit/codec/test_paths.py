"""Errors say where in a value something stands, in the words of whoever wrote the value."""

from __future__ import annotations

import collections
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from tests.unit.codec.test_refusals import Holder, Slotted, closing_over

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.culprits import ATTEMPTS_MAX, find_culprit
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.paths import parts_of
from mandala_cas.codec.registry import default_registry
from mandala_cas.errors import UsageError

LOCK = threading.Lock()


class Pair(NamedTuple):
    """A namedtuple."""

    left: Any
    right: Any


@dataclass
class Point:
    """A dataclass."""

    x: Any


@dataclass(slots=True, frozen=True)
class SlottedPoint:
    """A dataclass without a dict."""

    x: Any
    y: Any


class Special(dict[str, Any]):
    """A dict with attributes."""


class Reduced:
    """A class that says how it is copied."""

    def __init__(self, part: Any) -> None:
        """Hold a part."""
        self.part = part

    def __reduce__(self) -> Any:
        """Be made of the part."""
        return Reduced, (self.part,)


class Hiding:
    """A class that leaves out what cannot be copied, and has another such part."""

    def __init__(self, part: Any) -> None:
        """Hold two."""
        self.lock = LOCK
        self.part = part

    def __getstate__(self) -> dict[str, Any]:
        """Leave the first out."""
        return {"part": self.part}


class MadeUp:
    """A class that is copied by way of something that it does not hold."""

    def __reduce__(self) -> Any:
        """Be made of a list that is new each time."""
        return MadeUp, ([LOCK],)


class Stateful:
    """A class whose state has names that are not those of attributes."""

    def __getstate__(self) -> dict[str, Any]:
        """Return a state."""
        return {"inside": LOCK}


def special() -> Special:
    """Return a dict with a bad attribute."""
    value = Special(a=1)
    value.owner = LOCK  # type: ignore[attr-defined]  # (that is the point)
    return value


def frame(**columns: Any) -> pd.DataFrame:
    """Return a frame of objects, with labels."""
    return pd.DataFrame(
        {name: pd.Series(part, dtype=object).to_numpy() for name, part in columns.items()},
        index=["u", "v"],
    )


class Bound:
    """An object with a method."""

    def __init__(self, part: Any) -> None:
        """Hold a part."""
        self.part = part

    def method(self) -> None:
        """Do nothing."""


VALUES: list[tuple[Callable[[], Any], str]] = [
    (lambda: {"loader": Holder(lock=LOCK)}, '["loader"].lock'),
    (lambda: collections.OrderedDict(a=[1, LOCK]), '["a"][1]'),
    (lambda: collections.defaultdict(list, a=[1, LOCK]), '["a"][1]'),
    (lambda: collections.deque([1, LOCK]), "[1]"),
    (special, ".owner"),
    (lambda: Pair(1, [LOCK]), ".right[0]"),
    (lambda: Point(Point([LOCK])), ".x.x[0]"),
    (lambda: SlottedPoint(1, LOCK), ".y"),
    (lambda: Slotted([LOCK]), ".part[0]"),
    (lambda: Reduced([LOCK]), ".part[0]"),
    (lambda: Hiding([LOCK]), ".part[0]"),
    (lambda: frame(a=[1, 2], b=["x", [LOCK]]), '["b"]["v"][0]'),
    (lambda: frame(b=["x", LOCK])["b"], '["v"]'),
    (lambda: [frame(a=[1, Point(LOCK)])], '[0]["a"]["v"].x'),
    (lambda: pd.Index(["a", Reduced(LOCK)], dtype=object), "[1].part"),
    (lambda: pd.Series([1], index=pd.Index([Reduced(LOCK)], dtype=object)), ".index[0].part"),
    (lambda: np.array([[1, 2], [3, LOCK]], object), "[1, 1]"),
    (lambda: functools.partial(int, LOCK), ".args[0]"),
    (lambda: functools.partial(int, base=[LOCK]), '.keywords["base"][0]'),
    (lambda: Bound(LOCK).method, ".__self__.part"),
    (lambda: ValueError("a", LOCK), ".args[1]"),
    (lambda: closing_over({"a": LOCK}), '.part["a"]'),
    (lambda: {(1, "a" * 90): LOCK}, f"[(1, '{'a' * 55}...]"),
    (lambda: [{LOCK}], "[0]"),
]


@pytest.mark.parametrize(("make", "path"), VALUES, ids=[path for _, path in VALUES])
def test_what_cannot_be_hashed_is_found(make: Callable[[], Any], path: str) -> None:
    """As one would write it behind the name of the argument."""
    with pytest.raises(UsageError) as error:
        content_id(make())

    assert error.value.path == path
    assert error.value.found == "_thread.lock"


@pytest.mark.parametrize(("make", "path"), VALUES, ids=[path for _, path in VALUES])
def test_what_cannot_be_stored_is_found(make: Callable[[], Any], path: str) -> None:
    """By the same words."""
    with pytest.raises(UsageError, match="cannot store a value of type") as error:
        default_registry().encode(make(), Digests())

    assert error.value.path == path
    assert error.value.found == "_thread.lock"
    assert path in str(error.value)


def test_a_state_with_names_of_its_own_is_shown_with_them() -> None:
    """There is no better name."""
    with pytest.raises(UsageError) as error:
        content_id([Stateful()])

    assert error.value.path == "[0].inside"


def test_what_a_class_makes_up_to_be_copied_has_no_path() -> None:
    """The path ends where a user can still follow it."""
    with pytest.raises(UsageError) as error:
        content_id({"a": MadeUp()})

    assert (error.value.path, error.value.found) == ('["a"]', "_thread.lock")


def test_the_culprit_of_a_cycle_is_found() -> None:
    """The search does not go in circles."""
    value: list[Any] = [1]
    value += [value, Holder(up=value, lock=LOCK)]

    with pytest.raises(UsageError) as error:
        default_registry().encode(value, Digests())

    assert error.value.path == "[2].lock"


def test_a_whole_that_fails_without_a_part_that_does_is_blamed_itself() -> None:
    """A wrong name would be worse than none."""
    error = ValueError("too large")

    found = find_culprit([1, [2]], error, lambda _: None)

    assert found == ("", [1, [2]], error)


def test_the_search_ends_where_there_are_very_many_parts() -> None:
    """Each attempt costs what storing the part does."""
    attempts = []

    def attempt(part: Any) -> Exception | None:
        attempts.append(part)
        return ValueError() if part == [ATTEMPTS_MAX] or len(part) > 1 else None

    value = {"a": [[number] for number in range(ATTEMPTS_MAX + 5)]}
    path, part, _ = find_culprit(value, ValueError(), attempt)

    assert (path, part) == ('["a"]', value["a"])
    assert len(attempts) == ATTEMPTS_MAX


def test_parts_are_listed_without_running_into_what_cannot_be_read() -> None:
    """The search serves an error; it must not raise one of its own."""

    class Failing:
        """A class that cannot be copied."""

        def __reduce__(self) -> str:
            """Fail."""
            raise RuntimeError("not today")

    def unbound() -> Any:
        later = 5

        def inner() -> Any:
            return later  # noqa: F821 (that is the point)

        del later
        return inner

    assert list(parts_of(Failing())) == []
    assert list(parts_of(unbound())) == []
    assert list(parts_of(len)) == []
    assert list(parts_of(Point)) == []
    assert list(parts_of(MappingProxyType({"a": 1}))) == [('["a"]', 1), (".keys()", "a")]
    assert list(parts_of(lambda a=1, *, b=2: (a, b))) == [
        (".__defaults__[0]", 1),
        ('.__kwdefaults__["b"]', 2),
        (".__kwdefaults__.keys()", "b"),
    ]
