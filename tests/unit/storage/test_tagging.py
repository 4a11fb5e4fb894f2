"""Names that people give stay with what they were given to."""

from __future__ import annotations

from typing import Any

import pytest

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.imports import Call, Ref, Storage, op
from mandala_cas.objectstore.memory import MemoryObjectStore


@op
def increment(x: int) -> int:
    """Return the next number."""
    return x + 1


@pytest.fixture
def objects() -> MemoryObjectStore:
    """Return an empty object store."""
    return MemoryObjectStore()


@pytest.fixture
def storage(objects: MemoryObjectStore) -> Storage:
    """Return a storage on it."""
    return Storage(objects)


def made(storage: Storage, number: int) -> tuple[Ref, Call]:
    """Return a ref, and the call that gave it."""
    with storage:
        ref: Any = increment(number)
    frame = storage.cf(ref).expand_back()
    (call,) = (call for calls in frame.calls_by_func().values() for call in calls)
    return ref, call


def test_refs_and_calls_have_names(storage: Storage, objects: MemoryObjectStore) -> None:
    """For everybody who opens the store."""
    ref, call = made(storage, 1)

    storage.tag("best", [ref, call])

    tagged = Storage(objects).tags()
    assert {name: [thing.hid for thing in things] for name, things in tagged.items()} == {
        "best": [ref.hid, call.hid]
    }


def test_things_are_named_by_their_hids_too(storage: Storage) -> None:
    """That is what a table or a command line has."""
    ref, call = made(storage, 1)

    storage.tag("best", [ref.hid, call.hid])

    assert {type(thing).__name__ for thing in storage.tags()["best"]} == {"AtomRef", "Call"}


def test_a_name_is_taken_off_one_thing_or_all(storage: Storage) -> None:
    """And is gone with the last."""
    first, _ = made(storage, 1)
    second, _ = made(storage, 2)
    storage.tag("best", [first, second])

    storage.untag("best", first)
    left = storage.tags()
    storage.untag("best")

    assert [thing.hid for thing in left["best"]] == [second.hid]
    assert storage.tags() == {}


def test_a_tagged_value_outlives_its_call(storage: Storage) -> None:
    """That is what a tag is for: it keeps what it is on."""
    ref, call = made(storage, 1)
    storage.tag("best", ref)

    storage.drop_calls(call)
    storage.gc(dry_run=False, grace=0)
    storage.compact(full=True, delay=0)

    (kept,) = storage.tags()["best"]
    assert storage.unwrap(kept) == 2


def test_a_dropped_call_is_not_shown(storage: Storage) -> None:
    """There is nothing to show of it."""
    _, call = made(storage, 1)
    storage.tag("best", call)

    storage.drop_calls(call)

    assert storage.tags() == {"best": []}


def test_what_is_not_there_cannot_be_named(storage: Storage) -> None:
    """A misspelt hid must not become a tag on nothing."""
    with pytest.raises(NotFoundError, match="nothing was tagged"):
        storage.tag("best", "00" * 16)
    with pytest.raises(UsageError, match="put on nothing"):
        storage.tag("best", [])
    with pytest.raises(UsageError, match="not on int"):
        storage.tag("best", [1])  # type: ignore[list-item] # as somebody might
    with pytest.raises(UsageError, match="not on int"):
        storage.tag("best", 1)  # type: ignore[arg-type] # as somebody might

    assert storage.tags() == {}


def test_a_tag_that_is_not_there_cannot_be_taken_off(storage: Storage) -> None:
    """Somebody would believe that it is gone."""
    first, _ = made(storage, 1)
    second, _ = made(storage, 2)
    storage.tag("best", first)

    with pytest.raises(NotFoundError, match="no tag 'better'"):
        storage.untag("better")
    with pytest.raises(NotFoundError, match="is not on"):
        storage.untag("best", second)

    assert [thing.hid for thing in storage.tags()["best"]] == [first.hid]
