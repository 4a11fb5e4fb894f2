"""Content ids of objects, functions and classes: what they are, not how they came about."""

from __future__ import annotations

import collections
import copy
import enum
import functools
import linecache
import math
import pickle
import re
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from tests.unit.codec.process_values import Point, Tags, model, pipeline, scaled

from mandala_cas.codec.canonical import canonical_encoding, content_id


class Plain:
    """A class of a user's."""

    def __init__(self, **attributes: Any) -> None:
        """Hold attributes."""
        self.__dict__.update(attributes)


class Child(Plain):
    """A class that adds nothing but its name."""


class Slotted:
    """A class without a dict."""

    __slots__ = ("__private", "x")

    def __init__(self, x: Any, private: Any = None) -> None:
        """Hold an attribute, and one that only this class sees."""
        self.x = x
        if private is not None:
            self.__private = private


class Lazy:
    """A class that keeps a result."""

    def __init__(self, x: int) -> None:
        """Hold an attribute."""
        self.x = x

    def power(self, exponent: int) -> int:
        """Return a result."""
        return int(self.x**exponent)

    @functools.cached_property
    def square(self) -> int:
        """The result."""
        return self.x**2


@dataclass(frozen=True, slots=True)
class Frozen:
    """A dataclass without a dict, which says how it is copied."""

    x: int
    y: list[int] = field(default_factory=list)


class Extended(Point):
    """A class that adds an attribute to a dataclass."""

    def __init__(self, x: float, more: int) -> None:
        """Hold one more."""
        super().__init__(x)
        self.more = more


class Pair(NamedTuple):
    """A namedtuple."""

    a: int
    b: int


class Chosen:
    """A class that chooses what is copied."""

    def __init__(self, kept: int) -> None:
        """Hold what is kept, and what is not."""
        self.kept = kept
        self.noise = object()

    def __getstate__(self) -> dict[str, Any]:
        """Return what is kept."""
        return {"kept": self.kept}


class Size(enum.Enum):
    """An enumeration whose values are those of another."""

    SMALL = 1
    LARGE = 2


class Other(enum.Enum):
    """That other."""

    SMALL = 1


class Access(enum.Flag):
    """An enumeration whose members combine."""

    READ = 1
    WRITE = 2


class Count(int):
    """A subclass of a plain type."""


class Words(list[str]):
    """A subclass of a container."""


MAKERS: list[Any] = [
    lambda: Plain(a=1, b=[2]),
    lambda: Slotted(1, [2]),
    lambda: Frozen(1, [2]),
    lambda: Extended(1.5, 2),
    lambda: Pair(1, 2),
    lambda: Chosen(1),
    lambda: Size.SMALL,
    lambda: Access.READ | Access.WRITE,
    lambda: Count(5),
    lambda: Words(["a"]),
    lambda: Tags({"a", "b"}),
    lambda: collections.OrderedDict([("a", 1), ("b", 2)]),
    lambda: collections.defaultdict(list, {"a": [1]}),
    lambda: collections.Counter("aab"),
    lambda: collections.deque([1, 2], maxlen=3),
    lambda: types.SimpleNamespace(a=1),
    lambda: functools.partial(scaled, by=2.0),
    lambda: re.compile("a+", re.IGNORECASE),
    lambda: ValueError("bad", 1),
    lambda: list[int] | None,
    lambda: Lazy(1).power,
    pytest.param(
        lambda: np.random.default_rng(3),
        marks=pytest.mark.skipif(
            np.lib.NumpyVersion(np.__version__) < "2.0.0",
            reason="NumPy 1 gives the copy of a generator another seed sequence",
        ),
    ),
    lambda: np.random.RandomState(3),
    model,
    pipeline,
]


@pytest.mark.parametrize("make", MAKERS)
def test_copies_have_the_same_id(make: Callable[[], Any]) -> None:
    """Made again, copied, and sent through pickle: interning and sharing differ, content not."""
    value = make()
    through_pickle = pickle.loads(pickle.dumps(value))  # noqa: S301 (made here)
    twice = pickle.loads(pickle.dumps([value, through_pickle], protocol=2))  # noqa: S301 (made here)

    ids = {content_id(copied) for copied in [make(), copy.deepcopy(value), through_pickle, *twice]}

    assert ids == {content_id(value)}


