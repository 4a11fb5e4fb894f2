"""Runs and their parts: every damage is named, and repair keeps the rows that can be read."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from tests.unit.upkeep.damaged_stores import (
    compacted,
    copy_of,
    flip,
    names,
    numbers_for_upkeep,
    replace_bytes,
    small_store,
)

from mandala_cas.imports import Storage
from mandala_cas.log.run import PartKind, decode_run
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import CallId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import PACKS, QUARANTINE, RUN_PARTS, RUNS, SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import CrashPoint, crash_at_every_call
from mandala_cas.upkeep.repairing.repair import repair
from mandala_cas.upkeep.repairing.report import Act, RepairReport
from mandala_cas.upkeep.verifying.findings import ProblemKind
from mandala_cas.upkeep.verifying.fsck import LEVELS, verify


def mended(objects: ObjectStore, seed: int = 5) -> RepairReport:
    """Repair a store, the same way every time."""
    chance = random.Random(seed)  # noqa: S311 (the same names every time)
    return repair(objects, "data", signer=None, clock_us=lambda: 10**15, draw=chance.randbytes)


def calls_of(objects: ObjectStore) -> set[CallId]:
    """Return the calls that a reader finds, hidden ones included."""
    view = LogView(objects)
    view.refresh()
    return {
        CallId(call_id)
        for part in view.parts.values()
        for call_id in part.calls.fixed("call_id").rows()
    }


@pytest.fixture
def store() -> ObjectStore:
    """Return a store whose segments are all in one run, with a part for each."""
    objects = small_store()
    compacted(objects, calls_a_part=1)
    return objects


def part_names(objects: ObjectStore, kind: PartKind) -> list[str]:
    """Return the names of the parts of the one run."""
    (name,) = names(objects, RUNS)
    return [info.name for info in decode_run(name, objects.get(name)).parts if info.kind is kind]


@pytest.mark.parametrize("level", LEVELS)
def test_a_store_with_a_run_is_healthy(store: ObjectStore, level: str) -> None:
    """Its segments are gone, and no chain has a hole."""
    report = verify(store, level)  # type: ignore[arg-type] # one of the levels

    assert report.ok, str(report)
    assert not report.notices
    assert report.checked["runs"].count == 1
    assert report.checked["parts of runs"].count == 4
    assert not names(store, SEGMENTS)


def test_payload_that_only_a_run_names_is_checked(store: ObjectStore) -> None:
    """As that of segments is."""
    store.delete(names(store, PACKS))

    report = verify(store)

    assert [problem.kind for problem in report.problems] == [ProblemKind.MISSING] * 2
    assert all(problem.is_lost for problem in report.problems)


def test_a_damaged_run_is_named_and_its_rows_are_kept(store: ObjectStore) -> None:
    """They are in parts that can be read; only what the run itself said is gone."""
    before = calls_of(store)
    (name,) = names(store, RUNS)
    flip(store, name, 500)

    (problem,) = verify(store, "meta").problems
    report = mended(store)

    assert (problem.kind, problem.name) == (ProblemKind.DAMAGED_RUN, name)
    assert [action.act for action in report.actions] == [Act.RECORDED, Act.PUT_ASIDE]
    assert calls_of(store) == before
    assert verify(store, "data").ok, str(verify(store, "data"))
    assert any(name in other for other in names(store, QUARANTINE))


@pytest.mark.parametrize("kind", list(PartKind))
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_damaged_part_is_named_and_the_others_are_kept(
    store: ObjectStore, kind: PartKind, *, is_gone: bool
) -> None:
    """The rest of the run stays, in a run of its own."""
    before = calls_of(store)
    name = part_names(store, kind)[0]
    if is_gone:
        store.delete([name])
    else:
        flip(store, name, 300)

    problems = verify(store).problems
    report = mended(store)

    assert name in {problem.name for problem in problems}
    assert {problem.kind for problem in problems} == {ProblemKind.DAMAGED_PART}
    assert problems[0].is_lost
    assert report.ok
    assert verify(store, "data").ok, str(verify(store, "data"))
    kept = calls_of(store)
    assert kept < before if kind is PartKind.RECORDS else kept == before
    assert len(names(store, RUNS)) == 1


def test_nothing_is_lost_while_the_segments_are_there() -> None:
    """Compaction deletes them later than it makes a run."""
    objects = small_store()
    segments = {name: objects.get(name) for name in names(objects, SEGMENTS)}
    compacted(objects)
    for name, data in segments.items():
        objects.put(name, [data])
    before = calls_of(objects)
    name = part_names(objects, PartKind.RECORDS)[0]
    flip(objects, name, 300)

    (problem,) = verify(objects).problems
    mended(objects)

    assert not problem.is_lost
    assert "elsewhere as well" in problem.message
    assert verify(objects, "data").ok
    assert calls_of(objects) == before


def test_a_damaged_segment_that_a_run_covers_costs_nothing() -> None:
    """The run has what it said."""
    objects = small_store()
    segments = {name: objects.get(name) for name in names(objects, SEGMENTS)}
    compacted(objects)
    for name, data in segments.items():
        objects.put(name, [data])
        flip(objects, name, 300)

    report = verify(objects)

    assert [problem.kind for problem in report.problems] == [ProblemKind.DAMAGED_LOG] * 2
    assert not any(problem.is_lost for problem in report.problems)
    assert "a run has what it said" in report.problems[0].message


def test_dropped_calls_do_not_come_back_with_a_run_that_is_rescued() -> None:
    """What a later segment hides stays hidden, though its rows are recorded anew."""
    objects = small_store()
    storage = Storage(objects)
    dropped = list(storage.cf(numbers_for_upkeep).df()["numbers_for_upkeep"])
    first = {name: objects.get(name) for name in names(objects, SEGMENTS)}
    storage.drop_calls(dropped)
    later = {name: objects.get(name) for name in names(objects, SEGMENTS) if name not in first}
    objects.delete(later)
    run = compacted(objects)
    for name, data in later.items():
        objects.put(name, [data])
    flip(objects, run, 500)

    mended(objects)

    assert verify(objects, "data").ok, str(verify(objects, "data"))
    assert not {call.call_id for call in dropped} & calls_of(objects)


def test_a_run_that_lost_rows_is_named(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The law of conservation: covered is live and hidden."""
    from mandala_cas.envelope.packing import corruption  # noqa: PLC0415 (for this one)

    (name,) = names(store, RUNS)

    def refuse(run: object, parts: object) -> None:
        del run, parts
        raise corruption(name, "holds 2 calls where 3 are not hidden")

    monkeypatch.setattr("mandala_cas.upkeep.verifying.run_reading.check_conservation", refuse)

    (problem,) = verify(store, "meta").problems
    report = mended(store)

    assert problem.kind is ProblemKind.LOST_ROWS
    assert not report.ok
    assert names(store, RUNS) == [name]


