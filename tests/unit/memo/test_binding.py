"""Binding: the same as Python's, in a fraction of the time."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mandala_cas.errors import UsageError
from mandala_cas.memo.binding import Binder
from mandala_cas.memo.special import NewArgDefault, NewArgument

ARRAY = np.arange(3)
Function = Callable[..., dict[str, Any]]


def function_of(text: str) -> Function:
    """Return a function with the parameters in ``text``, which returns what they are."""
    names: dict[str, Any] = {}
    exec(f"def f({text}): return dict(locals())", names)  # noqa: S102 (the only way to random signatures)
    return cast("Function", names["f"])


@dataclass(frozen=True)
class Drawn:
    """A signature and a call of it."""

    text: str
    args: tuple[int, ...]
    kwargs: dict[str, int]


@st.composite
def right_calls(draw: st.DrawFn) -> Drawn:
    """Draw parameters of every kind, with and without defaults, and a call that fits."""
    positional = ["a", "b", "c", "d"][: draw(st.integers(0, 4))]
    only_count = draw(st.integers(0, len(positional)))
    first_default = draw(st.integers(0, len(positional)))
    parts = [
        f"{name}={10 + i}" if i >= first_default else name for i, name in enumerate(positional)
    ]
    if only_count:
        parts.insert(only_count, "/")
    defaults = {name: draw(st.booleans()) for name in ["k", "l"][: draw(st.integers(0, 2))]}
    takes_more, takes_keywords = draw(st.booleans()), draw(st.booleans())
    if takes_more or defaults:
        parts.append("*args" if takes_more else "*")
    parts += [f"{name}=20" if has_default else name for name, has_default in defaults.items()]
    if takes_keywords:
        parts.append("**kwargs")

    fewest = min(only_count, first_default)
    arg_count = draw(st.integers(fewest, len(positional)))
    if arg_count == len(positional) and takes_more:
        arg_count += draw(st.integers(0, 2))
    names = [
        *(n for n in positional[max(arg_count, only_count) : first_default]),
        *(n for n, has_default in defaults.items() if not has_default),
        *(
            n
            for n in positional[max(arg_count, only_count, first_default) :]
            if draw(st.booleans())
        ),
        *(n for n, has_default in defaults.items() if has_default and draw(st.booleans())),
        *(n for n in ("x", "y") if takes_keywords and draw(st.booleans())),
    ]
    kwargs = {name: 200 + i for i, name in enumerate(draw(st.permutations(names)))}
    return Drawn(", ".join(parts), tuple(range(100, 100 + arg_count)), kwargs)


@st.composite
def nearly_right_calls(draw: st.DrawFn) -> Drawn:
    """Draw a call that fits but for one argument too many or too few."""
    drawn = draw(right_calls())
    args, kwargs = list(drawn.args), dict(drawn.kwargs)
    match draw(st.sampled_from(["more", "fewer", "keyword", "no keyword"])):
        case "more":
            args.append(300)
        case "fewer":
            args = args[:-1]
        case "keyword":
            kwargs[draw(st.sampled_from(["a", "b", "c", "d", "k", "l", "x"]))] = 301
        case _ if kwargs:
            del kwargs[draw(st.sampled_from(sorted(kwargs)))]
    return Drawn(drawn.text, tuple(args), kwargs)


def as_inspect_binds(
    function: Function, args: tuple[int, ...], kwargs: dict[str, int]
) -> list[tuple[str, Any]]:
    """Return the inputs by name, with Python's own binding; TypeError where that refuses."""
    signature = inspect.signature(function)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    inputs: list[tuple[str, Any]] = []
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            inputs += [(f"{name}_{i}", item) for i, item in enumerate(value)]
        elif kind is inspect.Parameter.VAR_KEYWORD:
            inputs += value.items()
        else:
            inputs.append((name, value))
    return inputs


