"""Refs and calls by themselves: what they say without a storage."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from mandala_cas.errors import UsageError
from mandala_cas.model.calls import Call
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallContentId, CallId, ContentId, HistoryId, SourceHash
from mandala_cas.model.refs import MISSING, AtomRef, Elements, Ref

HISTORY = HistoryId(b"h" * 16)
CONTENT = ContentId(b"c" * 32)


class Loader:
    """Gives a new list each time, and counts."""

    def __init__(self) -> None:
        """Start at zero."""
        self.asked = 0

    def load_ref_value(self, ref: Ref) -> Any:
        """Return the value."""
        self.asked += 1
        return [ref.hid]

    def load_elements(self, ref: Ref) -> Elements:
        """Know no collections."""
        raise AssertionError(f"{ref!r} is none")

    def make_ref(self, history_id: HistoryId, content_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref of this one."""
        return AtomRef(history_id, content_id, value, self)


def test_a_ref_gives_its_value_from_memory_if_it_can() -> None:
    """What is attached costs nothing, None included."""
    loader = Loader()

    assert AtomRef(HISTORY, CONTENT, None, loader).get() is None
    assert loader.asked == 0


def test_a_ref_asks_its_storage_and_stays_as_it_is() -> None:
    """A loop over many refs must not fill the memory unasked."""
    ref = AtomRef(HISTORY, CONTENT, loader=Loader())

    assert ref.get() == [ref.hid]
    assert not ref.in_memory


def test_a_ref_without_a_storage_says_what_to_do() -> None:
    """One that was unpickled has forgotten where it came from."""
    ref = pickle.loads(pickle.dumps(AtomRef(HISTORY, CONTENT, 1, Loader())))  # noqa: S301 (our own)

    with pytest.raises(UsageError, match=r"storage\.unwrap\(ref\)"):
        ref.get()


def test_an_attached_value_is_kept() -> None:
    """From then on it is in memory."""
    ref = AtomRef(HISTORY, CONTENT, loader=Loader())

    ref.attach(5)

    assert (ref.in_memory, ref.value, ref.get()) == (True, 5, 5)


def test_a_call_without_a_storage_says_what_to_do() -> None:
    """Who made it is written in a store, and nowhere else."""
    record = CallRecord(
        call_id=CallId(b"i" * 16),
        content_id=CallContentId(b"k" * 16),
        op_name="train",
        op_version="2",
        module="models",
        source_hash=SourceHash(bytes(16)),
        started_us=0,
        duration_us=0,
        inputs=(),
        outputs=(),
        parent=CallId(b"p" * 16),
    )
    call = Call(record)

    assert (call.module, call.parent, call.reused_from) == ("models", (b"p" * 16).hex(), None)
    with pytest.raises(UsageError, match=r"storage\.get_call\(hid\)"):
        _ = call.metadata
