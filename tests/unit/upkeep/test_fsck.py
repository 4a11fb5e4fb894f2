"""Verification names every kind of damage, is silent on a healthy store, and writes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.upkeep.damaged_stores import (
    SIZES,
    flip,
    names,
    numbers_for_upkeep,
    records,
    refs_of,
    replace_bytes,
    small_store,
)

from mandala_cas.blobs.value import unseal_value
from mandala_cas.envelope.seal import Kind, seal
from mandala_cas.errors import UsageError
from mandala_cas.imports import Storage
from mandala_cas.log.segment import encode_segment
from mandala_cas.model.entries import Entry, Tier
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import BLOBS, PACKS, SEGMENTS, parse_segment_name
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import Deny, FaultStore, Rule
from mandala_cas.upkeep.verifying.findings import FsckReport, Problem, ProblemKind
from mandala_cas.upkeep.verifying.fsck import LEVELS, Level, verify


@pytest.fixture
def store() -> ObjectStore:
    """Return a small store."""
    return small_store()


def only(report: FsckReport) -> Problem:
    """Return the one problem."""
    (problem,) = report.problems
    return problem


@pytest.mark.parametrize("level", LEVELS)
def test_a_healthy_store_is_silent(store: ObjectStore, level: Level) -> None:
    """Whoever gets false alarms stops reading them."""
    report = verify(store, level)

    assert report.ok
    assert not report.problems
    assert not report.notices
    assert str(report).endswith("no problems found")


@pytest.mark.parametrize("level", LEVELS)
def test_an_empty_store_is_healthy(level: Level) -> None:
    """There is nothing to be wrong."""
    objects = MemoryObjectStore()
    Storage(objects).close()

    assert verify(objects, level).ok


def test_nothing_is_written_and_no_level_needs_to(store: ObjectStore) -> None:
    """A store that cannot be written to can be verified."""
    rules = [Rule(Deny(), operation, times=None) for operation in ("put", "create", "delete")]
    guarded = FaultStore(store, rules)
    flip(store, names(store, PACKS)[0], 300)
    store.delete(names(store, BLOBS)[:1])

    for level in LEVELS:
        verify(guarded, level)

    assert {call.operation for call in guarded.calls} <= {"list", "get", "get_range"}


def test_the_log_alone_reads_no_payload(store: ObjectStore) -> None:
    """It is the cheap level."""
    counted = FaultStore(store)

    verify(counted, "meta")

    assert not [call for call in counted.calls if call.name.startswith((PACKS, BLOBS))]


def test_references_are_collected_before_payload_is_listed(store: ObjectStore) -> None:
    """The other order gives false alarms whenever somebody writes."""
    counted = FaultStore(store)

    verify(counted, "refs")

    operations = [(call.operation, call.name) for call in counted.calls]
    last_read = max(i for i, (_, name) in enumerate(operations) if name.startswith(SEGMENTS))
    assert operations.index(("list", "")) > last_read


@pytest.mark.parametrize("folder", [PACKS, BLOBS])
def test_missing_payload_is_named_with_its_calls(store: ObjectStore, folder: str) -> None:
    """By the listing alone."""
    name = names(store, folder)[0]
    store.delete([name])

    report = verify(store)

    problem = only(report)
    assert (problem.kind, problem.name) == (ProblemKind.MISSING, name)
    assert problem.is_lost
    assert problem.calls.count in {1, 2}
    assert "_for_upkeep " in problem.calls.first[0]
    assert "restore the object from a backup" in problem.next_step
    assert verify(store, "meta").ok


def test_payload_that_was_cut_short_is_found_by_its_size(store: ObjectStore) -> None:
    """A listing tells; of a blob that has another size, the bytes are read."""
    for folder in (PACKS, BLOBS):
        replace_bytes(
            store, names(store, folder)[0], lambda data: data.__delitem__(slice(999, None))
        )

    report = verify(store)

    assert [problem.kind for problem in report.problems] == [ProblemKind.DAMAGED] * 2
    assert all(problem.is_lost for problem in report.problems)


def test_a_loose_blob_of_another_size_is_read_before_it_is_called_damaged() -> None:
    """Another writer's zstd may have made more or fewer bytes of the same value."""
    objects = MemoryObjectStore()
    with Storage(objects):
        numbers_for_upkeep(1, SIZES[Tier.LOOSE])
    (record,) = (r for r in records(objects) if r.tier is Tier.LOOSE)
    payload = bytes(unseal_value(objects.get(record.location), name="", record=record).payload)
    # A larger header is what another writer's envelope could have.
    header = {
        "hash": record.payload_hash,
        "codec": record.codec_name,
        "version": record.codec_version,
        "header": record.codec_header,
        "more": bytes(500),
    }
    larger = seal(Kind.VALUE, header, [payload]).to_bytes()
    objects.delete([record.location])
    objects.put(record.location, [larger])

    assert len(larger) != record.stored_size
    assert verify(objects).ok


