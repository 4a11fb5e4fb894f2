"""Who made a call, read from wherever the log has it: segments, runs, or the store once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.integration.forging import Forger, rewrite, segments_in
from tests.unit.storage.buckets import Bucket

from mandala_cas.errors import NotFoundError
from mandala_cas.imports import Call, Storage, op
from mandala_cas.objectstore.layout import SEGMENTS
from mandala_cas.testing import FlippedGet, Rule

SECRETS = {"alice": "aa" * 32, "bob": "bb" * 32}


@op
def square(x: int) -> int:
    """Return a small value."""
    return x * x


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep an index of however little was read."""
    monkeypatch.setattr("mandala_cas.index.kept._ROW_COUNT_MIN", -1)


def make(objects: Bucket, who: str, xs: range, cache: Path) -> None:
    """Have somebody make calls, each of them a segment."""
    with Storage(objects, key=SECRETS[who], cache_dir=cache / who) as storage:
        for x in xs:
            square(x)
            storage.commit()
    storage.close()


def reopened(objects: Bucket, cache: Path, who: str = "alice") -> Storage:
    """Return a storage of somebody who has made calls."""
    return Storage(objects, key=SECRETS[who], cache_dir=cache / who)


def calls_of(storage: Storage) -> list[Call]:
    """Return all calls, in the order in which they were made."""
    return storage.mget_call(storage.calls_df()["hid"].tolist())


def test_a_segment_says_who_wrote_it(tmp_path: Path) -> None:
    """With the key by the name that this user gave it, and what the process said."""
    objects = Bucket()
    make(objects, "alice", range(1), tmp_path)
    make(objects, "bob", range(1, 2), tmp_path)
    storage = reopened(objects, tmp_path)
    bob = storage.calls_df()["key_id"][1]
    storage.trust(bob, name="Bob")

    mine, his = (call.metadata for call in calls_of(storage))

    assert (mine.key_name, his.key_name, his.key_id) == ("yourself", "Bob", bob)
    assert mine.packages["numpy"] == __import__("numpy").__version__
    assert mine.library is not None
    assert mine.library.startswith("mandala-cas ")
    assert mine.python is not None
    assert mine.written is not None
    assert mine.written >= calls_of(storage)[0].started
    storage.revoke("Bob")


def test_a_run_says_it_of_what_it_covers(tmp_path: Path) -> None:
    """Nothing is forgotten when the log is merged."""
    objects = Bucket()
    make(objects, "alice", range(3), tmp_path)
    storage = reopened(objects, tmp_path)
    before = [call.metadata for call in calls_of(storage)]
    storage.compact(full=True, delay=0)
    storage.compact(full=True, delay=0)
    assert not list(objects.list(SEGMENTS))

    later = reopened(objects, tmp_path / "elsewhere")

    assert [call.metadata for call in calls_of(later)] == before


def test_a_run_of_a_stranger_does_not_say_who_signed(tmp_path: Path) -> None:
    """They could write anything: what the segments said of themselves is only reported."""
    objects = Bucket()
    make(objects, "alice", range(1), tmp_path)
    bob = reopened(objects, tmp_path, "bob")
    bob.trust(bob.calls_df()["key_id"][0], name="Alice")
    bob.compact(full=True, delay=0)
    bob.compact(full=True, delay=0)
    assert not list(objects.list(SEGMENTS))
    (by_bob,) = calls_of(bob)
    bob.revoke("Alice")

    (call,) = calls_of(reopened(objects, tmp_path / "elsewhere"))

    assert by_bob.metadata.key_name == "Alice"
    assert (call.metadata.key_id, call.metadata.key_name) == (None, None)
    assert call.metadata.host == by_bob.metadata.host


@pytest.mark.usefixtures("kept")
def test_what_a_kept_index_lacks_is_fetched_when_asked_for(tmp_path: Path) -> None:
    """Only the segments asked about, and none for a call whose segment is in memory."""
    objects = Bucket()
    make(objects, "alice", range(3), tmp_path)
    storage = reopened(objects, tmp_path)
    assert storage.cache_info().kept_index.count == 3
    with storage:
        square(77)
    *old, new = calls_of(storage)
    objects.read(SEGMENTS)

    assert new.metadata.host is not None
    assert objects.read(SEGMENTS) == []
    assert old[0].metadata.host == new.metadata.host
    assert len(objects.read(SEGMENTS)) == 1
    assert storage.calls_df()["host"].tolist() == [new.metadata.host] * 4
    assert len(objects.read(SEGMENTS)) == 3


@pytest.mark.usefixtures("kept")
def test_of_a_segment_that_is_damaged_nothing_is_said(tmp_path: Path) -> None:
    """Its calls are known from the kept index; who made them is not."""
    objects = Bucket()
    make(objects, "alice", range(2), tmp_path)
    storage = reopened(objects, tmp_path)
    damaged = min(info.name for info in objects.list(SEGMENTS))
    objects.plan.append(Rule(FlippedGet(), "get", damaged, times=None))

    df = storage.calls_df()

    assert sorted(df["host"].isna()) == [False, True]
    assert sorted(df["written"].isna()) == [False, True]


def test_a_dropped_call_has_nobody(tmp_path: Path) -> None:
    """And a call that was made again is another record."""
    storage = Storage(tmp_path)
    with storage:
        ref: Any = square(3)
    call = storage.get_ref_creator(ref)
    assert call is not None
    storage.drop_calls(call)

    with pytest.raises(NotFoundError, match=call.hid):
        _ = call.metadata
    with storage:
        square(3)
    with pytest.raises(NotFoundError, match=call.hid):
        _ = call.metadata
    assert storage.get_call(call.hid).metadata.host is not None


def test_a_forged_signature_shows_no_key(tmp_path: Path) -> None:
    """Anybody can write down anybody's key; what the process said of itself is said by nobody."""
    with Storage(tmp_path) as storage:
        square(1)
    (segment,) = segments_in(tmp_path)
    assert segment.signature is not None
    assert calls_of(storage)[0].metadata.key_name == "yourself"
    storage.close()

    rewrite(tmp_path, lambda value: value, Forger(segment.signature.public_key))

    (call,) = calls_of(Storage(tmp_path, cache_dir=tmp_path / "fresh"))
    assert (call.metadata.key_id, call.metadata.key_name) == (None, None)
    assert call.metadata.host is not None


@pytest.mark.usefixtures("kept")
def test_of_a_segment_that_is_gone_nothing_is_said(tmp_path: Path) -> None:
    """Somebody may compact it between two requests."""
    objects = Bucket()
    make(objects, "alice", range(2), tmp_path)
    storage = reopened(objects, tmp_path)
    objects.delete([min(info.name for info in objects.list(SEGMENTS))])

    df = storage.calls_df()

    assert sorted(df["host"].isna()) == [False, True]
