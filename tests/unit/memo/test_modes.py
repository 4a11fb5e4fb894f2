"""Blocks that are not plain: ops that do nothing, run again, or may not run; and one call so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import NewCallsNotAllowedError, UsageError
from mandala_cas.memo import context
from mandala_cas.memo.context import current, enter, innermost, leave, pause
from mandala_cas.memo.op import Op, op
from mandala_cas.memo.pausing import noop
from mandala_cas.model.ids import remade_history_id
from mandala_cas.model.refs import Ref


class Drifting:
    """Ops whose results change when ``drift`` does, which is none of their arguments."""

    def __init__(self) -> None:
        """Define the ops."""
        self.runs: list[str] = []
        self.drift = 0

        @op(name="drifting")
        def drifting(x: int) -> int:
            self.runs.append(f"drifting({x})")
            return x + self.drift

        @op(name="outer")
        def outer(x: int) -> int:
            self.runs.append(f"outer({x})")
            return int(drifting(x)) + int(drifting(x))

        self.drifting: Op[..., Any] = drifting
        self.outer: Op[..., Any] = outer


@pytest.fixture
def ops() -> Drifting:
    """Return fresh ops."""
    return Drifting()


@pytest.fixture
def recomputing(book: FakeBook) -> Iterator[FakeBook]:
    """Send the calls of the test to ``book``, to be made again."""
    entry = enter(book, "recompute")
    yield book
    leave(entry)


def in_a_block(book: FakeBook, function: Op[..., Any], *args: Any) -> Any:
    """Make one call in a block of its own."""
    entry = enter(book)
    try:
        return function(*args)
    finally:
        leave(entry)


def test_in_noop_ops_are_plain_functions(entered: FakeBook, ops: Drifting) -> None:
    """Refs are unwrapped, nothing is looked up, nothing recorded; then all is as before."""
    ref = ops.drifting(1)
    entered.asked.clear()

    with noop():
        inside = [ops.drifting(ref), ops.drifting.call(5)]
        modes = [context.mode()]
    after = ops.drifting(1)

    assert (inside, modes, context.mode()) == ([1, 5], ["noop"], "run")
    assert isinstance(after, Ref)
    assert entered.asked["record"] == 0
    assert ops.runs == ["drifting(1)", "drifting(1)", "drifting(5)"]


def test_noop_works_outside_and_nests(book: FakeBook) -> None:
    """A storage entered inside it is active; each end restores what was there."""
    modes = [context.mode()]
    with noop():
        modes.append(context.mode())
        entry = enter(book)
        modes.append(context.mode())
        with noop(), noop():
            modes.append(context.mode())
        modes.append(context.mode())
        leave(entry)
        modes.append(context.mode())

    assert modes == ["run", "noop", "run", "noop", "run", "noop"]
    assert current() is None


@pytest.mark.parametrize("is_through_the_book", [False, True])
def test_inside_noop_no_book_is_entered(book: FakeBook, *, is_through_the_book: bool) -> None:
    """What is lost is not computed there: nothing is to be recorded."""
    entry = enter(book)
    through = book if is_through_the_book else None
    inner = pause(through)

    assert context.entered(book) is None
    assert innermost(through) is inner

    leave(inner)
    assert context.entered(book) is entry
    leave(entry)


def test_noop_left_in_the_wrong_order_is_an_error(book: FakeBook) -> None:
    """As of storages."""
    outer = pause()
    inner = enter(book)

    with pytest.raises(UsageError, match="not the innermost"):
        leave(outer)

    leave(inner)
    leave(outer)


def test_recompute_runs_what_is_on_record_once(book: FakeBook, ops: Drifting) -> None:
    """The second equal call is answered by what the block made, in bodies too."""
    in_a_block(book, ops.drifting, 1)
    ops.runs.clear()

    entry = enter(book, "recompute")
    results = [ops.drifting(1), ops.drifting(1), ops.outer(1)]
    modes = [context.mode()]
    leave(entry)

    assert ops.runs == ["drifting(1)", "outer(1)"]
    assert [ref.history_id for ref in results[:2]] == [results[0].history_id] * 2
    assert modes == ["recompute"]


def test_two_blocks_that_recompute_run_it_twice(book: FakeBook, ops: Drifting) -> None:
    """What one made is no answer in the other, whichever is inside of which."""
    outer = enter(book, "recompute")
    ops.drifting(1)
    inner = enter(book, "recompute")
    ops.drifting(1)
    leave(inner)
    ops.drifting(1)
    leave(outer)

    assert ops.runs == ["drifting(1)"] * 2


def test_recompute_writes_nothing_where_nothing_changed(book: FakeBook, ops: Drifting) -> None:
    """The old record stays, with its time."""
    in_a_block(book, ops.drifting, 1)
    before = book.only_call()
    book.asked.clear()

    entry = enter(book, "recompute")
    result = ops.drifting(1)
    leave(entry)

    assert book.only_call() is before
    assert (book.asked["record"], book.asked["forget"]) == (0, 0)
    assert result.value == 1


def test_recompute_replaces_what_changed(book: FakeBook, ops: Drifting) -> None:
    """With one statement to the book, and the new outcome answers afterwards."""
    in_a_block(book, ops.drifting, 1)
    ops.drift = 10

    entry = enter(book, "recompute")
    result = ops.drifting(1)
    leave(entry)

    call = book.only_call()
    assert result.value == 11
    assert book.values[call.outputs[0].content_id] == 11
    (slot,) = call.outputs
    # What was computed from the old outcome must not answer for this one.
    assert slot.history_id == remade_history_id(call.call_id, "output_0", slot.content_id)
    assert in_a_block(book, ops.drifting, 1).content_id == result.content_id
    assert book.asked["replaced"] == 1


def test_recompute_brings_back_a_value_that_was_lost(book: FakeBook, ops: Drifting) -> None:
    """It gives what it gave, and that cannot be had: so it is put anew."""
    ref = in_a_block(book, ops.drifting, 7)
    book.lost.add(ref.content_id)
    book.asked.clear()

    entry = enter(book, "recompute")
    ops.drifting(7)
    leave(entry)

    assert book.asked["record"] == 1


def test_recompute_of_another_history_is_answered_by_content(
    recomputing: FakeBook, ops: Drifting
) -> None:
    """One computation answers both, as it would in a block that has nothing on record."""
    one = ops.drifting(1)

    two = ops.drifting(one)

    assert ops.runs == ["drifting(1)"]
    assert two.history_id != one.history_id
    reused = [call for call in recomputing.calls.values() if call.reused_from is not None]
    assert [call.outputs[0].history_id for call in reused] == [two.history_id]


def test_a_recomputed_input_of_other_content_makes_another_call(
    book: FakeBook, ops: Drifting
) -> None:
    """What was made again is another input: what the block made of the first is no answer."""
    in_a_block(book, ops.drifting, 1)
    entry = enter(book, "recompute")
    first = ops.drifting(ops.drifting.call(1))
    ops.drift = 10
    second = ops.drifting(ops.drifting.call(1))
    leave(entry)

    assert [book.values[ref.content_id] for ref in (first, second)] == [1, 21]
    assert first.history_id != second.history_id


def test_a_plain_block_inside_one_that_recomputes_looks_up(
    recomputing: FakeBook, ops: Drifting
) -> None:
    """The innermost block counts."""
    ops.drifting(1)
    entry = enter(recomputing)
    ops.drifting(1)
    leave(entry)

    assert ops.runs == ["drifting(1)"]


def test_new_calls_can_be_forbidden_by_the_book(entered: FakeBook, ops: Drifting) -> None:
    """With mandala's words; calls of equal content answer all the same."""
    two = ops.drifting(1)
    entered.allows_new_calls = False

    same = [ops.drifting(1), ops.drifting(two)]
    with pytest.raises(NewCallsNotAllowedError) as caught:
        ops.drifting(2)

    assert str(caught.value) == "Call to drifting does not exist and new calls are not allowed."
    assert (caught.value.op, caught.value.arguments) == ("drifting", "x=2")
    assert len(caught.value.hid) == 32
    assert "is_cached" in caught.value.__notes__[0]
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, UsageError)
    assert all(isinstance(ref, Ref) for ref in same)
    assert ops.runs == ["drifting(1)"]


