"""What the log needs, computed over columns, against what it says row by row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.upkeep.small_stores import (
    call_of,
    content_of,
    put_loose,
    put_pack,
    records_in,
    tag_of,
)

from mandala_cas.index.sorting import among
from mandala_cas.log.graves import Graves
from mandala_cas.log.part import Dots, LogPart
from mandala_cas.log.segment import NO_PREVIOUS, Segment, decode_segment, encode_segment
from mandala_cas.log.segment import segment_header as header_of
from mandala_cas.model.entries import CallRecord, Entry, Tombstone, Untag, ValueRecord
from mandala_cas.model.ids import ContentId, WriterId
from mandala_cas.objectstore.api import ObjectInfo
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.upkeep.collecting.costs import UNKNOWN_OP, find_costs
from mandala_cas.upkeep.collecting.roots import find_roots

TEXTS = "abcdef"
WRITERS = [WriterId(bytes([number]) * 8) for number in (1, 2, 255)]


def segment_of(entries: list[Entry], writer: WriterId, seq: int) -> Segment:
    """Return a segment as a reader sees it."""
    header = header_of(
        entries,
        writer=writer,
        seq=seq,
        previous=NO_PREVIOUS if seq == 0 else b"p" * 32,
        created_us=1,
        library="test",
        session={},
    )
    sealed = encode_segment(entries, header, None)
    return decode_segment(sealed.name, sealed.sealed.to_bytes())


STORE = MemoryObjectStore()
PLACES: list[ValueRecord] = [
    *(put_loose(STORE, text) for text in TEXTS),
    *put_pack(STORE, *TEXTS[:3], nonce=1),
    *put_pack(STORE, *TEXTS[2:], nonce=2),
]

texts = st.lists(st.sampled_from(TEXTS), max_size=2)
calls = st.builds(call_of, st.sampled_from(["f", "g"]), texts, texts)
rows = st.integers(0, 6)
ranges = st.tuples(st.sampled_from(WRITERS), st.integers(0, 1), rows, rows)
tombstones = ranges.map(lambda r: Tombstone(r[0], r[1], min(r[2:]), max(r[2:])))
untags = ranges.map(lambda r: Untag(r[0], r[1], min(r[2:]), max(r[2:])))
tags = st.one_of(st.sampled_from(TEXTS), calls).map(tag_of)
entries = st.lists(
    st.one_of(calls, st.sampled_from(PLACES), tombstones, untags, tags), min_size=1, max_size=8
)


@st.composite
def logs(draw: st.DrawFn) -> list[Segment]:
    """Return some segments of some writers."""
    keys = draw(
        st.lists(st.tuples(st.sampled_from(WRITERS), st.integers(0, 1)), unique=True, max_size=5)
    )
    return [segment_of(draw(entries), writer, seq) for writer, seq in keys]


def live_rows(parts: list[Segment]) -> list[tuple[Segment, int]]:
    """Return the calls that no tombstone names, one by one."""
    graves = [tombstone for part in parts for tombstone in part.tombstones]
    return [
        (part, row)
        for part in parts
        for row in range(part.calls.row_count)
        if not any(row in part.rows_named_by(grave) for grave in graves)
    ]


def values_of(call: CallRecord) -> set[ContentId]:
    """Return the values in the slots of a call."""
    return {slot.content_id for slot in (*call.inputs, *call.outputs)}


def tagged_values(parts: list[Segment]) -> set[ContentId]:
    """Return the values that tags keep, one by one."""
    untagged = [untag for part in parts for untag in part.untags]
    found: set[ContentId] = set()
    for part in parts:
        for row in range(part.tags.row_count):
            if any(row in part.tag_rows_named_by(untag) for untag in untagged):
                continue
            tag = part.tag_record(row)
            found.add(tag.content_id)
            records = [p.call_record(r) for p in parts for r in range(p.calls.row_count)]
            for call in records:
                if call.call_id == tag.history_id:
                    found |= values_of(call)
    return found


def places_of(parts: list[Segment], contents: set[ContentId]) -> set[str]:
    """Return the objects in which the log places some values."""
    return {
        record.location
        for part in parts
        for record in records_in(part)
        if record.content_id in contents and record.location
    }


@given(logs())
def test_roots_are_what_row_by_row_is_needed(parts: list[Segment]) -> None:
    """Every place of every value of a live call or a tag, whichever segment says so."""
    used = places_of(
        parts, set().union(*(values_of(p.call_record(r)) for p, r in live_rows(parts)))
    )
    tagged = places_of(parts, tagged_values(parts))

    roots = find_roots(parts)

    assert roots.used == used
    assert roots.tagged == tagged - used


@given(logs(), st.randoms(use_true_random=False))
def test_roots_do_not_depend_on_the_order_of_the_log(parts: list[Segment], random) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 (Hypothesis gives no type)
    """The log has none."""
    shuffled = list(parts)
    random.shuffle(shuffled)

    assert find_roots(shuffled) == find_roots(parts)


@given(st.lists(tombstones), st.lists(st.tuples(st.sampled_from(WRITERS), st.integers(0, 1), rows)))
def test_graves_are_what_ranges_name(
    graves: list[Tombstone], dots: list[tuple[WriterId, int, int]]
) -> None:
    """Whether they overlap, touch, or name what is not there."""
    ordered = sorted(set(dots))
    columns = Dots(
        np.array([int.from_bytes(writer, "big") for writer, _, _ in ordered], np.uint64),
        np.array([seq for _, seq, _ in ordered], np.uint32),
        np.array([row for _, _, row in ordered], np.uint32),
    )

    found = Graves.of(graves).hides(columns).tolist()

    assert found == [
        any(g.writer == writer and g.seq == seq and g.first <= row <= g.last for g in graves)
        for writer, seq, row in ordered
    ]


@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_among_is_membership(wanted: list[int], ascending: set[int]) -> None:
    """In arrays."""
    found = among(np.array(wanted, np.uint64), np.array(sorted(ascending), np.uint64))

    assert found.tolist() == [number in ascending for number in wanted]


def infos_of(*records: ValueRecord) -> list[ObjectInfo]:
    """Return what a listing shows of the objects in which values lie."""
    sizes = {info.name: info.size for info in STORE.list("")}
    return [ObjectInfo(name, sizes[name]) for name in sorted({r.location for r in records})]


def test_the_cost_of_a_value_that_is_elsewhere_as_well_is_nothing() -> None:
    """It need not be computed again."""
    loose, packed = PLACES[0], PLACES[len(TEXTS)]
    part = segment_of(
        [loose, packed, call_of("f", [], ["a"], duration_us=5_000_000)], WRITERS[0], 0
    )
    parts: list[LogPart] = [part]

    assert find_costs(infos_of(loose), parts).recompute_s == 0
    assert find_costs(infos_of(loose, packed), parts).recompute_s == 5


def test_a_call_that_is_on_record_twice_is_computed_once() -> None:
    """And a hit took no time."""
    long = call_of("f", [], ["a"], duration_us=5_000_000)
    short = call_of("f", [], ["a"], duration_us=1)
    parts: list[LogPart] = [
        segment_of([PLACES[0], long, short], WRITERS[0], 0),
        segment_of([PLACES[0], long], WRITERS[1], 0),
    ]

    costs = find_costs(infos_of(PLACES[0]), parts)

    assert costs.recompute_s == 5
    assert costs.by_op["f"].object_count == 1
    assert costs.by_op["f"].size == PLACES[0].stored_size


def test_a_value_counts_for_the_op_that_made_it_and_else_for_one_that_used_it() -> None:
    """Bytes count once; what no call speaks of has a row of its own."""
    made, used, orphan = PLACES[0], PLACES[1], PLACES[2]
    entries: list[Entry] = [made, used, call_of("zebra", [], ["a"]), call_of("ape", ["a", "b"], [])]
    parts: list[LogPart] = [segment_of(entries, WRITERS[0], 0)]

    by_op = find_costs(infos_of(made, used, orphan), parts).by_op

    assert {op: (a.object_count, a.size) for op, a in by_op.items()} == {
        "ape": (1, used.stored_size),
        "zebra": (1, made.stored_size),
        UNKNOWN_OP: (1, orphan.stored_size),
    }


def test_nothing_costs_nothing() -> None:
    """No objects, or no log."""
    assert find_costs([], []).by_op == {}
    assert find_costs(infos_of(PLACES[0]), []).by_op[UNKNOWN_OP].object_count == 1
    assert content_of("a") == PLACES[0].content_id
