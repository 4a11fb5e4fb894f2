"""Nothing makes a stranger's pickle one's own by accident: only trust and signing do."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.integration.people import People, Reading, Trap, add_one, number_in, read, recorded

from mandala_cas.errors import MandalaWarning, UntrustedError
from mandala_cas.imports import Storage, op
from mandala_cas.index import kept
from mandala_cas.model.refs import Ref


@op
def given(reading: Any) -> Any:
    """Return what was passed in."""
    return reading


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> People:
    """Return people, none of whom knows another."""
    return People(monkeypatch, tmp_path)


@pytest.fixture
def store(tmp_path: Path, people: People) -> Path:
    """Return a store in which Mallory has recorded a reading of 2."""
    people.become("mallory")
    recorded(tmp_path / "store", 2)
    return tmp_path / "store"


def assert_still_refused(store: Path, ref: Ref) -> None:
    """Check that a reading is decoded by nobody who has not asked for it."""
    with pytest.raises(UntrustedError):
        Storage(store).unwrap(ref.detached())


def test_a_call_that_an_equal_one_answered_vouches_for_nothing(store: Path, people: People) -> None:
    """The hit is recorded as a call of Ada's, with a signature of hers.

    What Mallory's call gave was placed in her segment, so she decoded it, without a word.
    """
    people.become("ada")
    with Storage(store) as storage:
        ref: Any = read(add_one(1))
        # A question runs no op; what is in the open batch counts as one's own.
        with pytest.raises(UntrustedError):
            storage.load_values([ref.content_id])

    assert not ref.in_memory
    assert_still_refused(store, ref)


def test_a_hit_whose_value_went_with_its_writers_call_is_computed_again(
    store: Path, people: People
) -> None:
    """Ada's record says what the call gave, and not where; only Mallory's segment did."""
    people.become("ada")
    with Storage(store):
        ref: Any = read(add_one(1))
    people.become("mallory")
    storage = Storage(store)
    with storage:
        dropped: Any = read(2)
    storage.drop_calls(storage._parts.book.creators(dropped)[0].call_id.hex())
    storage.compact(full=True, delay=0)
    people.become("ada")

    with Storage(store) as storage:
        ref = read(add_one(1))
        reading: Any = storage.unwrap(ref)

    assert reading.number == 2
    assert number_in(store, ref) == 2


def test_a_tag_vouches_for_nothing(store: Path, people: People) -> None:
    """A tag keeps a value, and says nothing of who wrote it."""
    people.become("ada")
    with Storage(store) as storage:
        ref: Any = read(2)
    storage.tag("best", ref)

    assert_still_refused(store, ref)


def test_allowing_once_is_not_trusting_for_ever(store: Path, people: People) -> None:
    """Ada used the value in a call of her own, with pickle="allow"."""

    @op
    def twice(reading: Any) -> int:
        return int(2 * reading.number)

    people.become("ada")
    with Storage(store, pickle="allow") as storage:
        ref: Any = read(2)
        doubled: Any = twice(ref)
    assert storage.unwrap(doubled) == 4

    assert_still_refused(store, ref)


def test_what_one_computes_oneself_is_stored_where_all_is_allowed(
    store: Path, people: People
) -> None:
    """Were Mallory's bytes relied on, Ada's own value would be refused to her the next time."""
    people.become("ada")
    with Storage(store, pickle="allow"):
        ref: Any = given(read.f(2))

    assert number_in(store, ref) == 2


def test_compaction_in_passing_covers_nothing_of_others(
    store: Path, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read what Ada covers, others must trust her; so she is asked before she does."""
    monkeypatch.setattr("mandala_cas.upkeep.compacting.plan.UNCOVERED_MAX", 2)
    monkeypatch.setattr("mandala_cas.storage.upkeep._PASSING_SHARE", 256)
    mallory = people.key_of("mallory")
    people.become("ada")
    Storage(store).trust(mallory, name="mallory")

    for number in range(10, 14):
        recorded(store, number)

    runs = Storage(store)._parts.view.runs.values()
    keys = {key for run in runs for key in run.covered.keys.rows()}
    assert runs
    assert bytes.fromhex(mallory) not in keys


def test_an_explicit_compaction_covers_those_whom_one_trusts(store: Path, people: People) -> None:
    """One person can keep a store of several quick; of others, nothing is covered."""
    mallory = people.key_of("mallory")
    people.become("ada")
    recorded(store, 10)
    recorded(store, 11)
    before = Storage(store).compact(full=True, delay=0)
    Storage(store).trust(mallory)

    after = Storage(store).compact(full=True, delay=0)

    assert (before.segment_count, after.segment_count) == (2, 3)
    assert number_in(store, recorded(store, 2)) == 2


