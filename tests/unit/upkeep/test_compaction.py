"""Compaction: when it is due, what it merges, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.log.entry_strategies import call_record
from tests.unit.log.sample_runs import state_of
from tests.unit.upkeep.compacted_stores import (
    batch_of,
    compacted,
    log_names,
    names,
    put_calls,
    put_segment,
    seen,
)

from mandala_cas.envelope.signatures import SigningKey, key_id_of
from mandala_cas.errors import CorruptionError, StoreUnavailableError
from mandala_cas.log.columns import RawColumn
from mandala_cas.log.run import decode_run
from mandala_cas.log.tables import Table
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Tombstone
from mandala_cas.model.ids import KeyId
from mandala_cas.objectstore.layout import RUNS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import ErrorAfter, ErrorBefore, FaultStore, FlippedGet, Rule
from mandala_cas.upkeep.compacting.compact import CompactReport, is_due
from mandala_cas.upkeep.compacting.plan import plan_compaction, size_class

KEY, OTHER = SigningKey(b"k" * 32), SigningKey(b"o" * 32)


def mine(key_id: KeyId | None) -> bool:
    """Trust one key."""
    return key_id == key_id_of(KEY.public_key)


@pytest.fixture
def store() -> MemoryObjectStore:
    """Return an empty store."""
    return MemoryObjectStore()


def viewed(store: MemoryObjectStore) -> LogView:
    """Return a view that has just read the store."""
    view = LogView(store)
    view.refresh()
    return view


def test_few_segments_are_left_alone(store: MemoryObjectStore) -> None:
    """A run for every flush would write everything again and again."""
    put_calls(store, range(63))

    report = compacted(store)

    assert not is_due(viewed(store))
    assert report == CompactReport()
    assert log_names(store) == (63, 0)


def test_many_segments_become_one_run(store: MemoryObjectStore) -> None:
    """The state is the same, and what is covered stays until every reader has seen the run."""
    segments = put_calls(store, range(64))
    assert is_due(viewed(store))

    report = compacted(store)

    assert report.run == names(store, RUNS)[0]
    assert set(report.merged_segments) == {segment.name for segment in segments}
    assert (report.segment_count, report.call_count, report.hidden_call_count) == (64, 64, 0)
    assert report.size_before == sum(segment.size for segment in segments)
    assert report.size_after < report.size_before
    assert (report.left, report.retired) == ({}, ())
    assert log_names(store) == (64, 1)
    assert not is_due(viewed(store))
    assert seen(store) == state_of(segments)


def test_full_compaction_merges_everything(store: MemoryObjectStore) -> None:
    """And finds nothing to do the second time."""
    segments = put_calls(store, range(3))
    first = compacted(store, full=True)
    segments += put_calls(store, range(3, 5))
    second = compacted(store, full=True)
    third = compacted(store, full=True)

    assert (first.segment_count, second.segment_count) == (3, 5)
    assert second.merged_runs == (first.run,)
    assert str(second.run).startswith(f"{RUNS}002-")
    assert third.run is None
    assert seen(store) == state_of(segments)


def test_runs_of_one_tier_become_one_of_the_next(store: MemoryObjectStore) -> None:
    """So that a call is written once a tier, and runs stay few."""
    segments = []
    for number in range(8):
        segments += put_calls(store, [2 * number, 2 * number + 1])
        view = viewed(store)
        assert not is_due(view)
        # What 64 segments would do, with fewer of them.
        chosen = plan_compaction(view, full=True)
        assert len(chosen.segments) == 2
        made = compacted_without_runs(store, list(view.runs))
        assert made.segment_count == 2

    assert is_due(viewed(store))
    report = compacted(store)

    assert (len(report.merged_segments), len(report.merged_runs)) == (0, 8)
    assert report.call_count == 16
    assert seen(store) == state_of(segments)
    assert not is_due(viewed(store))


def compacted_without_runs(store: MemoryObjectStore, hidden: list[str]) -> CompactReport:
    """Compact all segments that no run covers, and leave the runs as they are."""
    view = LogView(_Without(store, hidden))
    view.refresh()
    covered = {id_ for name in hidden for id_ in decode_run(name, store.get(name)).covers}
    todo = [segment for segment in view.segments.values() if segment.segment_id not in covered]
    lonely = MemoryObjectStore()
    for segment in todo:
        lonely.put(segment.name, [store.get(segment.name)])
    report = compacted(lonely, full=True)
    for info in lonely.list(""):
        store.put(info.name, [lonely.get(info.name)])
    return report


class _Without(MemoryObjectStore):
    """A copy of a store without some objects."""

    def __init__(self, inner: MemoryObjectStore, hidden: list[str]) -> None:
        """Copy all others."""
        super().__init__()
        for info in inner.list(""):
            if info.name not in hidden:
                self.put(info.name, [inner.get(info.name)])


@pytest.mark.parametrize(
    ("call_count", "tier"), [(0, 0), (7, 0), (8, 1), (63, 1), (64, 2), (511, 2), (512, 3)]
)
def test_tiers_are_eight_times_the_one_below(call_count: int, tier: int) -> None:
    """By calls, not by bytes or segments."""
    assert size_class(call_count) == tier


def test_work_in_passing_is_bounded(store: MemoryObjectStore) -> None:
    """A flush must not pay for a large merge; the next ones do the rest."""
    segments = put_calls(store, range(70))

    first = compacted(store, rows_max=40)
    second = compacted(store, rows_max=40)

    assert (first.call_count, second.call_count) == (40, 0)
    assert len(viewed(store).runs) == 1
    assert seen(store) == state_of(segments)


def test_a_segment_that_is_larger_than_the_bound_is_merged_alone(
    store: MemoryObjectStore,
) -> None:
    """It would be in the way for ever."""
    put_calls(store, range(64))

    assert compacted(store, rows_max=0).segment_count == 1


def test_inputs_are_read_anew(store: MemoryObjectStore) -> None:
    """What a process has in memory may not be in the store any more."""
    segments = put_calls(store, range(3))
    faulty = FaultStore(store)
    view = LogView(faulty)
    view.refresh()
    faulty.plan.append(Rule(FlippedGet(300), "get", segments[1].name))

    report = compacted(faulty, view, full=True)

    assert report.segment_count == 2
    assert list(report.left) == [segments[1].name]
    assert seen(store) == state_of(segments)


def test_what_is_damaged_is_left_where_it_is(store: MemoryObjectStore) -> None:
    """It may be repaired from somewhere else; a run without it would not say what it said."""
    put_calls(store, range(2))
    bad = put_segment(store, batch_of(9), 9)
    store.put(bad.name, [store.get(bad.name)[:-1]])

    report = compacted(store, full=True, delay_s=0.0)

    assert report.segment_count == 2
    assert names(store, "manifest/1-log/") == [bad.name]


@pytest.mark.parametrize("what", ["a table", "a column"])
def test_what_a_newer_version_wrote_is_carried_or_left(store: MemoryObjectStore, what: str) -> None:
    """Whole tables travel as they are; a column cannot, so its segment stays."""
    extra = RawColumn("later", (b"abc",))
    other = [Table("marks", 1, {"x": extra})]
    if what == "a column":
        other = [Table("untags", 1, {**_untag_columns(), "x": extra})]
    segment = put_segment(store, batch_of(1), 1, other=other)

    report = compacted(store, full=True)

    assert report.run is None or what == "a table"
    assert list(report.left) == ([segment.name] if what == "a column" else [])


def _untag_columns() -> dict[str, RawColumn]:
    """Return the columns of one untag."""
    return {
        "writer": RawColumn("fixed8", (bytes(8),)),
        "seq": RawColumn("u4", (bytes(4),)),
        "first": RawColumn("u4", (bytes(4),)),
        "last": RawColumn("u4", (bytes(4),)),
    }


# Whose word it is.


def test_only_what_is_trusted_is_covered(store: MemoryObjectStore) -> None:
    """A run speaks for its inputs, so a stranger's stay theirs."""
    own = put_calls(store, range(2), signer=KEY)
    strange = put_calls(store, range(2, 4), signer=OTHER)
    unsigned = put_calls(store, range(4, 6))

    report = compacted(store, full=True, signer=KEY, trusts=mine)

    assert report.run is not None
    run = decode_run(report.run, store.get(report.run))
    assert run.covers == {segment.segment_id for segment in own}
    assert [item.key_id for item in run.covered] == [key_id_of(KEY.public_key)] * 2
    assert run.signature is not None
    assert run.signature.verified_key() == key_id_of(KEY.public_key)
    assert seen(store) == state_of([*own, *strange, *unsigned])


