"""``ValuePointer``: objects that a store knows by an id of the user's."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import default_registry
from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.memo.op import op
from mandala_cas.model.pointers import Pointer, ValuePointer


@op(name="is_locked")
def is_locked(lock: Any, *, times: int = 1) -> list[bool]:
    """Return something of an object that can be neither hashed nor stored."""
    return [lock.locked()] * times


def test_a_body_gets_the_object_and_the_record_the_id(entered: FakeBook) -> None:
    """The object is not asked anything before."""
    lock = threading.Lock()

    result: Any = is_locked(ValuePointer("the lock", lock))

    assert result.value == [False]
    (stored,) = [value for value in entered.values.values() if isinstance(value, Pointer)]
    assert (stored.id, stored.has_obj) == ("the lock", False)


def test_pointers_of_one_id_are_one_value(entered: FakeBook) -> None:
    """Whatever they point at; that is for the user to get right."""
    first = is_locked(ValuePointer("a", threading.Lock()))

    assert is_locked(ValuePointer("a", None)) == first
    assert is_locked(ValuePointer("b", threading.Lock())) != first
    assert len(entered.calls) == 2


def test_outside_a_storage_it_is_the_object() -> None:
    """Code works the same with the ``with storage:`` line taken away."""
    assert is_locked(ValuePointer("a", threading.Lock()), times=2) == [False, False]


def test_an_op_can_return_one(entered: FakeBook) -> None:
    """Its ref gives the object for as long as it is in memory; a store has no more than the id."""

    @op(name="make")
    def make() -> Any:
        return ValuePointer("made", threading.Lock())

    made: Any = make()
    result: Any = is_locked(made)
    assert result.value == [False]

    with pytest.raises(UsageError, match=r"is_locked: argument 'lock': ValuePointer\('made'\) was"):
        is_locked(make(), times=2)
    assert len(entered.calls) == 2


def test_a_call_cannot_be_made_again_from_an_id(entered: FakeBook) -> None:
    """And says that the object is to be given once more."""
    result: Any = is_locked(ValuePointer("a", threading.Lock()))
    entered.lost.add(result.content_id)

    from mandala_cas.memo.recovery import load  # noqa: PLC0415 (what storages do)

    with pytest.raises((UsageError, CorruptionError), match="make one with the object again"):
        load([result], entered)


def test_the_content_id_is_that_of_the_id() -> None:
    """By the rule for values whose id a function decides; see ``hashing.md``."""
    ids = {content_id(Pointer("a")), content_id(Pointer("a", 5)), content_id(Pointer("b"))}

    assert len(ids) == 2
    assert content_id("a") not in ids


def test_it_is_stored_as_a_plain_value() -> None:
    """No code runs to read it; inside other values too."""
    value = {"lock": Pointer("a", threading.Lock()), "more": [Pointer("b")]}
    registry = default_registry()

    encoded = registry.encode(value, Digests())
    decoded: Any = registry.decode(
        encoded.codec_name,
        encoded.codec_version,
        encoded.header,
        memoryview(b"".join(encoded.payload)),
    )

    assert encoded.codec_name in {"plain", "nested"}
    assert decoded == value
    assert not decoded["lock"].has_obj


def pickled(value: Any) -> Any:
    """Return what comes back from a pickle."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 (own)


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, pickled])
def test_copies_are_equal_and_have_no_object(clone: Any) -> None:
    """The object may be what cannot be copied."""
    pointer = Pointer("a", threading.Lock())

    copied = clone(pointer)

    assert (copied, hash(copied), copied.has_obj) == (pointer, hash(pointer), False)
    assert pointer != "a"


@pytest.mark.parametrize("id_", ["", 5, None])
def test_an_id_is_a_text(id_: Any) -> None:
    """Anything else would be a value to be hashed."""
    with pytest.raises(UsageError, match="the id of a ValuePointer is a text"):
        ValuePointer(id_, 5)
