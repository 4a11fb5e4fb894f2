"""What a call's inputs are, for every kind of callable and of parameter."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook, content_id_of

from mandala_cas.errors import UsageError
from mandala_cas.memo.op import op
from mandala_cas.memo.recovery import load
from mandala_cas.model.ids import constant_history_id
from mandala_cas.model.refs import AtomRef


@dataclass(frozen=True)
class Model:
    """Something with ops for methods."""

    slope: int

    @op
    def predict(self, x: int) -> int:
        """Return a prediction."""
        return self.slope * x

    @staticmethod
    @op
    def zero(x: int) -> int:
        """Return nothing."""
        return 0 * x

    def plain(self, x: int) -> int:
        """Return a prediction, remembered by nobody."""
        return self.slope * x

    def __call__(self, x: int) -> int:
        """Return a prediction."""
        return self.slope * x


class Named:
    """Something with a name, which tests take for its content."""

    @classmethod
    @op(name="made")
    def made(cls, x: int) -> str:
        """Return a text with the name of the class in it."""
        return f"{cls.__name__} of {x}"


def power(base: int, exponent: int) -> int:
    """Return a power."""
    return int(base**exponent)


def input_names(book: FakeBook) -> list[list[str]]:
    """Return the names of the inputs of each call."""
    return [[slot.name for slot in call.inputs] for call in book.calls.values()]


def test_a_method_has_its_instance_as_first_input(entered: FakeBook) -> None:
    """Equal instances answer for each other; the op is reached through them."""
    result: Any = Model(3).predict(2)
    again: Any = Model(3).predict(x=2)
    other: Any = Model(4).predict(2)

    assert (result.value, again, other.value) == (6, result, 8)
    assert input_names(entered) == [["self", "x"]] * 2
    assert Model.predict(Model(3), 2) == result


def test_a_static_method_has_no_instance(entered: FakeBook) -> None:
    """With ``@staticmethod`` above ``@op``."""
    # Type checkers bind what is behind a @staticmethod where it is a descriptor.
    instance: Any = Model(3)

    result = instance.zero(2)

    assert result.value == 0
    assert input_names(entered) == [["x"]]


def test_a_class_method_has_its_class_as_first_input(entered: FakeBook) -> None:
    """With ``@classmethod`` above ``@op``; a class is a value like any other."""
    made: Any = Named.made

    result = made(2)
    again = Named().made(x=2)

    assert (result.value, again) == ("Named of 2", result)
    assert input_names(entered) == [["cls", "x"]]


def test_a_bound_method_has_its_instance_as_first_input(entered: FakeBook) -> None:
    """Made an op by hand, it computes with the instance as much as with the argument."""
    slow = op(Model(2).plain, name="plain")
    fast = op(Model(3).plain, name="plain")

    results: list[Any] = [slow(5), fast(5), slow(x=5)]

    assert entered.load(results) == [10, 15, 10]
    assert input_names(entered) == [["self", "x"]] * 2
    assert (slow.f(5), fast.f(5)) == (10, 15)


def test_a_callable_object_is_its_first_input(entered: FakeBook) -> None:
    """What it holds decides the result."""
    slow, fast = op(Model(2), name="model"), op(Model(3), name="model")

    results: list[Any] = [slow(5), fast(5), op(Model(2), name="model")(5)]

    assert entered.load(results) == [10, 15, 10]
    assert input_names(entered) == [["self", "x"]] * 2


def test_a_callable_object_needs_a_name() -> None:
    """It has none of its own."""
    with pytest.raises(UsageError, match="has no name of its own"):
        op(Model(2))


def test_what_a_partial_fixes_is_an_input(entered: FakeBook) -> None:
    """By keyword or by position: the result depends on it all the same."""
    square = op(functools.partial(power, exponent=2), name="power")
    of_three = op(functools.partial(power, 3), name="power")
    nine = op(functools.partial(power, 3, exponent=2), name="power")

    results: list[Any] = [square(3), of_three(2), nine(), of_three(3), square(3, exponent=3)]

    assert entered.load(results) == [9, 9, 9, 27, 27]
    assert input_names(entered) == [["base", "exponent"]] * 2
    assert (square.f(3), of_three.f(2)) == (9, 9)


def test_two_partials_of_one_name_do_not_answer_for_each_other(entered: FakeBook) -> None:
    """What they fix by position is no part of a signature, and was an input nobody saw."""
    of_two: Any = op(functools.partial(power, 2), name="power")(5)
    of_three: Any = op(functools.partial(power, 3), name="power")(5)

    assert (of_two.value, of_three.value) == (32, 243)
    assert len(entered.calls) == 2


def test_a_partial_may_fix_a_ref(entered: FakeBook) -> None:
    """It is the result of another call then, and unwrapped for the body."""

    @op(name="three")
    def three() -> int:
        return 3

    of_three = op(functools.partial(power, three()), name="power")

    result: Any = of_three(2)

    assert result.value == 9
    last = list(entered.calls.values())[-1]
    assert last.inputs[0].history_id == three().history_id  # type: ignore[attr-defined]  # a ref


def test_a_lost_call_runs_again_with_what_it_was_made_with(entered: FakeBook) -> None:
    """Not with what the partial fixes that has its name now."""
    of_two = op(functools.partial(power, 2), name="power")
    made: Any = of_two(5)
    of_three = op(functools.partial(power, 3), name="power")
    of_three(5)
    entered.lost.add(made.content_id)

    assert load([made.detached()], entered) == [32]
    assert {call.module for call in entered.calls.values()} == {__name__}


def test_outside_a_storage_what_it_brings_is_given_once() -> None:
    """Also where a ref among the arguments makes the op bind them."""
    content_id = content_id_of(5)
    five: Any = AtomRef(constant_history_id(content_id), content_id, 5)

    assert op(functools.partial(power, 2), name="power")(five) == 32
    assert op(Model(2), name="model")(five) == 10
    assert op(Model(2).plain, name="plain")(x=five) == 10


def test_a_wrong_call_of_a_partial_is_told_what_python_tells() -> None:
    """With what it fixes counted."""
    of_two = op(functools.partial(power, 2), name="power")

    with pytest.raises(TypeError):
        of_two(1, 2)  # outside every storage


@pytest.mark.usefixtures("entered")
def test_inside_a_storage_it_is_told_the_same() -> None:
    """By the signature, for the function must not begin."""
    of_two: Any = op(functools.partial(power, 2), name="power")

    with pytest.raises(TypeError, match="too many positional arguments"):
        of_two(1, 2)


@pytest.mark.parametrize("result", [None, (), (1,), [1, 2], {"a": 1}], ids=repr)
def test_anything_but_a_tuple_of_several_is_one_output(entered: FakeBook, result: Any) -> None:
    """Also nothing, and an empty tuple: both are values, on a run and on a hit."""

    @op(name="f")
    def f() -> Any:
        return result

    made, found = f(), f()

    assert (made.value, found) == (result, made)
    assert [type(ref) for ref in (made, found)] == [AtomRef, AtomRef]
    assert entered.load([found]) == [result]


def outputs_of(count: int) -> tuple[int, ...]:
    """Return that many numbers."""
    return tuple(range(count))


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.usefixtures("entered")
def test_a_varying_number_of_outputs_is_always_a_tuple(count: int) -> None:
    """On a run and on a hit, so that code that takes it apart never has to ask."""
    f = op(outputs_of, nout="var")

    made: Any = f(count)
    found: Any = f(count)

    assert (type(made), type(found)) == (tuple, tuple)
    assert [ref.value for ref in made] == list(range(count))
    assert found == made


def test_in_a_body_a_varying_number_is_a_tuple_of_values(entered: FakeBook) -> None:
    """As the function returns it."""
    f = op(outputs_of, nout="var")

    @op(name="outer")
    def outer() -> list[Any]:
        return [f(0), f(1), f(2), f(1)]

    result: Any = outer()

    assert result.value == [(), (0,), (0, 1), (0,)]
    assert len(entered.calls) == 4


def named_as_an_output(output_0: int) -> int:
    """Return the argument."""
    return output_0


def excess(x: int, *args: int, **kwargs: int) -> int:
    """Return a number."""
    return x + len(args) + len(kwargs)


def excess_outputs(*output: int) -> int:
    """Return a number."""
    return len(output)


@pytest.mark.parametrize(
    ("function", "output_names", "message"),
    [
        (power, ["base"], "argument 'base' has the name of output 'base'.*rename one of them"),
        (power, ["y", "exponent"], "argument 'exponent' has the name of output 'exponent'"),
        (named_as_an_output, None, "argument 'output_0' has the name .*name the outputs with outp"),
        (excess, ["args_3"], r"output 'args_3' has the name that '\*args' gives"),
        (excess_outputs, None, r"output 'output_0' has the name that '\*output' gives"),
    ],
)
def test_an_output_with_the_name_of_an_input_is_refused_at_decoration(
    function: Callable[..., Any], output_names: list[str] | None, message: str
) -> None:
    """A frame names its variables by them."""
    with pytest.raises(UsageError, match=message):
        op(function, output_names=output_names)


def test_names_that_only_resemble_outputs_are_fine() -> None:
    """``output_names`` frees the generic names, and not every number is a name."""
    assert op(named_as_an_output, output_names=["y"])(1) == 1
    assert op(excess, output_names=["args_x"])(1) == 1


@pytest.mark.parametrize(("output_names", "keyword"), [(["y"], "y"), (None, "output_7")])
@pytest.mark.usefixtures("entered")
def test_a_keyword_with_the_name_of_an_output_is_refused_at_the_call(
    output_names: list[str] | None, keyword: str
) -> None:
    """Only there is it known."""
    with pytest.raises(UsageError, match=f"argument '{keyword}' has the name of output"):
        op(excess, output_names=output_names)(1, **{keyword: 2})