def test_a_false_claim_to_be_trusted_is_found_out(store: MemoryObjectStore) -> None:
    """The key in the header is checked, not believed."""
    segment = put_calls(store, [1], signer=_Liar())[0]

    report = compacted(store, full=True, signer=KEY, trusts=mine)

    assert report.run is None
    assert "signature" in report.left[segment.name]


class _Liar:
    """Signs with another key than it names."""

    @property
    def public_key(self) -> bytes:
        """Name the key of somebody else."""
        return KEY.public_key

    def sign(self, message: bytes) -> bytes:
        """Sign all the same."""
        return OTHER.sign(message)


def test_a_stranger_cannot_keep_compaction_busy(store: MemoryObjectStore) -> None:
    """What is not trusted is not due, however much of it there is; it is not even read."""
    put_calls(store, range(70), signer=OTHER)
    view = viewed(store)
    faulty = FaultStore(store)

    assert is_due(view)
    assert not is_due(view, trusts=mine)
    compacted(faulty, view=_moved(view, faulty), signer=KEY, trusts=mine)
    assert [call.operation for call in faulty.calls] == ["list"]


def _moved(view: LogView, store: FaultStore) -> LogView:
    """Return the same view through another store."""
    view._objects = store
    return view


@pytest.mark.parametrize("is_signed", [False, True])
def test_signed_and_unsigned_do_not_mix(store: MemoryObjectStore, *, is_signed: bool) -> None:
    """An unsigned run would take the signatures away, a signed one would give some."""
    put_calls(store, [1], signer=KEY if is_signed else None)

    report = compacted(store, full=True, signer=None if is_signed else KEY)

    assert report.run is None
    assert len(report.left) == 1


