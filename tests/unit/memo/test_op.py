"""``@op``: what decorated functions look like, and which cannot be decorated."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import UsageError
from mandala_cas.memo.context import enter, leave
from mandala_cas.memo.op import Op, op
from mandala_cas.model.refs import AtomRef
from mandala_cas.versions.source import source_hash


@op
def at_module_level(x: int, *, y: str = "a") -> str:
    """Say it."""
    return y * x


class Model:
    """Something with an op for a method."""

    @op
    def predict(self, x: int) -> int:
        """Return a prediction."""
        return x


def test_an_op_looks_like_its_function() -> None:
    """``help()``, IDEs and other decorators read these."""
    assert at_module_level.__name__ == "at_module_level"
    assert at_module_level.__doc__ == "Say it."
    assert at_module_level.__module__ == __name__
    assert at_module_level.__wrapped__ is at_module_level.f
    assert str(inspect.signature(at_module_level)) == "(x: 'int', *, y: 'str' = 'a') -> 'str'"
    assert at_module_level.f(2, y="b") == "bb"


def test_the_name_is_the_qualified_one() -> None:
    """Two classes may have methods of one name, and two functions helpers of one name."""

    @op
    def local() -> int:
        return 1

    assert at_module_level.name == "at_module_level"
    assert Model.predict.name == "Model.predict"
    assert local.name == "test_the_name_is_the_qualified_one.local"


def test_a_name_given_is_the_name() -> None:
    """Two people's functions of one name can share a store."""
    assert op(at_module_level.f, name="say").name == "say"
    assert op(name="say")(at_module_level.f).name == "say"


def test_it_prints_its_name_and_version() -> None:
    """Frames and errors show ops."""
    assert repr(at_module_level) == "Op(at_module_level)"
    assert repr(op(at_module_level.f, version="2")) == "Op(at_module_level, version='2')"
    assert (at_module_level.version, op(at_module_level.f, version="2").version) == ("", "2")


def test_the_source_hash_is_the_functions() -> None:
    """Computed when it is first asked for."""
    assert at_module_level.source_hash == source_hash(at_module_level.f)


def test_a_lambda_can_be_an_op_with_a_name() -> None:
    """Lambdas have all one name of their own."""
    assert op(lambda x: x + 1, name="inc")(1) == 2


def test_an_op_pickles_by_name() -> None:
    """Workers of a pool import the op; a copy of it is itself."""
    assert pickle.loads(pickle.dumps(at_module_level)) is at_module_level  # noqa: S301 (own)
    assert copy.deepcopy(at_module_level) is at_module_level


PLAIN: Any = at_module_level.f


def make_async_generator() -> Callable[..., Any]:
    """Return an async function that yields."""

    async def function() -> AsyncIterator[int]:
        yield 1

    return function


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x, "has no name of its own"),
        (functools.partial(int, base=2), "has no name of its own"),
        (staticmethod(PLAIN), "@op is above @staticmethod; put @staticmethod first"),
        (classmethod(PLAIN), "@op is above @classmethod"),
        (make_async_generator(), "can be a generator or an async function, and this is both"),
        (at_module_level, "at_module_level is an op already"),
        (5, "@op takes a function, got 5"),
    ],
)
def test_what_cannot_be_an_op_is_refused_at_decoration(function: Any, message: str) -> None:
    """With the way out, and not at the first call."""
    with pytest.raises(UsageError, match=message):
        op(function)


@pytest.mark.parametrize("version", [2, None, 1.5])
def test_a_version_is_a_text(version: Any) -> None:
    """It is part of ids on every machine: 2 and "2" must not be two versions."""
    with pytest.raises(UsageError, match="the version of an op is a text"):
        op(at_module_level.f, version=version)


@pytest.mark.parametrize("name", ["", 3])
def test_a_name_is_a_text(name: Any) -> None:
    """An empty one would be nobody's."""
    with pytest.raises(UsageError, match="the name of an op is a text"):
        op(at_module_level.f, name=name)


@pytest.mark.filterwarnings("ignore:at_module_level ran outside:mandala_cas.errors.MandalaWarning")
def test_each_thread_goes_to_its_own_storage() -> None:
    """Threads start outside, and enter what they like; calls never stray."""
    books = [FakeBook(str(i)) for i in range(4)]
    barrier = threading.Barrier(len(books))
    kinds: list[list[type]] = []

    @op(name="f")
    def f(x: int) -> int:
        # All bodies are running at once here.
        barrier.wait()
        return x

    def work(number: int) -> None:
        outside: Any = at_module_level(2)
        session = enter(books[number])
        inside: Any = f(number)
        leave(session)
        kinds.append([type(outside), type(inside)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(books))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert kinds == [[str, AtomRef]] * len(books)
    assert [book.values[book.only_call().outputs[0].content_id] for book in books] == [0, 1, 2, 3]


def test_one_storage_can_be_entered_by_many_threads() -> None:
    """The book is shared; the sessions are not."""
    book = FakeBook()
    session = enter(book)
    thread = threading.Thread(target=lambda: leave(enter(book)))
    thread.start()
    thread.join()

    result: Any = at_module_level(1)

    assert isinstance(result, AtomRef)
    leave(session)


def test_ops_are_made_with_or_without_parentheses() -> None:
    """Both spellings are in the wild."""
    assert all(isinstance(made, Op) for made in (op(at_module_level.f), op()(at_module_level.f)))
