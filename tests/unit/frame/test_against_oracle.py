"""The engine against the oracle, on random programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.unit.frame.frame_oracle import Oracle, OracleFrame, Row, spanned
from tests.unit.frame.programs import SIGNATURES, Step, run, steps
from tests.unit.frame.recorded_calls import RecordedCalls

from mandala_cas.frame.collections import CallCollection, RefCollection
from mandala_cas.frame.computation_frame import ComputationFrame
from mandala_cas.frame.expand import ReuseExisting
from mandala_cas.model.calls import Call
from mandala_cas.model.ids import CallId, HistoryId
from mandala_cas.model.refs import Ref

programs = st.lists(steps, min_size=1, max_size=9)
reuses: st.SearchStrategy[ReuseExisting] = st.sampled_from([True, "values", False])
thorough = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def as_oracle(frame: ComputationFrame) -> OracleFrame:
    """Return a frame as the oracle has them."""
    return OracleFrame(
        {n: {ref.history_id for ref in refs} for n, refs in frame.refs_by_var().items()},
        {
            n: (frame._graph.functions[n].op, {call.call_id for call in calls})
            for n, calls in frame.calls_by_func().items()
        },
        {(edge.source, edge.target, edge.label) for edge in frame.edges()},
    )


def rows_of(table: pd.DataFrame) -> list[Row]:
    """Return the rows of a table of refs and calls, in their order."""
    return [
        frozenset((str(name), ids_in(cell)) for name, cell in record.items() if cell is not None)
        for record in table.to_dict("records")
    ]


def ids_in(cell: Any) -> frozenset[bytes]:
    """Return the ids of what one cell holds."""
    if isinstance(cell, Ref):
        return frozenset([bytes(cell.history_id)])
    if isinstance(cell, Call):
        return frozenset([bytes(cell.call_id)])
    assert isinstance(cell, (RefCollection, CallCollection))
    return frozenset().union(*(ids_in(item) for item in cell))


def begin(
    data: st.DataObject, store: RecordedCalls, oracle: Oracle
) -> tuple[ComputationFrame, OracleFrame]:
    """Draw a frame to start with: of an op, of refs, or of calls."""
    refs = sorted(
        {
            ref
            for call in oracle.records
            for is_output in (False, True)
            for ref in oracle.refs(call, is_output=is_output)
        }
    )
    match data.draw(st.sampled_from(["op", "refs", "calls"])):
        case "op":
            op = data.draw(st.sampled_from([s.name for s in SIGNATURES]))
            return ComputationFrame.from_op(store, op), oracle.of_op(op)
        case "refs":
            chosen = data.draw(st.sets(st.sampled_from(refs), min_size=1))
            frame = ComputationFrame.from_refs(store, [HistoryId(ref) for ref in chosen])
            return frame, OracleFrame({"v": set(chosen)})
        case _:
            calls = data.draw(st.sets(st.sampled_from(sorted(oracle.records)), min_size=1))
            made = [store.make_call(CallId(call)) for call in calls]
            return ComputationFrame.from_calls(store, made), oracle.of_calls(sorted(calls))


def grow(
    data: st.DataObject, frame: ComputationFrame, oracle: Oracle, expected: OracleFrame
) -> ComputationFrame:
    """Expand both in the same way, drawn at random."""
    reuse = data.draw(reuses)
    way = data.draw(st.sampled_from(["back", "forward", "all"]))
    with_inputs = data.draw(st.booleans()) if way != "back" else False
    if way == "all":
        oracle.expand_all(expected, reuse=reuse, with_inputs=with_inputs)
        return frame.expand_all(reuse_existing=reuse, with_inputs=with_inputs)
    recursive, skip_existing = data.draw(st.booleans()), data.draw(st.booleans())
    names = st.sets(st.sampled_from(sorted(frame.vnames) or ["none"]))
    varnames = data.draw(st.none() | names) if frame.vnames else None
    oracle.expand(
        expected,
        varnames,
        back=way == "back",
        recursive=recursive,
        reuse=reuse,
        with_inputs=with_inputs,
        skip_existing=skip_existing,
    )
    options: dict[str, Any] = {"with_inputs": with_inputs} if way == "forward" else {}
    method: Callable[..., ComputationFrame] = getattr(frame, f"expand_{way}")
    return method(
        varnames, recursive=recursive, reuse_existing=reuse, skip_existing=skip_existing, **options
    )


@thorough
@given(st.data(), programs)
def test_expanding_gives_the_graph_that_the_rules_give(
    data: st.DataObject, program: list[Step]
) -> None:
    """Every node, element and edge, by name, after every expansion; and the invariant holds."""
    store = run(program)
    oracle = Oracle(store.records.values())
    frame, expected = begin(data, store, oracle)
    assert as_oracle(frame) == expected

    for _ in range(data.draw(st.integers(1, 3))):
        frame = grow(data, frame, oracle, expected)

        assert as_oracle(frame) == expected
        assert oracle.violations(as_oracle(frame)) == []


@thorough
@given(st.data(), programs)
def test_the_table_is_the_full_disjunction_of_histories(
    data: st.DataObject, program: list[Step]
) -> None:
    """Row by row, each once, whatever the shape of the frame."""
    store = run(program)
    oracle = Oracle(store.records.values())
    frame, expected = begin(data, store, oracle)
    for _ in range(data.draw(st.integers(0, 2))):
        frame = grow(data, frame, oracle, expected)
    assume(sum(expected.size()) < 60)

    rows = rows_of(frame.df(values="refs"))

    assert set(rows) == oracle.table(expected)
    assert len(rows) == len(set(rows))


@thorough
@given(st.data(), programs)
def test_chosen_columns_are_those_of_the_part_that_ties_them(
    data: st.DataObject, program: list[Step]
) -> None:
    """Inputs, outputs, cause and effect: whatever two or three nodes are asked for."""
    store = run(program)
    oracle = Oracle(store.records.values())
    frame, expected = begin(data, store, oracle)
    for _ in range(data.draw(st.integers(0, 2))):
        frame = grow(data, frame, oracle, expected)
    assume(len(frame.nodes) > 1)
    assume(sum(expected.size()) < 60)
    chosen = data.draw(
        st.lists(st.sampled_from(sorted(frame.nodes)), min_size=2, max_size=3, unique=True)
    )

    rows = rows_of(frame.df(*chosen, values="refs"))

    whole = oracle.table(spanned(oracle, expected, chosen))
    narrowed = {frozenset(cell for cell in row if cell[0] in chosen) for row in whole}
    assert set(rows) == narrowed - {frozenset()}
    assert len(rows) == len(set(rows))


@thorough
@given(st.data(), programs)
def test_rows_come_by_calls_and_then_by_refs(data: st.DataObject, program: list[Step]) -> None:
    """In the order of nodes; absent ones last."""
    store = run(program)
    op = data.draw(st.sampled_from(sorted({r.op_name for r in store.records.values()})))
    frame = ComputationFrame.from_op(store, op).expand_all()
    tables = store.tables()
    place = {hid: i for rows in (tables.calls, tables.refs) for i, hid in enumerate(rows["hid"])}

    rows = rows_of(frame.df(values="refs"))

    order = [*frame.fnames, *frame.vnames]
    assert rows == sorted(
        rows,
        key=lambda row: [
            (name not in dict(row), sorted(place[e] for e in dict(row).get(name, ())))
            for name in order
        ],
    )


@thorough
@given(st.data(), programs, st.integers(0, 1000))
def test_the_order_in_which_calls_arrived_changes_nothing(
    data: st.DataObject, program: list[Step], seed: int
) -> None:
    """The same storage contents give the same names, columns and rows, in the same order."""
    store = run(program)
    op = data.draw(st.sampled_from(sorted({r.op_name for r in store.records.values()})))

    frames = [
        ComputationFrame.from_op(source, op).expand_all(with_inputs=True)
        for source in (store, store.shuffled(seed))
    ]

    assert repr(frames[0]) == repr(frames[1])
    assert frames[0].edges() == frames[1].edges()
    pd.testing.assert_frame_equal(frames[0].df(values="refs"), frames[1].df(values="refs"))
