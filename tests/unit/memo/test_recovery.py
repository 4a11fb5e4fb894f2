"""Values that cannot be read are computed again, where the user has asked for computing."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook, content_id_of

from mandala_cas.errors import CorruptionError
from mandala_cas.log.groups import CALL_FIELDS
from mandala_cas.memo import recovery
from mandala_cas.memo.context import current, enter, leave
from mandala_cas.memo.op import Op, op
from mandala_cas.memo.special import NewArgDefault
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import constant_history_id
from mandala_cas.model.refs import AtomRef, Ref


class Ops:
    """Ops that say when they run."""

    def __init__(self) -> None:
        """Define them."""
        self.runs: list[str] = []
        runs = self.runs

        @op(name="recovered.inc")
        def inc(x: int) -> int:
            runs.append(f"inc({x})")
            return x + 1

        @op(name="recovered.both")
        def both(x: int, *more: int, factor: int = 2, **named: int) -> tuple[int, int]:
            runs.append("both")
            return factor * (x + sum(more)), sum(named.values())

        @op(name="recovered.drawn")
        def drawn(x: int) -> float:
            runs.append("drawn")
            return x + random.random()  # noqa: S311 (any number that differs)

        @op(name="recovered.outer")
        def outer(x: int) -> int:
            runs.append("outer")
            return inc(inc(x))

        self.inc: Op[..., Any] = inc
        self.both: Op[..., Any] = both
        self.drawn: Op[..., Any] = drawn
        self.outer: Op[..., Any] = outer


@pytest.fixture
def ops() -> Ops:
    """Return fresh ops."""
    return Ops()


def lose(book: FakeBook, *values: Any) -> None:
    """Make values unreadable."""
    book.lost |= {content_id_of(value) for value in values}


def call_of(book: FakeBook, op_name: str) -> CallRecord:
    """Return the call of an op that was called once."""
    (call,) = (call for call in book.calls.values() if call.op_name == op_name)
    return call


def test_a_lost_value_is_computed_again(entered: FakeBook, ops: Ops) -> None:
    """The user sees the value, and nothing of the loss."""
    ref = ops.inc(1)
    lose(entered, 2)

    (value,) = recovery.load([ref.detached()], entered)

    assert value == 2
    assert ops.runs == ["inc(1)", "inc(1)"]
    assert not entered.lost
    assert entered.asked["mark_lost"] == 1


def test_only_what_is_lost_is_computed_again(entered: FakeBook, ops: Ops) -> None:
    """One bad value of many costs one call."""
    refs = [ops.inc(x).detached() for x in range(4)]
    lose(entered, 2)
    ops.runs.clear()

    values = recovery.load([*refs, refs[1]], entered)

    assert values == [1, 2, 3, 4, 2]
    assert ops.runs == ["inc(1)"]


def test_inputs_that_are_lost_are_computed_first(entered: FakeBook, ops: Ops) -> None:
    """However long the chain is; longer than Python's stack."""
    length = 1500
    ref: Any = 0
    for _ in range(length):
        ref = ops.inc(ref).detached()
        if ref.content_id == content_id_of(5):
            assert entered.calls
    lose(entered, *range(1, length + 1))
    ops.runs.clear()

    (value,) = recovery.load([ref], entered)

    assert value == length
    assert ops.runs == [f"inc({x})" for x in range(length)]


def test_arguments_come_back_as_they_were_given(entered: FakeBook, ops: Ops) -> None:
    """By position, beyond the parameters, by keyword, and beyond those."""
    ref, other = ops.both(1, 2, 3, factor=5, a=7, b=8)
    lose(entered, 30, 15)

    values = recovery.load([ref.detached(), other.detached()], entered)

    assert values == [30, 15]
    assert ops.runs == ["both", "both"]


def test_arguments_that_came_later_are_at_their_defaults(entered: FakeBook) -> None:
    """Old calls answer for the op as it is now, so they are made again by it."""

    @op(name="recovered.scaled")
    def scaled(x: int) -> int:
        return x * 10

    ref: Any = scaled(1)

    @op(name="recovered.scaled")
    def scaled_later(x: int, factor: int = NewArgDefault(10)) -> int:
        return x * factor

    lose(entered, 10)

    assert recovery.load([ref.detached()], entered) == [10]
    assert scaled_later.name == "recovered.scaled"


