"""Whole stores as earlier code wrote them: today's code reads, verifies and keeps them up."""

from __future__ import annotations

import json
import os
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.errors import MandalaWarning, UnsupportedFormatError, UsageError
from mandala_cas.imports import Storage
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.local import LocalObjectStore

GOLDEN = Path(__file__).parent / "golden"
# Ops of the same names, in the very functions that the calls were made with.
MADE = runpy.run_path(str(GOLDEN / "make_store.py"))
OPS = {name: MADE[name] for name in ("small", "medium", "large", "follow")}
# What `make_store.py` says: op and argument of every live call of one argument.
FIRST = [
    *[("small", x) for x in (0, 1, 2)],
    *[(op, x) for op in ("medium", "large") for x in (0, 1)],
]
LATER = [
    *[("small", x) for x in (20, 22, 10, 11, 12)],
    *[(op, x) for op, x in (("medium", 20), ("large", 20), ("large", 10), ("large", 40))],
]
CALLS = {"store-1-first": FIRST, "store-1": [*FIRST, *LATER]}
DROPPED = {
    "store-1-first": [("small", 3)],
    "store-1": [("small", 3), ("small", 21), ("medium", 10)],
}
FOLLOWED = {"store-1-first": (0, 1), "store-1": (0, 1, 20)}
STORES = sorted(CALLS)


@pytest.fixture(autouse=True)
def _the_one_who_made_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key that the golden stores are signed with."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    key = tmp_path / "config" / "mandala-cas" / "key"
    key.parent.mkdir(parents=True)
    key.write_text(MADE["KEY"], "ascii")
    key.chmod(0o600)


@pytest.fixture
def copy_of(tmp_path: Path) -> Any:
    """Return what makes a copy of a golden store, and hands out the place."""

    def make(name: str) -> Path:
        return Path(shutil.copytree(GOLDEN / name, tmp_path / name))

    return make


def check_all(storage: Storage, name: str) -> None:
    """Find every call with its value, without making any, and nothing that was dropped."""
    with storage:
        refs = [OPS[op](x) for op, x in CALLS[name]]
        follows = [OPS["follow"](OPS["medium"](x), 2) for x in FOLLOWED[name]]
    assert not any(ref.in_memory for ref in (*refs, *follows))
    assert storage.unwrap(refs) == [OPS[op].f(x) for op, x in CALLS[name]]
    assert storage.unwrap(follows) == [10_000] * len(follows)
    for op in ("small", "medium", "large"):
        table = storage.cf(OPS[op]).df()
        wanted = {x for other, x in CALLS[name] if other == op}
        assert set(table["x"]) == wanted
        assert len(table) == len(wanted)
    if name == "store-1":
        tags = storage.tags()
        assert list(tags) == ["best"]
        assert storage.unwrap(tags["best"]) == [OPS["medium"].f(1)]


def files_of(place: Path) -> dict[str, bytes]:
    """Return the bytes of every file."""
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", STORES)
def test_a_golden_store_is_read_as_it_is(name: str) -> None:
    """Every call, every value, and a clean bill of health; nothing is written."""
    before = files_of(GOLDEN / name)

    storage = Storage(GOLDEN / name, mode="r")
    check_all(storage, name)
    report = storage.fsck("data")
    storage.close()

    assert report.ok, str(report)
    assert files_of(GOLDEN / name) == before


@pytest.mark.parametrize("name", STORES)
def test_a_golden_store_is_kept_up_without_loss(name: str, copy_of: Any) -> None:
    """Compacted, collected and written to by today's code."""
    place = copy_of(name)
    storage = Storage(place)

    for _ in range(2):
        storage.compact(full=True, delay=0)
        storage.gc(dry_run=False, grace=0)

    assert storage.fsck("data").ok
    assert len(storage._parts.view.listing.segments) == 0
    check_all(storage, name)
    with storage:
        OPS["small"](77)
    storage.close()
    again = Storage(place)
    check_all_but(again, name, 77)
    again.close()


def check_all_but(storage: Storage, name: str, new: int) -> None:
    """Find every call, beside one that is new."""
    with storage:
        ref = OPS["small"](new)
    assert not ref.in_memory
    storage.drop_calls([call_of(storage, new)])
    check_all(storage, name)


def call_of(storage: Storage, x: int) -> Any:
    """Return the call of the small op with this argument."""
    table = storage.cf(OPS["small"]).df()
    (call,) = table[table["x"] == x][OPS["small"].name]
    return call


