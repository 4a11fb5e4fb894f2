"""Repair keeps what can be had, counts the rest as lost, and leaves a store without problems."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tests.unit.upkeep.damaged_stores import (
    SIZES,
    copy_of,
    doubled_for_upkeep,
    flip,
    names,
    numbers_for_upkeep,
    records,
    refs_of,
    replace_bytes,
    right_values,
    small_store,
    tiny_store,
)

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.imports import Storage
from mandala_cas.index.copies import ValueCopy
from mandala_cas.model.entries import Tier, TombstoneReason
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import (
    BLOBS,
    COLLECTIONS,
    PACKS,
    QUARANTINE,
    SEGMENTS,
    parse_segment_name,
)
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import CrashPoint, ErrorBefore, FaultStore, Rule, crash_at_every_call
from mandala_cas.upkeep.repairing.repair import repair
from mandala_cas.upkeep.repairing.report import Act, RepairReport
from mandala_cas.upkeep.verifying.fsck import Level, verify
from mandala_cas.values.freed import Freed


def mended(objects: ObjectStore, level: Level = "data", **more: Any) -> RepairReport:
    """Repair a store, the same way every time."""
    chance = random.Random(5)  # noqa: S311 (the same names every time)
    return repair(
        objects, level, signer=None, clock_us=lambda: 10**15, draw=chance.randbytes, **more
    )


def check_values(objects: ObjectStore) -> None:
    """Check that every value is there, or computed again."""
    storage = Storage(objects)
    with storage:
        refs = [doubled_for_upkeep(numbers_for_upkeep(1, size)) for size in SIZES.values()]
        values = storage.unwrap(refs)
    for found, right in zip(values, right_values(), strict=True):
        assert np.array_equal(found, right)


def acts(report: RepairReport) -> list[Act]:
    """Return what was done, in order."""
    return [action.act for action in report.actions]


@pytest.fixture
def store() -> ObjectStore:
    """Return a small store."""
    return small_store()


def test_there_is_nothing_to_do_in_a_healthy_store(store: ObjectStore) -> None:
    """And nothing is written."""
    guarded = FaultStore(store)

    report = mended(guarded)

    assert report.ok
    assert str(report) == "nothing to repair"
    assert {call.operation for call in guarded.calls} <= {"list", "get", "get_range"}


def lose_all_payload(objects: ObjectStore) -> None:
    """Delete it."""
    objects.delete([*names(objects, PACKS), *names(objects, BLOBS)])


def flip_all_payload(objects: ObjectStore) -> None:
    """Flip a byte in each object."""
    for name in [*names(objects, PACKS), *names(objects, BLOBS)]:
        flip(objects, name, len(objects.get(name)) // 2)


def cut_all_payload(objects: ObjectStore) -> None:
    """Cut each object short."""
    for name in [*names(objects, PACKS), *names(objects, BLOBS)]:
        replace_bytes(objects, name, lambda data: data.__delitem__(slice(len(data) // 2, None)))


def flip_first_segment(objects: ObjectStore) -> None:
    """Damage the segment that others rest on."""
    flip(objects, _first_segment(objects), 300)


def lose_first_segment(objects: ObjectStore) -> None:
    """Delete it, so that there is a hole."""
    objects.delete([_first_segment(objects)])


def put_strangers(objects: ObjectStore) -> None:
    """Put what is no log object among the log."""
    objects.put(f"{SEGMENTS}copy", [b"x"])
    objects.put(f"{COLLECTIONS}{'a' * 64}.condemned", [b"x"])
    objects.put(f"{COLLECTIONS}{'b' * 64}.done", [b"x"])


DAMAGES: Sequence[Callable[[ObjectStore], None]] = (
    lose_all_payload,
    flip_all_payload,
    cut_all_payload,
    flip_first_segment,
    lose_first_segment,
    put_strangers,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_repaired_store_has_no_problems(
    store: ObjectStore, damage: Callable[[ObjectStore], None]
) -> None:
    """And every call gives its value, from the store or by running again."""
    damage(store)
    assert not verify(store, "data").ok

    report = mended(store)

    assert report.ok
    assert verify(store, "data").ok, str(verify(store, "data"))
    check_values(store)
    assert verify(store, "data").ok


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_is_thrown_away(store: ObjectStore, damage: Callable[[ObjectStore], None]) -> None:
    """What was damaged lies below bad/, byte for byte."""
    damage(store)
    before = {info.name: store.get(info.name) for info in store.list("")}

    mended(store)

    after = {info.name: store.get(info.name) for info in store.list("")}
    assert set(before.values()) <= set(after.values())
    moved = before.keys() - after.keys()
    aside = [name for name in after if name.startswith(QUARANTINE)]
    assert all(any(name in other for other in aside) for name in moved)


def _first_segment(objects: ObjectStore) -> str:
    """Return the name of the first segment."""
    return next(n for n in names(objects, SEGMENTS) if parse_segment_name(n).seq == 0)  # type: ignore[union-attr] # all are segments


BROKEN = {damage: copy_of(tiny_store()) for damage in DAMAGES}
for _damage, _broken in BROKEN.items():
    _damage(_broken)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_crash_at_any_call_loses_nothing(damage: Callable[[ObjectStore], None]) -> None:
    """Repairing again does the rest, and every value comes back."""

    def scenario(objects: ObjectStore, acknowledged: list[str]) -> None:
        mended(objects)
        acknowledged.append("done")

    before = {BROKEN[damage].get(info.name) for info in BROKEN[damage].list("")}

    def check(left: ObjectStore, acknowledged: Sequence[str], point: CrashPoint) -> None:
        del point
        # Whatever was there is there, under its own name or put aside.
        assert before <= {left.get(info.name) for info in left.list("")}
        if acknowledged:
            assert verify(left, "data").ok
        else:
            again = random.Random(6)  # noqa: S311 (other names than the first time)
            repair(left, "data", signer=None, clock_us=lambda: 10**15, draw=again.randbytes)
            assert verify(left, "data").ok, str(verify(left, "data"))
        with Storage(left) as storage:
            sizes = (SIZES[Tier.PACK], SIZES[Tier.LOOSE])
            values = storage.unwrap([numbers_for_upkeep(1, size) for size in sizes])
        for found, size in zip(values, sizes, strict=True):
            assert np.array_equal(found, np.random.default_rng(1).random(size))

    crash_at_every_call(scenario, check, make_store=lambda: copy_of(BROKEN[damage]))


def test_a_crash_costs_no_value_that_was_whole() -> None:
    """It is on record elsewhere before its pack is put aside."""
    objects = MemoryObjectStore()
    with Storage(objects):
        refs: list[Any] = [numbers_for_upkeep(seed, 300).detached() for seed in range(3)]
    (pack,) = names(objects, PACKS)
    flip(objects, pack, len(objects.get(pack)) - 1000)

    def scenario(store: ObjectStore, acknowledged: list[str]) -> None:
        mended(store)
        acknowledged.append("done")

    def check(left: ObjectStore, acknowledged: Sequence[str], point: CrashPoint) -> None:
        del point
        if not acknowledged:
            again = random.Random(6)  # noqa: S311 (other names than the first time)
            repair(left, "data", signer=None, clock_us=lambda: 10**15, draw=again.randbytes)
        for seed, value in enumerate(Storage(left).unwrap(refs[:2])):
            assert np.array_equal(value, numbers_for_upkeep.f(seed, 300))

    crash_at_every_call(scenario, check, make_store=lambda: copy_of(objects))


def test_what_is_whole_in_a_damaged_pack_lives_on() -> None:
    """One bad value does not cost its neighbours; here, values that only they had."""
    objects = MemoryObjectStore()
    with Storage(objects):
        refs: list[Any] = [numbers_for_upkeep(seed, 1000).detached() for seed in range(4)]
    (pack,) = names(objects, PACKS)
    flip(objects, pack, len(objects.get(pack)) - 3000)

    report = mended(objects)

    assert acts(report) == [Act.PLACED, Act.LOST, Act.PUT_ASIDE]
    assert report.actions[0].name == "3 values"
    assert names(objects, PACKS) != [pack]
    values = Storage(objects).unwrap(refs[:3])
    for seed, value in enumerate(values):
        assert np.array_equal(value, numbers_for_upkeep.f(seed, 1000))
    with Storage(objects):
        assert numbers_for_upkeep(3, 1000).in_memory


def test_values_that_nothing_uses_live_on_as_well() -> None:
    """A writer may be about to use one again, because its log says that it is there."""
    objects = MemoryObjectStore()
    storage = Storage(objects)
    with storage:
        numbers_for_upkeep(1, 1000)
        kept: Any = numbers_for_upkeep(2, 1000)
        numbers_for_upkeep(3, 1000)
    calls = storage.cf(numbers_for_upkeep).df().set_index("seed")["numbers_for_upkeep"]
    storage.drop_calls(calls[1])
    (pack,) = names(objects, PACKS)
    flip(objects, pack, len(objects.get(pack)) - 3000)

    mended(objects)

    assert {r.content_id for r in records(objects) if r.location in names(objects, PACKS)} >= {
        kept.content_id
    }
    assert sum(r.location in names(objects, PACKS) for r in records(objects)) == 2


def test_a_payload_under_another_name_is_found_by_its_hash() -> None:
    """Two writers may have put the same value; the record of one of them may be damaged."""
    objects = MemoryObjectStore()
    with Storage(objects):
        loose: Any = numbers_for_upkeep(1, SIZES[Tier.LOOSE])
        packed: Any = numbers_for_upkeep(1, SIZES[Tier.PACK])
    spare = MemoryObjectStore()
    with Storage(spare):
        numbers_for_upkeep(1, SIZES[Tier.PACK])
    (blob,), (pack,) = names(objects, BLOBS), names(objects, PACKS)
    objects.put(f"{blob}~{'0' * 32}", [objects.get(blob)])
    (other,) = names(spare, PACKS)
    objects.put(other, [spare.get(other)])
    objects.delete([blob, pack])

    report = mended(objects)

    assert acts(report) == [Act.PLACED]
    values = Storage(objects).unwrap([loose.detached(), packed.detached()])
    assert np.array_equal(values[0], numbers_for_upkeep.f(1, SIZES[Tier.LOOSE]))
    assert np.array_equal(values[1], numbers_for_upkeep.f(1, SIZES[Tier.PACK]))


@dataclass(frozen=True)
class Given:
    """A value that another store gave."""

    copy: ValueCopy
    sealed: bytes


class Elsewhere:
    """Another store that has everything."""

    def __init__(self, objects: ObjectStore) -> None:
        """Give what ``objects`` has."""
        self._objects = copy_of(objects)
        self._records = {record.content_id: record for record in records(objects)}

    def fetch(self, content_ids: Iterable[ContentId]) -> Mapping[ContentId, Given]:
        """Return record and envelope."""
        found = {}
        for content_id in content_ids:
            record = self._records[content_id]
            data = self._objects.get_range(record.location, record.offset, record.stored_size)
            found[content_id] = Given(ValueCopy(record, "elsewhere", None, 0), data)
        return found


def test_lost_values_are_fetched_from_another_store(store: ObjectStore) -> None:
    """Before any call counts as lost."""
    elsewhere = Elsewhere(store)
    refs = refs_of(store)
    lose_all_payload(store)

    report = mended(store, elsewhere=elsewhere)

    assert acts(report) == [Act.PLACED]
    for found, right in zip(Storage(store).unwrap(refs), right_values(), strict=True):
        assert np.array_equal(found, right)


def test_promised_values_are_not_lost(store: ObjectStore) -> None:
    """They come back when somebody asks."""
    lose_all_payload(store)

    report = mended(store, promised_among=set)

    assert not report.actions


def test_promised_values_are_not_lost_beside_others_that_are(store: ObjectStore) -> None:
    """Each value is judged by its own place."""

    def in_blobs(places: Sequence[Freed]) -> set[Freed]:
        """Pick what was a blob."""
        return {place for place in places if place[0].startswith(BLOBS)}

    lose_all_payload(store)

    report = mended(store, promised_among=in_blobs)

    assert acts(report) == [Act.LOST]
    assert report.actions[0].name == "2 calls of doubled_for_upkeep, numbers_for_upkeep"


def test_what_is_lost_is_hidden_as_lost(store: ObjectStore) -> None:
    """Not as dropped: nobody wished it."""
    lose_all_payload(store)

    mended(store)

    tombstones = [
        tombstone
        for segment in Storage(store)._parts.view.segments.values()
        for tombstone in segment.tombstones
    ]
    assert {tombstone.reason for tombstone in tombstones} == {TombstoneReason.LOST}
    assert len(tombstones) == 4


def test_a_value_that_a_collector_condemns_meanwhile_is_placed_once_more(
    store: ObjectStore,
) -> None:
    """The collector announced before it could see the segment that uses the new place."""
    from mandala_cas.log.announcements import encode_condemned  # noqa: PLC0415 (for this one)

    blob = names(store, BLOBS)[0]
    store.put(f"{blob}~{'0' * 32}", [store.get(blob)])
    store.delete([blob])
    probe = copy_of(store)
    mended(probe)
    (first,) = set(names(probe, BLOBS)) - set(names(store, BLOBS))
    name, sealed = encode_condemned([first], created_us=1, nonce=bytes(16), signer=None)
    store.put(name, sealed.parts)

    mended(store)

    places = set(names(store, BLOBS)) - {first}
    store.delete([first])
    assert any(place.startswith(f"{blob}~") for place in places)
    assert verify(store, "data").ok


def test_the_report_names_calls_and_what_comes_next(store: ObjectStore) -> None:
    """For each value that is lost."""
    (segment,) = (n for n in names(store, SEGMENTS) if n == _first_segment(store))
    flip(store, segment, 300)
    lose_all_payload(store)

    report = mended(store)
    data = json.loads(json.dumps(report.to_dict()))

    assert "doubled_for_upkeep" in str(report)
    assert "call the ops again inside `with storage:`" in str(report)
    assert "by its clock" in str(report)
    assert data["before"]["ok"] is False
    assert {action["act"] for action in data["actions"]} == {"counted as lost", "put aside"}


def test_a_store_that_does_not_answer_is_an_error_and_not_damage(store: ObjectStore) -> None:
    """Nothing may be put aside because of a network."""
    lose_all_payload(store)
    before = sorted(info.name for info in store.list(""))
    failing = FaultStore(store, [Rule(ErrorBefore(), "put", times=None)])

    with pytest.raises(StoreUnavailableError):
        mended(failing)

    assert sorted(info.name for info in store.list("")) == before


def test_an_object_of_a_newer_kind_is_left_alone(store: ObjectStore) -> None:
    """It is not damaged; this library is old."""
    store.put("manifest/4-later/x", [b"x"])

    report = mended(store)

    assert acts(report) == [Act.LEFT]
    assert not report.ok
    assert store.get("manifest/4-later/x") == b"x"