def test_new_calls_can_be_forbidden_in_a_block_and_within(book: FakeBook, ops: Drifting) -> None:
    """A function with a block of its own is not exempt; a block that says so is."""
    outer = enter(book, allows_new=False)
    inner = enter(book)
    with pytest.raises(NewCallsNotAllowedError):
        ops.drifting(1)
    leave(inner)
    exempt = enter(book, allows_new=True)
    ops.drifting(1)
    leave(exempt)
    leave(outer)

    assert ops.runs == ["drifting(1)"]


def test_new_calls_in_a_body_are_forbidden_too(entered: FakeBook, ops: Drifting) -> None:
    """The outer call runs because it is forced; what it needs is not on record."""
    ops.outer(1)
    entered.forget([call.call_id for call in entered.calls.values() if call.op_name == "drifting"])
    entered.allows_new_calls = False

    with pytest.raises(NewCallsNotAllowedError, match="Call to drifting"):
        ops.outer.call(1)


def test_what_is_on_record_may_be_recomputed_where_new_calls_are_forbidden(
    book: FakeBook, ops: Drifting
) -> None:
    """It is no new call; another one is."""
    in_a_block(book, ops.drifting, 1)
    entry = enter(book, "recompute", allows_new=False)
    ops.drifting(1)
    with pytest.raises(NewCallsNotAllowedError):
        ops.drifting(2)
    leave(entry)

    assert ops.runs == ["drifting(1)"] * 2


