"""Deletion of what a run covers: late enough, on one run's word alone, and never too much."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.log.sample_runs import made_of, nonce, state_of
from tests.unit.upkeep.compacted_stores import (
    Clock,
    FakeAnnouncements,
    compacted,
    log_names,
    names,
    numbered_draw,
    put_calls,
    seen,
)

from mandala_cas.envelope.signatures import SigningKey, key_id_of
from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.log.run import PartKind, decode_run, encode_run
from mandala_cas.log.run_making import MadeRun, RunInputs, make_run
from mandala_cas.log.segment import Segment
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.api import Capabilities
from mandala_cas.objectstore.layout import RUNS, SEGMENTS, collection_name
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import ErrorBefore, FaultStore, FlippedGet, Rule
from mandala_cas.upkeep.compacting.compact import CompactReport

KEY, OTHER = SigningKey(b"k" * 32), SigningKey(b"o" * 32)


@pytest.fixture
def clock() -> Clock:
    """Return the store's clock."""
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryObjectStore:
    """Return an empty store."""
    return MemoryObjectStore(clock=clock)


class AppendOnly(FaultStore):
    """A store that takes what is new, and lets nothing go."""

    def delete(self, names: object) -> None:  # noqa: ARG002 (refused whatever they are)
        """Refuse."""
        raise UsageError("access denied: you may not delete")


def viewed(store: MemoryObjectStore) -> LogView:
    """Return a view that has just read the store."""
    view = LogView(store)
    view.refresh()
    return view


def put_run(store: MemoryObjectStore, made: MadeRun) -> str:
    """Put a run, and return its name."""
    for name, sealed in made.parts.items():
        store.put(name, sealed.parts)
    store.put(made.run.name, made.run.sealed.parts)
    return made.run.name


def touch(store: MemoryObjectStore, clock: Clock, seconds: float, number: int = 200) -> Segment:
    """Let time pass, and somebody write a segment."""
    clock.now += seconds
    (segment,) = put_calls(store, [number])
    return segment


def retired(store: MemoryObjectStore) -> tuple[str, ...]:
    """Compact nothing, and return what was deleted."""
    report = compacted(store)
    assert report.run is None
    return report.retired


@pytest.mark.parametrize(
    ("seconds", "strong_list", "is_deleted"),
    [
        (599, True, False),
        (600, True, True),
        (600, False, False),
        (86_399, False, False),
        (86_400, False, True),
    ],
)
def test_what_is_covered_is_deleted_after_the_delay(
    clock: Clock, seconds: float, *, strong_list: bool, is_deleted: bool
) -> None:
    """A reader that listed before the run was there reads the segments; it needs time for that."""

    class Store(MemoryObjectStore):
        @property
        def capabilities(self) -> Capabilities:
            return Capabilities(strong_list=strong_list)

    store = Store(clock=clock)
    segments = put_calls(store, range(3))
    compacted(store, full=True)
    segments.append(touch(store, clock, seconds))

    deleted = retired(store)

    assert bool(deleted) is is_deleted
    assert log_names(store) == ((1, 1) if is_deleted else (4, 1))
    assert seen(store) == state_of(segments)


def test_only_the_stores_own_clock_counts(store: MemoryObjectStore, clock: Clock) -> None:
    """While nobody writes, nothing says that time has passed."""
    put_calls(store, range(3))
    compacted(store, full=True)
    clock.now += 86_400

    assert retired(store) == ()


