"""Point lookups give the record that counts, whatever came in whatever order."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mandala_cas.envelope.signatures import Signature
from mandala_cas.errors import CorruptionError
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.groups import Fields, JournalGroup, JournalValue, pack_group, rows_of
from mandala_cas.log.segment import Segment
from mandala_cas.log.tables import Table
from mandala_cas.log.writer import Appended, Position
from mandala_cas.model.entries import CallRecord, Entry, Tier, Tombstone, ValueRecord
from mandala_cas.model.ids import Dot, PayloadHash, WriterId
from mandala_cas.objectstore.layout import blob_name

MakeCall = Callable[..., CallRecord]
MakeSegment = Callable[..., Segment]


@pytest.fixture
def lookup() -> CallLookup:
    """Return a lookup that knows nothing."""
    return CallLookup()


ME = Position(WriterId(b"12345678"), 3)


def add_open(lookup: CallLookup, together: list[Entry], first_call: int = 0) -> None:
    """Have a lookup know of a group that is not published."""
    rows = [entry for entry in together if isinstance(entry, ValueRecord)]
    entries = [entry for entry in together if not isinstance(entry, ValueRecord)]
    packed = pack_group(JournalGroup(entries, [JournalValue(row) for row in rows], first_call))
    lookup.add_open(rows, entries, Appended(ME, first_call, 0, packed))


def tombstone_of(segment: Segment, first: int, last: int | None = None) -> Tombstone:
    """Return what drops some rows of a segment."""
    end = first if last is None else last
    return Tombstone(segment.header.writer, segment.header.seq, first, end)


def test_a_call_is_found_by_history_and_by_content(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """Both ids lead to the whole record, as it was written."""
    call = make_call("train", "data", ["model", "score"])
    lookup.add_parts([make_segment([make_call("gen", "seed"), call])])

    assert lookup.find(call.call_id) == call
    assert lookup.find_equal(call.content_id) == call


def test_what_was_never_called_is_not_found(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """A miss is None, not an error."""
    lookup.add_parts([make_segment([make_call("gen", "seed")])])
    other = make_call("gen", "another seed")

    assert lookup.find(other.call_id) is None
    assert lookup.find_equal(other.content_id) is None
    assert lookup.dots(other.call_id) == []


def test_an_open_call_is_found_until_it_is_cleared(lookup: CallLookup, make_call: MakeCall) -> None:
    """A process sees its own calls before anyone else does."""
    call = make_call("gen", "seed")
    add_open(lookup, [call])

    assert lookup.find(call.call_id) == call
    assert lookup.find(call.call_id) is lookup.find(call.call_id)
    assert lookup.find_equal(call.content_id) == call
    assert lookup.dots(call.call_id) == [Dot(*ME, 0)]

    lookup.clear_open()

    assert lookup.find(call.call_id) is None
    assert lookup.find_equal(call.content_id) is None
    assert lookup.dots(call.call_id) == []


def test_an_open_call_is_found_among_those_that_were_recorded_with_it(
    lookup: CallLookup,
    make_call: MakeCall,
    make_value: Callable[[str, bytes], ValueRecord],
) -> None:
    """What is kept is the group, in bytes."""
    calls = [make_call("gen", f"seed {number}") for number in range(3)]
    values = [make_value(f"model {number}", b"payload") for number in range(3)]
    add_open(lookup, [values[0], calls[0], values[1], values[2], calls[1], calls[2]], first_call=5)

    assert [lookup.find(call.call_id) for call in calls] == calls
    assert [lookup.find_equal(call.content_id) for call in calls] == calls
    assert [lookup.dots(call.call_id) for call in calls] == [[Dot(*ME, row)] for row in (5, 6, 7)]
    assert [lookup.copies(value.content_id)[0].record for value in values] == values
    assert all(lookup.has_open_value(value.content_id) for value in values)


def test_the_first_of_two_open_calls_answers(lookup: CallLookup, make_call: MakeCall) -> None:
    """Two threads may record one call; what was answered once is answered again."""
    call = make_call("gen", "seed")
    other = replace(call, started_us=call.started_us - 1)
    add_open(lookup, [call], first_call=1)
    add_open(lookup, [other], first_call=2)

    assert lookup.find(call.call_id) == call
    assert lookup.find_equal(call.content_id) == call
    assert lookup.dots(call.call_id) == [Dot(*ME, 1)]


@pytest.mark.parametrize("tombstone_first", [True, False])
def test_a_dropped_call_is_not_found_in_whatever_order_the_log_arrives(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment, *, tombstone_first: bool
) -> None:
    """A listing may show a drop before the call that it drops."""
    kept, dropped = make_call("gen", "kept"), make_call("gen", "dropped")
    calls = make_segment([kept, dropped], writer=1)
    drop = make_segment([tombstone_of(calls, 1)], writer=2)
    arrivals = [drop, calls] if tombstone_first else [calls, drop]

    for segment in arrivals:
        lookup.add_parts([segment])

    assert lookup.find(dropped.call_id) is None
    assert lookup.find_equal(dropped.content_id) is None
    assert lookup.dots(dropped.call_id) == []
    assert lookup.find(kept.call_id) == kept


def test_a_tombstone_drops_no_record_that_it_does_not_name(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """Observed-remove: what another machine computed meanwhile lives."""
    call = make_call("gen", "seed")
    seen, unseen = make_segment([call], writer=1), make_segment([call], writer=2)
    lookup.add_parts([seen, make_segment([tombstone_of(seen, 0)], writer=3), unseen])

    assert lookup.find(call.call_id) == call
    assert lookup.dots(call.call_id) == [unseen.dot(0)]


def test_a_hostile_tombstone_costs_no_memory(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """A range of four billion rows drops the rows that there are."""
    call = make_call("gen", "seed")
    calls = make_segment([call], writer=1)
    drop = make_segment([tombstone_of(calls, 0, 2**32 - 1)], writer=2)

    lookup.add_parts([drop, calls])

    assert lookup.find(call.call_id) is None


@pytest.mark.parametrize("reverse", [True, False])
def test_of_two_records_seen_together_the_one_that_started_first_answers(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment, *, reverse: bool
) -> None:
    """Two machines that see the same log give the same answer."""
    early = make_call("gen", "seed", ["early"], started_us=10)
    late = make_call("gen", "seed", ["late"], started_us=20)
    segments = [make_segment([late], writer=1), make_segment([early], writer=2)]

    lookup.add_parts(segments[::-1] if reverse else segments)

    assert lookup.find(early.call_id) == early
    assert lookup.find_equal(early.content_id) == early


def test_an_answer_that_was_given_stays_until_it_is_dropped(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """A notebook must not change its results because a colleague's record came in."""
    early = make_call("gen", "seed", ["early"], started_us=10)
    late = make_call("gen", "seed", ["late"], started_us=20)
    own = make_segment([late], writer=1)
    lookup.add_parts([own])
    lookup.add_parts([make_segment([early], writer=2)])

    assert lookup.find(early.call_id) == late

    lookup.add_parts([make_segment([tombstone_of(own, 0)], writer=3)])

    assert lookup.find(early.call_id) == early


