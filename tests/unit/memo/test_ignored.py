"""Arguments that a body gets and that are no inputs."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.memo.op import op
from mandala_cas.memo.special import Ignore, NewArgDefault


def names_on_record(book: FakeBook) -> list[str]:
    """Return the names of the inputs of the one call."""
    return [slot.name for slot in book.only_call().inputs]


def test_calls_that_differ_in_an_ignored_argument_alone_are_one(entered: FakeBook) -> None:
    """However it is given; the body gets it."""
    seen: list[bool] = []

    @op(name="train", ignore_args=("verbose",))
    def train(x: int, verbose: bool = False) -> int:  # noqa: FBT001, FBT002 (what is ignored)
        seen.append(verbose)
        return x

    results = [train(1, True), train(1), train(1, verbose=False)]

    assert results == [results[0]] * 3
    assert seen == [True]
    assert names_on_record(entered) == ["x"]


def test_an_argument_is_ignored_where_it_is_given_so(entered: FakeBook) -> None:
    """One that cannot even be hashed may be; outside a storage it is itself as well."""
    lock = threading.Lock()
    seen: list[object] = []

    @op(name="f")
    def f(x: int, lock: object, *rest: object, **named: object) -> int:
        seen.append((lock, rest, named))
        return x

    f(1, Ignore(lock), Ignore(lock), 2, key=Ignore(lock))

    assert seen == [(lock, (lock, 2), {"key": lock})]
    assert names_on_record(entered) == ["x", "rest_1"]


def test_outside_a_storage_it_is_itself() -> None:
    """Code works the same with the ``with storage:`` line taken away."""

    @op(name="f")
    def f(x: int, y: int = Ignore(5)) -> int:
        return x + y

    assert (f(1), f(Ignore(2), Ignore(3))) == (6, 5)


def test_a_default_that_is_ignored_stands_for_calls_without_the_argument(
    entered: FakeBook,
) -> None:
    """One that is given counts."""
    seen: list[int] = []

    @op(name="f")
    def f(x: int, jobs: int = Ignore(4)) -> int:
        seen.append(jobs)
        return x

    first, again, other = f(1), f(1), f(1, jobs=4)

    assert again == first != other
    assert seen == [4, 4]
    assert [len(call.inputs) for call in entered.calls.values()] == [1, 2]


def test_a_ref_that_is_ignored_is_unwrapped(entered: FakeBook) -> None:
    """The body gets the value, and its history is not that of the call."""

    @op(name="g")
    def g() -> int:
        return 7

    @op(name="f", ignore_args=["y"])
    def f(x: int, y: int, z: int) -> int:
        return x + y + z

    result: Any = f(1, g(), Ignore(g()))

    assert result.value == 15
    assert [slot.name for slot in list(entered.calls.values())[-1].inputs] == ["x"]


def test_an_ignored_argument_may_have_a_new_default(entered: FakeBook) -> None:
    """The body gets what it stands for."""

    @op(name="f", ignore_args=["y"])
    def f(x: int, y: int = NewArgDefault(3)) -> int:
        return x + y

    result: Any = f(1)

    assert result.value == 4
    assert names_on_record(entered) == ["x"]


def test_a_lost_call_runs_again_with_the_defaults_of_what_it_ignored(entered: FakeBook) -> None:
    """What it was given is not on record."""
    seen: list[tuple[int, int]] = []

    @op(name="f", ignore_args=["jobs"])
    def f(x: int, jobs: int = 1, depth: int = Ignore(2)) -> int:
        seen.append((jobs, depth))
        return x + 1

    result: Any = f(1, jobs=8)
    entered.lost.add(result.content_id)

    assert entered_load(entered, f(1)) == 2
    assert seen == [(8, 2), (1, 2)]


def test_a_lost_call_that_ignored_what_it_needs_says_so(entered: FakeBook) -> None:
    """Without a default nobody knows what to give it."""

    @op(name="f", ignore_args=["jobs"])
    def f(x: int, jobs: int) -> int:
        return x + jobs

    result: Any = f(1, 1)
    entered.lost.add(result.content_id)

    with pytest.raises(CorruptionError, match="f ignores jobs, which has no default"):
        entered_load(entered, result)


@pytest.mark.parametrize(
    ("ignore_args", "message"),
    [
        (("z",), "ignore_args names 'z', and the op takes x, y; name one of its parameters"),
        ("x", "ignore_args is a list of names, got 'x'"),
        ((1,), "ignore_args is a list of names"),
        (None, "ignore_args is a list of names"),
    ],
)
def test_what_is_ignored_is_an_argument(ignore_args: Any, message: str) -> None:
    """A typing mistake would make calls of their own of what was to be one."""

    def f(x: int, *, y: int) -> int:
        return x + y

    with pytest.raises(UsageError, match=message):
        op(f, name="f", ignore_args=ignore_args)


def test_a_keyword_of_the_excess_can_be_ignored(entered: FakeBook) -> None:
    """No signature names it."""

    @op(name="f", ignore_args=["verbose"])
    def f(**kwargs: Any) -> int:
        return len(kwargs)

    assert f(a=1, verbose=True) == f(a=1, verbose=False)
    assert names_on_record(entered) == ["a"]


def test_it_prints_as_it_is_written() -> None:
    """Signatures in help() show it."""
    assert repr(Ignore("a")) == "Ignore('a')"


def entered_load(book: FakeBook, ref: Any) -> Any:
    """Return a value as a storage gives it: computed again where it is lost."""
    from mandala_cas.memo.recovery import load  # noqa: PLC0415 (what storages do)

    return load([ref], book)[0]
