"""Ops take and give files: what is on record is their contents, wherever they are needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.integration.file_project import executed, make_report, make_table, measure
from tests.unit.codec.file_trees import make_tree, read_tree

from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.files import FileCodec
from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.imports import Dir, File, Storage, op
from mandala_cas.testing.servers import S3Server

PROJECT = Path(__file__).parent / "file_project.py"
RUNS: list[str] = []


@op
def lines_of(file: Any) -> int:
    """Return how many lines a file has."""
    RUNS.append(str(file))
    return len(Path(file).read_text().splitlines())


@op
def tracked_table(folder: str, text: str) -> File:
    """Write a file that is to stay where it is."""
    RUNS.append(text)
    path = Path(folder, "big.csv")
    path.write_text(text)
    return File(path, copy=False)


@op
def lines_in_body(text: str) -> int:
    """Use an op's file within a body."""
    Path("body.txt").write_text(text)
    return plain_lines(same_file(File("body.txt")))


@op
def same_file(file: Any) -> Any:
    """Return what it was given."""
    RUNS.append("same_file")
    return file


def plain_lines(file: File) -> int:
    """Return how many lines a file has."""
    return len(file.path.read_text().splitlines())


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder and with a cache of this test's own."""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    RUNS.clear()
    executed.clear()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with the name of every payload object that is read."""
    names: list[str] = []
    together, alone = BlobStore.get_many, BlobStore.fetch_large

    def get_many(self: BlobStore, places: Sequence[Placement]) -> list[bytes | None]:
        names.extend(place.name for place in places)
        return together(self, places)

    def fetch_large(self: BlobStore, place: Placement, *args: Any, **options: Any) -> Any:
        names.append(place.name)
        return alone(self, place, *args, **options)

    monkeypatch.setattr(BlobStore, "get_many", get_many)
    monkeypatch.setattr(BlobStore, "fetch_large", fetch_large)
    return names


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a place for a store, reachable by every process that inherits the environment."""
    if request.param == "directory":
        return str(tmp_path / "store")
    server: S3Server = request.getfixturevalue("s3_server")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    url: str = request.getfixturevalue("s3_url")
    return url


