"""What the machines have found in the code, each told once more as short as it can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.stateful.memories import KeptMemory, open_kept_memory
from tests.stateful.processes import large, medium

from mandala_cas.errors import NotFoundError
from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.memory import MemoryObjectStore


def test_a_value_that_was_evicted_can_be_tagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its object was announced as about to go, and is gone; another store holds the value.

    The look after a commit took that for lost, and the tag off again.
    """
    monkeypatch.setattr("mandala_cas.blobs.tiers.PACK_VALUE_MAX", 5_000)
    monkeypatch.setattr("mandala_cas.storage.elsewhere.open_other_store", open_kept_memory)
    there = KeptMemory("memory://there")
    storages = [
        Storage(objects, cache_dir=tmp_path) for objects in (KeptMemory("memory://here"), there)
    ]
    for storage in storages:
        with storage:
            ref: Any = large(1)
    here = storages[0]
    assert len(here.evict(there.url).freed) == 1

    here.tag("best", ref.hid)

    assert here.unwrap(here.tags()["best"]) == [large.f(1)]


def test_tagging_what_others_dropped_and_collected_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the user would believe that it is kept."""
    monkeypatch.setattr("mandala_cas.blobs.tiers.PACK_VALUE_MAX", 5_000)
    objects = MemoryObjectStore()
    mine, others = Storage(objects), Storage(objects)
    with others:
        ref: Any = large(1)
    mine.refresh()
    others.drop_calls(list(others.cf(large).df()["large"]))
    others.gc(dry_run=False, grace=0)

    with pytest.raises(NotFoundError, match="make its call again"):
        mine.tag("best", ref.hid)

    assert mine.tags() == {}
    assert mine.fsck().ok


def test_a_place_that_damage_took_is_no_reason_to_acknowledge() -> None:
    """A value had two places: one lost with a disk, and one that a collector had just deleted.

    The writer took the first one, which nobody had condemned, for good, and acknowledged a call
    whose value was nowhere.
    """
    objects = MemoryObjectStore()
    storage, other = Storage(objects), Storage(objects)
    with storage:
        heavy(1)
    objects.delete([info.name for info in objects.list("blobs/")])
    storage.repair()

    with storage:
        heavy(1)
        # Nothing names the new blob before the block ends.
        other.gc(dry_run=False, grace=0)

    assert storage.fsck("data").ok
    with storage:
        assert storage.unwrap(heavy(1)) == heavy.f(1)
    assert storage.fsck("data").ok


def test_what_an_evicted_object_held_besides_is_promised_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack had a value that another store holds, and one of a call that was dropped.

    A writer had made that call again, and not committed it yet, when the pack was freed. The
    promise was of the object, so the value counted as promised, and was nowhere.
    """
    monkeypatch.setattr("mandala_cas.storage.elsewhere.open_other_store", open_kept_memory)
    objects, there = KeptMemory("memory://here"), KeptMemory("memory://there")
    mine, others = (Storage(objects, cache_dir=tmp_path) for _ in range(2))
    with others:
        medium(0)
        medium(1)
    with Storage(there, cache_dir=tmp_path):
        medium(1)
    calls = others.cf(medium).df()
    others.drop_calls(calls.loc[calls["x"] == 0, "medium"])
    mine.refresh()

    with mine:
        medium(0)
        assert len(others.evict(there.url).freed) == 1

    later = Storage(objects, cache_dir=tmp_path)
    assert later.fsck("data").ok
    assert list(later.cf(medium).df()["x"]) == [1]
    with later:
        assert later.unwrap(medium(0)) == medium.f(0)


@op
def heavy(x: int) -> bytes:
    """Return more than fits into a pack."""
    return bytes([x]) * (2 << 20)
