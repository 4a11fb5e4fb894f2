"""Verification tells of tracked files that are not what they were, and that is no damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.codec.file_trees import make_tree

from mandala_cas.codec.tracked_checks import changed_places, is_anything_at, places_of
from mandala_cas.codec.tracked_files import TrackedFileCodec
from mandala_cas.envelope.packing import pack
from mandala_cas.imports import Dir, File, Storage, op
from mandala_cas.upkeep.verifying.findings import FsckReport
from mandala_cas.upkeep.verifying.tracked import Tracked


@op
def names_of(value: Any) -> str:
    """Return what a value looks like."""
    return str(value)


@op
def kind_of(value: Any) -> str:
    """Return what a value is."""
    return type(value).__name__


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a directory that is to be tracked."""
    return make_tree(tmp_path / "data", {"a": b"1", "b/c": b"2"})


def kept(place: Path, *values: Any) -> Storage:
    """Return a store that has calls of these values."""
    storage = Storage(place)
    with storage:
        for value in values:
            names_of(value)
    return storage


def touch(path: Path) -> None:
    """Write other contents of the same size."""
    path.write_bytes(b"3")


MAKERS: list[Callable[[Path], Any]] = [
    lambda root: File(root / "a", copy=False),
    lambda root: Dir(root, copy=False),
    lambda root: {"in": [File(root / "a", copy=False), 5, File(root / "a")]},
    lambda root: (Dir(root, copy=False), bytes(3_000_000)),
]


@pytest.mark.parametrize("make", MAKERS)
def test_what_lies_where_it_did_is_counted(
    tmp_path: Path, root: Path, make: Callable[[Path], Any]
) -> None:
    """And nothing else is said of it."""
    storage = kept(tmp_path / "store", make(root), File(root / "a"), [1])

    for level in ("refs", "data"):
        report = storage.fsck(level)
        assert report.tracked == Tracked(1)
        assert report.ok
    assert storage.fsck("meta").tracked == Tracked()


@pytest.mark.parametrize("make", MAKERS)
def test_what_changed_is_found_where_it_is_read(
    tmp_path: Path, root: Path, make: Callable[[Path], Any]
) -> None:
    """By its hash; a look does not see it. It is no problem: exit codes and repair go by those."""
    storage = kept(tmp_path / "store", make(root))
    touch(root / "a")

    looked, read = storage.fsck("refs"), storage.fsck("data")

    assert looked.tracked == Tracked(1)
    assert len(read.tracked.changed) == 1
    assert read.tracked.changed[0] in {str(root), str(root / "a")}
    assert read.ok
    assert not read.problems


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_gone_is_found_at_a_look(
    tmp_path: Path, root: Path, make: Callable[[Path], Any]
) -> None:
    """As payload is that is not there."""
    storage = kept(tmp_path / "store", make(root))
    (root / "a").unlink()
    (root / "b" / "c").unlink()
    (root / "b").rmdir()
    root.rmdir()

    for level in ("refs", "data"):
        report = storage.fsck(level)
        assert len(report.tracked.missing) == 1
        assert report.ok


def test_another_size_is_a_change(tmp_path: Path, root: Path) -> None:
    """A look is enough for that."""
    storage = kept(tmp_path / "store", File(root / "a", copy=False))
    (root / "a").write_bytes(b"longer")

    assert storage.fsck().tracked.changed == (str(root / "a"),)


def test_one_that_moved_and_was_recorded_again_is_in_order(tmp_path: Path, root: Path) -> None:
    """Any record is enough to have the value."""
    storage = kept(tmp_path / "store", File(root / "a", copy=False))
    (root / "a").rename(root / "z")
    before = storage.fsck("data").tracked
    with storage:
        kind_of(File(root / "z", copy=False))

    assert before == Tracked(1, missing=(str(root / "a"),))
    assert storage.fsck("data").tracked == Tracked(1)


def test_a_sample_reads_only_its_part(tmp_path: Path) -> None:
    """Each value is in one of the parts."""
    files = make_tree(tmp_path / "many", {f"{n}": b"%d" % n for n in range(10, 30)})
    storage = kept(
        tmp_path / "store", *[File(path, copy=False) for path in sorted(files.iterdir())]
    )
    for path in files.iterdir():
        path.write_bytes(b"--")

    parts = [storage.fsck("data", sample=(n, 2)).tracked.changed for n in (1, 2)]

    assert sorted(parts[0] + parts[1]) == sorted(map(str, files.iterdir()))
    assert parts[0]
    assert parts[1]


def test_a_dropped_call_is_asked_for_nothing(tmp_path: Path, root: Path) -> None:
    """Nobody can ask for its values."""
    storage = kept(tmp_path / "store", File(root / "a", copy=False))
    storage.drop_calls(storage.cf(names_of).calls_by_func()["names_of"])
    (root / "a").unlink()

    assert storage.fsck("data").tracked == Tracked()


def test_the_report_names_the_first_few() -> None:
    """And says what to do; as Python writes a name, for anybody may have chosen it."""
    tracked = Tracked(7, ("/a", "/b", "/c", "/\x1b[2J"), ("/z",))
    report = FsckReport("data", "", (), (), {}, {}, tracked=tracked)

    text = str(report)

    assert "tracked: 7 values have files that are not in the store" in text
    assert "tracked, not on this machine: '/a', '/b', '/c' and 1 more" in text
    assert "tracked, changed: '/z'" in text
    assert "put back" in text
    assert "\x1b" not in str(Tracked(1, ("/\x1b[2J",)))
    assert json.loads(json.dumps(report.to_dict()))["tracked"]["changed"] == ["/z"]
    assert text.endswith("no problems found")


def test_damaged_payload_is_a_problem_and_no_finding(tmp_path: Path, root: Path) -> None:
    """Each thing is reported once, as what it is."""
    storage = kept(tmp_path / "store", (Dir(root, copy=False), bytes(3_000_000)))
    storage.close()
    for blob in (tmp_path / "store" / "blobs").rglob("*/*"):
        blob.chmod(0o644)
        blob.write_bytes(b"damaged")
    touch(root / "a")

    report = Storage(tmp_path / "store", mode="r").fsck("data")

    assert report.tracked == Tracked(1)
    assert not report.ok


@pytest.mark.parametrize(
    ("codec_name", "fields"),
    [
        ("tracked-file", {}),
        ("tracked-file", {"path": "/a", "size": "1", "digest": b""}),
        ("tracked-file", {"path": 5}),
        ("tracked-file", {"path": "a\0b", "size": 1}),
        ("tracked-dir", {"path": "/"}),
        ("nested", {"tracked": 5}),
        ("nested", {"tracked": [[5]]}),
        ("nested", {"tracked": [["/a", 5]], "document": -1, "kinds": 0, "leaves": 1 << 60}),
        ("plain", {}),
    ],
)
def test_a_crafted_header_harms_nobody(codec_name: str, fields: dict[str, Any]) -> None:
    """Whoever wrote it gets neither an exception nor a look at what is not there."""
    header = pack(fields)

    assert not any(places_of(codec_name, header).values()) or fields == {"path": "/"}
    changed_places(codec_name, header, memoryview(b"\xff" * 50))


def test_a_share_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """To look there is to tell a host of somebody's choosing who looks."""
    asked: list[str] = []
    monkeypatch.setattr("os.path.lexists", asked.append)

    assert places_of(TrackedFileCodec.name, pack({"path": "//host/a", "size": 1})) == {
        "//host/a": False
    }
    assert not is_anything_at("//host/a")
    assert not is_anything_at("\\\\host\\a")
    assert asked == []