def start(place: str, folder: Path) -> subprocess.Popen[str]:
    """Start the project in a process and a folder of its own."""
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(PROJECT), place],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the project, and return what it printed."""
    printed, complaints = process.communicate()
    assert process.returncode == 0, complaints
    result: dict[str, Any] = json.loads(printed)
    return result


@pytest.mark.parametrize("has_cache", [True, False])
def test_another_process_has_the_files_and_computes_nothing(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_cache: Any
) -> None:
    """On this machine or another one, with none of the files that were written at first."""
    first = finish(start(place, tmp_path / "first"))
    if not has_cache:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other-caches"))

    second = finish(start(place, tmp_path / "second"))

    assert first["executed"] == ["make_report", "make_table", "measure"]
    assert second["executed"] == []
    assert list((tmp_path / "second").iterdir()) == []
    assert second["contents"] == first["contents"]
    assert list(first["contents"]) == [
        "plots",
        "plots/a.bin",
        "plots/none",
        "run.sh",
        "summary.txt",
    ]
    assert Path(second["table"][0]).name == "table.csv"
    assert second["table"][1] == "a,b\n1,2\n"
    assert second["size"] == first["size"] == 3_000_000 + 7 + 10 + 8


def test_processes_that_unwrap_at_once_all_have_it(tmp_path: Path) -> None:
    """They share one cache, and none may see what another has half written."""
    place = str(tmp_path / "store")
    first = finish(start(place, tmp_path / "first"))
    Storage(place).file_cache.clear()

    started = [start(place, tmp_path / f"other{n}") for n in range(3)]
    others = [finish(process) for process in started]

    assert [other["contents"] for other in others] == [first["contents"]] * 3
    assert {other["report"] for other in others} == {first["report"]}


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_ref_is_not_what_the_next_call_wrote(tmp_path: Path, is_kept: Any) -> None:
    """Calls of one op write under one path; a ref is the contents that its call gave."""
    storage = Storage(tmp_path / "store" if is_kept else None)
    with storage:
        tables = [make_table(seed) for seed in (1, 2)]
        reports = [make_report(seed) for seed in (1, 2)]

        found = storage.unwrap([*tables, *reports])

    assert [file.path.read_text() for file in found[:2]] == ["a,b\n1,2\n", "a,b\n2,2\n"]
    assert [(root / "summary.txt").read_text() for root in found[2:]] == ["seed 1\n", "seed 2\n"]
    assert all(value.path.is_relative_to(storage.file_cache.path) for value in found)
    assert [type(value) for value in found] == [File, File, Dir, Dir]


def test_an_argument_is_its_contents() -> None:
    """Under whatever name; and what was written since is another argument."""
    Path("a.txt").write_text("1\n2\n")
    Path("b.txt").write_text("1\n2\n")
    storage = Storage()

    with storage:
        one: Any = lines_of(File("a.txt"))
        other: Any = lines_of(File("b.txt"))
        Path("a.txt").write_text("1\n")
        changed = lines_of(File("a.txt"))

    assert storage.unwrap([one, other, changed]) == [2, 2, 1]
    assert one.hid == other.hid
    assert [str(Path("a.txt").absolute())] * 2 == RUNS


def test_an_argument_of_an_old_call_is_there_when_its_file_is_gone(tmp_path: Path) -> None:
    """A frame shows what a result was computed of, years later."""
    Path("a.txt").write_text("1\n2\n")
    with Storage(tmp_path / "store") as storage:
        lines_of(File("a.txt"))
    Path("a.txt").unlink()

    table = Storage(tmp_path / "store").cf(lines_of).df()

    assert table["file"][0].path.read_text() == "1\n2\n"
    assert table["file"][0].path.name == "a.txt"
    del storage


def test_equal_contents_come_back_under_the_first_name(tmp_path: Path) -> None:
    """They are one value, stored once."""
    Path("a.txt").write_text("1\n")
    Path("b.txt").write_text("1\n")
    with Storage(tmp_path / "store") as storage:
        first = storage.unwrap(same_file(File("a.txt")))

        second = storage.unwrap(same_file(File("b.txt")))

    assert first == second
    assert first.path.name == "a.txt"


def test_a_body_has_plain_files() -> None:
    """It behaves as it does outside of a storage, at the first call and at a later one."""
    storage = Storage()

    with storage:
        found = storage.unwrap([lines_in_body("1\n2\n"), lines_in_body("1\n2\n3\n")])

    assert found == [2, 3]
    assert lines_in_body("1\n") == 1


def test_nothing_is_fetched_twice(tmp_path: Path, reads: list[str]) -> None:
    """The second look, and that of the next process, takes what the first one brought."""
    with Storage(tmp_path / "store"):
        refs: list[Any] = [make_report(1), make_table(1)]
    refs = [ref.detached() for ref in refs]

    first = Storage(tmp_path / "store").unwrap(refs)
    fetched = len(reads)
    second = Storage(tmp_path / "store").unwrap(refs)

    assert first == second
    assert fetched == 1
    assert len(reads) == fetched


def test_a_file_of_the_open_batch_is_written_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large one is copied into the cache once, not at each look."""
    decoded: list[str] = []
    real = FileCodec.decode

    def decode(self: FileCodec, header: Mapping[str, Any], payload: memoryview) -> File:
        decoded.append(header["name"])
        return real(self, header, payload)

    monkeypatch.setattr(FileCodec, "decode", decode)
    # More than fits into a segment: it waits for a pack.
    Path("a.bin").write_bytes(np.random.default_rng(0).bytes(10_000))
    with Storage() as storage:
        ref = same_file(File("a.bin"))

        found = [storage.unwrap(ref) for _ in range(3)]

    assert len(set(found)) == 1
    assert decoded == ["a.bin"]


def test_what_a_user_wrote_into_the_cache_is_nobodys_result(tmp_path: Path) -> None:
    """Neither that of the next unwrap nor the input of the next call."""
    storage = Storage(tmp_path / "store")
    with storage:
        report, table = make_report(1), make_table(1)
        path = storage.unwrap(table).path
        path.chmod(0o644)
        path.write_text("a,b,c,d\n" * 100)
        root = storage.unwrap(report).path
        (root / "mine.txt").write_text("1")

        size = storage.unwrap(measure(report, table))

    assert size == 3_000_000 + 7 + 10 + 8
    assert path.read_text() == "a,b\n1,2\n"
    assert "mine.txt" not in read_tree(root)


