"""Calls: what is answered from the record, what runs, and what is on record afterwards."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.unit.memo.fake_book import MICROSECONDS_A_TICK, FakeBook, content_id_of

from mandala_cas.memo.context import enter, leave
from mandala_cas.memo.op import Op, op
from mandala_cas.model.entries import CallRecord, Slot
from mandala_cas.model.ids import (
    call_content_id,
    call_history_id,
    constant_history_id,
    output_history_id,
)
from mandala_cas.model.refs import AtomRef


class Counting:
    """Two ops that say when they run. What they return are refs inside a storage."""

    def __init__(self) -> None:
        """Define the ops."""
        self.runs: list[str] = []
        runs = self.runs

        @op(name="inc")
        def inc(x: int) -> int:
            runs.append(f"inc({x})")
            return x + 1

        @op(name="divide", output_names=["quotient", "rest"])
        def divide(x: int, y: int = 3) -> tuple[int, int]:
            runs.append(f"divide({x}, {y})")
            return divmod(x, y)

        self.inc: Op[..., Any] = inc
        self.divide: Op[..., Any] = divide


@pytest.fixture
def ops() -> Counting:
    """Return fresh ops."""
    return Counting()


def test_a_new_call_runs_and_is_put_on_record(entered: FakeBook, ops: Counting) -> None:
    """The record says everything of it, and the refs have their values."""
    quotient, rest = ops.divide(7)

    seven, three = content_id_of(7), content_id_of(3)
    inputs = (
        Slot("x", constant_history_id(seven), seven),
        Slot("y", constant_history_id(three), three),
    )
    call_id = call_history_id("divide", "", [(s.name, s.history_id) for s in inputs])
    assert entered.only_call() == CallRecord(
        call_id=call_id,
        content_id=call_content_id("divide", "", [("x", seven), ("y", three)]),
        op_name="divide",
        op_version="",
        module=__name__,
        source_hash=ops.divide.source_hash,
        started_us=MICROSECONDS_A_TICK,
        duration_us=MICROSECONDS_A_TICK,
        inputs=inputs,
        outputs=(
            Slot("quotient", output_history_id(call_id, "quotient"), content_id_of(2)),
            Slot("rest", output_history_id(call_id, "rest"), content_id_of(1)),
        ),
    )
    assert set(entered.values.values()) == {7, 3, 2, 1}
    assert ops.runs == ["divide(7, 3)"]
    assert (quotient.value, rest.value) == (2, 1)
    assert quotient.loader is entered
    assert quotient.history_id == output_history_id(call_id, "quotient")


def test_the_same_call_again_is_answered_without_running(entered: FakeBook, ops: Counting) -> None:
    """Lazily: the same refs without their values, however the arguments are given."""
    computed = ops.divide(7)

    answers = [ops.divide(7), ops.divide(x=7), ops.divide(y=3, x=7)]

    assert answers == [computed] * 3
    assert [ref.in_memory for ref in answers[0]] == [False, False]
    assert [ref.content_id for ref in answers[0]] == [ref.content_id for ref in computed]
    assert [type(ref) for ref in answers[0]] == [AtomRef, AtomRef]
    assert ops.runs == ["divide(7, 3)"]
    assert len(entered.calls) == 1


def test_a_hit_asks_the_book_as_little_as_can_be(entered: FakeBook, ops: Counting) -> None:
    """One look-up, one hash a constant, no value loaded: it is what every retrace pays."""
    ref = ops.inc(1)
    ops.divide(ref, y=2)
    entered.asked.clear()

    ops.divide(ref, y=2)

    assert entered.asked == Counter(find=1, content_id=1)


def test_a_result_is_a_ref_that_other_calls_take(entered: FakeBook, ops: Counting) -> None:
    """The input of the second call is the output of the first, by history and content."""
    two = ops.inc(1)

    three = ops.inc(two)

    call = list(entered.calls.values())[-1]
    assert call.inputs == (Slot("x", two.history_id, two.content_id),)
    assert ops.runs == ["inc(1)", "inc(2)"]
    assert three.value == 3


def test_a_call_of_equal_content_answers(entered: FakeBook, ops: Counting) -> None:
    """The op does not run, but the call has its own record and its outputs their own history."""
    two = ops.inc(1)
    direct = ops.divide(2)
    original = list(entered.calls.values())[-1]
    entered.asked.clear()

    reused = ops.divide(two)

    record = list(entered.calls.values())[-1]
    assert ops.runs == ["inc(1)", "divide(2, 3)"]
    assert record.reused_from == original.call_id
    assert (record.call_id != original.call_id, record.content_id) == (True, original.content_id)
    assert (record.duration_us, record.source_hash) == (0, original.source_hash)
    assert record.inputs[0] == Slot("x", two.history_id, two.content_id)
    assert [slot.name for slot in record.outputs] == ["quotient", "rest"]
    assert [ref.content_id for ref in reused] == [ref.content_id for ref in direct]
    assert [ref.history_id for ref in reused] == [
        output_history_id(record.call_id, "quotient"),
        output_history_id(record.call_id, "rest"),
    ]
    assert [ref.in_memory for ref in reused] == [False, False]
    assert entered.asked == Counter(find=1, content_id=1, find_equal=1, record=1)


def test_a_reused_call_names_the_code_that_computed_it(entered: FakeBook, ops: Counting) -> None:
    """Whether an answer is stale is a question about that code, not about who asks."""
    two = ops.inc(1)

    def before(x: int) -> int:
        return x

    def after(x: int) -> int:
        return x + 0

    before.__module__ = "of.somebody.else"
    computed: Any = op(before, name="f")(2)
    reused: Any = op(after, name="f", on_stale="keep")(two)

    original, record = list(entered.calls.values())[-2:]
    assert reused.content_id == computed.content_id
    assert (original.module, record.module) == ("of.somebody.else", "of.somebody.else")
    assert record.source_hash == original.source_hash == op(before, name="f").source_hash


def test_a_call_answered_by_content_is_on_record_from_then_on(
    entered: FakeBook, ops: Counting
) -> None:
    """The second time it is found by its history."""
    two = ops.inc(1)
    ops.divide(2)
    reused = ops.divide(two)
    entered.asked.clear()

    assert ops.divide(two) == reused

    assert entered.asked == Counter(find=1, content_id=1)


def test_another_version_is_another_call(entered: FakeBook) -> None:
    """Versions do not answer each other, neither by history nor by content."""
    runs = []

    for version in ("", "1", "2"):

        @op(name="f", version=version)
        def f() -> int:
            runs.append(1)
            return 1

        f()

    assert len(runs) == 3
    assert [call.op_version for call in entered.calls.values()] == ["", "1", "2"]


def test_two_ops_with_the_same_arguments_are_two_calls(entered: FakeBook, ops: Counting) -> None:
    """The op's name is part of the call."""
    ops.inc(1)
    ops.divide(1, 1)

    assert ops.runs == ["inc(1)", "divide(1, 1)"]
    assert len(entered.calls) == 2


