"""A call that is made again, and one that fails: a crash leaves the old record, or the new one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.crash.dying import Deaths, Disk, mortal

from mandala_cas.imports import Storage, op
from mandala_cas.log.groups import JournalGroup, unpack_group
from mandala_cas.log.journal import Journal
from mandala_cas.memo import context
from mandala_cas.model.entries import CallRecord, Tombstone
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.testing import CrashPoint, crash_at_every_call

DRIFT = [0]
FAILS = [False]


@op(record_failures=True)
def replaced(x: int) -> int:
    """Give something else each time, or fail."""
    if FAILS[0]:
        raise ValueError(str(DRIFT[0]))
    return x + DRIFT[0]


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Deaths]:
    """Let processes die."""
    with mortal(monkeypatch, tmp_path / "cache") as deaths:
        yield deaths


def make_again(drift: int, *, fails: bool = False) -> None:
    """Make the one call once more."""
    DRIFT[0], FAILS[0] = drift, fails
    with suppress(ValueError):
        replaced.call(1)


def made() -> Disk:
    """Return a store with the first outcome."""
    DRIFT[0], FAILS[0] = 0, False
    disk = Disk()
    with Storage(disk) as storage:
        replaced(1)
    storage.close()
    return disk


def outcomes(store: ObjectStore) -> tuple[list[Any], list[str]]:
    """Return what is on record of the call, and which failures of it."""
    storage = Storage(store)
    values = [storage.unwrap(ref) for ref in storage.cf(replaced).df(values="refs")["var_0"]]
    return values, [failure.message for failure in storage.failures()]


@pytest.mark.parametrize("fails", [False, True])
def test_what_replaces_and_what_it_hides_are_one_frame_of_the_journal(
    deaths: Deaths, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """Of two frames, one could be torn: the call would be there twice, or not at all."""
    groups: list[JournalGroup] = []
    append = Journal.append_packed

    def watched(journal: Journal, position: Any, body: bytes) -> None:
        groups.append(unpack_group(body))
        append(journal, position, body)

    monkeypatch.setattr(Journal, "append_packed", watched)
    storage = Storage(made(), flush_after=1000.0)
    groups.clear()
    with storage:
        make_again(10, fails=fails)
        make_again(20, fails=fails)

    kinds = [
        [type(entry) for entry in group.entries if isinstance(entry, CallRecord | Tombstone)]
        for group in groups
    ]
    assert kinds == [[CallRecord] if fails else [Tombstone, CallRecord], [Tombstone, CallRecord]]
    del deaths


def test_a_crash_at_any_call_leaves_one_outcome(deaths: Deaths) -> None:
    """The last one that was reached, and never two or none."""

    def run(store: ObjectStore, reached: list[int]) -> None:
        storage = Storage(store, flush_after=1000.0)
        with storage:
            for drift in (10, 20):
                make_again(drift)
                reached.append(drift)
            storage.commit()
            make_again(30)
            reached.append(30)

    def check(left: ObjectStore, reached: Sequence[int], point: CrashPoint) -> None:
        del point
        deaths.strike()
        # The journal has all that had returned.
        assert outcomes(left) == ([1 + max([0, *reached])], [])

    assert crash_at_every_call(run, check, make_store=made) > 5


def test_a_crash_at_any_call_leaves_one_failure_or_the_success(deaths: Deaths) -> None:
    """A failure takes the place of a failure, and a success of both."""

    def run(store: ObjectStore, reached: list[list[str]]) -> None:
        storage = Storage(store, flush_after=1000.0)
        with storage:
            for drift, fails, failures in ((10, True, ["10"]), (20, True, ["20"]), (0, False, [])):
                make_again(drift, fails=fails)
                reached.append(failures)
                storage.commit()

    def check(left: ObjectStore, reached: Sequence[list[str]], point: CrashPoint) -> None:
        del point
        deaths.strike()
        # What was on record before answers all the time.
        assert outcomes(left) == ([1], reached[-1] if reached else [])

    assert crash_at_every_call(run, check, make_store=made) > 5


def test_a_dead_process_that_replaced_what_was_never_published(deaths: Deaths) -> None:
    """What hides a record names it as it would have been called; adopted, it has another name."""
    disk = made()
    storage = Storage(disk, flush_after=1000.0)
    storage.__enter__()
    for drift in (10, 20, 30):
        make_again(drift)
    context.leave(context.innermost(storage._parts.book))
    deaths.strike()

    assert outcomes(disk) == ([31], [])
    assert Storage(disk).stats().call_count == 1
    assert Storage(disk).fsck("data").ok