def test_a_tracked_file_stays_where_it_is(tmp_path: Path, reads: list[str]) -> None:
    """It is not copied, neither into the store nor into the cache."""
    storage = Storage(tmp_path / "store")
    with storage:
        table = tracked_table(str(tmp_path), "1\n2\n")
        count = storage.unwrap(lines_of(table))

    assert (count, reads) == (2, [])
    assert storage.unwrap(table) == File(tmp_path / "big.csv", copy=False)
    assert not storage.file_cache.path.exists()


@pytest.mark.parametrize("text", ["3\n4\n", "longer than before\n", None])
def test_a_tracked_file_that_changed_is_made_again(tmp_path: Path, text: str | None) -> None:
    """Inside a block, where ops may run; outside of one it is an error that says so."""
    with Storage(tmp_path / "store"):
        made: Any = tracked_table(str(tmp_path), "1\n2\n")
    table = made.detached()
    path = tmp_path / "big.csv"
    path.unlink()
    if text is not None:
        path.write_text(text)
    storage = Storage(tmp_path / "store")

    with pytest.raises(CorruptionError, match=r"big\.csv"):
        storage.unwrap(table)
    with storage:
        again = storage.unwrap(table)

    assert again == File(path, copy=False)
    assert path.read_text() == "1\n2\n"
    assert RUNS == ["1\n2\n"] * 2
    assert Storage(tmp_path / "store").unwrap(table) == again


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_tracked_argument_that_moved_is_recorded_where_it_is_now(
    tmp_path: Path, is_replaced: Any
) -> None:
    """A record of a place that is empty, or has something else, helps nobody."""
    Path("old.txt").write_text("1\n")
    with Storage(tmp_path / "store"):
        lines_of(File("old.txt", copy=False))
    Path("old.txt").rename("new.txt")
    if is_replaced:
        Path("old.txt").write_text("longer")

    with Storage(tmp_path / "store"):
        same_file(File("new.txt", copy=False))

    found = Storage(tmp_path / "store").cf(lines_of).df()["file"][0]
    assert found == File("new.txt", copy=False)


def test_a_tracked_file_does_not_stand_in_for_a_stored_one(tmp_path: Path) -> None:
    """Or the store would have no bytes of what was to be stored."""
    Path("a.txt").write_text("1\n")
    with Storage(tmp_path / "store") as storage:
        lines_of(File("a.txt", copy=False))

        stored = same_file(File("a.txt"))

    Path("a.txt").unlink()
    assert storage.unwrap(stored).path.read_text() == "1\n"


def test_a_file_that_is_not_there_is_named() -> None:
    """With the op and the argument."""
    with Storage(), pytest.raises(UsageError, match=r"lines_of.*file.*none\.txt: it is not there"):
        lines_of(File("none.txt"))


@pytest.mark.parametrize("kind", ["file", "directory", "tracked"])
def test_what_changed_after_it_was_hashed_is_not_stored(tmp_path: Path, kind: str) -> None:
    """The id would stand for contents that the store does not have."""
    root = make_tree(tmp_path / "root", {"a": b"1"})
    values = {"file": File(root / "a"), "directory": Dir(root)}
    value: Any = values.get(kind, File(root / "a", copy=False))
    before = content_id(value)
    make_tree(root, {"a": b"2"})
    storage = Storage()

    with pytest.raises(UsageError, match="changed after it was hashed"):
        storage._parts.book.prepare(value, before)


def test_a_large_file_is_stored_without_being_read_into_memory(tmp_path: Path) -> None:
    """Files are larger than memory more often than other values are."""
    size = 48 << 20
    (tmp_path / "large.bin").write_bytes(np.random.default_rng(0).bytes(size))
    storage = Storage(tmp_path / "store")
    tracemalloc.start()

    with storage:
        ref = same_file(File(tmp_path / "large.bin"))
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < size // 2
    assert storage.unwrap(ref).path.stat().st_size == size


def test_a_store_that_is_only_read_gives_files(tmp_path: Path) -> None:
    """The cache is this user's own, and not part of the store."""
    with Storage(tmp_path / "store"):
        made: Any = make_table(1)
    table = made.detached()
    before = read_tree(tmp_path / "store")

    found = Storage(tmp_path / "store", mode="r").unwrap(table)

    assert found.path.read_text() == "a,b\n1,2\n"
    assert read_tree(tmp_path / "store") == before