def test_an_output_may_be_equal_to_an_input(entered: FakeBook) -> None:
    """One value, two histories."""

    @op(name="same")
    def same(x: int) -> int:
        return x

    output: Any = same(4)

    call = entered.only_call()
    assert call.inputs[0].content_id == call.outputs[0].content_id == output.content_id
    assert call.inputs[0].history_id != output.history_id


def test_a_hit_gives_as_many_outputs_as_are_on_record(entered: FakeBook) -> None:
    """What the op would return today is not known without running it."""

    @op(name="f")
    def pair() -> tuple[int, int]:
        return 1, 2

    @op(name="f", on_stale="keep")
    def single() -> int:
        raise AssertionError

    recorded: Any = pair()

    answered: Any = single()

    assert answered == recorded
    assert len(entered.calls) == 1


class TestInBodies:
    """Ops called by ops."""

    def test_calls_in_a_body_are_calls_of_their_own(self, entered: FakeBook, ops: Counting) -> None:
        """They name the call in whose body they were made, and give plain values there."""
        seen = []

        @op(name="outer")
        def outer(x: int) -> int:
            seen.append(ops.inc(x))
            seen.append(ops.divide(x))
            return 0

        outer(10)

        inner, division, whole = entered.calls.values()
        assert seen == [11, (3, 1)]
        assert [type(value) for value in seen] == [int, tuple]
        assert (inner.parent, division.parent, whole.parent) == (
            whole.call_id,
            whole.call_id,
            None,
        )

    def test_a_hit_in_a_body_gives_the_value(self, entered: FakeBook, ops: Counting) -> None:
        """Loaded, since the body computes with it."""
        ops.inc(10)
        ops.divide(10)
        entered.asked.clear()

        @op(name="outer")
        def outer() -> int:
            quotient, rest = ops.divide(10)
            return int(ops.inc(10) + quotient + rest)

        result: Any = outer()

        assert result.value == 15
        assert ops.runs == ["inc(10)", "divide(10, 3)"]
        assert entered.asked["load"] == 2

    def test_a_reused_call_in_a_body_gives_the_value(
        self, entered: FakeBook, ops: Counting
    ) -> None:
        """Equal content answers there as anywhere."""
        two = ops.inc(1)
        ops.divide(2)

        @op(name="outer")
        def outer() -> int:
            return int(sum(ops.divide(two)))

        result: Any = outer()

        reused, whole = list(entered.calls.values())[-2:]
        assert (result.value, reused.parent) == (2, whole.call_id)
        assert reused.reused_from is not None
        assert ops.runs == ["inc(1)", "divide(2, 3)"]

    def test_an_inner_call_of_an_inner_call_has_that_as_parent(self, entered: FakeBook) -> None:
        """Recursion is remembered step by step."""

        @op(name="factorial")
        def factorial(n: int) -> int:
            return n * factorial(n - 1) if n else 1

        result: Any = factorial(3)

        of_0, of_1, of_2, of_3 = entered.calls.values()
        assert result.value == 6
        assert [c.parent for c in (of_0, of_1, of_2, of_3)] == [
            of_1.call_id,
            of_2.call_id,
            of_3.call_id,
            None,
        ]

    def test_calls_after_the_body_give_refs_again(self, entered: FakeBook, ops: Counting) -> None:
        """Also when the body raised; what was complete stays on record."""

        @op(name="outer")
        def outer(x: int) -> int:
            ops.inc(x)
            raise KeyError(x)

        with pytest.raises(KeyError, match="1"):
            outer(1)

        two = ops.inc(1)
        assert (type(two), ops.runs) == (AtomRef, ["inc(1)"])
        assert entered.only_call().op_name == "inc"

    def test_a_storage_entered_in_a_body_gives_refs(self, entered: FakeBook, ops: Counting) -> None:
        """And its calls go there, until it is left."""
        other = FakeBook("other")
        kinds = []

        @op(name="outer")
        def outer() -> int:
            session = enter(other)
            kinds.append(type(ops.inc(1)))
            leave(session)
            kinds.append(type(ops.inc(1)))
            return 0

        outer()

        assert kinds == [AtomRef, int]
        assert [call.parent for call in other.calls.values()] == [None]
        assert [call.op_name for call in entered.calls.values()] == ["inc", "outer"]