def test_calls_in_a_body_are_recovered_as_well(
    entered: FakeBook, ops: Ops, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a body asks for is there, whether it was lost or not."""
    ref = ops.outer(1)
    lose(entered, 2, 3)
    parent = {call.call_id: call.parent for call in entered.calls.values()}
    ops.runs.clear()
    monkeypatch.setattr(entered, "load", partial(recovery.load, book=entered))  # as a storage does

    (value,) = recovery.load([ref.detached()], entered)

    assert value == 3
    assert sorted(ops.runs) == ["inc(1)", "inc(2)", "outer"]
    assert {call.call_id: call.parent for call in entered.calls.values()} == parent


def test_a_call_that_was_made_in_a_body_stays_its_call(entered: FakeBook, ops: Ops) -> None:
    """Also when it runs again by itself, because only its value is lost."""
    ops.outer(1)
    (inner,) = (c for c in entered.calls.values() if c.outputs[0].content_id == content_id_of(2))
    slot = inner.outputs[0]
    lose(entered, 2)

    recovery.load([AtomRef(slot.history_id, slot.content_id)], entered)

    assert ops.runs == ["outer", "inc(1)", "inc(2)", "inc(1)"]
    assert inner.parent == call_of(entered, "recovered.outer").call_id
    assert entered.calls[inner.call_id].parent == inner.parent


def test_outside_nothing_runs_and_the_error_says_what_to_do(book: FakeBook, ops: Ops) -> None:
    """Reading must not compute for hours by surprise."""
    session = enter(book)
    ref = ops.inc(1)
    leave(session)
    lose(book, 2)

    with pytest.raises(CorruptionError, match=r"output_0 of recovered\.inc .*with storage.*fsck"):
        recovery.load([ref.detached()], book)

    assert ops.runs == ["inc(1)"]


def test_a_storage_entered_further_out_is_entered(entered: FakeBook, ops: Ops) -> None:
    """Two storages can be open at once."""
    ref = ops.inc(1)
    lose(entered, 2)
    session = enter(FakeBook("inner"))

    values = recovery.load([ref.detached()], entered)

    assert values == [2]
    leave(session)
    assert len(entered.calls) == 1
    assert current() is not None


def test_an_op_that_is_not_here_is_named_with_its_module(entered: FakeBook) -> None:
    """The user knows what to import."""

    def define() -> Ref:
        @op(name="recovered.gone", version="2")
        def gone(x: int) -> int:
            return x + 40

        ref: Any = gone(1)
        return ref.detached()  # type: ignore[no-any-return] # inside a block, ops give refs

    ref = define()
    lose(entered, 41)

    with pytest.raises(
        CorruptionError, match=r"recovered\.gone in version '2' is not defined.*test_recovery"
    ) as caught:
        recovery.load([ref], entered)

    assert caught.value.op == "recovered.gone"
    assert caught.value.module.endswith("test_recovery")


def test_another_value_is_never_given_for_the_one_asked_for(entered: FakeBook, ops: Ops) -> None:
    """The new one is on record; the error names both."""
    ref = ops.drawn(1)
    old = ref.content_id
    lose(entered, ref.value)

    with pytest.raises(CorruptionError, match="not deterministic") as caught:
        recovery.load([ref.detached()], entered)

    (new,) = call_of(entered, "recovered.drawn").outputs
    assert caught.value.content_id == old
    assert caught.value.found == new.content_id
    assert f"value {old.short}" in str(caught.value)
    assert f"value {new.content_id.short}" in str(caught.value)


def test_code_that_changed_is_told_from_chance(entered: FakeBook, ops: Ops) -> None:
    """What to do is another thing."""
    ref = ops.inc(1)
    lose(entered, 2)

    @op(name="recovered.inc")
    def inc(x: int) -> int:
        return x + 100

    with pytest.raises(CorruptionError, match="its code has changed since: give it a new version"):
        recovery.load([ref.detached()], entered)

    assert call_of(entered, inc.name).outputs[0].content_id == content_id_of(101)


def test_other_parameters_are_told(entered: FakeBook, ops: Ops) -> None:
    """An op that was redefined cannot be handed what its former self took."""
    ref = ops.inc(1)
    lose(entered, 2)

    @op(name="recovered.inc")
    def inc(y: int) -> int:
        return y

    with pytest.raises(CorruptionError, match=r"does not take its inputs \(x\) any more"):
        recovery.load([ref.detached()], entered)

    assert inc.name == "recovered.inc"


def test_an_input_from_outside_that_is_lost_makes_the_call_run_the_next_time(
    entered: FakeBook, ops: Ops
) -> None:
    """Whoever has it passes it again; until then the error says which one."""
    ref = ops.inc(1)
    lose(entered, 1, 2)

    with pytest.raises(CorruptionError, match=r"its input x is lost.*call recovered\.inc with"):
        recovery.load([ref.detached()], entered)

    assert not entered.calls
    assert ops.inc(1).value == 2


def test_a_constant_that_is_lost_has_no_call_to_run(entered: FakeBook, ops: Ops) -> None:
    """Nobody but the user has it."""
    ops.inc(1)
    lose(entered, 1)
    one = content_id_of(1)

    with pytest.raises(CorruptionError, match="passed in from outside; pass it once more"):
        recovery.load([AtomRef(constant_history_id(one), one)], entered)

    assert len(entered.calls) == 1


def test_a_record_that_goes_in_circles_ends(entered: FakeBook, ops: Ops) -> None:
    """A store may hold anything."""
    ref = ops.inc(1)
    call = call_of(entered, "recovered.inc")
    circle = CallRecord(
        **{
            **{name: getattr(call, name) for name in CALL_FIELDS},
            "inputs": tuple(
                type(slot)(slot.name, call.outputs[0].history_id, call.outputs[0].content_id)
                for slot in call.inputs
            ),
        }
    )
    entered.calls[call.call_id] = circle
    lose(entered, 2)

    with pytest.raises(CorruptionError, match="needed to compute itself"):
        recovery.load([ref.detached()], entered)

    assert ops.runs == ["inc(1)"]


def test_an_input_that_stays_unreadable_ends_the_attempt(entered: FakeBook, ops: Ops) -> None:
    """A store may lose what it was just given; each call runs once, and then the error comes."""
    ref = ops.inc(ops.inc(1))
    lose(entered, 2, 3)
    record_again = entered.record_again

    def forget(call: CallRecord, *more: Any) -> None:
        record_again(call, *more)
        lose(entered, 2)

    entered.record_again = forget  # type: ignore[assignment, method-assign] # a store that loses

    with pytest.raises(CorruptionError, match="is gone"):
        recovery.load([ref.detached()], entered)

    assert ops.runs == ["inc(1)", "inc(2)", "inc(1)"]


def test_one_that_cannot_be_had_keeps_nobody_from_the_others(entered: FakeBook, ops: Ops) -> None:
    """The error comes when the rest is safe."""
    drawn, inc = ops.drawn(1), ops.inc(1)
    lose(entered, drawn.value, 2)

    with pytest.raises(CorruptionError, match="not deterministic"):
        recovery.load([drawn.detached(), inc.detached()], entered)

    assert content_id_of(2) not in entered.lost


def test_what_an_op_raises_passes_with_a_note(entered: FakeBook) -> None:
    """It is the user's, and they must know why it ran."""
    broken = False

    @op(name="recovered.fragile")
    def fragile(x: int) -> int:
        if broken:
            raise ValueError(x)
        return x + 1

    ref: Any = fragile(1)
    lose(entered, 2)
    broken = True

    with pytest.raises(ValueError, match="1") as caught:
        recovery.load([ref.detached()], entered)

    assert caught.value.__notes__ == [
        "raised while recovered.fragile ran again, because its values are lost"
    ]
