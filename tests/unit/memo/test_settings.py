"""Settings of one op: how long records answer, what is stored, and what ops are held to."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import UsageError
from mandala_cas.memo.op import op
from mandala_cas.model.ids import CallId, output_history_id
from mandala_cas.model.refs import AtomRef


class Clocked(FakeBook):
    """A book whose clock somebody else turns."""

    def __init__(self) -> None:
        """Begin at zero."""
        super().__init__()
        self.now = 0

    def now_us(self) -> int:
        """Tell the time."""
        return self.now


@pytest.fixture
def book() -> Clocked:
    """Return an empty book."""
    return Clocked()


class Fetching:
    """An op whose answer changes, and how often it ran."""

    def __init__(self, **settings: Any) -> None:
        """Define the op."""
        self.answer = "a"
        self.runs = 0

        @op(name="fetch", **settings)
        def fetch(url: str) -> str:
            del url
            self.runs += 1
            return self.answer

        self.fetch: Any = fetch


SECOND = 1_000_000
CALL_ID = CallId(bytes(CallId.SIZE))


@pytest.mark.parametrize("ttl", [10, 10.0, dt.timedelta(seconds=10)])
def test_a_record_answers_until_it_is_too_old(entered: Clocked, ttl: Any) -> None:
    """By the clock of the book, from when the call had ended."""
    fetching = Fetching(ttl=ttl)
    fetching.fetch("u")

    entered.now = 10 * SECOND
    fetching.fetch("u")
    assert fetching.runs == 1
    entered.now += 1
    fetching.fetch("u")

    assert fetching.runs == 2
    assert entered.replaced == [entered.only_call().call_id]
    assert entered.only_call().started_us == entered.now


def test_age_is_counted_from_the_end_of_the_call(entered: Clocked) -> None:
    """A call that takes longer than its results are good for would never answer."""

    @op(name="slow", ttl=10)
    def slow() -> int:
        entered.now += 15 * SECOND
        return entered.now

    made = slow()

    assert slow() == made


def test_what_is_fetched_again_and_equal_keeps_its_history(entered: Clocked) -> None:
    """So that what was computed from it goes on answering."""
    fetching = Fetching(ttl=10)
    first = fetching.fetch("u")
    entered.now = 11 * SECOND

    again = fetching.fetch("u")

    assert (again, again.content_id) == (first, first.content_id)
    assert fetching.runs == 2


def test_what_is_fetched_again_and_differs_has_another_history(entered: Clocked) -> None:
    """What was computed from the old answer must not pass for the new one's."""
    fetching = Fetching(ttl=10)

    @op(name="length")
    def length(text: str) -> int:
        return len(text)

    first = fetching.fetch("u")
    of_first: Any = length(first)
    entered.now, fetching.answer = 11 * SECOND, "longer"

    again = fetching.fetch("u")
    of_again: Any = length(again)

    assert again != first
    assert (of_first.value, of_again.value) == (1, 6)
    # Whoever gets the same, anywhere, has the same history.
    assert fetching.fetch("u") == again
    call = next(c for c in entered.calls.values() if c.op_name == "fetch")
    assert call.outputs[0].history_id not in {
        first.history_id,
        output_history_id(call.call_id, "output_0"),
    }


def test_a_call_of_equal_content_answers_only_if_it_is_young_enough(entered: Clocked) -> None:
    """And for no longer than it would have by itself."""
    fetching = Fetching(ttl=10)

    @op(name="urls")
    def url_of(number: int) -> str:
        del number
        return "u"

    fetching.fetch("u")
    entered.now = 6 * SECOND
    reused = fetching.fetch(url_of(1))
    assert fetching.runs == 1
    entered.now = 11 * SECOND

    fetching.fetch(url_of(2))
    assert fetching.runs == 2
    assert fetching.fetch(url_of(1)) == reused
    assert fetching.runs == 3


def test_an_older_record_that_may_not_answer_makes_a_process_look(entered: Clocked) -> None:
    """Somebody else may have fetched it since."""
    fetching = Fetching(ttl=10)
    fetching.fetch("u")
    looks = entered.asked["look_again"]
    entered.now = 11 * SECOND

    fetching.fetch("u")

    assert entered.asked["look_again"] == looks + 1


@pytest.mark.parametrize(
    "ttl", [0, -1, "10", True, float("nan"), float("inf"), dt.timedelta(seconds=-1)]
)
def test_a_time_to_live_is_above_zero(ttl: Any) -> None:
    """Anything else would be an op that never answers, or a mistake."""
    with pytest.raises(UsageError, match="fetch: ttl is a number of seconds above 0 or a timed"):
        Fetching(ttl=ttl)


def test_inputs_need_not_be_saved(entered: FakeBook) -> None:
    """Their ids are on record, and calls are found by them; the output is saved as ever."""

    @op(name="total", save_inputs=False)
    def total(numbers: list[int], start: int = 0) -> int:
        return sum(numbers, start)

    made: Any = total([1, 2])
    found = total([1, 2], start=0)

    assert (made.value, found) == (3, made)
    assert [slot.name for slot in entered.only_call().inputs] == ["numbers", "start"]
    assert list(entered.values.values()) == [3]


def test_inputs_that_come_as_refs_are_saved_by_the_call_that_gave_them(
    entered: FakeBook,
) -> None:
    """One of another storage is copied: it is nobody's here."""
    other = FakeBook("other")
    content_id = other.content_id(5)
    other.values[content_id] = 5
    foreign: Any = AtomRef(
        output_history_id(CALL_ID, "output_0"),
        content_id,
        loader=other,
    )

    @op(name="inc", save_inputs=False)
    def inc(x: int) -> int:
        return x + 1

    inc(foreign)

    assert sorted(entered.values.values()) == [5, 6]


def append(numbers: list[int]) -> int:
    """Change the argument."""
    numbers.append(1)
    return len(numbers)


@pytest.mark.parametrize(
    ("of_storage", "of_op", "is_checked"),
    [
        (False, None, False),
        (True, None, True),
        (False, True, True),
        (True, False, False),
    ],
)
def test_an_op_says_itself_whether_it_is_held_to_leaving_inputs_alone(
    entered: FakeBook,
    of_storage: bool,  # noqa: FBT001 (a case)
    of_op: bool | None,  # noqa: FBT001 (a case)
    is_checked: bool,  # noqa: FBT001 (a case)
) -> None:
    """And otherwise the storage does."""
    entered.checks_mutation = of_storage
    call = op(append, check_mutation=of_op)

    if is_checked:
        with pytest.raises(UsageError, match="argument 'numbers'"):
            call([])
    else:
        call([])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"save_inputs": None}, "save_inputs is one of True, False, got None"),
        ({"check_mutation": 1}, "check_mutation is one of True, False, None, got 1"),
        ({"on_stale": "ask"}, "on_stale is one of warn, recompute, keep, error, got 'ask'"),
        ({"previous_names": "old"}, "previous_names is a list of names, got 'old'"),
        ({"previous_names": [""]}, "previous_names is a list of names"),
        ({"previous_names": ["f"]}, "previous_names has the name that the op has now"),
        ({"renamed_args": ["a"]}, "renamed_args is a dict such as"),
        ({"renamed_args": {"a": 1}}, "renamed_args is a dict such as"),
        ({"renamed_args": {"a": "numbers", "b": "numbers"}}, "two old arguments one new name"),
    ],
)
def test_settings_are_checked_at_decoration(settings: dict[str, Any], message: str) -> None:
    """A typing mistake is heard of where it was made."""
    with pytest.raises(UsageError, match=message):
        op(append, name="f", **settings)
