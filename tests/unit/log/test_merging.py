"""Merging loses nothing and brings nothing back, in whatever order and grouping it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log.entry_strategies import (
    call_record,
    call_records,
    inline_record,
    tags,
    value_records,
)
from tests.unit.log.sample_runs import made_of, read_back, run_of, segment_of, state_of

from mandala_cas.errors import UsageError
from mandala_cas.log.columns import RawColumn
from mandala_cas.log.conservation import check_conservation
from mandala_cas.log.graves import merge_tombstones
from mandala_cas.log.merge import PartLimits
from mandala_cas.log.packed import HISTORIES, OTHERS
from mandala_cas.log.rows import SLOTS
from mandala_cas.log.run_making import WholeRun
from mandala_cas.log.segment import Segment
from mandala_cas.log.tables import Table, encode_tables
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    Slot,
    TagRecord,
    TagTarget,
    Tombstone,
    TombstoneReason,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import (
    ContentId,
    Dot,
    HistoryId,
    WriterId,
    constant_history_id,
    output_history_id,
)

WRITERS = 3


@st.composite
def hiding_entries(draw: st.DrawFn) -> Entry:
    """Return a tombstone or untag that names some of the rows that these tests make."""
    writer = WriterId(draw(st.integers(0, WRITERS)).to_bytes(8, "big"))
    first = draw(st.integers(0, 3))
    last = draw(st.integers(first, 5))
    seq = draw(st.integers(0, 2))
    if draw(st.booleans()):
        return Untag(writer, seq, first, last)
    return Tombstone(writer, seq, first, last, draw(st.sampled_from(TombstoneReason)))


@st.composite
def segment_lists(draw: st.DrawFn) -> list[Segment]:
    """Return segments of several writers, that use what they place, and hide of each other."""
    segments = []
    for writer in range(draw(st.integers(1, WRITERS))):
        for seq in range(draw(st.integers(1, 3))):
            batch: list[Entry] = list(
                draw(st.lists(call_records | value_records() | tags | hiding_entries(), max_size=5))
            )
            for value in [entry for entry in batch if isinstance(entry, ValueRecord)]:
                if draw(st.booleans()):
                    slot = Slot("x", constant_history_id(value.content_id), value.content_id)
                    call = draw(call_records)
                    output = Slot("o", output_history_id(call.call_id, "o"), value.content_id)
                    batch.append(replace(call, inputs=(slot,), outputs=(output,)))
            segments.append(segment_of([*batch, *missing_places(batch)], writer=writer, seq=seq))
    return segments


def missing_places(batch: Sequence[Entry]) -> list[Entry]:
    """Return places for what a batch uses and does not place: a segment needs no other's."""
    calls = [entry for entry in batch if isinstance(entry, CallRecord)]
    used = {slot.content_id for call in calls for slot in (*call.inputs, *call.outputs)}
    used |= {entry.content_id for entry in batch if isinstance(entry, TagRecord)}
    used -= {entry.content_id for entry in batch if isinstance(entry, ValueRecord)}
    return [replace(inline_record(), content_id=content_id) for content_id in sorted(used)]


@given(segment_lists(), st.data())
def test_order_and_grouping_of_merges_do_not_count(
    segments: list[Segment], draw: st.DataObject
) -> None:
    """Runs of segments, runs of runs, and segments beside runs say what the segments said."""
    things: list[Segment | WholeRun] = list(draw.draw(st.permutations(segments)))
    expected = state_of(segments)

    while len(things) > 1 and draw.draw(st.integers(0, 3)):
        taken = draw.draw(st.integers(1, len(things)))
        merged = run_of(
            [thing for thing in things[:taken] if isinstance(thing, Segment)],
            [thing for thing in things[:taken] if isinstance(thing, WholeRun)],
            limits=PartLimits(calls_max=draw.draw(st.integers(1, 9))),
        )
        check_conservation(merged.run, merged.parts)
        things = [*things[taken:], merged]

    assert state_of(things) == expected


