"""Upkeep that nobody does, or that fails without a word, shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.upkeep.damaged_stores import compacted, flip, names, small_store

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.log.announcements import encode_condemned, encode_done
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import BLOBS, PACKS, SEGMENTS, parse_segment_name
from mandala_cas.objectstore.locks import locked, try_lock
from mandala_cas.testing import FaultStore
from mandala_cas.upkeep.reporting.health import HealthReport, Sign, health
from mandala_cas.upkeep.reporting.monitor import FAILURES_UNTIL_WARNING, UpkeepMonitor

DAY = 86_400.0


def looked_at(objects: ObjectStore, **more: object) -> HealthReport:
    """Return the health of a store, far in the future."""
    view = LogView(objects)
    view.refresh()
    return health(objects, view, **more)  # type: ignore[arg-type] # what a test needs


def sign(report: HealthReport, what: str) -> Sign:
    """Return one sign."""
    (found,) = (sign for sign in report.signs if sign.what == what)
    return found


@pytest.fixture
def store() -> ObjectStore:
    """Return a small store."""
    return small_store()


def test_a_store_that_is_kept_up_needs_no_advice(store: ObjectStore) -> None:
    """And everything that was looked at is there to read."""
    report = looked_at(store)

    assert report.ok
    assert sign(report, "segments in no run").state == "2"
    assert sign(report, "last compaction").state == "never"
    assert sign(report, "last collection that ended").state == "never"
    assert str(report).endswith("nothing to do")
    assert json.loads(json.dumps(report.to_dict()))["counts"]["uncovered_segments"] == 2


def test_no_payload_is_read(store: ObjectStore) -> None:
    """It is asked often."""
    counted = FaultStore(store)

    looked_at(counted)

    assert not [call for call in counted.calls if call.name.startswith((PACKS, BLOBS))]


def test_covered_segments_do_not_wait(store: ObjectStore) -> None:
    """They are there until their run is old enough."""
    data = {name: store.get(name) for name in names(store, SEGMENTS)}
    compacted(store)
    for name, segment in data.items():
        store.put(name, [segment])

    report = looked_at(store, clock=lambda: 1e9 + 2 * DAY)

    assert sign(report, "segments in no run").state == "0"
    assert sign(report, "runs").state == "1"
    assert sign(report, "last compaction").state == "2 d ago"


def test_a_log_that_grows_long_is_to_be_merged(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening reads each segment."""
    monkeypatch.setattr("mandala_cas.upkeep.reporting.health.UNCOVERED_MAX", 1)

    report = looked_at(store)

    assert not report.ok
    assert "storage.compact()" in sign(report, "segments in no run").advice


def test_collections_that_never_ended_are_told(store: ObjectStore) -> None:
    """One that ended is not, nor one that may still be going on."""
    for number, is_done in enumerate([True, False]):
        name, sealed = encode_condemned(
            ["packs/x"], created_us=1, nonce=bytes([number] * 16), signer=None
        )
        store.put(name, sealed.parts)
        if is_done:
            done, word = encode_done(name, 1, 0, created_us=2, nonce=bytes(16), signer=None)
            store.put(done, word.parts)
    times = [info.modified or 0.0 for info in store.list("manifest/3-gc/")]

    later = looked_at(store, clock=lambda: max(times) + 2 * DAY)
    now = looked_at(store, clock=lambda: max(times) + 60)

    assert later.counts["unfinished_collections"] == 1
    assert "storage.gc(dry_run=False)" in sign(later, "collections left undone").advice
    assert sign(later, "last collection that ended").state == "2 d ago"
    assert now.counts["unfinished_collections"] == 0