@pytest.mark.parametrize("folder", [PACKS, BLOBS])
def test_flipped_bytes_are_found_by_reading(store: ObjectStore, folder: str) -> None:
    """And only by reading: the size is right."""
    name = names(store, folder)[0]
    flip(store, name, len(store.get(name)) // 2)

    assert verify(store, "refs").ok
    problem = only(verify(store, "data"))

    assert (problem.kind, problem.name) == (ProblemKind.DAMAGED, name)
    assert problem.is_lost


def test_bytes_that_are_whole_and_not_what_the_record_says_are_found() -> None:
    """A segment that is as it was written may have been written wrongly."""
    objects = MemoryObjectStore()
    with Storage(objects) as storage:
        numbers_for_upkeep(1, SIZES[Tier.INLINE])
    (segment,) = storage._parts.view.segments.values()
    entries: list[Entry] = [segment.call_record(0)]
    for record in records(objects):
        last = bytes([record.inline[-1] ^ 1])
        entries.append(replace(record, inline=record.inline[:-1] + last))
    sealed = encode_segment(entries, segment.header, None)
    objects.delete([segment.name])
    objects.put(sealed.name, sealed.sealed.parts)

    assert verify(objects, "refs").ok
    problem = only(verify(objects, "data"))

    assert (problem.kind, problem.name) == (ProblemKind.DAMAGED, sealed.name)
    assert problem.is_lost
    assert "does not have the payload that the record says" in problem.message


def test_samples_cover_everything_in_t_runs(store: ObjectStore) -> None:
    """So a part each day is all in a week, and the same part twice is the same."""
    damaged = [*names(store, PACKS), *names(store, BLOBS)]
    for name in damaged:
        flip(store, name, len(store.get(name)) // 2)
    total = 5

    found = [
        [problem.name for problem in verify(store, "data", (n, total)).problems]
        for n in range(1, total + 1)
    ]

    assert sorted(name for part in found for name in part) == sorted(damaged)
    assert verify(store, "data", 1.0).sample == ""
    assert len(verify(store, "data", 1e-9).problems) == 0
    assert verify(store, "data", (2, 5)).sample == "part 2 of 5"


@pytest.mark.parametrize("sample", [0, 1.5, -1, (0, 3), (4, 3), "half"])
def test_a_sample_that_is_none_is_refused(store: ObjectStore, sample: object) -> None:
    """An option that was taken for another would verify nothing."""
    with pytest.raises(UsageError, match="a sample is"):
        verify(store, "data", sample)  # type: ignore[arg-type] # what a user may pass


def test_levels_are_known_and_samples_are_of_data(store: ObjectStore) -> None:
    """Neither is ignored."""
    with pytest.raises(UsageError, match="a level is one of meta, refs, data"):
        verify(store, "all")  # type: ignore[arg-type] # what a user may pass
    with pytest.raises(UsageError, match="a sample is for the level data"):
        verify(store, "refs", 0.5)


def test_a_damaged_segment_is_named(store: ObjectStore) -> None:
    """At every level, for nothing else says what it said."""
    name = names(store, SEGMENTS)[0]
    flip(store, name, 200)

    for level in LEVELS:
        problem = only(verify(store, level))
        assert (problem.kind, problem.name) == (ProblemKind.DAMAGED_LOG, name)


def test_what_is_no_segment_among_them_is_named(store: ObjectStore) -> None:
    """A copy that a file manager left, or worse."""
    store.put(f"{SEGMENTS}copy", [b"x"])

    assert only(verify(store, "meta")).name == f"{SEGMENTS}copy"


def test_a_missing_segment_shows_in_the_chain(store: ObjectStore) -> None:
    """The store lost or rolled back what was acknowledged."""
    (first,) = (n for n in names(store, SEGMENTS) if parse_segment_name(n).seq == 0)  # type: ignore[union-attr] # all are segments
    store.delete([first])

    problem = only(verify(store, "meta"))

    assert problem.kind is ProblemKind.CHAIN_HOLE
    assert "segment 0 of writer" in problem.message


def test_what_is_no_object_of_a_store_is_a_notice(store: ObjectStore) -> None:
    """It does no harm, and people should know."""
    store.put("notes.txt", [b"x"])
    store.put("manifest/desktop.ini", [b"x"])

    report = verify(store)

    assert report.ok
    assert any("notes.txt" in notice for notice in report.notices)
    assert any("desktop.ini" in notice for notice in report.notices)


def test_a_log_object_of_a_later_kind_asks_for_an_upgrade(store: ObjectStore) -> None:
    """Nothing can be said of what it says."""
    store.put("manifest/4-later/x", [b"x"])

    assert only(verify(store, "meta")).kind is ProblemKind.UNSUPPORTED


def test_payload_that_nothing_uses_is_counted(store: ObjectStore) -> None:
    """Verification deletes nothing; garbage collection does."""
    store.put(f"{BLOBS}aa/{'a' * 64}", [b"12345"])

    report = verify(store)

    assert report.ok
    assert report.checked["payload that nothing uses"].count == 1
    assert report.checked["payload that nothing uses"].size == 5


def test_what_was_dropped_need_not_be_there(store: ObjectStore) -> None:
    """Garbage collection takes its payload."""
    storage = Storage(store)
    storage.drop_calls(storage.cf(numbers_for_upkeep).df()["numbers_for_upkeep"], True)
    store.delete([*names(store, PACKS), *names(store, BLOBS)])

    assert verify(store).ok


def test_a_value_that_has_another_place_is_not_missing() -> None:
    """Garbage collection deletes a condemned place once the value has a fresh one."""
    objects = MemoryObjectStore()
    with Storage(objects):
        numbers_for_upkeep(1, SIZES[Tier.PACK])
    (pack,) = names(objects, PACKS)
    data = objects.get(pack)
    objects.delete([pack])
    with Storage(objects) as storage:
        storage.unwrap(numbers_for_upkeep(1, SIZES[Tier.PACK]))

    assert verify(objects, "data").ok
    objects.put(pack, [data])
    flip(objects, pack, len(data) // 2)
    problem = only(verify(objects, "data"))
    assert problem.kind is ProblemKind.DAMAGED
    assert not problem.is_lost
    assert "puts it aside" in problem.next_step


def test_an_input_that_nobody_has_any_more_is_a_notice(store: ObjectStore) -> None:
    """The call that took it still answers, so no promise is broken."""
    lost = refs_of(store)[1]
    storage = Storage(store)
    first = storage.cf(numbers_for_upkeep).df()
    storage.drop_calls(first["numbers_for_upkeep"])
    by_id = {record.content_id: record.location for record in records(store)}
    input_id = next(
        slot.content_id
        for part in storage._parts.view.segments.values()
        for row in range(part.calls.row_count)
        if (call := part.call_record(row)).outputs[0].content_id == lost.content_id
        for slot in call.inputs
    )
    store.delete([by_id[input_id]])

    report = verify(store)

    assert report.ok
    assert "1 value that calls took is not there" in report.notices[0]


def test_promised_values_are_told_from_missing_ones(store: ObjectStore) -> None:
    """They were given up on purpose."""
    store.delete(names(store, BLOBS))

    report = verify(store, promised_among=set)

    assert report.ok
    assert any("promised elsewhere" in notice for notice in report.notices)


def test_signatures_are_told_apart(tmp_path: Path) -> None:
    """Signed by this user, by somebody else, by nobody, or wrongly."""
    objects = LocalObjectStore(tmp_path / "store")
    small_store(objects)
    own = Storage(objects)._parts.trust.own_key()

    mine = verify(objects, "meta", trusts=lambda key: key == own)
    others = verify(objects, "meta", trusts=lambda _: False)

    assert mine.signatures == {"by trusted keys": 2}
    assert others.signatures == {"by other keys": 2}
    assert str(own.short) in others.notices[0]  # type: ignore[union-attr] # there is a key
    unsigned = verify(small_store(), "meta", trusts=lambda _: False)
    assert unsigned.signatures == {"missing": 2}
    assert "not signed" in unsigned.notices[0]


def test_the_report_is_data_as_well(store: ObjectStore) -> None:
    """Programs need not read what people read."""
    store.delete(names(store, BLOBS)[:1])

    report = verify(store)
    data = json.loads(json.dumps(report.to_dict()))

    assert data["ok"] is False
    assert data["problems"][0]["kind"] == "missing payload"
    assert data["problems"][0]["call_count"] >= 1
    assert data["checked"]["segments"]["count"] == 2
    assert "missing payload: blobs/" in str(report)
    assert "1 problem found" in str(report)


def test_progress_is_told(store: ObjectStore) -> None:
    """Hours without a word look like a hang."""
    told: list[tuple[str, int, int]] = []

    verify(store, "data", progress=lambda *step: told.append(step))

    assert ("segments", 2, 2) in told
    assert any(what == "values" and done == total for what, done, total in told)