class TestOutside:
    """Ops outside every storage."""

    def test_an_op_is_its_plain_function(self, book: FakeBook, ops: Counting) -> None:
        """Nothing is recorded, and everything runs."""
        assert [ops.inc(1), ops.inc(1)] == [2, 2]
        assert ops.divide(7) == (2, 1)
        assert ops.runs == ["inc(1)", "inc(1)", "divide(7, 3)"]
        assert not book.asked

    def test_refs_are_unwrapped(self, book: FakeBook, ops: Counting) -> None:
        """From memory, or by the storage they came from."""
        session = enter(book)
        two = ops.inc(1)
        leave(session)

        assert ops.inc(two) == 3
        assert ops.inc(x=two.detached()) == 3
        assert book.asked["load_ref_value"] == 1

    def test_a_default_that_is_a_ref_is_unwrapped(self, book: FakeBook, ops: Counting) -> None:
        """As inside a storage."""
        session = enter(book)
        two = ops.inc(1)
        leave(session)

        @op(name="add")
        def add(x: int, y: Any = two) -> int:
            return x + int(y)

        assert add(1) == 3


def test_storages_inside_each_other_keep_their_calls_apart(ops: Counting) -> None:
    """In mandala, calls after an inner ``with`` were silently not recorded."""
    outer, inner = FakeBook("outer"), FakeBook("inner")
    outer_session = enter(outer)
    ops.inc(1)
    inner_session = enter(inner)
    ops.inc(1)
    leave(inner_session)
    ops.inc(5)
    leave(outer_session)

    ops.inc(6)

    assert ops.runs == ["inc(1)", "inc(1)", "inc(5)", "inc(6)"]
    assert (len(outer.calls), len(inner.calls)) == (2, 1)