def test_when_the_answer_is_dropped_the_earliest_of_the_others_takes_its_place(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """Whichever came in first."""
    given, late, early = (
        make_call("gen", "seed", [name], started_us=started)
        for name, started in (("given", 5), ("late", 20), ("early", 10))
    )
    own = make_segment([given], writer=1)
    others = [make_segment([late], writer=2), make_segment([early], writer=3)]
    lookup.add_parts([own, *others])

    lookup.add_parts([make_segment([tombstone_of(own, 0)], writer=4)])

    assert lookup.find(early.call_id) == early
    assert lookup.find_equal(early.content_id) == early


def test_each_place_of_a_value_is_known_once(
    lookup: CallLookup,
    make_segment: MakeSegment,
    make_value: Callable[[str, bytes], ValueRecord],
) -> None:
    """Where one copy is damaged another may serve; every user of a value names its place again."""
    value = make_value("model", b"payload")
    here, there = (
        replace(
            value, tier=Tier.LOOSE, location=blob_name(PayloadHash(bytes([n]) * 32)), inline=b""
        )
        for n in (1, 2)
    )
    lookup.add_parts([make_segment([here], writer=1), make_segment([here, there], writer=2)])

    copies = lookup.copies(value.content_id)

    assert [copy.record for copy in copies] == [here, there]
    assert lookup.has_value(value.content_id)


def test_a_place_that_two_signers_name_is_a_copy_of_each(
    lookup: CallLookup,
    make_segment: MakeSegment,
    make_value: Callable[[str, bytes], ValueRecord],
) -> None:
    """The one may be trusted, the other not, and it must not matter who came first."""
    value = make_value("model", b"payload")
    segments = [
        replace(make_segment([value], writer=w), signature=Signature(str(w), key * 32, b"", b""))
        for w, key in ((1, b"a"), (2, b"b"), (3, b"a"))
    ]
    lookup.add_parts(segments)

    copies = lookup.copies(value.content_id)

    assert [copy.signature for copy in copies] == [s.signature for s in segments[:2]]


def test_the_copy_of_this_process_comes_first(
    lookup: CallLookup,
    make_segment: MakeSegment,
    make_value: Callable[[str, bytes], ValueRecord],
) -> None:
    """Its own bytes need no trust and no fetching."""
    value = make_value("model", b"payload")
    lookup.add_parts([make_segment([value])])
    add_open(lookup, [value])

    copies = lookup.copies(value.content_id)

    assert [copy.segment is None for copy in copies] == [True, False]


def test_a_scattered_drop_is_one_pass_over_the_rows(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """A search for each of 100,000 tombstones would take minutes."""
    calls = [make_call("gen", f"seed {n}") for n in range(100)]
    part = _CountingPart(make_segment(calls, writer=1))
    lookup.add_parts([part])
    drops = [tombstone_of(part.segment, row) for row in range(0, 100, 2)]

    lookup.add_parts([make_segment(drops, writer=2)])

    assert [lookup.find(call.call_id) is None for call in calls] == [True, False] * 50
    assert part.searched <= 1


def test_a_first_hit_reads_the_outputs_and_nothing_else(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """Making the other fields would take most of a hit's time."""
    call = make_call("gen", "seed", ["value"])
    segment = make_segment([call])
    needed = {name: segment.calls.columns[name] for name in ("call_id", "content_id", "slot_start")}
    lookup.add_parts([replace(segment, calls=Table("calls", 1, needed))])

    record = lookup.find(call.call_id)

    assert record is not None
    assert record.outputs == call.outputs


def test_a_stored_call_is_as_good_as_the_record_that_was_written(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """It is compared, hashed, copied, printed and sent to other processes."""
    call = make_call("gen", "seed", ["value"])
    lookup.add_parts([make_segment([call])])
    record = lookup.find(call.call_id)

    assert record == call
    assert call == record
    assert hash(record) == hash(call)
    assert record != replace(call, started_us=77)
    assert record is not None
    assert replace(record, started_us=77) == replace(call, started_us=77)
    assert pickle.loads(pickle.dumps(record)) == call  # noqa: S301 (made in this line)
    assert "gen" in repr(record)
    assert not hasattr(record, "no_such_field")


class _CountingPart:
    """A part that counts how often it was searched for one tombstone."""

    def __init__(self, segment: Segment) -> None:
        """Be ``segment``, not searched yet."""
        self.segment = segment
        self.searched = 0

    def rows_named_by(self, tombstone: Tombstone) -> range:
        """Search, and count it."""
        self.searched += 1
        return self.segment.rows_named_by(tombstone)

    def __getattr__(self, name: str) -> Any:
        """Be the segment in everything else."""
        return getattr(self.segment, name)


def test_a_long_session_does_not_make_each_miss_dearer(
    make_call: MakeCall, make_segment: MakeSegment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every large commit left one more column to search at each new call, without end."""
    monkeypatch.setattr("mandala_cas.index.lookup._MANY", 1)
    lookup = CallLookup()
    calls = [make_call("gen", f"seed {number}") for number in range(20)]

    for number in range(0, len(calls), 2):
        lookup.add_parts([make_segment(calls[number : number + 2], writer=number + 1)])

    assert lookup._by_history.sorted_count <= 2
    assert [lookup.find(call.call_id) for call in calls] == calls


def test_a_group_is_unpacked_once(
    lookup: CallLookup, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The elements of a collection are asked for one after the other, and all are in one group."""
    calls = [make_call("item", f"element {i}") for i in range(50)]
    add_open(lookup, list(calls))
    unpacked = []

    def unpack(packed: bytes) -> tuple[list[Fields], Sequence[Fields]]:
        unpacked.append(packed)
        return rows_of(packed)

    monkeypatch.setattr("mandala_cas.index.open_entries.rows_of", unpack)

    assert [lookup.find(call.call_id) for call in calls] == calls
    assert [lookup.find_equal(call.content_id) for call in calls] == calls
    assert len(unpacked) == 1


def test_an_open_call_that_is_hidden_makes_room_for_the_next(
    lookup: CallLookup, make_call: MakeCall
) -> None:
    """It was replaced before it was published; others that are open stay."""
    old = make_call("train", "data", ["model"])
    new = replace(old, started_us=old.started_us + 1)
    other = make_call("gen", "seed")
    add_open(lookup, [old, other])

    add_open(lookup, [Tombstone(*ME, 0, 0)], first_call=2)
    hidden = lookup.find(old.call_id), lookup.find_equal(old.content_id), lookup.dots(old.call_id)
    add_open(lookup, [new], first_call=2)

    assert hidden == (None, None, [])
    assert lookup.find(old.call_id) == new
    assert lookup.find_equal(old.content_id) == new
    assert lookup.find(other.call_id) == other


def test_an_open_call_is_replaced_in_one_group(lookup: CallLookup, make_call: MakeCall) -> None:
    """What hides and what takes its place are recorded as one."""
    old = make_call("train", "data", ["model"])
    new = replace(old, started_us=old.started_us + 1)
    add_open(lookup, [old])

    add_open(lookup, [Tombstone(*ME, 0, 0), new], first_call=1)

    assert lookup.find(old.call_id) == new
    assert lookup.find_equal(old.content_id) == new
    assert lookup.dots(old.call_id) == [Dot(*ME, 1)]


def test_what_hides_an_open_call_hides_no_newer_one(
    lookup: CallLookup, make_call: MakeCall
) -> None:
    """The same record arrives again while another has its place."""
    old = make_call("train", "data", ["model"])
    new = replace(old, started_us=old.started_us + 1)
    add_open(lookup, [new], first_call=1)
    add_open(lookup, [old], first_call=0)

    add_open(lookup, [Tombstone(*ME, 0, 0)], first_call=2)

    assert lookup.find(old.call_id) == new
    assert lookup.find_equal(old.content_id) == new


def test_a_range_of_open_calls_is_hidden(lookup: CallLookup, make_call: MakeCall) -> None:
    """However long it is: it may name rows that there are not."""
    calls = [make_call("train", f"data {i}") for i in range(3)]
    add_open(lookup, list(calls))

    add_open(lookup, [Tombstone(*ME, 1, 1 << 30)], first_call=3)

    assert [lookup.find(call.call_id) for call in calls] == [calls[0], None, None]


def test_each_row_of_a_value_is_read_once(
    lookup: CallLookup,
    make_segment: MakeSegment,
    make_value: Callable[[str, bytes], ValueRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A value that every session uses has a row in every segment, and each call asks for it."""
    value = make_value("data", b"payload")
    read: list[str] = []
    value_record = Segment.value_record

    def counted(self: Segment, row: int) -> ValueRecord:
        read.append(self.name)
        return value_record(self, row)

    monkeypatch.setattr(Segment, "value_record", counted)
    for writer in range(1, 31):
        lookup.add_parts([make_segment([value], writer=writer)])
        for _ in range(3):
            assert [copy.record for copy in lookup.copies(value.content_id)] == [value]

    # As long as they are few, remembering them is not worth it.
    assert len(read) == 3 * (1 + 2 + 3) + 30


def test_a_row_that_could_not_be_read_is_read_again(
    lookup: CallLookup,
    make_segment: MakeSegment,
    make_value: Callable[[str, bytes], ValueRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The object that has it may have been restored."""
    value = make_value("data", b"payload")
    lookup.add_parts([make_segment([value], writer=writer) for writer in range(1, 9)])

    def gone(self: Segment, row: int) -> ValueRecord:
        raise CorruptionError(f"row {row} of {self.name} is not there")

    with monkeypatch.context() as patched:
        patched.setattr(Segment, "value_record", gone)
        assert lookup.copies(value.content_id) == []

    assert [copy.record for copy in lookup.copies(value.content_id)] == [value]


def test_a_call_knows_whose_code_gave_it(
    lookup: CallLookup, make_call: MakeCall, make_segment: MakeSegment
) -> None:
    """From columns as from fields; another source or module is other code."""
    call = make_call("train", "data", ["model"])
    lookup.add_parts([make_segment([call])])
    found = lookup.find(call.call_id)
    other = type(call.source_hash)(b"1" * 16)

    assert found is not None
    for record in (call, found):
        assert record.is_of(call.source_hash, call.module)
        assert not record.is_of(other, call.module)
        assert not record.is_of(call.source_hash, "elsewhere")
