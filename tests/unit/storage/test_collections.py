"""What a storage knows of collections: by the index, and by what is stored of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mandala_cas.envelope.packing import pack
from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.imports import AtomRef, DictRef, ListRef, MDict, MList, MSet, SetRef, Storage, op
from mandala_cas.index.lookup import CallLookup
from mandala_cas.objectstore.layout import BLOBS, PACKS
from mandala_cas.objectstore.memory import MemoryObjectStore

RUNS: list[str] = []


@op(name="stored.many")
def many(count: int) -> MList[str]:
    """Return words that are too many to be inline together."""
    RUNS.append("many")
    return [f"word {number}" for number in range(count)]


@op(name="stored.joined")
def joined(words: MList[str], table: MDict[str, int], names: MSet[str]) -> str:
    """Return all that was given."""
    RUNS.append("joined")
    return f"{words} {table} {sorted(names)}"


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    """Count what runs from here on."""
    RUNS.clear()


def lose_payload(objects: MemoryObjectStore) -> None:
    """Delete all packs and blobs."""
    objects.delete([info.name for folder in (PACKS, BLOBS) for info in objects.list(folder)])


def given_to(storage: Storage) -> list[Any]:
    """Return the inputs of the one call of `joined`."""
    (call,) = storage.cf(joined).df()["stored.joined"]
    return list(call.inputs.values())


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("is_compacted", [False, True])
def test_elements_are_told_from_every_kind_of_index(
    tmp_path: Path, *, is_compacted: bool, is_kept: bool
) -> None:
    """From segments, from runs, and from the file of a process before; in their order."""
    table = {f"key {number}": number for number in reversed(range(12))}
    storage = Storage(tmp_path / "store", cache_dir=tmp_path / "cache")
    with storage:
        words: Any = many(70)
        joined([words[11], *map(str, range(30)), words[2]], table, {"a", "b"})
    if is_compacted:
        storage.compact(full=True, delay=0)
    storage.close()
    if is_kept:
        # What was read is kept when a process ends, for the next one.
        Storage(tmp_path / "store", cache_dir=tmp_path / "cache").close()
    cache = tmp_path / ("cache" if is_kept else "other")

    again = Storage(tmp_path / "store", cache_dir=cache)
    with again:
        found: Any = many(70)
        listed, keyed, named = given_to(again)

    assert RUNS == ["many", "joined"]
    assert [type(ref) for ref in (found, listed, keyed, named)] == [
        ListRef,
        ListRef,
        DictRef,
        SetRef,
    ]
    assert (len(found), found[69], listed[0], listed[-1]) == (70, words[69], words[11], words[2])
    assert again.unwrap(list(listed[1:-1])) == list(map(str, range(30)))
    assert {key: again.unwrap(ref) for key, ref in keyed.items()} == table
    assert list(keyed) == list(table)
    assert again.unwrap(list(found)) == many.f(70)


def test_a_value_that_is_no_collection_has_no_elements(memory: MemoryObjectStore) -> None:
    """Whatever it is to Python; the error says what would make it one."""

    @op(name="stored.plain")
    def plain() -> list[int]:
        return [1]

    with Storage(memory) as storage:
        ref: Any = plain()

        assert type(ref) is AtomRef
        with pytest.raises(UsageError, match="annotate what gives it with MList"):
            storage.load_elements(ref)


def test_elements_of_a_lost_collection(memory: MemoryObjectStore) -> None:
    """Inside a block it is made again, outside it is an error."""
    with Storage(memory):
        words: Any = many(100)
        hid, cid = words.history_id, words.content_id
    lose_payload(memory)
    storage = Storage(memory)
    ref: Any = storage.make_ref(hid, cid)

    with pytest.raises(CorruptionError, match=r"stored\.many .*runs again"):
        len(ref)
    with storage:
        assert len(ref) == 100
    assert RUNS == ["many", "many"]


def test_refs_of_a_closed_storage_are_still_refs(memory: MemoryObjectStore) -> None:
    """As the values of refs can be loaded, so can their elements be found."""
    storage = Storage(memory)
    with storage:
        words: Any = many(3)
        bare = words.detached()
    storage.close()

    assert len(bare) == 3
    with Storage(memory) as other:
        assert other.unwrap(list(bare)) == many.f(3)


def test_a_content_hit_needs_to_know_the_elements(memory: MemoryObjectStore) -> None:
    """Where what is stored of a collection is lost, the op runs, and gives it again."""

    @op(name="stored.number")
    def number(x: int) -> int:
        return x

    with Storage(memory) as storage:
        many(100)
        storage.commit()
        hundred: Any = number(100)
        lose_payload(memory)
    fresh = Storage(memory)

    with fresh:
        words: Any = many(hundred)

        assert RUNS == ["many", "many"]
        assert fresh.unwrap(words)[99] == "word 99"
        assert fresh.unwrap(words[99]) == "word 99"


def test_a_kind_of_the_future_is_no_collection_here(
    memory: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a header that is none: whoever asks for the value is told."""
    storage = Storage(memory)
    with storage:
        words: Any = many(1)
    ids = words.history_id, words.content_id

    kinds = []
    for header in (pack({"kind": "heap"}), pack({"kind": "set"}), b"\xc1", b""):
        monkeypatch.setattr(CallLookup, "codec_of", lambda *_, h=header: ("collection", h))
        kinds.append(type(storage.make_ref(*ids)))

    assert kinds == [AtomRef, SetRef, AtomRef, AtomRef]


def test_dropping_equal_calls_leaves_their_collections_alone(memory: MemoryObjectStore) -> None:
    """Calls of equal content are those that compute, not those that merely tie."""
    with Storage(memory) as storage:
        first: Any = joined(["a"], {}, set())
        words: Any = many(1)
        joined(["word 0"], {}, set())
        joined(words, {}, set())
        del first
        (call, *_) = [
            call
            for call in storage.cf(joined).df()["stored.joined"]
            if storage.unwrap(list(call.inputs["words"])) == ["word 0"]
        ]

        storage.drop_calls(call, content=True)

        tables = storage.tables()
        left = sorted(tables.ops[code] for code in tables.calls["op"])
        assert left == [
            "__list_getitem__",
            "__make_dict__",
            "__make_list__",
            "__make_set__",
            "stored.joined",
            "stored.many",
        ]
