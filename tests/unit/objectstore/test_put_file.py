"""A file that becomes an object: no second copy where the disk can do without one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.objectstore.local import LocalObjectStore

NAME = "blobs/00/value"


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjectStore:
    """Return an empty store."""
    return LocalObjectStore(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file that was written long ago."""
    path = tmp_path / "spooled"
    path.write_bytes(b"large" * 1000)
    os.utime(path, (1, 1))
    return path


def test_the_object_is_the_file(objects: LocalObjectStore, source: Path) -> None:
    """Under a second name; the first may go."""
    objects.put_file(NAME, source)

    assert (objects.root / NAME).samefile(source)
    source.unlink()
    assert objects.get(NAME) == b"large" * 1000


def test_the_object_counts_as_made_now(objects: LocalObjectStore, source: Path) -> None:
    """Garbage collection asks how long it has been in the store, not on the disk."""
    objects.put_file(NAME, source)

    (info,) = objects.list("blobs/")
    assert info.modified is not None
    assert info.modified > 1_000_000


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.ENOTSUP])
def test_where_there_can_be_no_link_there_is_a_copy(
    objects: LocalObjectStore, source: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Another disk, or a file system without links; the file stays where it is."""
    real = os.link

    def link(old: Path, new: Path) -> None:
        if Path(old) == source:
            raise OSError(code, os.strerror(code))
        real(old, new)

    monkeypatch.setattr(os, "link", link)

    objects.put_file(NAME, source)

    assert objects.get(NAME) == source.read_bytes()
    assert not (objects.root / NAME).samefile(source)


def test_the_same_object_is_put_twice_without_harm(objects: LocalObjectStore, source: Path) -> None:
    """Another process computed the same value."""
    objects.put(NAME, [source.read_bytes()])

    objects.put_file(NAME, source)

    assert objects.get(NAME) == source.read_bytes()


def test_a_damaged_object_is_replaced(objects: LocalObjectStore, source: Path) -> None:
    """As by any other put; the file stays what it is."""
    objects.put(NAME, [b"damaged"])

    objects.put_file(NAME, source)

    assert objects.get(NAME) == source.read_bytes() == b"large" * 1000


def test_a_file_is_on_the_disk_before_it_is_an_object(
    objects: LocalObjectStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after the link must find its bytes."""
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def fsync_noted(descriptor: int) -> None:
        steps.append("sync " + ("file" if os.fstat(descriptor).st_mode & 0o100000 else "folder"))
        fsync(descriptor)

    def link_noted(old: Path, new: Path) -> None:
        steps.append("link")
        link(old, new)

    monkeypatch.setattr(os, "fsync", fsync_noted)
    monkeypatch.setattr(os, "link", link_noted)

    objects.put_file(NAME, source)

    assert steps[-3:] == ["sync file", "link", "sync folder"]


def test_a_sync_that_fails_makes_no_object(
    objects: LocalObjectStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller tries again, or somebody else does."""

    def fail(descriptor: int) -> None:
        if os.fstat(descriptor).st_size == source.stat().st_size:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(StoreUnavailableError):
        objects.put_file(NAME, source)

    assert list(objects.list("blobs/")) == []
