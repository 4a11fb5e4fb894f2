"""Calls that run: what is stored before the body, what after, and what is not."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook, FakePrepared, content_id_of

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.memo.book import Hasher
from mandala_cas.memo.context import enter, leave
from mandala_cas.memo.op import Op, op
from mandala_cas.model.ids import ContentId, constant_history_id
from mandala_cas.model.refs import AtomRef, Ref


@op(name="make")
def typed_make(x: int) -> list[int]:
    """Return a list, which a body can change."""
    return [x]


@op(name="total")
def typed_total(*lists: list[int], start: int = 0) -> int:
    """Return a sum that needs the values."""
    return start + sum(map(sum, lists))


# Refs go in and out: to a type checker they are the values.
make: Op[..., Any] = typed_make
total: Op[..., Any] = typed_total


def made_in(book: FakeBook, x: int) -> Ref:
    """Return a ref that ``book`` made, with its value attached."""
    session = enter(book)
    ref = make(x)
    leave(session)
    assert isinstance(ref, Ref)
    return ref


def test_inputs_are_loaded_together(entered: FakeBook) -> None:
    """Each request to a bucket costs a round trip; each value is asked for once."""
    one, two = make(1).detached(), make(2).detached()
    entered.asked.clear()

    result = total(one, two, one)

    assert result.value == 4
    assert [entered.asked[what] for what in ("load", "values", "load_ref_value")] == [1, 2, 0]


def test_inputs_in_memory_are_not_loaded(entered: FakeBook) -> None:
    """A pipeline run for the first time reads nothing back."""
    result = total(make(1), make(2))

    assert result.value == 3
    assert entered.asked["load"] == 0


def test_constants_are_stored_as_they_were_before_the_body(entered: FakeBook) -> None:
    """The body may change what it is given; the record must name what the caller passed."""

    @op(name="spoil")
    def spoil(x: list[int]) -> int:
        x.append(99)
        return len(x)

    result: Any = spoil([1])

    (slot,) = entered.only_call().inputs
    assert result.value == 2
    assert slot.content_id == content_id_of([1])
    assert entered.values[slot.content_id] == [1]


def test_an_exception_passes_unchanged_and_nothing_is_on_record(entered: FakeBook) -> None:
    """The call failed; the next one tries again."""
    error = ZeroDivisionError("no")

    @op(name="fail")
    def fail(x: int) -> int:
        if x:
            raise error
        return x

    with pytest.raises(ZeroDivisionError) as raised:
        fail(1)

    assert raised.value is error
    assert (entered.calls, entered.values) == ({}, {})


def test_a_wrong_call_is_told_what_python_tells(entered: FakeBook) -> None:
    """As without ``@op``, and before anything happens."""
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'x'"):
        make()

    assert not entered.asked


def test_a_clock_that_is_set_back_gives_no_negative_duration(entered: FakeBook) -> None:
    """Durations are summed up by people."""

    @op(name="f")
    def f() -> int:
        entered._ticks -= 1_000_000
        return 1

    f()

    assert entered.only_call().duration_us == 0


class TestErrors:
    """What users are told; nothing is on record afterwards."""

    @pytest.mark.usefixtures("entered")
    def test_an_argument_that_cannot_be_hashed_is_named_with_the_path(self) -> None:
        """Op, argument, and the place inside it: enough to find it in a large configuration."""

        @op(name="train_model")
        def train_model(x: int, cfg: Any) -> int:
            return x if cfg else 0

        with pytest.raises(UsageError) as raised:
            train_model(1, cfg={"loader": [0, threading.Lock()]})

        assert str(raised.value) == (
            "train_model: argument 'cfg': cfg['loader'][1] cannot be hashed: "
            "found a lock; pass what it is made of instead"
        )
        assert raised.value.op == "train_model"
        assert raised.value.argument == "cfg"
        assert raised.value.path == "['loader'][1]"

    def test_an_output_that_cannot_be_stored_is_named(self, entered: FakeBook) -> None:
        """With the reason; the inputs that were prepared are dropped."""

        @op(name="split", output_names=["data", "rest"])
        def split(x: int) -> tuple[int, Any]:
            return x, (i for i in range(x))

        with pytest.raises(
            UsageError, match=r"^split: output 'rest': rest cannot be stored: found a generator"
        ) as raised:
            split(3)

        assert (raised.value.op, raised.value.output) == ("split", "rest")
        assert (entered.calls, entered.values) == ({}, {})

    def test_an_input_that_cannot_be_stored_is_named_before_the_body_runs(self) -> None:
        """What can be hashed may still have no codec."""

        class Refusing(FakeBook):
            """A book that stores no numbers."""

            def prepare(
                self,
                value: Any,
                content_id: ContentId | None = None,
                codec_name: str | None = None,
                *,
                hasher: Hasher | None = None,
                is_ref: bool = False,
            ) -> FakePrepared:
                """Refuse numbers."""
                if isinstance(value, int):
                    raise UsageError("no codec for int")
                return super().prepare(value, content_id, codec_name, hasher=hasher, is_ref=is_ref)

        runs = []

        @op(name="f")
        def f(x: int) -> str:
            runs.append(x)
            return "a"

        session = enter(Refusing())
        with pytest.raises(UsageError, match=r"^f: argument 'x' cannot be stored: no codec for i"):
            f(1)
        leave(session)

        assert runs == []

    def test_a_wrong_number_of_outputs_leaves_nothing_on_record(self, entered: FakeBook) -> None:
        """The declaration and the function disagree; neither is believed."""

        @op(name="f", nout=2)
        def f() -> int:
            return 1

        with pytest.raises(UsageError, match="f: expected a tuple of 2 outputs"):
            f()

        assert (entered.calls, entered.values) == ({}, {})


class TestOutputsThatAreRefs:
    """A body may return a ref it found outside its arguments."""

    def test_they_are_unwrapped(self, entered: FakeBook) -> None:
        """The output has this call's history and the ref's content."""
        one = make(1)

        @op(name="f")
        def f() -> Any:
            return one, one.detached()

        results = f()

        assert [ref.value for ref in results] == [[1], [1]]
        assert {ref.content_id for ref in results} == {one.content_id}
        assert len({one, *results}) == 3
        assert len(entered.calls) == 2

    @pytest.mark.usefixtures("entered")
    def test_one_whose_value_is_nowhere_is_named(self) -> None:
        """It cannot be an output of anything."""
        nowhere = AtomRef(constant_history_id(content_id_of(1)), content_id_of(1))

        @op(name="f")
        def f() -> Any:
            return nowhere

        with pytest.raises(UsageError, match=r"f: output 'output_0': the value of AtomRef"):
            f()

    def test_one_whose_value_this_book_lost_is_named(self, entered: FakeBook) -> None:
        """The book is asked once, and not again under another name."""
        one = make(1).detached()
        entered.values.clear()

        @op(name="f")
        def f() -> Any:
            return one

        with pytest.raises(UsageError, match=r"neither in memory nor in FakeBook\(fake\); load"):
            f()


class TestRefsOfAnotherStorage:
    """Arguments that another storage made."""

    def test_they_keep_their_ids(self, entered: FakeBook) -> None:
        """A call with them is the same call in every store."""
        ref = made_in(FakeBook("other"), 1)

        total(ref)

        (slot, _) = entered.only_call().inputs
        assert (slot.history_id, slot.content_id) == (ref.history_id, ref.content_id)

    @pytest.mark.parametrize("in_memory", [True, False])
    def test_a_value_is_copied_over_when_the_call_runs(
        self, entered: FakeBook, *, in_memory: bool
    ) -> None:
        """A record promises that its values can be read here."""
        other = FakeBook("other")
        ref = made_in(other, 1)

        result = total(ref if in_memory else ref.detached())

        assert result.value == 1
        assert entered.values[ref.content_id] == [1]
        assert other.asked["load_ref_value"] == (0 if in_memory else 1)

    def test_on_a_hit_nothing_is_loaded_or_copied(self, entered: FakeBook) -> None:
        """Its ids are all that is needed."""
        other = FakeBook("other")
        total(make(1))
        ref = made_in(other, 1).detached()
        other.asked.clear()
        recorded = len(entered.calls)

        total(ref)

        assert len(entered.calls) == recorded
        assert not other.asked

    def test_a_value_that_only_this_book_has_is_loaded_from_it(self, entered: FakeBook) -> None:
        """The other storage may have lost it, or be a copy of the metadata only."""
        other = FakeBook("other")
        ref = made_in(other, 1).detached()
        make(1)
        other.values.clear()

        result = total(ref, start=1)

        assert result.value == 2
        assert entered.asked["load"] == 1

    def test_a_value_that_neither_has_is_an_error_that_names_both(self, entered: FakeBook) -> None:
        """What to do next depends on which storage lacks what."""
        other = FakeBook("other")
        ref = made_in(other, 1).detached()
        other.values.clear()

        with pytest.raises(
            UsageError,
            match=r"^total: argument 'lists_0': .*neither in memory nor in FakeBook\(other\) "
            r"nor in FakeBook\(fake\)",
        ) as raised:
            total(ref)

        assert raised.value.ref is ref
        assert (raised.value.op, raised.value.argument) == ("total", "lists_0")
        assert isinstance(raised.value.__cause__, NotFoundError)
        assert entered.calls == {}


class TestRefsThatWerePickled:
    """Arguments that have their ids and nothing else."""

    def test_they_are_loaded_from_this_book(self, entered: FakeBook) -> None:
        """It may have made them; they are on record already then, and not stored again."""
        ref = pickle.loads(pickle.dumps(make(1)))  # noqa: S301 (made on the line above)
        entered.asked.clear()

        result = total(ref)

        assert result.value == 1
        assert (entered.asked["load"], entered.asked["prepare"]) == (1, 2)  # `start`, the output

    @pytest.mark.usefixtures("entered")
    def test_one_that_this_book_lacks_is_an_error(self) -> None:
        """It names the book that was asked."""
        ref = AtomRef(constant_history_id(content_id_of([1])), content_id_of([1]))

        with pytest.raises(UsageError, match=r"neither in memory nor in FakeBook\(fake\); load it"):
            total(ref)

    def test_outside_every_storage_there_is_nobody_to_ask(self) -> None:
        """The message does not name a storage that nobody entered."""
        ref = AtomRef(constant_history_id(content_id_of([1])), content_id_of([1]))

        with pytest.raises(UsageError, match=r"total: argument 'lists_0': .* nor of a storage th"):
            total(ref)

    def test_a_value_that_came_along_is_stored(self, entered: FakeBook) -> None:
        """Made by hand with its value: this book may never have seen it."""
        content_id = content_id_of([1])
        ref = AtomRef(constant_history_id(content_id), content_id, [1])

        total(ref)

        assert entered.values[content_id] == [1]


def test_a_value_that_this_book_made_and_lost_is_not_found(entered: FakeBook) -> None:
    """That is no mistake of the caller's: the storage's own error says more."""
    ref = make(1).detached()
    entered.values.clear()

    with pytest.raises(NotFoundError, match=r"in FakeBook\(fake\)"):
        total(ref)


def test_refs_of_one_history_keep_their_values(entered: FakeBook) -> None:
    """Two machines that get something else for one call leave two: each is what it is."""
    one, two = make(1), make(2)
    rival = AtomRef(one.history_id, two.content_id, loader=entered)

    result = total(one.detached(), rival)

    assert result.value == 3
