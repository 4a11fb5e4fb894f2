"""What Hypothesis makes programs from."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from tests.programs.language import (
    CONSTANTS,
    Block,
    Constant,
    Earlier,
    Expression,
    Function,
    Gathered,
    Kind,
    Marker,
    Mode,
    Outcome,
    Parameter,
    Program,
    Step,
)

OUTCOMES: tuple[Outcome, ...] = (
    "int",
    "none",
    "pair",
    "var",
    "list",
    "dict",
    "set",
    "tuple",
    "nested",
    "yields",
    "bytes",
    "raise",
    "outer",
)
MODES: tuple[Mode, ...] = ("run", "run", "run", "noop", "storage noop", "recompute", "closed")
_MARKERS: tuple[Marker, ...] = ("plain", "plain", "list", "dict", "ignored", "waived", "new")
_KEYWORD_MARKERS: tuple[Marker, ...] = ("plain", "ignored", "waived", "new")
# Zero and one most of the time: they are also what ops give, and only where values meet is there
# anything to find.
_INDEXES = st.sampled_from((0, 0, 0, 1, 1, 1, *range(2, len(CONSTANTS))))


@st.composite
def functions(draw: st.DrawFn, name: str, inner: str | None) -> Function:
    """Make one function; ``inner`` is one that its body can call."""
    outcome = draw(st.sampled_from(OUTCOMES))
    if outcome == "outer" and inner is None:
        outcome = "int"
    parameters: list[Parameter] = []
    has_default = False
    kinds: list[Kind] = draw(st.lists(st.sampled_from(["positional", "either"]), max_size=3))
    for number, kind in enumerate(sorted(kinds, reverse=True)):
        marker: Marker = draw(st.sampled_from(_MARKERS))
        has_default = has_default or marker == "new" or draw(st.booleans())
        default = draw(_INDEXES) if has_default else None
        if default is not None and marker in {"list", "dict"}:
            marker = "plain"
        parameters.append(Parameter(f"p{number}", kind, marker, default))
    if draw(st.booleans()):
        parameters.append(Parameter("args", "args"))
    for number in range(draw(st.integers(0, 2))):
        marker = draw(st.sampled_from(_KEYWORD_MARKERS))
        needs_default = marker == "new" or draw(st.booleans())
        default = draw(_INDEXES) if needs_default else None
        parameters.append(Parameter(f"k{number}", "keyword", marker, default))
    if draw(st.booleans()):
        parameters.append(Parameter("kwargs", "kwargs"))
    return Function(name, tuple(parameters), outcome, inner if outcome == "outer" else None)


def _expressions(step_count: int) -> st.SearchStrategy[Constant | Earlier]:
    """Make arguments that are no collections."""
    constants = st.builds(Constant, _INDEXES)
    if not step_count:
        return constants
    earlier = st.builds(
        Earlier,
        st.integers(0, step_count - 1),
        st.integers(0, 2),
        st.none() | st.integers(0, 3),
    )
    return constants | earlier


@st.composite
def arguments(draw: st.DrawFn, parameter: Parameter, step_count: int) -> Expression:
    """Make an argument that a parameter takes."""
    elements = _expressions(step_count)
    if parameter.marker in {"list", "dict"}:
        found = draw(st.lists(elements, max_size=3))
        return Gathered(tuple(found), keyed=parameter.marker == "dict")
    return draw(elements)


@st.composite
def steps(draw: st.DrawFn, made: tuple[Function, ...], step_count: int) -> Step:
    """Make a call of one of the functions."""
    which = draw(st.integers(0, len(made) - 1))
    function = made[which]
    args: list[Expression] = []
    kwargs: list[tuple[str, Expression]] = []
    by_position = True
    for parameter in function.parameters:
        match parameter.kind:
            case "args":
                if by_position:
                    args += draw(st.lists(_expressions(step_count), max_size=2))
            case "kwargs":
                names = draw(st.lists(st.sampled_from(["x", "y"]), unique=True))
                kwargs += [(name, draw(_expressions(step_count))) for name in names]
            case _:
                if parameter.default is not None and draw(st.booleans()):
                    by_position = False
                    continue
                argument = draw(arguments(parameter, step_count))
                if parameter.kind == "positional" or (
                    parameter.kind == "either" and by_position and draw(st.booleans())
                ):
                    if not by_position:
                        continue
                    args.append(argument)
                else:
                    by_position = False
                    kwargs.append((parameter.name, argument))
    return Step(which, tuple(args), tuple(kwargs))


@st.composite
def programs(draw: st.DrawFn, modes: tuple[Mode, ...] = MODES) -> Program:
    """Make a program of up to four functions and about a dozen calls."""
    made: list[Function] = []
    for number in range(draw(st.integers(1, 3))):
        # One that an outer one can call: with a first parameter, and nothing else needed.
        inner = next((f.name for f in made if _can_be_inner(f)), None)
        made.append(draw(functions(f"f{number}", inner)))
    calls: list[Step] = []

    def items(depth: int) -> tuple[Any, ...]:
        found: list[Any] = []
        for _ in range(draw(st.integers(1, 4))):
            if depth and draw(st.integers(0, 3)) == 0:
                found.append(block(depth - 1))
            else:
                again = calls and draw(st.integers(0, 3)) == 0
                call = draw(st.sampled_from(calls) if again else steps(tuple(made), len(calls)))
                calls.append(call)
                found.append(call)
        return tuple(found)

    def block(depth: int) -> Block:
        store, mode = draw(st.integers(0, 1)), draw(st.sampled_from(modes))
        return Block(store, mode, items(depth))

    blocks = tuple(block(1) for _ in range(draw(st.integers(1, 3))))
    return Program(tuple(made), blocks)


def _can_be_inner(function: Function) -> bool:
    """Tell whether it can be called with one plain value, and gives a number."""
    first, *rest = function.parameters or (None,)
    return (
        function.outcome == "int"
        and first is not None
        and first.kind in {"positional", "either"}
        and first.marker == "plain"
        and all(p.default is not None or p.kind in {"args", "kwargs"} for p in rest)
    )
