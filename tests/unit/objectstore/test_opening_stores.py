"""What users write, and the store that they get."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.fsspec_tree import FsspecTree
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.obstore_tree import ObstoreTree
from mandala_cas.objectstore.opening import Engine, open_object_store
from mandala_cas.objectstore.remote import RemoteObjectStore
from mandala_cas.objectstore.retrying import RetryingObjectStore


def engine_of(store: ObjectStore) -> type:
    """Return what sends the requests of a store at a URL."""
    assert isinstance(store, RetryingObjectStore)
    assert isinstance(store.inner, RemoteObjectStore)
    return type(store.inner._tree)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("results", "{cwd}/results"),
        ("./results/", "{cwd}/results"),
        ("~/results", "{home}/results"),
        ("/data/results", "/data/results"),
        ("file:///data/results", "/data/results"),
        ("file:/data/results", "/data/results"),
        ("FILE:///data/results", "/data/results"),
        ("local:///data/results", "/data/results"),
        ("file://~/results", "{home}/results"),
        ("a:b/c", "{cwd}/a:b/c"),
        ("2024-01-01T10:00", "{cwd}/2024-01-01T10:00"),
        ("run:1", "{cwd}/run:1"),
        ("C:\\results", "{cwd}/C:\\results"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}/x y", "{cwd}/caf\xe9/x y"),
        (PurePosixPath("~/results"), "{home}/results"),
    ],
)
def test_a_path_is_a_directory(
    where: Any, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever does not look like a URL is one; a drive letter is no protocol."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    store = open_object_store(where)

    assert isinstance(store, LocalObjectStore)
    assert store.url == expected.format(cwd=tmp_path, home=tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_a_url_is_a_remote_store() -> None:
    """Its options go to the file system; nothing is asked of it yet."""
    store = open_object_store("s3://bucket//team/", {"anon": True})

    assert isinstance(store, RetryingObjectStore)
    assert isinstance(store.inner, RemoteObjectStore)
    assert isinstance(store.inner._tree, FsspecTree)
    assert store.inner._tree.fs.anon
    assert store.url == "s3://bucket/team"


def test_the_engine_is_the_one_that_was_asked_for() -> None:
    """What a machine happens to have installed changes nothing unless the user says so."""
    options = {"key": "k", "secret": "s", "client_kwargs": {"region_name": "us-east-1"}}

    made = {
        engine: open_object_store("s3://bucket/team", options, engine=engine)
        for engine in get_args(Engine)
    }

    assert {engine: engine_of(store) for engine, store in made.items()} == {
        "fsspec": FsspecTree,
        "obstore": ObstoreTree,
        "auto": ObstoreTree,
    }
    assert engine_of(open_object_store("s3://bucket/team", options)) is FsspecTree
    assert {store.url for store in made.values()} == {"s3://bucket/team"}


@pytest.mark.parametrize(
    ("url", "options"),
    [
        pytest.param("memory://somewhere", {}, id="protocol"),
        pytest.param("s3://bucket", {"profile": "work", "anon": True}, id="option"),
    ],
)
def test_auto_takes_the_engine_that_can(url: str, options: dict[str, Any]) -> None:
    """An option that one engine has no word for is no reason to fail if the other has."""
    assert engine_of(open_object_store(url, options, engine="auto")) is FsspecTree


def test_auto_takes_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same program runs where the extra is missing."""
    monkeypatch.setattr("mandala_cas.objectstore.opening.find_spec", lambda _: None)

    store = open_object_store("s3://bucket", {"anon": True}, engine="auto")

    assert engine_of(store) is FsspecTree


def test_an_engine_that_is_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "obstore", None)

    with pytest.raises(UsageError, match=r"pip install 'mandala-cas\[fast\]'"):
        open_object_store("s3://bucket", {"anon": True}, engine="obstore")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("sftp://host/folder", "does not reach sftp://"),
        ("results", "leave engine out"),
        (Path("results"), "leave engine out"),
        (DirFileSystem("x", MemoryFileSystem()), "leave engine out"),
    ],
)
def test_an_engine_that_cannot_reach_a_place_says_so(where: Any, message: str) -> None:
    """Taking another one without a word would make a measurement of nothing."""
    with pytest.raises(UsageError, match=message):
        open_object_store(where, engine="obstore")


