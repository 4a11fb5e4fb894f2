"""Payload that is gone or damaged is a recomputation inside a block, and a clear error outside."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mandala_cas.errors import CorruptionError
from mandala_cas.imports import Storage, op
from mandala_cas.model.entries import Tier, TombstoneReason
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import BLOBS, MANIFEST, PACKS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import Crash, Deny, FaultStore, Rule, SimulatedCrash

SIZES = {Tier.INLINE: 10, Tier.PACK: 5_000, Tier.LOOSE: 200_000}
RUNS: list[str] = []


@op
def noise_for_loss(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    RUNS.append(f"noise {size}")
    return np.random.default_rng(seed).random(size)


@op
def halved_for_loss(numbers: Any) -> Any:
    """Return as many numbers."""
    RUNS.append(f"half {len(numbers)}")
    return numbers / 2


def payload(objects: ObjectStore) -> list[str]:
    """Return the names of all packs and loose blobs."""
    return sorted(i.name for folder in (PACKS, BLOBS) for i in objects.list(folder))


def delete(objects: ObjectStore, name: str) -> None:
    """Lose an object."""
    objects.delete([name])


def flip(objects: ObjectStore, name: str, at: float = 0.5) -> None:
    """Damage an object, its size unchanged."""
    data = bytearray(objects.get(name))
    for position in range(int(len(data) * at) % 64, len(data), 64):
        data[position] ^= 4
    objects.delete([name])
    objects.put(name, [data])


def cut(objects: ObjectStore, name: str) -> None:
    """Lose the end of an object."""
    data = objects.get(name)
    objects.delete([name])
    objects.put(name, [data[: len(data) // 2]])


DAMAGES: list[Callable[[ObjectStore, str], None]] = [delete, flip, cut]


def filled() -> tuple[MemoryObjectStore, list[Any]]:
    """Return a store with a chain of two calls for every tier, and the last refs."""
    objects = MemoryObjectStore()
    with Storage(objects):
        refs: list[Any] = [halved_for_loss(noise_for_loss(1, size)) for size in SIZES.values()]
    RUNS.clear()
    return objects, [ref.detached() for ref in refs]


def expected() -> list[Any]:
    """Return what the refs of ``filled`` stand for."""
    return [np.random.default_rng(1).random(size) / 2 for size in SIZES.values()]


@pytest.mark.parametrize("damage", DAMAGES)
def test_everything_that_was_lost_is_computed_again(
    damage: Callable[[ObjectStore, str], None],
) -> None:
    """Whatever happened to it; and afterwards the store is as good as new."""
    objects, refs = filled()
    for name in payload(objects):
        damage(objects, name)
    storage = Storage(objects)

    with storage:
        values = storage.unwrap(refs)

    # Of a pack that was cut, the first value may be left.
    assert set(RUNS) >= {"half 200000", "half 5000", "noise 200000"}
    assert len(RUNS) == len(set(RUNS))
    for found, right in zip(values, expected(), strict=True):
        assert np.array_equal(found, right)
    again = Storage(objects)
    for found, right in zip(again.unwrap(refs), expected(), strict=True):
        assert np.array_equal(found, right)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_value_that_is_lost_alone_costs_one_call(
    damage: Callable[[ObjectStore, str], None],
) -> None:
    """Its input is there, so only the last call of the chain runs."""
    objects, refs = filled()
    lost = next(
        record.location
        for segment in Storage(objects)._parts.view.segments.values()
        for record in map(segment.value_record, range(segment.values.row_count))
        if record.content_id == refs[2].content_id
    )
    damage(objects, lost)
    storage = Storage(objects)

    with storage:
        values = storage.unwrap(refs)

    assert RUNS == ["half 200000"]
    assert np.array_equal(values[2], expected()[2])


def test_an_argument_that_is_lost_is_computed_again_for_a_new_call() -> None:
    """The new call gets what it asked for."""

    @op
    def summed(numbers: Any) -> float:
        return float(numbers.sum())

    objects, refs = filled()
    for name in payload(objects):
        delete(objects, name)

    with Storage(objects):
        total: Any = summed(refs[2])

    assert total.value == float(expected()[2].sum())
    assert RUNS == ["noise 200000", "half 200000"]


def test_hits_read_no_payload_and_notice_no_loss() -> None:
    """A recorded pipeline is retraced without a value; the loss shows where one is used."""
    objects, _ = filled()
    for name in payload(objects):
        delete(objects, name)
    counted = FaultStore(objects)

    with Storage(counted):
        for size in SIZES.values():
            halved_for_loss(noise_for_loss(1, size))

    assert not RUNS
    reads = [call for call in counted.calls if call.name.startswith((PACKS, BLOBS))]
    assert not reads


@pytest.mark.parametrize("damage", DAMAGES)
def test_outside_a_block_nothing_runs(damage: Callable[[ObjectStore, str], None]) -> None:
    """The error says which call it was, and what would bring the value back."""
    objects, refs = filled()
    for name in payload(objects):
        damage(objects, name)
    storage = Storage(FaultStore(objects, [Rule(Deny(), "put", times=None)]))

    for ref in refs[1:]:
        with pytest.raises(
            CorruptionError, match=r"output_0 of halved_for_loss .*`mandala-cas fsck`"
        ) as caught:
            storage.unwrap(ref)
        assert caught.value.op == "halved_for_loss"
        assert caught.value.content_id == ref.content_id
    with pytest.raises(CorruptionError, match=r"output_0 of .*_for_loss"):
        storage.cf(halved_for_loss).df()
    assert np.array_equal(storage.unwrap(refs[0]), expected()[0])
    assert not RUNS


def test_the_record_that_dangled_is_hidden_by_the_segment_that_heals() -> None:
    """Both in one object: there is no moment at which the call has no record."""
    objects, refs = filled()
    for name in payload(objects):
        delete(objects, name)
    before = {info.name for info in objects.list(MANIFEST)}

    storage = Storage(objects)
    with storage:
        storage.unwrap(refs[2])

    (name,) = {info.name for info in objects.list(MANIFEST)} - before
    segment = storage._parts.view.segments[name]
    assert segment.calls.row_count == 2
    assert {tombstone.reason for tombstone in segment.tombstones} == {TombstoneReason.LOST}
    assert len(segment.tombstones) == 2


def test_a_blob_that_is_there_and_broken_is_not_trusted_to_be_replaced() -> None:
    """A store may keep what is there; so the value gets a name that was never used."""
    objects, refs = filled()
    broken = [name for name in payload(objects) if name.startswith(BLOBS)]
    for name in broken:
        flip(objects, name)
    guarded = FaultStore(objects, forbid_overwrite=True)

    storage = Storage(guarded)
    with storage:
        storage.unwrap(refs[2])

    new = [n for n in payload(objects) if n.startswith(BLOBS) and n not in broken]
    assert sorted(name.partition("~")[0] for name in new) == sorted(broken)
    assert all("~" in name for name in new)


def test_what_somebody_repaired_meanwhile_is_found() -> None:
    """A view that is old is looked up once before anything runs."""
    objects, refs = filled()
    reader = Storage(objects)
    for name in payload(objects):
        delete(objects, name)
    with Storage(objects) as other:
        other.unwrap(refs)
    RUNS.clear()

    values = reader.unwrap(refs)

    assert not RUNS
    assert np.array_equal(values[1], expected()[1])


def test_a_crash_while_healing_loses_nothing_more() -> None:
    """The old record or the new one, never neither."""
    for skip in range(6):
        objects, refs = filled()
        for name in payload(objects):
            delete(objects, name)
        store = FaultStore(objects, [Rule(Crash(), "put", skip=skip)])
        try:
            with Storage(store) as storage:
                storage.unwrap(refs)
        except SimulatedCrash:
            pass

        with Storage(objects) as healed:
            values = healed.unwrap(refs)
            hit: Any = noise_for_loss(1, SIZES[Tier.LOOSE])

        assert not hit.in_memory
        for found, right in zip(values, expected(), strict=True):
            assert np.array_equal(found, right), skip


@pytest.mark.parametrize("tier", [Tier.PACK, Tier.LOOSE])
def test_a_value_whose_payload_was_collected_is_written_again(tier: Tier) -> None:
    """The call was dropped, and its payload collected so long ago that no announcement is left.

    The segment that placed the value is still there, so a writer that relied on it would commit a
    call without its value.
    """
    objects = MemoryObjectStore()
    storage = Storage(objects)
    with storage:
        noise_for_loss(1, SIZES[tier])
    storage.drop_calls(storage.cf(noise_for_loss).df()["noise_for_loss"])
    for name in payload(objects):
        delete(objects, name)

    with Storage(objects):
        noise_for_loss(1, SIZES[tier])
    with Storage(FaultStore(objects, [Rule(Deny(), "put", times=None)])) as reader:
        hit: Any = noise_for_loss(1, SIZES[tier])

    assert not hit.in_memory
    assert np.array_equal(reader.unwrap(hit), np.random.default_rng(1).random(SIZES[tier]))


def test_a_place_is_asked_for_once_and_only_where_records_are_hidden() -> None:
    """A log without tombstones cannot name what was collected, so nothing is asked."""
    objects = MemoryObjectStore()
    with Storage(objects) as storage:
        noise_for_loss(1, SIZES[Tier.PACK])
        first: Any = noise_for_loss(2, 3_000)
        given = storage.unwrap(first)

    def asked() -> int:
        counted = FaultStore(objects)
        with Storage(counted):
            for _ in range(3):
                again = Storage(counted)._parts.book
                again.prepare(given)
                again.prepare(given)
        return len([call for call in counted.calls if call.name.startswith((PACKS, BLOBS))])

    before = asked()
    storage.drop_calls(storage.cf(noise_for_loss).df()["noise_for_loss"][0])

    assert before == 0
    assert asked() == 3


def test_a_store_that_loses_things_at_random_never_gives_a_wrong_value() -> None:
    """Damage of every kind between all steps of a session."""
    seed = random.randrange(2**32)  # noqa: S311 (a seed)
    chance = random.Random(seed)  # noqa: S311 (to be repeated by its seed)
    objects, refs = filled()
    storage = Storage(objects)
    for _ in range(12):
        names = payload(objects)
        for name in chance.sample(names, k=chance.randrange(len(names) + 1)):
            chance.choice(DAMAGES)(objects, name)
        if chance.random() < 0.3:
            storage = Storage(objects)

        with storage:
            values = storage.unwrap(refs)

        for found, right in zip(values, expected(), strict=True):
            assert np.array_equal(found, right), f"seed {seed}"
