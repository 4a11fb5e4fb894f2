"""What is one machine's own lies where no store can choose."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.storage.buckets import Bucket

from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.storage.places import local_places


def test_a_store_in_memory_has_no_places() -> None:
    """Nothing outlives the process, so nothing needs to be kept."""
    places = local_places(MemoryObjectStore(), "u", None)

    assert (places.local, places.index, places.files) == (None, None, None)


def test_a_folder_keeps_its_journal_and_the_user_the_index(tmp_path: Path) -> None:
    """A journal moves with its folder; an index in a folder that was sent would be believed."""
    places = local_places(LocalObjectStore(tmp_path / "store"), "u", tmp_path / "cache")

    assert places.local == tmp_path / "store" / "local"
    assert places.index is not None
    assert places.index.is_relative_to(tmp_path / "cache")
    # Files of a folder that was sent would be read as what their names say.
    assert places.files is not None
    assert places.files.is_relative_to(tmp_path / "cache")


@pytest.mark.parametrize("uuid", ["../../../etc", "a/b", "", "x" * 10_000, "\0"])
def test_a_uuid_chooses_no_path(tmp_path: Path, uuid: str) -> None:
    """The config of a store is anybody's."""
    places = local_places(Bucket("s3://bucket/a"), uuid, tmp_path)

    assert places.index is not None
    assert places.index.resolve().is_relative_to(tmp_path.resolve())
    assert len(places.index.relative_to(tmp_path).parts) == 2


def test_a_bucket_that_claims_the_uuid_of_another_gets_nothing_of_it(tmp_path: Path) -> None:
    """Else opening it would send there what was computed for the other."""
    one = local_places(Bucket("s3://bucket/a"), "u", tmp_path)
    other = local_places(Bucket("s3://attacker/a"), "u", tmp_path)

    assert one.local != other.local
    assert one.local == local_places(Bucket("s3://bucket/a"), "u", tmp_path).local