@given(segment_lists())
def test_inputs_that_overlap_count_once(segments: list[Segment]) -> None:
    """Two compactors covered the same; a segment is there beside a run that covers it."""
    half = run_of(segments[: len(segments) // 2 + 1])
    again = run_of(segments[len(segments) // 2 :])

    merged = run_of(segments, [half, again, half])

    check_conservation(merged.run, merged.parts)
    assert state_of([merged]) == state_of(segments)
    assert merged.run.covers == {segment.segment_id for segment in segments}


@given(segment_lists(), st.data())
def test_a_part_without_some_segments_has_the_rows_of_the_others(
    segments: list[Segment], draw: st.DataObject
) -> None:
    """A view that has read some segments takes the others from the run."""
    read = segments[: draw.draw(st.integers(0, len(segments)))]
    run = run_of(segments, limits=PartLimits(calls_max=3))
    ids = {segment.segment_id for segment in read}
    rest = {name: part.without(ids) for name, part in run.parts.items()}

    found = state_of([*read, WholeRun(run.run, rest)])

    assert found == state_of(segments)


@given(segment_lists())
def test_columns_are_those_of_the_records(segments: list[Segment]) -> None:
    """Whoever reads columns and whoever reads records see the same."""
    for part in run_of(segments, limits=PartLimits(calls_max=4)).parts.values():
        calls, slots, values = part.calls, part.slots, part.values
        records = [part.call_record(row) for row in range(calls.row_count)]
        places = [part.value_record(row) for row in range(values.row_count)]
        of_calls = [slot for call in records for slot in (*call.inputs, *call.outputs)]
        assert slots.fixed("history_id").rows() == [slot.history_id for slot in of_calls]
        assert slots.fixed("content_id").rows() == [slot.content_id for slot in of_calls]
        assert slots.text("name").rows() == [slot.name for slot in of_calls]
        assert calls.numbers("started_us").tolist() == [call.started_us for call in records]
        assert values.fixed("content_id").rows() == [place.content_id for place in places]
        assert values.fixed("payload_hash").rows() == [place.payload_hash for place in places]
        assert values.text("location").rows() == [place.location for place in places]
        assert values.text("codec_name").rows() == [place.codec_name for place in places]
        assert values.numbers("codec_version").tolist() == [p.codec_version for p in places]
        assert values.bytes("codec_header").rows() == [place.codec_header for place in places]
        assert values.bytes("inline").rows() == [place.inline for place in places]
        assert part.tags.fixed("content_id").rows() == [
            part.tag_record(row).content_id for row in range(part.tags.row_count)
        ]
        dots = part.call_dots()
        assert [
            Dot(WriterId(int(writer).to_bytes(8, "big")), int(seq), int(row))
            for writer, seq, row in zip(dots.writers, dots.seqs, dots.rows, strict=True)
        ] == [part.dot(row) for row in range(calls.row_count)]
        assert [part.dot(row) for row in range(calls.row_count)] == sorted(
            part.dot(row) for row in range(calls.row_count)
        )


@given(segment_lists(), hiding_entries())
def test_rows_are_found_by_what_names_them(segments: list[Segment], entry: Entry) -> None:
    """As a range, for rows are sorted by dot."""
    for part in run_of(segments).parts.values():
        if isinstance(entry, Tombstone):
            rows = part.rows_named_by(entry)
            dots = [part.dot(row) for row in range(part.calls.row_count)]
        else:
            assert isinstance(entry, Untag)
            rows = part.tag_rows_named_by(entry)
            dots = [part.tag_dot(row) for row in range(part.tags.row_count)]
        assert list(rows) == [
            row
            for row, dot in enumerate(dots)
            if (dot.writer, dot.seq) == (entry.writer, entry.seq)
            and entry.first <= dot.row <= entry.last
        ]


def test_a_tombstone_hides_what_is_merged_later() -> None:
    """A drop may be compacted before the call that it drops arrives."""
    call = segment_of([call_record(1)], writer=1)
    drop = segment_of([Tombstone(WriterId((1).to_bytes(8, "big")), 0, 0, 0)], writer=2)

    first = run_of([drop])
    both = run_of([call], [first])

    assert (both.run.header.covered_call_count, both.run.header.call_count) == (1, 0)
    assert state_of([first, call]) == state_of([both])


def test_tombstones_that_touch_become_one() -> None:
    """A million dropped calls in a row are a few bytes; two reasons stay two."""
    writer = WriterId(bytes(8))
    lost = Tombstone(writer, 0, 3, 4, TombstoneReason.LOST)

    merged = merge_tombstones(
        [Tombstone(writer, 0, 5, 9), lost, Tombstone(writer, 0, 0, 4), Tombstone(writer, 1, 0, 0)]
    )

    assert merged == [Tombstone(writer, 0, 0, 9), lost, Tombstone(writer, 1, 0, 0)]


def placed(number: int) -> Entry:
    """Return the place of a value."""
    content = ContentId(bytes([number]) * 32)
    return replace(inline_record(bytes([number])), content_id=content)


def dropped(writer: int) -> Tombstone:
    """Return what hides all calls of a writer's first segment."""
    return Tombstone(WriterId(writer.to_bytes(8, "big")), 0, 0, 9)


def places_in(run: WholeRun) -> list[ContentId]:
    """Return of which values a run says where they are."""
    return [
        part.value_record(row).content_id
        for part in run.parts.values()
        for row in range(part.values.row_count)
    ]


def test_a_value_that_only_hidden_calls_used_is_left_out() -> None:
    """So that its payload can be collected, and small ones take no space."""
    segment = segment_of([placed(1), call_record(1), placed(2), call_record(2)], writer=1)
    drop = segment_of([Tombstone(WriterId((1).to_bytes(8, "big")), 0, 0, 0)], writer=2)

    run = run_of([segment, drop])

    assert places_in(run) == [ContentId(b"\x02" * 32)]


def test_a_value_that_a_tag_keeps_is_kept() -> None:
    """Until the tag is taken off."""
    tag = TagRecord("best", TagTarget.REF, b"\x01" * 16, ContentId(b"\x01" * 32), 5)
    segment = segment_of([placed(1), call_record(1), tag], writer=1)
    untag = Untag(WriterId((1).to_bytes(8, "big")), 0, 0, 0)

    kept = run_of([segment, segment_of([dropped(1)], writer=2)])
    gone = run_of([segment_of([untag], writer=3)], [kept])

    assert places_in(kept) == [ContentId(b"\x01" * 32)]
    assert places_in(gone) == []


@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_place_that_repairs_is_kept_without_its_call(is_dropped: bool) -> None:  # noqa: FBT001
    """The call may be in another run, whose own place is condemned.

    Its writer found its payload condemned, put it anew, and wrote a segment of nothing but the
    new place. A compactor that had covered the call before sees here a value that nothing uses.
    """
    repair = segment_of([placed(1)], writer=1, seq=1)
    others: list[Entry] = [placed(1), call_record(1)]
    inputs = [repair, segment_of(others, writer=3)]
    if is_dropped:
        inputs.append(segment_of([dropped(3)], writer=4))

    once = run_of(inputs)
    twice = run_of([segment_of([call_record(5)], writer=5)], [once])

    assert ContentId(b"\x01" * 32) in places_in(once)
    assert ContentId(b"\x01" * 32) in places_in(twice)


def test_every_segment_keeps_the_places_that_its_calls_use() -> None:
    """A view may have the one segment from elsewhere, and take only the other from the run."""
    one = segment_of([placed(1), call_record(1)], writer=1)
    two = segment_of([placed(1), call_record(1)], writer=2)
    run = run_of([one, two])
    (part,) = run.parts.values()

    rest = part.without({one.segment_id})

    assert rest.value_record(0).content_id == ContentId(b"\x01" * 32)


def test_a_payload_is_stored_once() -> None:
    """Each segment repeats the small values that its calls use."""
    segments = [segment_of([placed(1), call_record(1)], writer=writer) for writer in range(1, 9)]
    (part,) = run_of(segments).parts.values()

    assert (part.values.row_count, part.payloads.count) == (8, 1)


def test_an_id_that_does_not_follow_is_written_out() -> None:
    """A segment may be anyone's, and say what it likes; a run repeats what it said."""
    content = ContentId(b"\x07" * 32)
    call = call_record(7)
    true = constant_history_id(content)
    swapped = output_history_id(call.call_id, "x")
    slots = tuple(
        Slot("x", HistoryId(history), content) for history in (true, swapped, b"\x00" * 16)
    )
    said = replace(call, inputs=slots, outputs=slots)

    (part,) = run_of([segment_of([said])]).parts.values()

    assert part.call_record(0) == said
    assert part.tables[SLOTS].numbers("history").tolist() == [0, 2, 3, 4, 1, 3]
    assert part.tables[HISTORIES].row_count == 3


def test_tables_that_nobody_knows_are_carried() -> None:
    """With the segment that they came from, through any number of merges."""
    later = Table("marks", 7, {"mark": RawColumn("later", (b"abc", b""))})
    first = segment_of([call_record(1)], writer=2, other=[later])
    second = segment_of([call_record(2)], writer=1)

    once = run_of([first])
    twice = run_of([second], [once])

    (part,) = twice.parts.values()
    others = part.tables[OTHERS]
    (code,) = others.numbers("segment").tolist()
    assert part.ordered_segment_ids[code] == first.segment_id
    assert others.text("table").rows() == ["marks"]
    expected = b"".join(bytes(piece) for piece in encode_tables([later]))
    assert others.bytes("data").rows() == [expected]


def test_two_segments_of_one_name_for_their_writer_stay_two() -> None:
    """A writer id drawn twice: both segments count, and rows stay sorted by dot."""
    one = segment_of([call_record(1), call_record(2)], writer=1)
    two = segment_of([call_record(3), call_record(4)], writer=1)
    (part,) = run_of([one, two]).parts.values()

    rows = [part.dot(row).row for row in range(4)]

    assert rows == [0, 0, 1, 1]
    assert part.segment_ids == {one.segment_id, two.segment_id}
    assert list(part.rows_named_by(Tombstone(one.header.writer, 0, 1, 1))) == [2, 3]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (PartLimits(), [9]),
        (PartLimits(calls_max=6), [6, 3]),
        (PartLimits(calls_max=5), [3, 3, 3]),
        (PartLimits(calls_max=1), [3, 3, 3]),
        (PartLimits(size_max=1), [3, 3, 3]),
    ],
)
def test_a_part_has_whole_segments_and_not_too_many(
    limits: PartLimits, expected: Sequence[int]
) -> None:
    """A segment that is larger than a part should be has one of its own."""
    batch: list[Entry] = [call_record(number) for number in range(3)]
    segments = [segment_of(batch, writer=writer) for writer in range(3)]

    run = run_of(segments, limits=limits).run

    assert [info.call_count for info in run.records] == expected
    assert run.header.call_count == 9


def test_the_same_inputs_give_objects_of_other_names() -> None:
    """What was deleted once never comes back under its name."""
    segments = [segment_of([placed(1), call_record(1)])]

    names = [set(made.parts) | {made.run.name} for made in (made_of(segments), made_of(segments))]

    assert not names[0] & names[1]
    assert state_of([read_back(made_of(segments))]) == state_of(segments)


def test_a_run_of_nothing_is_refused() -> None:
    """It would cover nothing."""
    with pytest.raises(UsageError, match="covers something"):
        made_of()


def test_generations_end() -> None:
    """Their names have three digits."""
    run = run_of([segment_of([call_record(1)])])
    last = replace(run, run=replace(run.run, header=replace(run.run.header, generation=999)))

    with pytest.raises(UsageError, match="generation"):
        made_of([], [last])
