"""Failures on record: what is kept of an exception, and when it counts no more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import NewCallsNotAllowedError, StoreUnavailableError, UsageError
from mandala_cas.memo.context import enter, leave
from mandala_cas.memo.op import Op, op
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import call_content_id, call_history_id


class OddError(Exception):
    """Says something that is no Unicode, or fails to say anything."""

    def __str__(self) -> str:
        """Fail if there is nothing to say."""
        return self.args[0]  # type: ignore[no-any-return]  # whatever it was given


def make_op(errors: list[BaseException | None], *, recorded: bool | None = True) -> Op[..., Any]:
    """Return an op that raises these in turn."""

    @op(name="failing", version="2", record_failures=recorded)
    def failing(x: int) -> int:
        error = errors.pop(0)
        if error is not None:
            raise error
        return x

    return failing


def attempt(function: Any, *args: Any) -> BaseException | None:
    """Return what a call raises."""
    try:
        function(*args)
    except BaseException as error:  # noqa: BLE001 (what is raised is under test)
        return error
    return None


def failures(book: FakeBook) -> list[CallRecord]:
    """Return the failures on record."""
    return [call for call in book.calls.values() if call.op_name.endswith(".__failure__")]


def described(book: FakeBook, call: CallRecord) -> dict[str, str]:
    """Return what is on record of an exception."""
    value: dict[str, str] = book.values[call.outputs[0].content_id]
    return value


def test_a_failure_is_a_record_of_its_own(entered: FakeBook) -> None:
    """Of the same inputs, under a name that no op can have; the exception passes as it is."""
    error = ValueError("no such thing")
    function = make_op([error])

    raised = attempt(function, 5)

    assert raised is error
    (call,) = entered.calls.values()
    assert (call.op_name, call.op_version) == ("failing.__failure__", "2")
    slots = [(s.name, s.history_id, s.content_id) for s in call.inputs]
    assert call.call_id == call_history_id(
        "failing.__failure__", "2", [(n, hid) for n, hid, _ in slots]
    )
    assert call.content_id == call_content_id(
        "failing.__failure__", "2", [(n, cid) for n, _, cid in slots]
    )
    assert [slot.name for slot in call.outputs] == ["error"]
    assert entered.values[call.inputs[0].content_id] == 5
    assert call.source_hash == function.source_hash
    assert call.duration_us > 0


def test_what_is_kept_are_texts(entered: FakeBook) -> None:
    """Of a class of some module, with the lines of the body and none of ours."""
    attempt(make_op([UsageError("wrong")]), 1)

    kept = described(entered, failures(entered)[0])

    assert kept["type"] == "mandala_cas.errors.UsageError"
    assert kept["message"] == "wrong"
    assert kept["traceback"].startswith("Traceback (most recent call last):\n")
    assert "raise error" in kept["traceback"]
    assert "mandala_cas/memo" not in kept["traceback"]


@pytest.mark.parametrize(
    ("said", "kept"), [("a\udcffb", "a\\udcffb"), (None, "(its message cannot be had: TypeError)")]
)
def test_odd_messages_do_not_hide_the_exception(entered: FakeBook, said: Any, kept: str) -> None:
    """File names that are no Unicode, and a ``__str__`` that fails."""
    error = OddError(said)

    assert attempt(make_op([error]), 1) is error

    assert described(entered, failures(entered)[0])["message"] == kept


@pytest.mark.usefixtures("entered")
def test_a_failure_answers_nothing() -> None:
    """The next call runs, and so does one of equal content."""
    function = make_op([ValueError("1"), None])

    attempt(function, 5)
    result = function(5)

    assert result.value == 5


def test_a_call_has_one_failure_at_most(entered: FakeBook) -> None:
    """The last one, until the call succeeds; those of other calls stay."""
    function = make_op([ValueError("1"), ValueError("2"), ValueError("other"), None])

    attempt(function, 5)
    attempt(function, 5)
    attempt(function, 6)
    messages = [described(entered, call)["message"] for call in failures(entered)]
    function(5)

    assert messages == ["2", "other"]
    assert [described(entered, call)["message"] for call in failures(entered)] == ["other"]


def test_a_forced_success_hides_it_too(entered: FakeBook) -> None:
    """Where the record stays as it was, for it says the same."""
    function = make_op([None, ValueError("1"), None])
    function(5)
    attempt(function.call, 5)
    assert len(failures(entered)) == 1

    function.call(5)

    assert failures(entered) == []
    assert entered.only_call().op_name == "failing"


def test_a_failed_attempt_to_recompute_leaves_the_record(book: FakeBook) -> None:
    """What was on record still answers."""
    function = make_op([None, ValueError("1")])
    entry = enter(book)
    function(5)
    leave(entry)
    entry = enter(book, "recompute")
    attempt(function, 5)
    leave(entry)

    assert sorted(call.op_name for call in book.calls.values()) == [
        "failing",
        "failing.__failure__",
    ]


@pytest.mark.parametrize(
    ("of_op", "of_book", "count"),
    [(None, False, 0), (None, True, 1), (False, True, 0), (True, False, 1)],
)
def test_the_op_decides_before_the_storage(
    entered: FakeBook, *, of_op: bool | None, of_book: bool, count: int
) -> None:
    """By default nothing is kept."""
    entered.records_failures = of_book

    attempt(make_op([ValueError("1")], recorded=of_op), 5)

    assert len(failures(entered)) == count


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(), NewCallsNotAllowedError("forbidden")]
)
def test_what_is_no_failure_of_the_op_is_not_kept(entered: FakeBook, error: BaseException) -> None:
    """Somebody stopped it, or the storage refused a call in the body."""
    assert attempt(make_op([error]), 5) is error

    assert entered.calls == {}


def test_a_failure_that_cannot_be_recorded_hides_nothing(
    entered: FakeBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user must see the op's own exception; the rest is a note."""

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("the disk is full")

    monkeypatch.setattr(entered, "record", refuse)
    error = ValueError("no")

    assert attempt(make_op([error]), 5) is error

    assert error.__notes__ == ["besides, this failure could not be put on record: the disk is full"]


def test_each_op_on_the_way_has_its_failure(entered: FakeBook) -> None:
    """The inner one is linked to the outer call."""
    entered.records_failures = True

    @op(name="inner")
    def inner() -> int:
        raise ValueError

    @op(name="outer")
    def outer() -> int:
        return inner()

    attempt(outer)

    by_name = {call.op_name: call for call in failures(entered)}
    assert by_name.keys() == {"inner.__failure__", "outer.__failure__"}
    assert by_name["inner.__failure__"].parent == call_history_id("outer", "", [])


def test_an_awaited_failure_is_kept_and_a_cancelled_call_is_none(entered: FakeBook) -> None:
    """A cancelled call did not fail: it was not let finish."""

    @op(name="awaited", record_failures=True)
    async def awaited(x: int) -> int:
        await asyncio.sleep(0)
        if x:
            raise ValueError("awaited")
        return x

    async def main() -> None:
        task: asyncio.Task[Any] = asyncio.ensure_future(awaited(0))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert entered.calls == {}
        with pytest.raises(ValueError, match="awaited"):
            await awaited(1)

    asyncio.run(main())

    assert [described(entered, c)["message"] for c in failures(entered)] == ["awaited"]


def test_the_name_of_failures_is_reserved() -> None:
    """An op of that name would answer with what somebody's exception said."""
    with pytest.raises(UsageError, match=r"cannot be named 'f.__failure__'"):
        op(lambda: None, name="f.__failure__")
