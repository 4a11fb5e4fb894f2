"""Every byte of every kind of object is watched, and a bad object hides no good one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mandala_cas.errors import CorruptionError
from mandala_cas.imports import Storage, op
from mandala_cas.log.announcements import encode_condemned, encode_done
from mandala_cas.log.run_making import RunInputs, make_run
from mandala_cas.log.segment import decode_segment
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import (
    BLOBS,
    COLLECTIONS,
    PACKS,
    RUN_PARTS,
    RUNS,
    SEGMENTS,
)
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.upkeep.verifying.fsck import verify

PACKED, LOOSE = 300, 140_000


@op
def watched(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(size)


@pytest.fixture
def store() -> ObjectStore:
    """Return a store with an object of every kind; a pack with three values, two loose blobs."""
    objects = MemoryObjectStore()
    with Storage(objects) as storage:
        for seed in range(3):
            watched(seed, PACKED)
        watched(0, LOOSE)
        storage.commit()
        watched(1, LOOSE)
    return objects


def with_run(objects: ObjectStore) -> ObjectStore:
    """Add a run of all segments, beside them, and announcements."""
    segments = [
        (decode_segment(info.name, objects.get(info.name)), None) for info in objects.list(SEGMENTS)
    ]
    draw: Callable[[int], bytes] = bytes
    made = make_run(RunInputs(segments), created_us=1, draw=draw, signer=None)
    objects.put_many({name: sealed.parts for name, sealed in made.parts.items()})
    objects.put(made.run.name, made.run.sealed.parts)
    name, sealed = encode_condemned(["packs/x"], created_us=1, nonce=bytes(16), signer=None)
    objects.put(name, sealed.parts)
    done, word = encode_done(name, 1, 0, created_us=1, nonce=bytes(16), signer=None)
    objects.put(done, word.parts)
    return objects


def positions(size: int, head_size: int = 256) -> Iterator[int]:
    """Yield all of the head and the trailer, and some of what is between."""
    yield from range(min(head_size, size))
    yield from range(head_size, size, max(1, size // 97))
    yield from range(max(0, size - 140), size)


def names(objects: ObjectStore, folder: str) -> list[str]:
    """Return the names in a folder."""
    return sorted(info.name for info in objects.list(folder))


def put(objects: ObjectStore, name: str, data: bytes) -> None:
    """Put other bytes under a name."""
    objects.delete([name])
    objects.put(name, [data])


@pytest.mark.parametrize("folder", [SEGMENTS, RUNS, RUN_PARTS, COLLECTIONS])
def test_verification_sees_every_flipped_byte_of_the_log(store: ObjectStore, folder: str) -> None:
    """Magic, version, kind, sizes, header, payload, trailer: of each object, at the cheap level."""
    with_run(store)
    assert verify(store, "meta").ok
    for name in names(store, folder):
        data = store.get(name)
        for position in set(positions(len(data), 64)):
            flipped = bytearray(data)
            flipped[position] ^= 1 << position % 8
            put(store, name, bytes(flipped))
            found = {problem.name for problem in verify(store, "meta").problems}
            assert name in found, f"{name} at {position}"
        put(store, name, data)


@pytest.mark.parametrize("folder", [PACKS, BLOBS])
def test_verification_sees_every_flipped_byte_of_payload(store: ObjectStore, folder: str) -> None:
    """Also of a pack's own head and footer, which no record names."""
    name = names(store, folder)[0]
    data = store.get(name)
    step = 61 if folder == PACKS else 40_009
    for position in [
        *range(0, 72, 5),
        *range(72, len(data), step),
        *range(len(data) - 60, len(data), 7),
    ]:
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        put(store, name, bytes(flipped))
        found = {problem.name for problem in verify(store, "data").problems}
        assert found == {name}, f"{name} at {position}"


def test_a_flipped_byte_of_a_segment_hides_no_other_segment(store: ObjectStore) -> None:
    """Each is read by itself."""
    first, second = names(store, SEGMENTS)
    data = store.get(first)
    for position in positions(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        put(store, first, bytes(flipped))
        view = LogView(store)
        view.refresh()
        assert list(view.parts) == [second], position
        assert list(view.damaged) == [first], position


def test_a_flipped_byte_of_a_value_hides_no_other_value(store: ObjectStore) -> None:
    """Of three values in a pack, and a loose one: right, or an error, and the others are right."""
    storage = Storage(store)
    records = [
        part.value_record(row)
        for part in storage._parts.view.segments.values()
        for row in range(part.values.row_count)
        if part.values.text("codec_name")[row] == "ndarray"
    ]
    packed = sorted((r for r in records if r.location.startswith(PACKS)), key=lambda r: r.offset)
    loose = [r for r in records if r.location.startswith(BLOBS)]
    rights = {r.content_id: storage.load_values([r.content_id])[0] for r in records}
    for record in (packed[1], loose[0]):
        data = store.get(record.location)
        others = [r for r in packed if r is not record]
        size = record.stored_size
        for position in positions(size):
            flipped = bytearray(data)
            flipped[record.offset + position] ^= 1 << position % 8
            put(store, record.location, bytes(flipped))
            with pytest.raises(CorruptionError):
                storage.load_values([record.content_id])
            for other in others if position % 9 == 0 else ():
                (value,) = storage.load_values([other.content_id])
                assert np.array_equal(value, rights[other.content_id])
        put(store, record.location, data)


def test_a_store_with_a_damaged_object_of_each_kind_still_answers(store: ObjectStore) -> None:
    """Whoever has a good segment gets its calls."""
    first, _ = names(store, SEGMENTS)
    put(store, first, store.get(first)[:-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        storage = Storage(store)
    with storage:
        kept: Any = watched(1, LOOSE)
        made: Any = watched(0, LOOSE)

    assert [kept.in_memory, made.in_memory] == [False, True]
    assert np.array_equal(storage.unwrap(kept), watched.f(1, LOOSE))
