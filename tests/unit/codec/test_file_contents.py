"""What is in files is read once, and only where it is what a store can keep."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest
from blake3 import blake3
from tests.unit.codec.file_trees import make_tree

from mandala_cas.codec import file_contents
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.file_contents import FileDigests, list_directory
from mandala_cas.codec.file_names import check_name, safe_name
from mandala_cas.errors import UsageError
from mandala_cas.model.files import Dir, File

MUCH_LATER_NS = 1 << 62


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows whenever a file is read."""
    reads: list[str] = []
    digest = file_contents._digest

    def count(file: FileIO, size: int) -> bytes:
        reads.append(str(file.name))
        return digest(file, size)

    monkeypatch.setattr(file_contents, "_digest", count)
    return reads


def test_a_file_at_rest_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set that is passed to a hundred calls must not be hashed a hundred times."""
    reads = counted(monkeypatch)
    path = tmp_path / "a"
    path.write_bytes(b"1")
    digests = FileDigests(lambda: MUCH_LATER_NS)

    found = [digests.read(path) for _ in range(3)]

    assert found == [(1, blake3(b"1").digest())] * 3
    assert len(reads) == 1


def test_a_file_that_was_just_written_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next change may get the same time stamp."""
    reads = counted(monkeypatch)
    path = tmp_path / "a"
    path.write_bytes(b"1")
    digests = FileDigests(lambda: path.stat().st_mtime_ns + 1_000_000)

    digests.read(path)
    digests.read(path)

    assert len(reads) == 2


@pytest.mark.parametrize("later_ns", [0, 10**9])
def test_a_change_is_seen(tmp_path: Path, later_ns: int) -> None:
    """Also one of equal size, by whoever puts the old time of the file back."""
    path = tmp_path / "a"
    path.write_bytes(b"1")
    digests = FileDigests(lambda: MUCH_LATER_NS)
    digests.read(path)
    before = path.stat()

    path.write_bytes(b"2")
    times = (before.st_mtime_ns, before.st_mtime_ns + later_ns)
    os.utime(path, ns=times)
    # What the kernel says of the change is as coarse as its clock: wait for the next tick.
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        os.utime(path, ns=times)

    assert digests.read(path) == (1, blake3(b"2").digest())


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is then neither the old nor the new contents."""
    path = tmp_path / "a"
    path.write_bytes(b"12")
    digest = file_contents._digest

    def change(file: FileIO, size: int) -> bytes:
        path.write_bytes(b"1")
        return digest(file, size)

    monkeypatch.setattr(file_contents, "_digest", change)

    with pytest.raises(UsageError, match="changed while it was read"):
        FileDigests().read(path)


def make_link(root: Path) -> None:
    """Put a link to a file beside it."""
    (root / "link").symlink_to(root / "a")


def make_broken_link(root: Path) -> None:
    """Put a link that leads out of the directory, and nowhere."""
    (root / "link").symlink_to("../nowhere")


def make_directory_link(root: Path) -> None:
    """Put a link to the directory into itself."""
    (root / "link").symlink_to(root)


def make_pipe(root: Path) -> None:
    """Put something that is no file."""
    os.mkfifo(root / "pipe")


def make_collision(root: Path) -> None:
    """Put a name that is another's where case does not count."""
    (root / "A").write_bytes(b"")


def make_bytes(root: Path) -> None:
    """Put a name that is no text."""
    (root / os.fsdecode(b"\xff")).write_bytes(b"")


def make_colon(root: Path) -> None:
    """Put a name that Windows takes for a stream."""
    (root / "10:30").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (make_link, "it is a link"),
        (make_broken_link, "it is a link"),
        (make_directory_link, "it is a link"),
        (make_pipe, "it is no file"),
        (make_collision, "where case does not count"),
        (make_bytes, "not every system has"),
        (make_colon, "not every system has"),
    ],
)
def test_a_directory_that_would_not_come_back_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    """At once, when the call returns, and not years later on another system."""
    root = make_tree(tmp_path / "root", {"a": b"1"})
    spoil(root)

    with pytest.raises(UsageError, match=reason):
        content_id(Dir(root))


def test_too_large_a_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to do instead."""
    monkeypatch.setattr(file_contents, "ENTRIES_MAX", 2)

    with pytest.raises(UsageError, match="archive"):
        list_directory(make_tree(tmp_path / "root", {"a": b"", "b": b"", "c": b""}))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda root: File(root / "none"), "none: it is not there; check the path"),
        (File, "not a regular file"),
        (lambda root: Dir(root / "none"), "it is not there"),
        (lambda root: Dir(root / "a"), "not a directory"),
    ],
)
def test_the_error_says_which_file_it_was(
    tmp_path: Path, value: Callable[[Path], object], reason: str
) -> None:
    """And where in the argument."""
    root = make_tree(tmp_path, {"a": b"1"})

    with pytest.raises(UsageError, match=reason) as caught:
        content_id({"data": [value(root)]})
    assert caught.value.path == '["data"][0]'


def test_a_path_that_is_a_link_is_followed(tmp_path: Path) -> None:
    """Large data often lies elsewhere, and whoever names a link means what it leads to."""
    root = make_tree(tmp_path / "root", {"a": b"1"})
    (tmp_path / "file").symlink_to(root / "a")
    (tmp_path / "dir").symlink_to(root)

    assert content_id(File(tmp_path / "file")) == content_id(File(root / "a"))
    assert content_id(Dir(tmp_path / "dir")) == content_id(Dir(root))


def test_ids_are_by_contents(tmp_path: Path) -> None:
    """Not by name, nor by mode or time; for a directory names and executable bits count."""
    one = make_tree(tmp_path / "one", {"a": b"1", "b": b"2"})
    two = make_tree(tmp_path / "two", {"a": b"1", "b": b"2"})
    runs = make_tree(tmp_path / "runs", {"a": b"1", "b": b"2"}, runs="b")
    more = make_tree(tmp_path / "more", {"a": b"1", "b": b"2"}, empty="c")
    moved = make_tree(tmp_path / "moved", {"a": b"1", "c": b"2"})
    os.utime(two / "a", (0, 0))

    assert content_id(Dir(one)) == content_id(Dir(two))
    same = [File(one / "b"), File(runs / "b"), File(moved / "c")]
    assert len({content_id(file) for file in same}) == 1
    different = [Dir(one), Dir(runs), Dir(more), Dir(moved), File(one / "a"), File(one / "b")]
    different += [File(one / "a", copy=False)]
    assert len({content_id(value) for value in different}) == len(different)


def test_a_made_up_name_is_one_that_would_be_taken() -> None:
    """Whatever a user's file is called, what is written must be readable."""
    names = ["", ".", "...", " ", "con", "COM¹.x", "a" * 300 + ".csv", "é" * 300 + ".csv", "\0"]
    names += ["/", "\ud800", ".mandala-cas", "con" + "é" * 126, "x. . "]

    for name in names:
        made = safe_name(name)
        check_name(made)
        assert safe_name(made) == made

    assert safe_name("a" * 300 + ".csv").endswith("a.csv")
    assert safe_name("data.csv") == "data.csv"