def test_a_run_of_a_stranger_is_not_covered(store: MemoryObjectStore) -> None:
    """Its segments are, while they are there."""
    segments = put_calls(store, range(3), signer=KEY)
    strange = compacted(store, full=True, signer=OTHER)

    own = compacted(store, full=True, signer=KEY, trusts=mine)

    assert strange.segment_count == own.segment_count == 3
    assert own.merged_runs == ()
    assert seen(store) == state_of(segments)


# What it writes.


def test_a_tombstone_that_is_not_covered_hides_nothing_for_good(store: MemoryObjectStore) -> None:
    """A run explains itself: it leaves out only what its own tombstones name."""
    segments = put_calls(store, range(2), signer=KEY)
    drop = Tombstone(segments[0].header.writer, 0, 0, 0)
    strange = put_segment(store, [drop], 9, signer=OTHER)

    report = compacted(store, full=True, signer=KEY, trusts=mine)

    assert (report.call_count, report.hidden_call_count) == (2, 0)
    assert seen(store) == state_of([*segments, strange])


def test_parts_are_put_before_the_run(store: MemoryObjectStore) -> None:
    """The run makes them count."""
    put_calls(store, range(2))
    faulty = FaultStore(store, forbid_overwrite=True)

    compacted(faulty, full=True)

    puts = [call.name.split("/")[0] for call in faulty.calls if call.operation == "put"]
    assert puts == ["run-parts", "run-parts", "manifest"]


@pytest.mark.parametrize("prefix", [RUNS, "run-parts/"])
def test_what_does_not_come_back_is_an_error(store: MemoryObjectStore, prefix: str) -> None:
    """And nothing is deleted: the inputs are all there is."""
    segments = put_calls(store, range(3))
    faulty = FaultStore(store, [Rule(FlippedGet(200), "get", prefix)])

    with pytest.raises(CorruptionError):
        compacted(faulty, full=True, delay_s=0.0)

    assert log_names(store)[0] == 3
    assert seen(store) == state_of(segments)


@pytest.mark.parametrize("fault", [ErrorBefore(), ErrorAfter()])
@pytest.mark.parametrize("at_call", range(3))
def test_a_put_that_fails_or_whose_answer_is_lost_harms_nothing(
    store: MemoryObjectStore, at_call: int, fault: ErrorBefore | ErrorAfter
) -> None:
    """The next compaction starts from what is there."""
    segments = put_calls(store, range(3))
    faulty = FaultStore(store, [Rule(fault, "put", skip=at_call)], forbid_overwrite=True)

    with pytest.raises(StoreUnavailableError):
        compacted(faulty, full=True, delay_s=0.0)
    assert seen(store) == state_of(segments)
    compacted(faulty, full=True, delay_s=0.0)

    assert seen(store) == state_of(segments)
    assert log_names(store) == (0, 1)


def test_a_run_that_cannot_be_read_makes_room_for_one_that_can(store: MemoryObjectStore) -> None:
    """Its inputs are merged anew, under a greater generation."""
    segments = put_calls(store, range(3))
    broken = compacted(store, full=True)
    for name in names(store, "run-parts/"):
        store.delete([name])

    report = compacted(store, full=True, delay_s=0.0)

    assert report.segment_count == 3
    assert str(broken.run) in report.left
    assert names(store, RUNS) == [report.run]
    assert seen(store) == state_of(segments)


def test_a_report_says_what_was_done(store: MemoryObjectStore) -> None:
    """To people and to programs."""
    segments = put_calls(store, range(3))
    put_segment(store, [Tombstone(segments[0].header.writer, 0, 0, 0)], 9)
    bad = put_segment(store, [call_record(8)], 8)
    store.put(bad.name, [b"?"])

    report = compacted(store, full=True, delay_s=0.0)

    text = str(report)
    for expected in ("4 segments, 0 runs", str(report.run)[:30], "2, and 1 hidden"):
        assert expected in text
    assert "4 log objects" in text
    assert report.to_dict()["call_count"] == 2
    assert report.to_dict()["left"] == dict(report.left)
    assert replace(report).to_dict() == report.to_dict()
    assert "nothing" in str(CompactReport())