def test_damage_and_holes_are_told(store: ObjectStore) -> None:
    """With the command that says more."""
    first = next(n for n in names(store, SEGMENTS) if parse_segment_name(n).seq == 0)  # type: ignore[union-attr] # all are segments
    flip(store, first, 300)

    report = looked_at(store)

    assert report.counts["damaged_objects"] == 1
    assert report.counts["missing_segments"] == 1
    assert "mandala-cas fsck" in sign(report, "damaged log objects").advice


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """Return a machine's folder of a store, with files of a writer whose process has died."""
    for folder in ("journal", "spool"):
        (tmp_path / folder).mkdir()
    (tmp_path / "journal" / "0011223344556677").touch()
    (tmp_path / "journal" / "0011223344556677-000000").write_bytes(b"12345")
    (tmp_path / "spool" / f"0011223344556677-{'0' * 32}").write_bytes(b"123")
    (tmp_path / "journal" / "what.is.this").touch()
    return tmp_path


def test_what_dead_processes_left_is_told(store: ObjectStore, local: Path) -> None:
    """Results may be in it that are committed nowhere."""
    report = looked_at(store, local=local)

    assert (report.counts["journals"], report.counts["spooled_values"]) == (1, 1)
    assert sign(report, "journals of dead processes").state == "1 file, 5 B"
    assert sign(report, "spooled values of dead processes").state == "1 file, 3 B"
    assert not report.ok


def test_a_journal_in_use_is_no_orphan(store: ObjectStore, local: Path) -> None:
    """Every process that works has one, also the one that asks."""
    with locked(local / "journal" / "0011223344556677"):
        report = looked_at(store, local=local)

    assert (report.counts["journals"], report.counts["spooled_values"]) == (0, 0)
    assert report.ok


def test_looking_leaves_no_lock_behind(store: ObjectStore, local: Path) -> None:
    """Whoever comes next adopts the journal."""
    before = sorted(local.rglob("*"))

    looked_at(store, local=local)

    lock = try_lock(local / "journal" / "0011223344556677")
    assert lock is not None
    lock.release()
    assert sorted(local.rglob("*")) == before


def test_who_may_write_nothing_calls_no_journal_dead(store: ObjectStore, local: Path) -> None:
    """A lock cannot be tried without opening its file for writing."""
    with locked(local / "journal" / "0011223344556677"):
        report = looked_at(store, local=local, may_lock=False)

    assert sign(report, "journals of any process").state == "1 file, 5 B"
    assert "journals" not in report.counts
    assert report.ok


def test_a_lock_that_may_not_be_opened_is_somebody_elses(
    store: ObjectStore, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the user who wrote a journal can finish it."""

    def refuse(path: Path) -> None:
        raise UsageError(f"{path} may not be opened")

    monkeypatch.setattr("mandala_cas.upkeep.reporting.health.try_lock", refuse)

    report = looked_at(store, local=local)

    assert report.counts["journals"] == 0


def test_a_writer_without_a_lock_is_dead(store: ObjectStore, local: Path) -> None:
    """The lock is made before anything else, so it was removed afterwards."""
    (local / "journal" / "0011223344556677").unlink()

    report = looked_at(store, local=local)

    assert report.counts["journals"] == 1
    assert not (local / "journal" / "0011223344556677").exists()


def test_advice_fits_a_terminal(store: ObjectStore, local: Path) -> None:
    """It is read in one of eighty columns."""
    report = looked_at(store, local=local)

    lines = str(report).splitlines()
    assert "what to do" in lines
    assert max(map(len, lines)) <= 80


def test_the_third_failure_in_a_row_is_the_one_to_warn_of(store: ObjectStore) -> None:
    """Once may be the network; and nobody wants the same warning a hundred times."""
    monitor = UpkeepMonitor()
    error = StoreUnavailableError("no answer")

    told = [monitor.failed(error) for _ in range(FAILURES_UNTIL_WARNING + 2)]
    report = looked_at(store, monitor=monitor)
    monitor.succeeded()
    again = [monitor.failed(error) for _ in range(FAILURES_UNTIL_WARNING)]

    assert told == [False, False, True, False, False]
    assert again == [False, False, True]
    assert "no answer" in sign(report, "compactions of this process").state
    assert "storage.compact()" in sign(report, "compactions of this process").advice
    monitor.succeeded()
    assert monitor.last_error is None
    assert looked_at(store, monitor=monitor).ok