def test_different_objects_have_different_ids() -> None:
    """Each differs from its neighbours in one thing."""
    values: list[Any] = [
        *(Plain(a=1), Plain(a=2), Plain(b=1), Plain(), Child(a=1), {"a": 1}),
        *(Slotted(1), Slotted(1, 2), Slotted(2, 1), Frozen(1), Frozen(1, [2])),
        *(Point(1.0), Extended(1.0, 2), Extended(1.0, 3)),
        *(Pair(1, 2), Pair(2, 1), (1, 2), Chosen(1), Chosen(2)),
        *(Size.SMALL, Size.LARGE, Other.SMALL, 1, Access.READ, Access.READ | Access.WRITE),
        *(Count(5), 5, Words(["a"]), ["a"], Tags({"a"}), {"a"}, frozenset({"a"})),
        *(
            collections.Counter("a"),
            collections.OrderedDict(a=1),
            collections.defaultdict(int, a=1),
        ),
        *(collections.deque([1]), collections.deque([1], maxlen=3), [1]),
        *(functools.partial(scaled), functools.partial(scaled, by=3.0), scaled),
        *(re.compile("a"), re.compile("a", re.IGNORECASE), ValueError("a"), TypeError("a")),
        *(np.random.default_rng(1), np.random.default_rng(2), np.random.RandomState(1)),
        *(len, max, math.sqrt, int, float, Plain, Child, object()),
    ]

    ids = [content_id(value) for value in values]

    assert [i for i, one in enumerate(ids) if one in ids[:i]] == []


def test_the_order_of_attributes_does_not_count() -> None:
    """Nor that of a dict that is one in disguise."""
    counters = collections.Counter(a=1, b=2), collections.Counter(b=2, a=1)

    assert content_id(Plain(a=1, b=2)) == content_id(Plain(b=2, a=1))
    assert content_id(counters[0]) == content_id(counters[1])


def test_the_order_of_an_ordered_dict_counts() -> None:
    """As its equality has it."""
    one = collections.OrderedDict([("a", 1), ("b", 2)])
    other = collections.OrderedDict([("b", 2), ("a", 1)])

    assert content_id(one) != content_id(other)


def test_a_result_that_is_kept_is_no_part_of_a_value() -> None:
    """To look at a property must not turn a hit into a miss."""
    looked_at = Lazy(3)

    assert looked_at.square == 9
    assert content_id(looked_at) == content_id(Lazy(3))


def test_a_dataclass_is_its_fields_with_or_without_slots() -> None:
    """What a class is made of may change; what its instances say stays."""

    def make(*, slots: bool) -> Any:
        body = {"__annotations__": {"x": int}}
        made: Any = dataclass(slots=slots)(type("Row", (), body))
        return made(x=5)

    assert content_id(make(slots=True)) == content_id(make(slots=False))