def test_a_forced_call_replaces_what_is_on_record(entered: FakeBook, ops: Drifting) -> None:
    """One call, in an ordinary block."""
    ops.drifting(1)
    ops.drift = 10

    forced = ops.drifting.call(1)

    assert forced.value == 11
    assert ops.drifting(1).content_id == forced.content_id
    assert len(entered.calls) == 1
    assert ops.runs == ["drifting(1)"] * 2


def test_a_forced_call_outside_is_the_plain_function(ops: Drifting) -> None:
    """As any call is."""
    assert ops.drifting.call(3) == 3


def test_what_is_on_record_can_be_asked(entered: FakeBook, ops: Drifting) -> None:
    """By history and by content; nothing runs, nothing is recorded."""
    ref = ops.drifting(1)
    entered.asked.clear()

    by_history, by_content, missing = (ops.drifting.lookup(x) for x in (1, ref, 2))
    cached = [ops.drifting.is_cached(x) for x in (1, ref, 2)]

    assert by_history == ref
    assert by_content.content_id == ref.content_id
    assert by_content.history_id != ref.history_id
    assert missing is None
    assert cached == [True, True, False]
    assert ops.runs == ["drifting(1)"]
    assert (entered.asked["record"], len(entered.calls)) == (0, 1)


@pytest.mark.usefixtures("entered")
def test_a_lookup_in_a_body_gives_refs(ops: Drifting) -> None:
    """None means that there is nothing, so it cannot be a value."""
    ops.drifting(1)
    seen: list[Any] = []

    @op(name="looking")
    def looking() -> int:
        seen.append(ops.drifting.lookup(1))
        return 0

    looking()

    assert isinstance(seen[0], Ref)


@pytest.mark.parametrize("question", ["is_cached", "lookup"])
@pytest.mark.parametrize("is_paused", [False, True])
def test_outside_a_storage_nothing_can_be_asked(
    ops: Drifting, question: str, *, is_paused: bool
) -> None:
    """False would be taken for an answer."""
    entry = pause() if is_paused else None

    with pytest.raises(UsageError, match="inside `with storage:`"):
        getattr(ops.drifting, question)(1)

    if entry is not None:
        leave(entry)