def test_an_engine_that_there_is_not_is_named() -> None:
    """With those that there are."""
    with pytest.raises(UsageError, match="there is no engine 'obstor'; choose 'fsspec', 'obstore'"):
        open_object_store("s3://bucket", engine="obstor")  # type: ignore[arg-type] # the mistake


def test_a_store_in_shared_memory_is_one_for_all_who_name_it() -> None:
    """As fsspec has it; handy in notebooks."""
    one = open_object_store("memory://shared-by-name/x")
    two = open_object_store("memory://shared-by-name/x")

    one.put("a", [b"x"])

    assert two.get("a") == b"x"
    assert not one.capabilities.persistent
    one.delete(["a"])


def test_a_file_system_object_that_knows_its_root_is_welcome() -> None:
    """It is used as it is."""
    fs = MemoryFileSystem(global_store=False, skip_instance_cache=True)

    store = open_object_store(DirFileSystem("/team", fs))
    store.put("a", [b"x"])

    assert fs.cat_file("/team/a") == b"x"


def test_a_local_file_system_object_gets_our_own_writes(tmp_path: Path) -> None:
    """Writes in place, which fsspec does, leave half an object after a crash."""
    store = open_object_store(DirFileSystem(str(tmp_path), LocalFileSystem()))

    assert isinstance(store, LocalObjectStore)
    assert store.url == str(tmp_path)


@pytest.mark.parametrize(
    ("where", "options", "message"),
    [
        ("", None, "'' is no path"),
        ("file://", None, "'' is no path"),
        ("a\0b", None, "is no path"),
        ("s3:/bucket/team", None, "write 's3://bucket/team'"),
        ("s3://", None, "names no bucket; write 's3://bucket/folder'"),
        ("s3:///", None, "names no bucket"),
        ("s3://bucket/../other", None, "may not hold"),
        ("s3://bucket/x?versionId=1", None, "may not hold"),
        ("s3://key:secret@bucket/x", None, "give them as storage_options"),
        ("simplecache::s3://bucket/x", None, "chain of file systems"),
        ("nonsense://bucket/x", None, "nonsense://, which is not known to fsspec"),
        ("s3://bucket/x", {"no_such_option": 1, "asynchronous": True}, "asynchronous=True"),
        ("results", {"key": "x"}, r"storage options \['key'\] were given for 'results'"),
        (42, None, "not int"),
        (MemoryFileSystem(), None, "wrap it: .*DirFileSystem"),
        (DirFileSystem("/x", MemoryFileSystem()), {"key": "x"}, "leave them out"),
    ],
)
def test_what_cannot_be_a_store_is_explained(
    where: Any, options: dict[str, Any] | None, message: str
) -> None:
    """A typing error must not become a directory of that name, or a store somewhere else."""
    with pytest.raises(UsageError, match=message) as caught:
        open_object_store(where, options)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("protocol", "extra"), [("gs", "gcs"), ("gcs", "gcs"), ("az", "azure"), ("abfs", "azure")]
)
def test_a_missing_package_says_which_extra_to_install(
    protocol: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google's and Azure's are not installed with the rest."""

    def missing(_: str) -> None:
        raise ImportError("Please install it")

    monkeypatch.setattr("fsspec.get_filesystem_class", missing)

    with pytest.raises(UsageError, match=rf"pip install 'mandala-cas\[{extra}\]'"):
        open_object_store(f"{protocol}://bucket/x")


def test_another_missing_package_is_named_as_fsspec_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For those that we have no extra for."""

    def missing(_: str) -> None:
        raise ImportError("install paramiko")

    monkeypatch.setattr("fsspec.get_filesystem_class", missing)

    with pytest.raises(UsageError, match="needs a package that is not installed: install paramiko"):
        open_object_store("sftp://host/x")


def test_a_file_is_no_place_for_a_store(tmp_path: Path) -> None:
    """It may be the database of another program."""
    (tmp_path / "data.db").write_bytes(b"x")

    with pytest.raises(UsageError, match="is a file; a store is a directory"):
        open_object_store(tmp_path / "data.db")


def test_a_home_directory_that_is_not_known_is_an_error() -> None:
    """A directory named ``~nobody`` is not what was meant."""
    with pytest.raises(UsageError, match="cannot find the home directory"):
        open_object_store("~no-such-user-here/results")