def test_the_version_of_a_library_is_no_part_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade alone computes nothing again."""
    before = content_id(RandomForestClassifier(7))

    monkeypatch.setattr("sklearn.base.__version__", "99.0")

    assert "99.0" in str(RandomForestClassifier(7).__getstate__())
    assert content_id(RandomForestClassifier(7)) == before


def test_a_method_counts_with_what_it_is_bound_to() -> None:
    """Both decide what it does."""
    ids = {
        content_id(Lazy(1).power),
        content_id(Lazy(2).power),
        content_id(Lazy.power),
    }

    assert len(ids) == 3
    assert content_id("a".join) != content_id("b".join)


def test_a_method_counts_by_its_source() -> None:
    """And not only by its name, which two classes of one name share."""

    def one() -> Any:
        class Made:
            def f(self) -> int:
                return 1

        return Made()

    def other() -> Any:
        class Made:
            def f(self) -> int:
                return 2

        return Made()

    other.__qualname__ = one.__qualname__
    made = other()
    type(made).__qualname__ = type(one()).__qualname__
    type(made).f.__qualname__ = type(one()).f.__qualname__

    assert content_id(one().f) == content_id(one().f)
    assert content_id(one().f) != content_id(made.f)


def test_the_order_of_a_set_does_not_count_in_subclasses() -> None:
    """These two come in the order in which they were put in."""
    one, other = Tags([0, 8]), Tags([8, 0])  # type: ignore[list-item]  # (numbers collide)

    assert list(one) != list(other)
    assert content_id(one) == content_id(other)


def test_a_spawned_process_has_the_same_main_script() -> None:
    """There it goes by another name."""
    body: dict[str, Any] = {"__module__": "__main__"}
    here, there = type("Row", (), dict(body)), type("Row", (), {"__module__": "__mp_main__"})

    assert content_id(here()) == content_id(there())


def defined(source: str, **names: Any) -> Any:
    """Return what a piece of source without a file defines as ``it``."""
    scope: dict[str, Any] = {"__name__": "here", **names}
    exec(compile(source, "<string>", "exec"), scope)  # noqa: S102 (written below)
    return scope["it"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def it(x): return x + 1", "def it(x): return x + 2"),
        ("def it(x): return x.a", "def it(x): return x.b"),
        ("def it(x=1): return x", "def it(x=2): return x"),
        ("def it(*, x=1): return x", "def it(*, x=2): return x"),
        ("it = lambda: [n for n in (1, 2)]", "it = lambda: [n for n in (1, 3)]"),
        ("def it(): pass", "def that(): pass\nit = that"),
        ("class it:\n x = 1", "class it:\n x = 2"),
        ("class it:\n def f(self): return 1", "class it:\n def f(self): return 2"),
        (
            "class it:\n @property\n def f(self): return 1",
            "class it:\n @property\n def f(self): return 2",
        ),
        (
            "class A: x = 1\nclass it(A): pass",
            "class A: x = 2\nclass it(A): pass",
        ),
    ],
)
def test_code_without_a_file_counts_by_what_it_does(one: str, other: str) -> None:
    """In a shell there is no source; a miss between versions of Python is the price."""
    assert content_id(defined(one)) == content_id(defined(one))
    assert content_id(defined(one)) != content_id(defined(other))


def test_lambdas_in_one_line_differ() -> None:
    """Their lines of source are the same."""
    one, other, same = (lambda x: x + 1, lambda x: x + 2, lambda x: x + 1)

    assert content_id(one) != content_id(other)
    assert content_id(one) == content_id(same)


def test_functions_differ_by_what_they_close_over() -> None:
    """Their source is the same."""

    def adder(by: Any) -> Callable[[int], int]:
        def add(x: int) -> Any:
            return x + by

        return add

    assert content_id(adder(1)) == content_id(adder(1))
    assert content_id(adder(1)) != content_id(adder(1.0))
    assert content_id(adder([lambda: 1])) != content_id(adder([lambda: 2]))


def test_a_function_that_calls_itself_has_an_id() -> None:
    """It closes over itself, or over one that has no value yet."""

    def countdown(n: int) -> int:
        return n and countdown(n - 1)

    def early() -> Callable[[], int]:
        def call() -> int:
            return late

        found[0] = content_id(call)
        late = 1
        return call

    found = [content_id(0)]

    assert content_id(countdown) == content_id(countdown)
    assert content_id(early()) != found[0]


def test_a_function_behind_a_cache_counts_by_its_source() -> None:
    """Pickle knows it by name only."""

    def cached(result: Any) -> Any:
        @functools.lru_cache
        def f() -> Any:
            return result

        return f

    assert content_id(cached(1)) == content_id(cached(1))
    assert content_id(cached(1)) != content_id(cached(2))


def test_classes_differ_by_source_and_by_what_methods_close_over() -> None:
    """A class of a function's body may be many."""

    def make(result: Any) -> type:
        class Made(Plain):
            def f(self) -> Any:
                return result

            def g(self) -> Any:
                return super().__repr__()

        return Made

    assert content_id(make(1)) == content_id(make(1))
    assert content_id(make(1)) != content_id(make(2))
    assert content_id(make(1)()) == content_id(make(2)())
    assert b"__class__" not in canonical_encoding(make(1))


def test_code_without_a_file_has_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python keeps under its name is the script of ``python -c``, which is another."""
    before = content_id(defined("it = lambda: 1\ndef f(): return 2\nit = (it, f)"))

    script = ["it = lambda: 5\n", "def f(): return 6\n"]
    monkeypatch.setitem(linecache.cache, "<string>", (24, None, script, "<string>"))

    assert content_id(defined("it = lambda: 1\ndef f(): return 2\nit = (it, f)")) == before


def test_methods_that_a_dataclass_was_given_do_not_count() -> None:
    """They follow from its source, and differ between versions of Python."""
    assert b"repr_running" not in canonical_encoding(Point)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_source_is_blind_to_indentation_and_line_endings(
    ending: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a checkout on Windows computes nothing again."""
    monkeypatch.syspath_prepend(str(tmp_path))
    lines = ["if True:", "    def f(x):", "        return x", ""]
    (tmp_path / "made_module.py").write_bytes(ending.join(lines).encode())
    module = __import__("made_module")
    monkeypatch.delitem(sys.modules, "made_module")

    assert b"def f(x):\n    return x" in canonical_encoding(module.f)
    assert b"\r\n" not in canonical_encoding(module.f)
