"""Ops and arguments with other names than they had: old calls answer under the new ones."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import UsageError
from mandala_cas.memo.op import op
from mandala_cas.memo.recovery import load
from mandala_cas.memo.registry import find_renamed, renames
from mandala_cas.memo.special import NewArgDefault


def area(width: int, height: int) -> int:
    """Return a product."""
    return width * height


def surface(breadth: int, height: int) -> int:
    """Return a product."""
    return breadth * height


def tall(breadth: int, tallness: int) -> int:
    """Return a product."""
    return breadth * tallness


def deep(breadth: int, height: int, depth: int = NewArgDefault(1)) -> int:
    """Return a product."""
    return breadth * height * depth


def test_an_old_name_answers(entered: FakeBook) -> None:
    """With the refs that are on record: what was computed from them goes on answering."""
    made = op(area, name="rename.a1")(2, 3)

    found = op(area, name="rename.a2", previous_names=["rename.a0", "rename.a1"])(2, 3)

    assert found == made
    assert entered.only_call().op_name == "rename.a1"


def test_an_old_argument_answers(entered: FakeBook) -> None:
    """Under the old name of the op, or that which it has."""
    made = op(area, name="rename.b1")(2, 3)

    renamed = {"width": "breadth"}
    same = op(surface, name="rename.b1", renamed_args=renamed)(2, 3)
    other = op(surface, name="rename.b2", previous_names=["rename.b1"], renamed_args=renamed)(2, 3)

    assert made == same == other
    assert len(entered.calls) == 1


def test_arguments_renamed_one_after_another_answer(entered: FakeBook) -> None:
    """Calls from between two renames have one old name and one new one."""
    both = {"width": "breadth", "height": "tallness"}
    first = op(area, name="rename.c")(2, 3)
    second = op(surface, name="rename.c", renamed_args={"width": "breadth"})(4, 5)

    now = op(tall, name="rename.c", renamed_args=both, on_stale="keep")

    assert [now(2, 3), now(4, 5)] == [first, second]
    assert len(entered.calls) == 2


def test_a_renamed_op_may_have_new_arguments(entered: FakeBook) -> None:
    """All at once, as a refactoring does it."""
    made = op(area, name="rename.e1")(2, 3)

    found = op(
        deep,
        name="rename.e2",
        previous_names=["rename.e1"],
        renamed_args={"width": "breadth"},
        on_stale="error",
    )(2, 3)

    assert found == made
    assert len(entered.calls) == 1


def test_an_equal_call_under_an_old_name_answers(entered: FakeBook) -> None:
    """It is recorded under the new one, with a history of its own, as every hit by content."""
    made: Any = op(area, name="rename.f1")(2, 3)
    two = op(lambda: 2, name="rename.two")()

    found: Any = op(area, name="rename.f2", previous_names=["rename.f1"])(two, 3)

    assert (found.content_id, found == made) == (made.content_id, False)
    last = list(entered.calls.values())[-1]
    assert (last.op_name, last.duration_us) == ("rename.f2", 0)


def test_the_present_name_goes_first(entered: FakeBook) -> None:
    """What it has on record is newer."""
    old = op(area, name="rename.g1")(2, 3)
    new: Any = op(lambda width, height: width + height, name="rename.g2")(2, 3)

    found = op(area, name="rename.g2", previous_names=["rename.g1"], on_stale="keep")(2, 3)

    assert found == new != old
    assert len(entered.calls) == 2


def test_old_names_stay_in_the_namespace(entered: FakeBook) -> None:
    """Another project's op of the old name is another op."""
    op(area, name="rename.h1")(2, 3)
    entered.namespace = "proj"
    op(area, name="rename.h1")(4, 5)
    now = op(area, name="rename.h2", previous_names=["rename.h1"])

    now(2, 3)
    now(4, 5)

    names = [call.op_name for call in entered.calls.values()]
    assert names == ["rename.h1", "proj/rename.h1", "proj/rename.h2"]


def test_a_lost_value_is_computed_by_the_op_of_the_new_name(entered: FakeBook) -> None:
    """The call that is made again is the one on record."""
    made: Any = op(area, name="rename.i1")(2, 3)
    entered.lost.add(made.content_id)
    now = op(
        surface, name="rename.i2", previous_names=["rename.i1"], renamed_args={"width": "breadth"}
    )

    assert load([made], entered) == [6]
    call = entered.only_call()
    assert (call.op_name, call.inputs[0].name) == ("rename.i1", "width")
    assert now(2, 3) == made


def test_a_lost_value_is_computed_in_its_namespace(entered: FakeBook) -> None:
    """The op of this process has its name without it."""
    entered.namespace = "proj"
    call: Any = op(area, name="rename.j")
    made = call(2, 3)
    entered.lost.add(made.content_id)

    assert load([made], entered) == [6]
    assert entered.only_call().op_name == "proj/rename.j"


def test_a_name_that_is_in_use_is_no_old_name() -> None:
    """Its calls would be shown as those of two ops."""
    used = op(area, name="rename.k1")

    with pytest.raises(UsageError, match=r"previous_names has 'rename\.k1', and there is an op of"):
        op(area, name="rename.k2", previous_names=["rename.k1"])
    del used


def test_an_old_name_is_no_new_one() -> None:
    """The same, in the other order."""
    renamed = op(area, name="rename.l2", previous_names=["rename.l1"])

    with pytest.raises(UsageError, match=r"rename\.l1: this was the name of op rename\.l2"):
        op(area, name="rename.l1")
    del renamed


def test_what_a_notebook_defined_before_is_no_other_op(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that was edited leaves the old function behind, and nobody deletes it."""
    monkeypatch.setattr(area, "__module__", "__main__")
    before = op(area, name="rename.m1")

    now = op(area, name="rename.m2", previous_names=["rename.m1"])

    assert (before.name, now.name) == ("rename.m1", "rename.m2")


def test_defining_an_op_again_is_no_clash() -> None:
    """Neither for a module that is loaded again, nor for a cell that is run again."""
    first = op(area, name="rename.n2", previous_names=["rename.n1"])
    second = op(area, name="rename.n2", previous_names=["rename.n1"])

    assert first.name == second.name


@pytest.mark.parametrize(
    ("renamed_args", "message"),
    [
        ({"x": "width_"}, "renamed_args names 'width_', and the op takes width, height"),
        ({"width": "height"}, "renamed_args says that 'width' has another name now, and it is st"),
        ({"width": "height", "height": "width"}, "'width' has another name now, and it is still"),
    ],
)
def test_renamed_arguments_are_those_of_the_signature(
    renamed_args: dict[str, str], message: str
) -> None:
    """A typing mistake would lose the old calls silently."""
    with pytest.raises(UsageError, match=message):
        op(area, name="rename.o", renamed_args=renamed_args)


def test_the_registry_knows_old_names_until_an_op_says_otherwise() -> None:
    """It is what frames ask."""
    state, _ = renames()
    now = op(surface, name="rename.p2", previous_names=["rename.p1"], renamed_args={"w": "breadth"})

    changed, by_name = renames()
    assert changed > state
    assert by_name["rename.p1"].name == by_name["rename.p2"].name == "rename.p2"
    assert by_name["rename.p1"].arguments == (("w", "breadth"),)
    found = find_renamed("rename.p1", "")
    assert found is not None
    assert found.name == now.name

    again = op(surface, name="rename.p2")
    assert {"rename.p1", "rename.p2"}.isdisjoint(renames()[1])
    assert find_renamed("rename.p1", "") is None
    del again