@given(right_calls() | nearly_right_calls())
@example(Drawn("a, /, b, *args, k=1, **kwargs", (1, 2, 3), {"x": 4}))
@example(Drawn("a, b=1", (1, 2), {"a": 3}))
@example(Drawn("a, *args, k", (1, 2), {"k": 3}))
@example(Drawn("a, /", (), {"a": 1}))
def test_binding_is_pythons(drawn: Drawn) -> None:
    """Same inputs in the same order, or the very error that Python gives."""
    function = function_of(drawn.text)
    # A keyword with the name of a positional-only parameter: a test of its own has that case,
    # which inspect gets wrong where that parameter has a default.
    parameters = inspect.signature(function).parameters
    only = {name for name, p in parameters.items() if p.kind is inspect.Parameter.POSITIONAL_ONLY}
    assume("kwargs" not in parameters or not only & set(drawn.kwargs))
    try:
        expected = as_inspect_binds(function, drawn.args, drawn.kwargs)
    except TypeError:
        with pytest.raises(TypeError) as of_python:
            function(*drawn.args, **drawn.kwargs)
        with pytest.raises(TypeError) as found:
            Binder(function, "f").bind(drawn.args, drawn.kwargs)
        assert str(found.value) == str(of_python.value)
    else:
        assert Binder(function, "f").bind(drawn.args, drawn.kwargs) == expected


@given(right_calls())
def test_unbind_inverts_bind(drawn: Drawn) -> None:
    """The function gets each argument where the caller put it."""
    function = function_of(drawn.text)
    binder = Binder(function, "f")
    bound = binder.bind(drawn.args, drawn.kwargs)

    args, kwargs = binder.unbind(bound, len(drawn.args))

    assert function(*args, **kwargs) == function(*drawn.args, **drawn.kwargs)


def test_a_parameter_that_args_could_be_named_as_is_refused() -> None:
    """Two inputs of one name would make different calls look the same."""
    with pytest.raises(UsageError, match=r"f: argument 'args_1' has the name that '\*args' gives"):
        Binder(function_of("args_1, *args"), "f")


def test_a_parameter_that_only_resembles_those_of_args_is_fine() -> None:
    """``args_x`` is not a number."""
    bound = Binder(function_of("args_x, *args"), "f").bind((1, 2), {})

    assert bound == [("args_x", 1), ("args_0", 2)]


def test_a_keyword_that_args_could_be_named_as_is_refused() -> None:
    """``f(5)`` and ``f(args_0=5)`` are different calls."""
    with pytest.raises(UsageError, match=r"argument 'args_0' has the name"):
        Binder(function_of("*args, **kwargs"), "f").bind((), {"args_0": 5})


def test_a_keyword_with_the_name_of_a_positional_only_parameter_is_refused() -> None:
    """Python allows it, but an input needs a name of its own."""
    with pytest.raises(UsageError, match="keyword 'a' has the name of a positional-only"):
        Binder(function_of("a, /, **kwargs"), "f").bind((1,), {"a": 2})


def test_a_wrapper_does_not_run_to_find_out_that_a_call_is_wrong() -> None:
    """It takes any arguments, so its own code would run before the inner function refuses."""
    runs = []

    def inner(x: int) -> int:
        return x

    @functools.wraps(inner)
    def wrapper(*args: int, **kwargs: int) -> int:
        runs.append(args)
        return inner(*args, **kwargs)

    with pytest.raises(TypeError, match="too many positional arguments"):
        Binder(wrapper, "f").bind((1, 2), {})
    assert runs == []


def test_a_function_without_a_signature_is_refused() -> None:
    """Its arguments could not be named; a few builtins are so."""
    with pytest.raises(UsageError, match="range_of: its signature cannot be read"):
        Binder(range, "range_of")


def test_new_arguments_are_found_by_their_defaults() -> None:
    """The memoizer asks for them by name; other defaults may be arrays and are not compared."""

    def function(a: int, b: Any = ARRAY, *, c: int = NewArgDefault(1)) -> None:
        """Do nothing."""

    binder = Binder(function, "f")

    assert {name: repr(new) for name, new in binder.new_arguments.items()} == {
        "c": "NewArgDefault(1)"
    }
    assert isinstance(binder.bind((1,), {})[2][1], NewArgument)