@pytest.mark.parametrize("policy", ["before", "after"])
def test_a_kept_index_remembers_who_wrote_what_a_run_covers(
    store: Path, people: People, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """It stands for the log, so it must not know less."""
    monkeypatch.setattr(kept, "_ROW_COUNT_MIN", -1)
    mallory = people.key_of("mallory")
    people.become("ada")
    Storage(store).trust(mallory)
    Storage(store).compact(full=True, delay=0)
    # What was kept before was read from Mallory's segment.
    shutil.rmtree(people.home("ada") / "cache")
    with Storage(store):
        ref: Any = read(2)
    base = Storage(store)._parts.base
    assert base is not None
    assert bytes.fromhex(mallory) in {key for _, _, key in map(base.part.origins.source, range(2))}
    assert number_in(store, ref) == 2
    Storage(store).revoke(mallory)

    if policy == "after":
        # Written again, from the kept one.
        recorded(store, 12)

    assert Storage(store)._parts.base is not None
    assert_still_refused(store, ref)


def test_inside_a_block_a_withheld_value_is_computed_again(store: Path, people: People) -> None:
    """The third way on: the call runs with Ada's own code, and what Mallory wrote stays."""
    mallory = people.key_of("mallory")
    people.become("ada")
    storage = Storage(store)
    with storage:
        ref: Any = read(2)
        with pytest.warns(MandalaWarning, match=f"read runs again: what key {mallory}"):
            reading: Any = storage.unwrap(ref)

    assert reading.number == 2
    assert number_in(store, ref) == 2
    (call,) = storage._parts.book.creators(ref)
    assert len(storage._parts.lookup.dots(call.call_id)) == 2


def test_a_withheld_input_is_computed_again(store: Path, people: People) -> None:
    """A sweep goes on where a colleague's ended, without running what the colleague wrote."""
    people.become("ada")
    with Storage(store) as storage, pytest.warns(MandalaWarning, match="read runs again"):
        result: Any = given(read(2))

    assert storage.unwrap(result).number == 2


def test_what_cannot_be_computed_again_stays_withheld(store: Path, people: People) -> None:
    """The error says both: who wrote it, and why it cannot be had otherwise."""

    @op
    def raised(reading: Any) -> Reading:
        return Reading(reading.number + 1)

    people.become("mallory")
    with Storage(store):
        ref: Any = raised(read.f(3))
    people.become("ada")

    with (
        Storage(store) as storage,
        pytest.warns(MandalaWarning, match="raised runs again"),
        pytest.raises(UntrustedError) as caught,
    ):
        storage.unwrap(ref.detached())

    assert "passed in from outside" in caught.value.__notes__[0]


def test_a_segment_of_another_store_says_only_what_its_signer_said(
    store: Path, people: People, tmp_path: Path
) -> None:
    """Mallory copies what Ada recorded elsewhere; it is still Ada's pickle, byte for byte.

    Segments are not bound to a store, for syncing moves them as they are.
    """
    people.become("ada")
    own = recorded(tmp_path / "private", 7)
    for path in (tmp_path / "private").rglob("*"):
        target = store / path.relative_to(tmp_path / "private")
        if path.is_file() and "local" not in path.parts and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)

    assert number_in(store, own) == 7
    with Storage(store):
        planted: Any = read(2)
    assert_still_refused(store, planted)
    people.become("bob")
    assert_still_refused(store, own)


def test_a_planted_pickle_runs_nowhere(tmp_path: Path, people: People) -> None:
    """Whatever Ada does with the store, short of allowing it, the trap stays shut."""
    people.become("mallory")
    store = tmp_path / "trapped"
    trapped = op(lambda number: Trap(), name="read")  # noqa: ARG005 (a call needs an argument)
    with Storage(store):
        trapped(2)
    people.become("ada")
    sprung = Trap.sprung
    # She is told of neither the other code nor the other module.
    unsuspecting = op(read.f, name="read", on_stale="keep")

    with Storage(store) as storage:
        ref: Any = unsuspecting(add_one(1))
    storage.tag("trap", ref)
    for level in ("meta", "refs", "data"):
        storage.fsck(level)
    storage.repair("data")
    storage.compact(full=True, delay=0)
    storage.gc(dry_run=False, grace=0)
    storage.sign()
    assert_still_refused(store, ref)

    assert Trap.sprung == sprung