def test_a_store_that_tells_no_times_keeps_everything(store: MemoryObjectStore) -> None:
    """Then nobody knows who may be in the middle of reading."""

    class Timeless(FaultStore):
        def list(self, prefix: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
            for info in super().list(prefix):
                yield type(info)(info.name, info.size, None)

    put_calls(store, range(3))
    compacted(store, full=True)

    assert compacted(Timeless(store), delay_s=0.0).retired == ()


def test_a_superseded_run_goes_too(store: MemoryObjectStore, clock: Clock) -> None:
    """With one delay for each step; its parts are left to the collector."""
    segments = put_calls(store, range(3))
    first = compacted(store, full=True)
    segments += put_calls(store, range(3, 6))
    second = compacted(store, full=True)
    segments.append(touch(store, clock, 600))

    deleted = retired(store)

    assert set(deleted) == {str(first.run), *(segment.name for segment in segments[:6])}
    assert names(store, RUNS) == [second.run]
    assert len(names(store, "run-parts/")) == 4
    assert seen(store) == state_of(segments)


def test_two_runs_together_are_not_enough(store: MemoryObjectStore, clock: Clock) -> None:
    """Each of three runs is covered by the two others; deleting on that ground loses all three."""
    segments = put_calls(store, range(3))
    for pair in ((0, 1), (1, 2), (0, 2)):
        put_run(store, made_of([segments[number] for number in pair]))
    touch(store, clock, 600)
    view = LogView(store)

    compacted(store, view)

    # The segments go, each on the word of one run; of the runs, none.
    assert len(names(store, RUNS)) == 3
    assert seen(store).calls.keys() >= state_of(segments).calls.keys()


def test_of_two_equal_runs_the_greater_name_stays(store: MemoryObjectStore, clock: Clock) -> None:
    """Without that, each of two compactors would delete the other's."""
    segments = put_calls(store, range(3))
    twins = sorted(put_run(store, made_of(segments)) for _ in range(2))
    late = touch(store, clock, 600)

    retired(store)
    retired(store)

    assert names(store, RUNS) == twins[1:]
    assert seen(store) == state_of([*segments, late])


def test_a_late_segment_within_the_range_of_a_run_stays(
    store: MemoryObjectStore, clock: Clock
) -> None:
    """Its writer's clock is years behind, and its put was slow: no name and no time covers it."""
    segments = put_calls(store, [1, 3])
    compacted(store, full=True)
    segments += put_calls(store, [2])
    assert names(store, SEGMENTS)[1] == segments[2].name
    segments.append(touch(store, clock, 600))

    retired(store)

    assert names(store, SEGMENTS) == sorted(segment.name for segment in segments[2:])
    assert seen(store) == state_of(segments)


@pytest.mark.parametrize("prefix", [RUNS, "run-parts/"])
def test_a_run_is_read_back_before_anything_goes(
    store: MemoryObjectStore, clock: Clock, prefix: str
) -> None:
    """In this very step, and all of it: inline payloads too."""
    segments = put_calls(store, range(3))
    compacted(store, full=True)
    segments.append(touch(store, clock, 600))
    for name in names(store, prefix):
        view = LogView(store)
        view.refresh()
        faulty = FaultStore(store, [Rule(FlippedGet(150), "get", name)])
        view._objects = faulty

        report = compacted(faulty, view)

        assert report.retired == ()
        assert list(report.kept) == names(store, RUNS)
    assert log_names(store) == (4, 1)


def old_run_without_a_part(
    store: MemoryObjectStore, clock: Clock
) -> tuple[list[Segment], CompactReport]:
    """Compact three segments, let time pass, and lose what the view of a reader does not read."""
    segments = put_calls(store, range(3))
    report = compacted(store, full=True)
    segments.append(touch(store, clock, 600))
    run = decode_run(str(report.run), store.get(str(report.run)))
    store.delete([info.name for info in run.parts if info.kind is PartKind.INLINE])
    assert dict(viewed(store).damaged) == {}
    return segments, report


def test_a_run_whose_part_is_gone_is_no_ground(store: MemoryObjectStore, clock: Clock) -> None:
    """A collector may have taken it for garbage: the run is of no use, and goes itself."""
    segments, report = old_run_without_a_part(store, clock)

    again = compacted(store)

    assert (again.retired, dict(again.kept)) == ((report.run,), {})
    assert again.retired_size > 0
    assert log_names(store) == (4, 0)
    assert seen(store) == state_of(segments)


def test_a_run_whose_part_is_gone_stays_for_what_it_alone_has(
    store: MemoryObjectStore, clock: Clock
) -> None:
    """What was damage, and no collector: what is left of it is worth having."""
    segments, report = old_run_without_a_part(store, clock)
    store.delete([segments[0].name])

    again = compacted(store)

    assert again.retired == ()
    assert "no object run-parts/" in again.kept[str(report.run)]
    assert log_names(store) == (3, 1)
    assert sum(part.calls.row_count for part in viewed(store).parts.values()) == 4


@pytest.mark.parametrize("is_whole", [True, False])
def test_only_a_whole_run_makes_up_for_one_whose_part_is_gone(
    store: MemoryObjectStore, clock: Clock, *, is_whole: bool
) -> None:
    """The segments of the one may have gone because of the other."""
    segments, report = old_run_without_a_part(store, clock)
    inputs = RunInputs([(segment, None) for segment in segments[:2]])
    other = make_run(inputs, created_us=1, draw=numbered_draw(7), signer=None)
    put_run(store, other)
    if not is_whole:
        store.delete([info.name for info in other.infos if info.kind is PartKind.INLINE])
    store.delete([segments[0].name])

    compacted(store)

    is_left = str(report.run) in names(store, RUNS)
    assert is_left is not is_whole


def test_a_segment_that_goes_while_a_run_is_read_back_is_missed(
    store: MemoryObjectStore, clock: Clock
) -> None:
    """Whether all that the run covers is elsewhere is asked after its part was found gone."""
    segments, report = old_run_without_a_part(store, clock)
    view = viewed(store)
    store.delete([segments[0].name])

    compacted(store, view)
    again = compacted(store, view)

    assert names(store, RUNS) == [report.run]
    assert list(again.kept) == [report.run]


def test_who_may_not_delete_leaves_a_run_whose_part_is_gone(
    store: MemoryObjectStore, clock: Clock
) -> None:
    """Append-only credentials."""
    _, report = old_run_without_a_part(store, clock)

    again = compacted(AppendOnly(store))

    assert again.retired == ()
    assert list(again.kept) == [report.run]


def test_a_run_that_lost_a_record_is_no_ground(store: MemoryObjectStore, clock: Clock) -> None:
    """However well it is signed: a compactor with a mistake in it must not be believed."""
    segments = put_calls(store, range(2))
    whole = made_of(segments)
    less = made_of(segments[:1])
    run = decode_run(whole.run.name, whole.run.sealed.to_bytes())
    for name, sealed in less.parts.items():
        store.put(name, sealed.parts)
    lossy = encode_run(
        replace(run.header, call_count=1),
        run.covered,
        [replace(info, segment_count=2 * info.segment_count) for info in less.infos],
        tombstones=(),
        untags=(),
        signer=None,
    )
    store.put(lossy.name, lossy.sealed.parts)
    touch(store, clock, 600)

    report = compacted(store)

    assert report.retired == ()
    assert list(report.kept) == [lossy.name]


def test_only_a_trusted_run_is_ground(store: MemoryObjectStore, clock: Clock) -> None:
    """A stranger's run may hold whatever it likes in the place of what it covers."""
    segments = put_calls(store, range(3), signer=OTHER)
    ids = [(segment, key_id_of(OTHER.public_key)) for segment in segments]
    made = make_run(RunInputs(ids), created_us=1, draw=nonce, signer=OTHER)
    name = put_run(store, made)
    touch(store, clock, 600)

    report = compacted(store, signer=KEY, trusts=lambda key_id: key_id == key_id_of(KEY.public_key))

    assert report.retired == ()
    assert "not trusted" in report.kept[name]


# Garbage collection.


def announce(store: MemoryObjectStore) -> str:
    """Put an announcement, whose content nobody here reads."""
    name = collection_name(b"a" * 32, "condemned")
    store.put(name, [b"?"])
    return name


def test_a_run_whose_part_is_condemned_is_no_ground(store: MemoryObjectStore, clock: Clock) -> None:
    """A collector saw the parts before it could see the run."""
    put_calls(store, range(3))
    report = compacted(store, full=True)
    touch(store, clock, 600)
    name = announce(store)
    for condemned, is_kept in (
        ({names(store, "run-parts/")[0]}, True),
        ({names(store, "run-parts/")[1]}, True),
        ({"packs/x"}, False),
    ):
        reader = FakeAnnouncements({name: condemned})

        again = compacted(store, announcements=reader)

        assert reader.asked == [name]
        assert (list(again.kept) == [report.run]) is is_kept
        assert bool(again.retired) is not is_kept


def test_an_announcement_that_cannot_be_read_may_condemn_anything(
    store: MemoryObjectStore, clock: Clock
) -> None:
    """So nothing is deleted."""
    put_calls(store, range(3))
    compacted(store, full=True)
    touch(store, clock, 600)
    name = announce(store)
    damaged = FakeAnnouncements({}, {name: CorruptionError("flipped")})

    assert compacted(store, announcements=damaged).retired == ()
    assert compacted(store).retired == ()
    assert len(compacted(store, announcements=FakeAnnouncements({})).retired) == 3


def test_announcements_are_looked_at_after_reading_back(
    store: MemoryObjectStore, clock: Clock
) -> None:
    """One that came while the parts were read condemns parts that were still there."""
    put_calls(store, range(3))
    compacted(store, full=True)
    touch(store, clock, 600)
    faulty = FaultStore(store)

    compacted(faulty)

    asked = [(call.operation, call.name.partition("/")[0]) for call in faulty.calls]
    read_back = max(n for n, (what, where) in enumerate(asked) if (what, where)[1] == "run-parts")
    looked = max(n for n, (what, _) in enumerate(asked) if what == "list")
    deleted = min(n for n, (what, _) in enumerate(asked) if what == "delete")
    assert read_back < looked < deleted
    assert faulty.calls[looked].name == "manifest/3-gc/"


def test_a_done_announcement_condemns_nothing(store: MemoryObjectStore, clock: Clock) -> None:
    """It says how one ended."""
    put_calls(store, range(3))
    compacted(store, full=True)
    touch(store, clock, 600)
    store.put(collection_name(b"a" * 32, "done"), [b"?"])

    assert len(compacted(store).retired) == 3


# Who may not delete.


def test_who_may_not_delete_still_compacts(store: MemoryObjectStore) -> None:
    """Append-only credentials: somebody else deletes."""
    put_calls(store, range(3))

    report = compacted(AppendOnly(store), full=True, delay_s=0.0)

    assert report.run is not None
    assert report.retired == ()
    assert "access denied" in report.kept[report.run]


def test_deleting_what_is_gone_is_a_success(store: MemoryObjectStore) -> None:
    """Another compactor was faster."""
    segments = put_calls(store, range(3))
    compacted(store, full=True)
    view = LogView(store)
    view.refresh()

    class Racing(FaultStore):
        def delete(self, names: object) -> None:
            store.delete([segment.name for segment in segments[:2]])
            super().delete(names)  # type: ignore[arg-type]

    report = compacted(Racing(store), delay_s=0.0)

    assert len(report.retired) == 3
    assert log_names(store) == (0, 1)


def test_a_store_that_does_not_answer_stops_in_between(store: MemoryObjectStore) -> None:
    """The next one goes on; every state in between is the same."""
    segments = put_calls(store, range(3))
    compacted(store, full=True)
    faulty = FaultStore(store, [Rule(ErrorBefore(), "delete", skip=1)])

    with pytest.raises(OSError, match="does not answer"):
        compacted(faulty, delay_s=0.0)

    assert log_names(store) == (2, 1)
    assert seen(store) == state_of(segments)
    compacted(store, delay_s=0.0)
    assert log_names(store) == (0, 1)


def test_reading_back_in_passing_is_bounded(store: MemoryObjectStore, clock: Clock) -> None:
    """A flush does not read a large run to delete a few segments."""
    put_calls(store, range(3))
    compacted(store, full=True)
    touch(store, clock, 600)

    assert compacted(store, rows_max=2).retired == ()
    assert len(compacted(store, rows_max=3).retired) == 3