def test_parts_that_no_run_names_are_counted(store: ObjectStore) -> None:
    """A compactor that died leaves them."""
    store.put(f"{RUN_PARTS}aa/{'a' * 64}", [b"123"])

    report = verify(store)

    assert report.ok
    assert report.checked["parts that no run names"].count == 1


@pytest.mark.parametrize("position", [0, 9, 13, 40, 200, -1, -20, -60])
def test_every_byte_class_of_a_run_and_its_parts_is_watched(
    store: ObjectStore, position: int
) -> None:
    """Magic, kind, sizes, header, payload, trailer."""
    for name in [*names(store, RUNS), *names(store, RUN_PARTS)]:
        broken = copy_of(store)
        flip(broken, name, position)
        assert not verify(broken, "meta").ok
        cut = copy_of(store)
        replace_bytes(cut, name, lambda data: data.__delitem__(slice(len(data) - 1, None)))
        assert not verify(cut, "meta").ok


def broken_store(kind: PartKind | None) -> MemoryObjectStore:
    """Return a store with a run that is damaged, or a part of it."""
    objects = small_store()
    run = compacted(objects, calls_a_part=1)
    flip(objects, run if kind is None else part_names(objects, kind)[0], 300)
    return copy_of(objects)


@pytest.mark.parametrize("kind", [None, *PartKind])
def test_a_crash_at_any_call_keeps_the_rows(kind: PartKind | None) -> None:
    """A run too many, or rows twice under other dots, and never fewer."""
    broken = broken_store(kind)
    probe = copy_of(broken)
    mended(probe)
    expected = calls_of(probe)

    def scenario(objects: ObjectStore, acknowledged: list[str]) -> None:
        mended(objects)
        acknowledged.append("done")

    def check(left: ObjectStore, acknowledged: Sequence[str], point: CrashPoint) -> None:
        del point
        if not acknowledged:
            mended(left, seed=6)
        assert verify(left).ok, str(verify(left))
        assert calls_of(left) == expected

    crash_at_every_call(scenario, check, make_store=lambda: copy_of(broken))
