"""Objects as memory: private, lasting, and only where both can be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mandala_cas.errors import NotFoundError
from mandala_cas.objectstore import maps
from mandala_cas.objectstore.api import MapsObjects
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.objectstore.platforms import PosixPlatform, WindowsPlatform
from mandala_cas.objectstore.readonly import ReadOnlyObjectStore

NAME = "blobs/00/value"


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjectStore:
    """Return a store with one object, on what is taken for a disk of this host."""
    store = LocalObjectStore(tmp_path, platform=PosixPlatform(), file_system_of=lambda _: "ext4")
    store.put(NAME, [b"as it was"])
    return store


def mapped(objects: MapsObjects) -> memoryview:
    """Return the object as memory."""
    found = objects.map_object(NAME)
    assert found is not None
    return found.data


def test_what_is_written_into_a_map_reaches_nobody(objects: LocalObjectStore) -> None:
    """Neither the file nor another map."""
    first, second = mapped(objects), mapped(objects)

    first[:2] = b"AS"

    assert bytes(first) == b"AS it was"
    assert bytes(second) == objects.get(NAME) == b"as it was"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a mapped file from being removed")
def test_a_map_outlives_its_object(objects: LocalObjectStore) -> None:
    """Garbage collection takes the name, repair puts another file in its place."""
    deleted, replaced = mapped(objects), mapped(objects)

    objects.put(NAME, [b"repaired"])
    objects.delete([NAME])

    assert bytes(deleted) == bytes(replaced) == b"as it was"


def test_an_object_that_is_not_there_cannot_be_mapped(objects: LocalObjectStore) -> None:
    """The caller looks elsewhere."""
    with pytest.raises(NotFoundError, match="blobs/none"):
        objects.map_object("blobs/none")


def test_what_has_no_bytes_is_read(objects: LocalObjectStore) -> None:
    """No system maps nothing."""
    objects.put("empty", [b""])

    assert objects.map_object("empty") is None


@pytest.mark.parametrize(
    ("platform", "file_system"),
    [
        (WindowsPlatform(PosixPlatform().locks), "ntfs"),
        (PosixPlatform(), "nfs4"),
        (PosixPlatform(), "unknown"),
    ],
)
def test_where_a_deleted_file_does_not_stay_objects_are_read(
    tmp_path: Path, platform: PosixPlatform, file_system: str
) -> None:
    """There a map would be in the way of a deletion, or lose its pages and end the process."""
    store = LocalObjectStore(tmp_path, platform=platform, file_system_of=lambda _: file_system)
    store.put(NAME, [b"as it was"])

    assert not store.maps_objects
    assert store.map_object(NAME) is None


def test_there_are_never_too_many_maps(
    objects: LocalObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may keep a file open, and others need some as well; those who are done make room."""
    monkeypatch.setattr(maps, "MAPS_MAX", len(maps._living) + 1)
    held = mapped(objects)

    assert objects.map_object(NAME) is None
    held.release()
    del held
    mapped(objects)


def test_another_file_of_the_same_name_is_told_apart(objects: LocalObjectStore) -> None:
    """Or it would count as verified."""
    first = objects.map_object(NAME)
    again = objects.map_object(NAME)
    objects.put(NAME, [b"as it is!"])
    other = objects.map_object(NAME)

    assert first is not None
    assert again is not None
    assert other is not None
    assert first.identity == again.identity != other.identity


def test_a_file_that_was_changed_in_place_is_told_apart(objects: LocalObjectStore) -> None:
    """Nobody does that but a disk or an enemy, who may set its time of modification back."""
    first = objects.map_object(NAME)
    path = objects.root / NAME
    status = path.stat()
    path.write_bytes(b"as it is!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    other = objects.map_object(NAME)

    assert first is not None
    assert other is not None
    assert first.identity != other.identity


def test_a_guard_against_writes_maps_what_the_store_maps(objects: LocalObjectStore) -> None:
    """Reading is all that a map needs."""
    guarded = ReadOnlyObjectStore(objects, "opened for reading")
    memory = ReadOnlyObjectStore(MemoryObjectStore(), "opened for reading")

    assert guarded.maps_objects
    assert bytes(mapped(guarded)) == b"as it was"
    assert not memory.maps_objects
    assert memory.map_object(NAME) is None
