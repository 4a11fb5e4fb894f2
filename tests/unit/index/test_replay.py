"""Replaying a log gives the same tables in whatever order it arrives."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mandala_cas.index.dependents import dependents_of, equals_of
from mandala_cas.index.replay import build_tables
from mandala_cas.index.tables import TableCache
from mandala_cas.index.unpublished import open_segments
from mandala_cas.log.segment import Segment
from mandala_cas.model.entries import CallRecord, Entry, Tombstone
from mandala_cas.model.ids import Dot

MakeCall = Callable[..., CallRecord]
MakeSegment = Callable[..., Segment]


def chain(make_call: MakeCall, length: int) -> list[CallRecord]:
    """Return calls each of which uses the output of the one before."""
    calls = [make_call("inc", "start", ["value 0"], started_us=0)]
    for i in range(1, length):
        calls.append(
            make_call("inc", calls[-1].outputs[0], [f"value {i}", f"side {i}"], started_us=i)
        )
    return calls


def test_no_segments_are_no_calls() -> None:
    """A new store can be asked, too."""
    tables = build_tables([])

    assert (tables.calls.height, tables.slots.height, tables.refs.height) == (0, 0, 0)


def test_tables_hold_what_the_records_say(make_call: MakeCall, make_segment: MakeSegment) -> None:
    """Each call, with its inputs and outputs in their places."""
    calls = chain(make_call, 3)

    tables = build_tables([make_segment(calls[:2], writer=1), make_segment(calls[2:], writer=2)])

    hids = tables.refs["hid"].to_list()
    seen = [
        (
            tables.calls["hid"][call],
            is_output,
            position,
            tables.names[name],
            hids[ref],
        )
        for call, is_output, position, name, ref in tables.slots.iter_rows()
    ]
    expected = [
        (call.call_id, is_output, position, slot.name, slot.history_id)
        for call in sorted(calls, key=lambda c: (c.started_us, c.call_id))
        for is_output, slots in ((False, call.inputs), (True, call.outputs))
        for position, slot in enumerate(slots)
    ]
    assert seen == expected
    assert tables.ops == ("inc",)
    assert hids == sorted(hids)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_the_order_of_arrival_changes_nothing(
    make_call: MakeCall, make_segment: MakeSegment, seed: int
) -> None:
    """A log has no order: two machines that have the same segments have the same tables."""
    segments = _busy_log(make_call, make_segment)
    shuffled = list(segments)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (a test's order, not a secret)

    expected, tables = build_tables(segments), build_tables(shuffled)

    assert tables.calls.equals(expected.calls)
    assert tables.slots.equals(expected.slots)
    assert tables.refs.equals(expected.refs)
    assert (tables.ops, tables.names) == (expected.ops, expected.names)


def test_a_dropped_call_is_in_no_table(make_call: MakeCall, make_segment: MakeSegment) -> None:
    """Its refs go with it, unless another call has them."""
    first, second = chain(make_call, 2)
    segment = make_segment([first, second], writer=1)
    drop = make_segment(
        [Tombstone(segment.header.writer, segment.header.seq, 1, 2**32 - 1)], writer=2
    )

    tables = build_tables([drop, segment])

    assert tables.calls["hid"].to_list() == [first.call_id]
    assert set(tables.refs["hid"]) == {slot.history_id for slot in (*first.inputs, *first.outputs)}


def test_the_unpublished_batch_is_in_the_tables(
    make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """A frame made inside a block shows the calls made so far."""
    published, opened = chain(make_call, 2)
    segment = make_segment([published], writer=1)
    dot = segment.dot(0)._replace(seq=1)
    pending: list[tuple[Entry, Dot | None]] = []
    cache = TableCache(lambda: [segment, *open_segments(pending)])

    before = cache.tables()
    pending.append((opened, dot))
    after = cache.tables()

    assert before.calls.height == 1
    assert after.calls["hid"].to_list() == [published.call_id, opened.call_id]
    assert cache.tables() is after


def test_dependents_are_everything_downstream(
    make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """Dropping a result drops what rests on it, and nothing before it."""
    calls = chain(make_call, 5)
    aside = make_call("gen", "aside")
    tables = build_tables([make_segment([*calls, aside])])

    assert set(dependents_of(tables, [calls[2].call_id])) == {c.call_id for c in calls[2:]}
    assert dependents_of(tables, [make_call("gen", "never").call_id]) == []


def test_equals_are_the_calls_of_the_same_content(
    make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """The same op on the same values, come by in another way."""
    one = make_call("gen", "seed")
    two = make_call("gen", "seed", history_only="another history", started_us=2)
    tables = build_tables([make_segment([one, two, make_call("gen", "other")])])

    assert set(equals_of(tables, [one.content_id])) == {one.call_id, two.call_id}


def _busy_log(make_call: MakeCall, make_segment: MakeSegment) -> list[Segment]:
    """Return segments with repeated calls, drops, and drops of what others hold."""
    calls = chain(make_call, 6)
    again = make_call("inc", "start", ["another answer"], started_us=0)
    first = make_segment(calls[:3], writer=1)
    second = make_segment([*calls[3:], calls[0]], writer=2)
    third = make_segment([again, Tombstone(first.header.writer, 0, 1, 1)], writer=3)
    fourth = make_segment([Tombstone(second.header.writer, 0, 0, 0)], writer=4)
    return [first, second, third, fourth]
