"""What is believed of a protocol, and how a store is written where little is believed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.objectstore.api import Capabilities
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.objectstore.obstore_tree import PROTOCOLS
from mandala_cas.objectstore.protocols import ProtocolPromises, promises_of
from mandala_cas.objectstore.remote import RemoteObjectStore


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_the_three_clouds_are_believed(protocol: str) -> None:
    """They document it, and it was seen to hold."""
    assert promises_of(protocol) == ProtocolPromises(
        atomic_put=True, one_listing=True, strong_list=True, flat_list=True, mtime=True
    )


@pytest.mark.parametrize("protocol", ["sftp", "smb", "hdfs", "webdav", "webhdfs", "http", "new"])
def test_of_others_little_is_believed(protocol: str) -> None:
    """A promise that is not kept costs data; one that is not made, a few requests."""
    promises = promises_of(protocol)

    assert not promises.atomic_put
    assert not promises.one_listing
    assert not promises.strong_list
    assert not promises.flat_list


def test_a_directory_bucket_lists_in_no_order() -> None:
    """S3 Express says so; all else is as with any bucket."""
    express = promises_of("s3", "mine--use1-az4--x-s3")

    assert not express.flat_list
    assert express.strong_list
    assert express.mtime
    assert promises_of("s3", "mine--x-s3-not").flat_list


def test_a_store_says_of_itself_what_its_protocol_promises() -> None:
    """Whoever reads the log, or deletes from it, asks the store and not the URL."""
    options: dict[str, Any] = {"key": "k", "secret": "s", "client_kwargs": {"region_name": "x"}}
    account = {"account_name": "n", "account_key": "aaaa"}
    cloud = Capabilities(strong_list=True, flat_list=True, mtime=True)

    assert RemoteObjectStore.from_url("s3://b/x", options).capabilities == cloud
    assert RemoteObjectStore.with_obstore("s3://b/x", options).capabilities == cloud
    assert RemoteObjectStore.with_obstore("az://b/x", account).capabilities == Capabilities(
        strong_list=True, atomic_create=True, flat_list=True, mtime=True
    )
    fs = MemoryFileSystem(global_store=False, skip_instance_cache=True)
    assert RemoteObjectStore.on_filesystem(fs, "/x").capabilities == Capabilities(persistent=False)


def test_a_counter_is_no_time(tmp_path: Path) -> None:
    """A collector would take every object in memory for half a century old."""
    assert not MemoryObjectStore().capabilities.mtime
    assert MemoryObjectStore(clock=lambda: 1e9).capabilities.mtime
    assert LocalObjectStore(tmp_path).capabilities.mtime
    assert not LocalObjectStore(tmp_path).capabilities.flat_list


class Files(LocalFileSystem):  # type: ignore[misc] # fsspec has no types
    """A file system of an unknown kind, with an eye on what it is asked to do."""

    protocol = "unknown"
    cachable = False

    def __init__(self) -> None:
        """Note nothing yet."""
        super().__init__()
        self.written: list[str] = []

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: object) -> None:
        """Note, and write in place."""
        del mode
        self.written.append(Path(path).parent.name)
        Path(path).write_bytes(value)


class Refusing(Files):
    """Moves nothing onto a file, and raises, as SMB does."""

    def mv(self, path1: str, path2: str, **_: object) -> None:
        """Move, or refuse to."""
        if Path(path2).exists():
            raise FileExistsError(path2)
        shutil.move(path1, path2)


class Silent(Files):
    """Moves nothing onto a file, and says nothing, as WebHDFS does."""

    def mv(self, path1: str, path2: str, **_: object) -> None:
        """Move, or do not."""
        if not Path(path2).exists():
            shutil.move(path1, path2)


class Broken(Files):
    """Moves nothing."""

    def mv(self, path1: str, path2: str, **_: object) -> None:
        """Fail."""
        raise OSError(f"cannot move {path1} to {path2}")


class Copying(Files):
    """Has no move of its own: fsspec copies, then removes."""

    mv = AbstractFileSystem.mv


@pytest.mark.parametrize("kind", [Files, Refusing, Silent])
def test_what_is_there_is_replaced_however_a_file_system_moves(
    kind: type[Files], tmp_path: Path
) -> None:
    """A damaged object can be repaired; one that is whole is left alone."""
    fs = kind()
    store = RemoteObjectStore.on_filesystem(fs, str(tmp_path))
    store.put("log/1", [b"once"])
    before = (tmp_path / "log" / "1").stat().st_ino

    store.put_many({"log/1": [b"once"], "log/2": [b"two"]})
    same = (tmp_path / "log" / "1").stat().st_ino
    store.put("log/1", [b"twice"])

    assert store.get_many(["log/1", "log/2"]) == [b"twice", b"two"]
    assert list((tmp_path / "local" / "tmp").iterdir()) == []
    assert set(fs.written) == {"tmp"}
    assert kind is Files or same == before


def test_a_move_that_fails_is_a_put_that_failed(tmp_path: Path) -> None:
    """And leaves nothing behind; the others of a batch are there."""
    store = RemoteObjectStore.on_filesystem(Broken(), str(tmp_path))

    with pytest.raises(StoreUnavailableError, match=r"cannot put log/1 .*cannot move"):
        store.put("log/1", [b"x"])
    with pytest.raises(StoreUnavailableError, match=r"cannot put log/1 .*cannot move"):
        store.put_many({"log/1": [b"x"], "log/2": [b"y"]})

    assert list(store.list("")) == []
    assert list((tmp_path / "local" / "tmp").iterdir()) == []


def test_where_nothing_can_be_moved_it_is_written_in_place(tmp_path: Path) -> None:
    """A copy under the final name would show half a file too, after twice the work."""
    fs = Copying()
    store = RemoteObjectStore.on_filesystem(fs, str(tmp_path))

    store.put("log/1", [b"x"])

    assert store.get("log/1") == b"x"
    assert fs.written == ["log"]
    assert not (tmp_path / "local").exists()


class LikeAzure(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
    """Answers as adlfs does: a bucket that is not there looks empty, an object is a listing."""

    protocol = "az"
    cachable = False

    def __init__(self) -> None:
        """Hold nothing."""
        super().__init__(global_store=False)
        self.answer: Any = {}

    def find(self, *_: object, **__: object) -> Any:
        """Return what was prepared."""
        return self.answer


def test_a_container_that_is_not_there_is_no_empty_store() -> None:
    """Adlfs lists nothing, without an error: only the container itself can tell."""
    fs = LikeAzure()
    store = RemoteObjectStore.on_filesystem(fs, "container/team")

    with pytest.raises(UsageError, match="there is no bucket container; create it"):
        store.list("")

    fs.mkdir("container")
    assert list(store.list("")) == []


def test_an_object_with_the_name_of_a_prefix_is_not_below_it() -> None:
    """Adlfs answers with a list then, and not with what it was asked for."""
    fs = LikeAzure()
    fs.mkdir("container")
    fs.answer = ["container/team/log"]
    store = RemoteObjectStore.on_filesystem(fs, "container/team")

    assert list(store.list("log/")) == []
