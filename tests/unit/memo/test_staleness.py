"""Records of other code: told once, or computed anew, or an error; never silently."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import MandalaWarning, StaleWarning, UsageError
from mandala_cas.memo import staleness
from mandala_cas.memo.op import Op, op
from mandala_cas.memo.special import NewArgDefault
from mandala_cas.model.ids import output_history_id


@pytest.fixture(autouse=True)
def _nobody_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test hear what this process told already."""
    monkeypatch.setattr(staleness, "_WARNED", set())


def old(x: int) -> int:
    """Add one."""
    return x + 1


def new(x: int) -> int:
    """Add two."""
    return x + 2


def more(x: int, trees: int = NewArgDefault(1)) -> int:
    """Add what is given."""
    return x + trees


def other_default(x: int, trees: int = NewArgDefault(1)) -> int:
    """Add what is given, differently."""
    return x + trees * 1


def plain_argument(x: int, trees: int = 1) -> int:
    """Add what is given."""
    return x + trees


def renamed(number: int) -> int:
    """Add one."""
    return number + 1


def as_f(function: Callable[..., int], **settings: Any) -> Any:
    """Return an op that has the same name whatever it does."""
    return op(function, name="f", **settings)


def warned_in(call: Callable[[], Any]) -> list[str]:
    """Return what a call warns of, and nothing else is heard."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(issubclass(item.category, MandalaWarning) for item in caught)
    return [str(item.message) for item in caught]


def test_other_code_answers_with_a_warning_that_shows_what_changed(entered: FakeBook) -> None:
    """The default: results stay, and nobody takes them for those of the new code."""
    made = as_f(old)(1)

    with pytest.warns(StaleWarning) as caught:
        answered = as_f(new)(1)

    message = str(caught[0].message)
    assert answered == made
    assert message.startswith("f: its code has changed since the calls on record were made (call ")
    assert "\n-    return x + 1\n" in message
    assert message.endswith("\n+    return x + 2")
    assert '@op(version="2"), or on_stale="recompute"' in message
    assert caught[0].filename == __file__
    assert len(entered.calls) == 1


def test_it_is_told_once_for_each_code(entered: FakeBook) -> None:
    """A loop over old results must not print as many warnings; an edit is another matter."""
    del entered
    as_f(old)(1)
    as_f(old)(2)

    def is_odd(x: int) -> int:
        return x % 2

    assert len(warned_in(lambda: as_f(new)(1))) == 1
    assert warned_in(lambda: [as_f(new)(1), as_f(new)(2)]) == []
    assert len(warned_in(lambda: as_f(is_odd)(1))) == 1


def test_a_settled_record_is_looked_into_once(entered: FakeBook) -> None:
    """From then on a hit costs what it cost before."""
    as_f(old)(1)
    stale = as_f(new)
    warned_in(lambda: stale(1))
    looked = entered.asked["find_source"]

    stale(1)

    assert entered.asked["find_source"] == looked


def test_without_the_old_source_there_is_no_diff(entered: FakeBook) -> None:
    """It was not written, or cannot be read."""
    as_f(old)(1)
    entered.sources.clear()

    (message,) = warned_in(lambda: as_f(new)(1))

    assert message.endswith('on_stale="keep"')


def test_other_code_is_run_instead(entered: FakeBook) -> None:
    """Its record takes the place of the old one, and what rests on the old one misses."""
    made = as_f(old)(1)
    downstream = op(lambda x: x * 10, name="times")
    downstream(made)

    again: Any = as_f(new, on_stale="recompute")(1)
    result: Any = downstream(again)

    assert (again.value, result.value) == (3, 30)
    assert again != made
    assert len(entered.replaced) == 1
    assert as_f(new, on_stale="recompute")(1) == again
    call = next(c for c in entered.calls.values() if c.op_name == "f")
    assert call.source_hash == op(new, name="new").source_hash
    assert call.outputs[0].history_id != output_history_id(call.call_id, "output_0")


def test_what_gives_the_same_keeps_its_history(entered: FakeBook) -> None:
    """A refactoring: everything downstream goes on answering."""
    made = as_f(old)(1)

    again = as_f(renamed, on_stale="recompute", renamed_args={"x": "number"})(1)
    other = as_f(lambda x: 1 + x, on_stale="recompute")(1)

    assert made == again == other
    assert len(entered.replaced) == 1


def test_other_code_is_an_error(entered: FakeBook) -> None:
    """Which names the ways on."""
    as_f(old)(1)

    with pytest.raises(UsageError, match=r"f: its code has changed .*@op\(version=\.\.\.\)") as e:
        as_f(new, on_stale="error")(1)

    assert (e.value.op, e.value.hid) == ("f", str(entered.only_call().call_id))


def test_other_code_is_kept_silently(entered: FakeBook) -> None:
    """Where somebody says that the results are the same."""
    made = as_f(old)(1)

    assert as_f(new, on_stale="keep")(1) == made
    assert entered.asked["find_source"] == 0


@pytest.mark.parametrize(
    ("of_storage", "of_op", "runs"), [("recompute", None, 2), ("recompute", "keep", 1)]
)
def test_the_op_decides_before_the_storage(
    entered: FakeBook, of_storage: Any, of_op: Any, runs: int
) -> None:
    """A storage speaks for ops that say nothing."""
    entered.on_stale = of_storage
    as_f(old)(1)

    as_f(new, on_stale=of_op)(1)

    assert len(entered.replaced) + 1 == runs


def test_new_arguments_make_nothing_stale(entered: FakeBook) -> None:
    """Their defaults say that the old results stand, whatever the body looks like now."""
    made = as_f(old)(1)

    assert as_f(more, on_stale="error")(1) == made
    assert as_f(more, on_stale="error")(1, trees=1) == made
    assert len(entered.calls) == 1


def test_a_body_that_changed_later_is_stale(entered: FakeBook) -> None:
    """The argument is not new to that code."""
    del entered
    as_f(more)(1)

    with pytest.raises(UsageError, match="its code has changed"):
        as_f(other_default, on_stale="error")(1)


def test_a_plain_argument_that_is_new_is_another_call(entered: FakeBook) -> None:
    """So there is nothing to be stale."""
    as_f(old)(1)

    as_f(plain_argument, on_stale="error")(1)

    assert len(entered.calls) == 2


def test_new_arguments_are_given_the_benefit_of_the_doubt(entered: FakeBook) -> None:
    """Where nobody knows the old code, and the record lacks an argument."""
    made = as_f(old)(1)
    as_f(other_default)(1, trees=5)
    entered.sources.clear()

    assert as_f(more, on_stale="error")(1) == made
    with pytest.raises(UsageError, match="its code has changed"):
        as_f(more, on_stale="error")(1, trees=5)


def test_a_renamed_argument_makes_nothing_stale(entered: FakeBook) -> None:
    """Nothing else changed; a change besides does."""
    as_f(old)(1)

    as_f(renamed, renamed_args={"x": "number"}, on_stale="error")(1)
    assert len(entered.calls) == 1

    def changed(number: int) -> int:
        return number + 3

    with pytest.raises(UsageError, match="its code has changed"):
        as_f(changed, renamed_args={"x": "number"}, on_stale="error")(1)


def of_module(function: Callable[..., int], module: str, **settings: Any) -> Op[..., int]:
    """Return an op with the qualified name of ``function``, from another module."""

    def f(x: int) -> int:
        return function(x)

    f.__module__, f.__qualname__ = module, "preprocess"
    return op(f, **settings)


def test_a_hit_across_modules_is_told_once(entered: FakeBook) -> None:
    """Two people's ``preprocess`` on one store."""
    of_module(old, "mine.data")(1)
    theirs = of_module(old, "theirs.data")

    (message,) = warned_in(lambda: [theirs(1), theirs(1)])

    assert message == (
        "preprocess of theirs.data is answered by calls that preprocess of mine.data made; if "
        "these are one op, say so with @op(name='preprocess'), and if they are two, give one of "
        "them another name"
    )
    assert len(entered.calls) == 1


@pytest.mark.parametrize(
    ("before", "now", "settings"),
    [
        ("__main__", "theirs.data", {}),
        ("mine.data", "__main__", {}),
        ("mine.data", "theirs.data", {"name": "preprocess"}),
    ],
)
@pytest.mark.usefixtures("entered")
def test_a_script_and_a_chosen_name_are_no_surprise(
    before: str, now: str, settings: dict[str, Any]
) -> None:
    """One file is run and imported; and who gives a name means the op of that name."""
    of_module(old, before)(1)

    assert warned_in(lambda: of_module(old, now, **settings)(1)) == []


def test_an_equal_call_of_other_code_is_told_of_as_well(entered: FakeBook) -> None:
    """A hit by content is a hit."""
    del entered
    as_f(old)(2)
    two = op(lambda: 2, name="two")()

    assert len(warned_in(lambda: as_f(new)(two))) == 1
