"""Refs that are filled, found, and kept: values with and without calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.storage.round_trips import RoundTripStore

from mandala_cas.errors import MandalaError, StoreUnavailableError, UsageError
from mandala_cas.imports import Storage, op
from mandala_cas.testing.faults import ErrorBefore, FaultStore, Rule

SIZE = 5_000


@op
def noise(seed: int) -> bytes:
    """Return what is too large for a segment."""
    return np.random.default_rng(seed).bytes(SIZE)


@op
def size_of(data: bytes) -> int:
    """Return a small value."""
    return len(data)


@pytest.fixture
def objects() -> RoundTripStore:
    """Return an empty object store that counts."""
    return RoundTripStore()


@pytest.fixture
def storage(objects: RoundTripStore) -> Storage:
    """Return a storage on it."""
    return Storage(objects)


def loaded_later(objects: RoundTripStore, count: int) -> tuple[Storage, list[Any]]:
    """Return a storage that was just opened, and refs of it without their values."""
    with Storage(objects):
        for seed in range(count):
            noise(seed)
    with Storage(objects) as later:
        refs: list[Any] = [noise(seed) for seed in range(count)]
    objects.taken()
    return later, refs


def test_attached_values_come_in_one_batch_and_stay(objects: RoundTripStore) -> None:
    """A loop over what is attached asks the store for nothing."""
    storage, refs = loaded_later(objects, 5)
    mixed = {"list": refs[:2], "pair": (refs[2], {"deep": refs[3]}), "number": 7, "last": refs[4]}

    returned = storage.attach(mixed)

    assert len(objects.taken()) == 1
    assert returned is mixed
    assert [ref.value for ref in refs] == [noise.f(seed) for seed in range(5)]
    assert [storage.unwrap(ref) for ref in refs] == [ref.get() for ref in refs]
    assert objects.taken() == []


def test_preloaded_refs_make_a_loop_of_one_request(objects: RoundTripStore) -> None:
    """Without it, each turn waits for the store."""
    storage, refs = loaded_later(objects, 5)
    for ref in refs:
        storage.unwrap(ref)
    one_by_one = len(objects.taken())

    storage.preload(refs)
    for ref in refs:
        storage.unwrap(ref)

    assert one_by_one == 5
    assert len(objects.taken()) == 1


def test_all_refs_of_one_value_are_filled(objects: RoundTripStore) -> None:
    """Equal refs are two objects all the same."""
    storage, (ref,) = loaded_later(objects, 1)
    other = ref.detached()

    storage.attach([ref, other])

    assert ref.value is other.value


def test_what_cannot_be_attached_is_an_error_and_changes_nothing(storage: Storage) -> None:
    """A ref of nowhere has no value."""
    with Storage() as elsewhere:
        ref: Any = noise(1)
    lost = ref.detached()
    elsewhere.close()
    with storage:
        mine: Any = noise(2)
    mine = mine.detached()

    with pytest.raises(MandalaError):
        storage.attach([mine, lost])

    assert not mine.in_memory


def test_refs_of_other_storages_are_filled_too(storage: Storage) -> None:
    """They know where they came from."""
    with Storage() as other:
        made: Any = noise(1)
    ref = made.detached()
    assert ref.loader is other

    assert storage.attach(ref).value == noise.f(1)


def test_a_ref_on_record_is_had_by_its_hid(objects: RoundTripStore) -> None:
    """Of an output or an input, with its value or without."""
    storage, (ref,) = loaded_later(objects, 1)
    call = storage.get_ref_creator(ref)
    assert call is not None
    seed = call.inputs["seed"]

    lazy = storage.load_ref(ref.hid, lazy=True)
    assert objects.taken() == []
    loaded = storage.load_ref(ref.hid)

    assert (lazy, lazy.cid, lazy.in_memory) == (ref, ref.cid, False)
    assert loaded.value == noise.f(0)
    assert storage.load_ref(seed.hid).value == 0


def test_a_saved_value_is_a_constant_that_is_kept(
    storage: Storage, objects: RoundTripStore
) -> None:
    """Until its tag is taken off: no call has it."""
    ref: Any = storage.save_ref(b"x" * SIZE)
    with storage:
        expected: Any = size_of(b"x" * SIZE)
        assert size_of(ref) == expected
    storage.drop_calls(storage.get_creators(expected))

    later = Storage(objects)
    later.gc(dry_run=False, grace=0)
    later.compact(full=True, delay=0)
    later = Storage(objects)
    found = later.load_ref(ref.hid)

    assert (ref.value, found.value) == (b"x" * SIZE, b"x" * SIZE)
    assert later.get_orphans() == {ref.hid}
    assert later.get_unreferenced_cids() == set()
    assert later.get_ref_creator(ref.hid) is None
    assert later.get_consumers(ref.hid) == []
    assert later.tags() == {"saved": [ref]}

    later.untag("saved", ref)
    assert ref.cid in later.get_unreferenced_cids()


@pytest.mark.parametrize(
    "value", [5, b"p" * SIZE, np.zeros(300_000)], ids=["inline", "pack", "loose"]
)
def test_a_saved_value_is_in_the_store_when_saving_returns(tmp_path: Path, value: Any) -> None:
    """Of any size; another process reads it at once, and nothing of a journal is left."""
    storage = Storage(tmp_path)
    ref = storage.save_ref(value, tag="mine")

    reader = Storage(tmp_path, mode="r")

    assert np.array_equal(reader.load_ref(ref.hid).value, value)
    assert [tagged.hid for tagged in reader.tags()["mine"]] == [ref.hid]
    assert reader.fsck("data").ok
    storage.close()
    assert not any(path.is_file() for path in (tmp_path / "local").rglob("*/*/*"))


def test_a_saved_value_of_a_block_comes_with_what_was_computed_before(
    storage: Storage, objects: RoundTripStore
) -> None:
    """The batch is closed in between, and nothing of it is lost."""
    with storage:
        before: Any = noise(1)
        ref = storage.save_ref([1, 2])
        after: Any = noise(2)

    later = Storage(objects)
    assert later.unwrap([before.detached(), ref.detached(), after.detached()]) == [
        noise.f(1),
        [1, 2],
        noise.f(2),
    ]
    assert later.fsck("data").ok


def test_a_saved_ref_keeps_its_history(storage: Storage) -> None:
    """Of another storage: its value is copied."""
    with Storage():
        made: Any = noise(1)

    ref = storage.save_ref(made.detached())

    assert (ref.hid, ref.cid) == (made.hid, made.cid)
    assert storage.load_ref(made.hid).value == noise.f(1)


@pytest.mark.parametrize("method", ["save_ref", "save_call"])
def test_a_storage_that_is_open_for_reading_saves_nothing(
    storage: Storage, objects: RoundTripStore, method: str
) -> None:
    """As it records nothing."""
    storage.close()

    with pytest.raises(UsageError, match="mode='rw'"):
        getattr(Storage(objects, mode="r"), method)(None)


def test_what_cannot_be_stored_is_not_saved(storage: Storage) -> None:
    """The error says why."""
    with pytest.raises(UsageError, match="the value cannot be saved: "):
        storage.save_ref([storage.save_ref(1)])


def test_a_store_that_is_away_keeps_the_saved_value_waiting(objects: RoundTripStore) -> None:
    """It is committed later, as calls are."""
    failing = FaultStore(objects)
    storage = Storage(failing)
    failing.plan.append(Rule(ErrorBefore(), operation="put"))

    with pytest.raises(StoreUnavailableError):
        storage.save_ref(b"x" * SIZE)
    storage.commit()

    (ref,) = Storage(objects).tags()["saved"]
    assert storage.unwrap(ref) == b"x" * SIZE


def test_a_call_of_another_storage_is_copied_with_its_values(
    storage: Storage, objects: RoundTripStore
) -> None:
    """Then it answers here, and needs nobody else."""
    with Storage() as other:
        data: Any = noise(1)
        size: Any = size_of(data)
    call = other.get_ref_creator(size)
    assert call is not None

    storage.save_call(call)
    names = [info.name for info in objects.list("")]
    storage.save_call(call)
    other.close()

    assert [info.name for info in objects.list("")] == names

    later = Storage(objects)
    assert later.get_call(call.hid).record == call.record
    assert later.get_call(call.hid, lazy=False).inputs["data"].value == noise.f(1)
    assert len(later.calls_df()) == 1
    assert later.fsck("data").ok
