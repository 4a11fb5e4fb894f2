"""Outputs: their names, and how many."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from mandala_cas.errors import UsageError
from mandala_cas.memo.outputs import Outputs, declared_outputs, name_outputs


class Score(NamedTuple):
    """A result with names of its own."""

    train: float
    test: float


@pytest.mark.parametrize(
    "result", [1, None, [1, 2], (), (1,), {"a": 1}, Score(0.5, 0.25)], ids=repr
)
def test_anything_but_a_tuple_of_two_or_more_is_one_output(result: object) -> None:
    """A list is a value like any other, and a namedtuple's fields must survive."""
    assert name_outputs("f", Outputs(), result) == [("output_0", result)]


def test_a_tuple_is_as_many_outputs() -> None:
    """Numbered in the order of return."""
    assert name_outputs("f", Outputs(), (7, None)) == [("output_0", 7), ("output_1", None)]


def test_nout_one_keeps_a_tuple_whole() -> None:
    """For functions whose result is a pair, a shape, a point."""
    declared = declared_outputs("f", None, 1)

    assert name_outputs("f", declared, (1, 2)) == [("output_0", (1, 2))]


def test_declared_names_are_given_in_order() -> None:
    """The first name is the first output's."""
    declared = declared_outputs("f", ["train", "test"], "auto")

    assert name_outputs("f", declared, (0.5, 0.25)) == [("train", 0.5), ("test", 0.25)]


def test_a_declared_tuple_may_be_a_namedtuple() -> None:
    """Who declares several outputs asked for it to be taken apart."""
    assert name_outputs("f", Outputs(("a", "b")), Score(1, 2)) == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("result", "found"), [((1, 2, 3), "a tuple of 3"), (5, "int"), ([1, 2], "list")]
)
def test_a_result_that_was_not_declared_is_an_error(result: object, found: str) -> None:
    """The message says which op, what was expected and what was found."""
    declared = declared_outputs("split", None, 2)

    with pytest.raises(
        UsageError, match=rf"split: expected a tuple of 2 outputs \(output_0, output_1\).*{found}"
    ):
        name_outputs("split", declared, result)


@pytest.mark.parametrize("nout", [0, -1, True, 1.0, "2", [1]])
def test_nout_is_auto_or_a_positive_number(nout: Any) -> None:
    """Anything else is a mistake worth hearing of at once."""
    with pytest.raises(UsageError, match="f: nout is 'auto', 'var' or a number"):
        declared_outputs("f", None, nout)


@pytest.mark.parametrize("output_names", [[], "ab", ["a", ""], ["a", 1]])
def test_output_names_are_names(output_names: Any) -> None:
    """A string would be taken for a list of letters."""
    with pytest.raises(UsageError, match="f: output_names is a list with a name for each"):
        declared_outputs("f", output_names, "auto")


def test_two_outputs_of_one_name_are_refused() -> None:
    """Their refs would have one history."""
    with pytest.raises(UsageError, match="two outputs have one name"):
        declared_outputs("f", ["a", "a"], "auto")


def test_nout_must_agree_with_output_names() -> None:
    """One of them is wrong, and we cannot know which."""
    with pytest.raises(UsageError, match="nout=3, but output_names has 2"):
        declared_outputs("f", ["a", "b"], 3)
    assert declared_outputs("f", ["a", "b"], 2) == Outputs(("a", "b"))


@pytest.mark.parametrize("result", [(), (1,), (1, 2), (None, None, None)], ids=repr)
def test_a_number_that_varies_takes_every_tuple_apart(result: tuple[Any, ...]) -> None:
    """Also none and one, so that nobody has to ask how many there are."""
    declared = declared_outputs("f", None, "var")

    named = name_outputs("f", declared, result)

    assert named == [(f"output_{i}", value) for i, value in enumerate(result)]


@pytest.mark.parametrize(("result", "found"), [([1, 2], "list"), (None, "NoneType"), (5, "int")])
def test_a_number_that_varies_is_that_of_a_tuple(result: object, found: str) -> None:
    """A list is a value by itself; who means its elements says so."""
    with pytest.raises(UsageError, match=rf"split: with nout='var' .* found {found}; return tup"):
        name_outputs("split", declared_outputs("split", None, "var"), result)


def test_a_number_that_varies_has_no_names() -> None:
    """There would be a name for each of some outputs."""
    with pytest.raises(UsageError, match="with nout='var' there are as many outputs as"):
        declared_outputs("f", ["a", "b"], "var")
