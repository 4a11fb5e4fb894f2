"""Random small programs: calls of a few ops that branch, merge, loop and change their arguments."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from tests.unit.frame.recorded_calls import RecordedCalls

from mandala_cas.model.refs import Ref


@dataclass(frozen=True)
class Signature:
    """An op: its inputs, how many of the last may be left out, its outputs."""

    name: str
    inputs: tuple[str, ...]
    optional_count: int
    outputs: tuple[str, ...]


SIGNATURES = (
    Signature("inc", ("x",), 0, ("output_0",)),
    Signature("add", ("x", "y"), 0, ("output_0",)),
    Signature("split", ("x",), 0, ("output_0", "output_1")),
    Signature("train", ("X", "lr", "depth"), 2, ("model", "acc")),
    Signature("score", ("model", "y"), 1, ("score",)),
    Signature("__make_list__", ("elts_0", "elts_1"), 1, ("list",)),
)

# An op, how many optional inputs it gets, and where its inputs come from: places in the pool of
# all refs so far, counted from the end, so that long chains are as likely as wide graphs.
Step = tuple[int, int, tuple[int, int, int]]
steps = st.tuples(
    st.integers(0, len(SIGNATURES) - 1),
    st.integers(0, 2),
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 7)),
)


def run(program: list[Step]) -> RecordedCalls:
    """Put the calls of a program on record."""
    store = RecordedCalls()
    pool: list[Ref] = [store.constant(value) for value in range(3)]
    for number, (op, extra, picks) in enumerate(program):
        signature = SIGNATURES[op]
        given = len(signature.inputs) - signature.optional_count + extra
        names = signature.inputs[: max(given, 0)]
        inputs = {
            name: pool[-1 - pick % len(pool)] for name, pick in zip(names, picks, strict=False)
        }
        values = {name: number * 10 + i for i, name in enumerate(signature.outputs)}
        pool += store.call(signature.name, inputs, values)
    return store