@pytest.mark.parametrize("name", STORES)
def test_calls_that_were_dropped_run_again(name: str, copy_of: Any) -> None:
    """A record made now is another one than the one that is hidden."""
    storage = Storage(copy_of(name))
    with storage:
        refs = [OPS[op](x) for op, x in DROPPED[name]]

    assert all(ref.in_memory for ref in refs)
    storage.close()


def test_the_golden_store_has_everything_that_a_store_may_have() -> None:
    """Else it would show less than it seems to."""
    names = {*files_of(GOLDEN / "store-1")}
    view = LogView(LocalObjectStore(GOLDEN / "store-1"))

    view.refresh()

    for prefix in ("manifest/1-log/", "manifest/2-run/", "run-parts/", "packs/", "blobs/"):
        assert any(name.startswith(prefix) for name in names), prefix
    assert {name[-5:] for name in names if name.startswith("manifest/3-gc/")} == {"emned", ".done"}
    assert any("~" in name for name in names if name.startswith("blobs/"))
    parts = list(view.parts.values())
    assert all(part.signature is not None for part in parts)
    assert any(part.tombstones for part in parts)
    assert any(part.untags for part in parts)
    assert sum(part.tags.row_count for part in parts) == 1
    (run,) = view.runs.values()
    assert run.header.covered_call_count > run.header.call_count
    assert sum(map(len, files_of(GOLDEN / "store-1").values())) < 100_000


def test_the_first_golden_store_has_what_the_first_code_wrote() -> None:
    """No reason in a tombstone, and neither tags nor runs."""
    view = LogView(LocalObjectStore(GOLDEN / "store-1-first"))

    view.refresh()

    assert view.listing.runs == {}
    assert view.listing.announcements == {}
    assert sum(len(part.tombstones) for part in view.parts.values()) == 1


def change_config(place: Path, **changes: Any) -> None:
    """Write other things into the config of a copy."""
    config = json.loads((place / "config").read_text("utf-8"))
    config["features"] |= changes.pop("features", {})
    (place / "config").write_text(json.dumps(config | changes), "utf-8")


@pytest.mark.parametrize(
    "changes", [{"format": 2}, {"features": {"read": ["chunks"]}}], ids=["format", "feature"]
)
@pytest.mark.parametrize("mode", ["r", "rw"])
def test_what_cannot_be_read_rightly_is_not_opened(copy_of: Any, changes: Any, mode: Any) -> None:
    """Results would be missing, and nobody would know."""
    place = copy_of("store-1")
    change_config(place, **changes)

    with pytest.raises(UnsupportedFormatError, match="upgrade"):
        Storage(place, mode=mode)


def test_what_only_a_newer_version_may_write_is_read(copy_of: Any) -> None:
    """Whatever was asked for; the user is told."""
    place = copy_of("store-1")
    change_config(place, features={"write": ["leases"]})
    before = files_of(place)

    with pytest.warns(MandalaWarning, match="open for reading only"):
        storage = Storage(place)
    check_all(storage, "store-1")
    with pytest.raises(UsageError, match="leases"):
        storage.tag("new", storage.tags()["best"])
    with pytest.raises(UsageError, match="leases"):
        storage.compact()
    storage.close()

    assert files_of(place) == before


def test_what_only_a_newer_version_may_remove_from_is_written_to(copy_of: Any) -> None:
    """Nothing is deleted, compacted or put aside."""
    place = copy_of("store-1")
    change_config(place, features={"gc": ["pins"]})
    before = files_of(place)
    storage = Storage(place)

    for remove in (
        storage.gc,
        lambda: storage.gc(dry_run=False, grace=0),
        storage.vacuum,
        lambda: storage.compact(full=True, delay=0),
        storage.repair,
        lambda: storage.evict(os.fspath(place)),
    ):
        with pytest.raises(UnsupportedFormatError, match="pins"):
            remove()

    with storage:
        OPS["small"](77)
    assert storage.fsck("data").ok
    storage.close()
    assert before.items() <= files_of(place).items()


def test_compaction_in_passing_leaves_such_a_store_alone(
    copy_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many segments there are."""
    place = copy_of("store-1")
    change_config(place, features={"gc": ["pins"]})
    storage = Storage(place)
    attempts: list[object] = []
    monkeypatch.setattr(os, "urandom", bytes)
    monkeypatch.setattr("mandala_cas.storage.upkeep.is_due", lambda *_, **__: True)
    monkeypatch.setattr(
        "mandala_cas.upkeep.compacting.compact.compact",
        lambda *_, **options: attempts.append(options),
    )

    with storage:
        OPS["small"](77)

    assert attempts == []
    storage.close()
