"""Large loose values: fetched into memory that they may keep, whatever a record claims."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from mandala_cas.blobs import store as store_module
from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore
from mandala_cas.envelope.compression import room_for
from mandala_cas.errors import CorruptionError
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import CountingObjectStore

NAME = "blobs/00/" + "00" * 32
DATA = blake3(b"large").digest(100_000)


@pytest.fixture
def objects() -> CountingObjectStore:
    """Return a store with one object."""
    store = CountingObjectStore(MemoryObjectStore())
    store.put(NAME, [DATA])
    return store


def test_a_value_is_read_into_memory_of_its_own(objects: CountingObjectStore) -> None:
    """It becomes part of an array, which is the user's to change."""
    found = BlobStore(objects).fetch_large(Placement(NAME, 0, len(DATA)), len(DATA) - 128)

    assert found is not None
    assert bytes(found.data) == DATA
    assert not memoryview(found.data).readonly
    assert (found.room, found.identity) == (None, None)


def test_what_is_to_be_unpacked_comes_with_room_for_that(objects: CountingObjectStore) -> None:
    """At the end of it, so that a second buffer is not needed."""
    raw_size = 5 * len(DATA)

    found = BlobStore(objects).fetch_large(Placement(NAME, 0, len(DATA)), raw_size)

    assert found is not None
    assert bytes(found.data) == DATA
    assert found.room is not None
    assert found.room.nbytes >= room_for(raw_size)
    memoryview(found.data)[-1] ^= 1
    assert DATA[-1] ^ 1 in bytes(found.room[-2:])


@pytest.mark.parametrize("claimed", [1001, len(DATA) - 1, len(DATA) + 1, 2 * len(DATA)])
def test_what_another_writer_put_since_comes_whole(
    objects: CountingObjectStore, claimed: int
) -> None:
    """In more bytes than the record says, or in fewer."""
    found = BlobStore(objects).fetch_large(Placement(NAME, 0, claimed), claimed - 128)

    assert found is not None
    assert bytes(found.data) == DATA


def test_no_memory_is_set_aside_on_the_word_of_a_record(
    objects: CountingObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of a terabyte costs one small question."""
    monkeypatch.setattr(store_module, "new_buffer", lambda _: pytest.fail("set aside"))

    found = BlobStore(objects).fetch_large(Placement(NAME, 0, 1 << 40), 1 << 40)

    assert found is not None
    assert bytes(found.data) == DATA


def test_a_ratio_that_cannot_be_gets_no_room(objects: CountingObjectStore) -> None:
    """Unpacking refuses it; nothing is set aside for it before."""
    found = BlobStore(objects).fetch_large(Placement(NAME, 0, len(DATA)), 1 << 50)

    assert found is not None
    assert found.room is None


def test_a_value_that_is_not_there_is_none(objects: CountingObjectStore, tmp_path: Path) -> None:
    """In any store; the next copy is tried."""
    for store in (objects, LocalObjectStore(tmp_path)):
        gone = Placement("blobs/11/" + "11" * 32, 0, 5000)

        assert BlobStore(store).fetch_large(gone, 5000) is None


def test_a_place_outside_of_the_blobs_is_refused(objects: CountingObjectStore) -> None:
    """A record may say anything."""
    with pytest.raises(CorruptionError):
        BlobStore(objects).fetch_large(Placement("../etc/passwd", 0, 5000), 5000)


def test_raw_values_of_a_disk_are_mapped(tmp_path: Path) -> None:
    """Unless they are to be unpacked, or the caller wants them read."""
    objects = LocalObjectStore(tmp_path, file_system_of=lambda _: "ext4")
    objects.put(NAME, [DATA])
    blobs = BlobStore(objects)
    raw = Placement(NAME, 0, len(DATA))
    expected = objects.map_object(NAME)
    identity = None if expected is None else expected.identity

    mapped = blobs.fetch_large(raw, len(DATA) - 128)
    read = blobs.fetch_large(raw, len(DATA) - 128, mapped=False)
    packed = blobs.fetch_large(raw, 2 * len(DATA))

    assert mapped is not None
    assert read is not None
    assert packed is not None
    assert [found.identity for found in (mapped, read, packed)] == [identity, None, None]
    assert bytes(mapped.data) == bytes(read.data) == bytes(packed.data) == DATA
