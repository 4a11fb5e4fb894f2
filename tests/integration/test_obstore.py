"""The store through obstore, over a real connection: what the contract's suite cannot know of."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import s3fs
from tests.integration.uses import EVERY_USE

from mandala_cas.errors import NotFoundError, StoreUnavailableError, UsageError
from mandala_cas.objectstore import obstore_tree
from mandala_cas.objectstore.remote import RemoteObjectStore
from mandala_cas.testing.servers import S3Server, free_port


@pytest.fixture
def store(s3_server: S3Server, s3_url: str) -> Iterator[RemoteObjectStore]:
    """Return an empty store."""
    store = RemoteObjectStore.with_obstore(s3_url, s3_server.storage_options)
    yield store
    store.close()


@pytest.fixture
def other(s3_server: S3Server, s3_url: str) -> Iterator[RemoteObjectStore]:
    """Return the same store, through the other engine."""
    other = RemoteObjectStore.from_url(s3_url, s3_server.storage_options)
    yield other
    other.close()


@pytest.fixture
def fs(s3_server: S3Server) -> s3fs.S3FileSystem:
    """Return a file system to look behind the store with."""
    return s3fs.S3FileSystem(
        **s3_server.storage_options, skip_instance_cache=True, use_listings_cache=False
    )


@pytest.mark.parametrize("use", EVERY_USE)
def test_a_bucket_that_is_not_there_is_named(
    s3_server: S3Server, use: Callable[[RemoteObjectStore], object]
) -> None:
    """It must not look like an empty store: a typing error would hide a year of results."""
    store = RemoteObjectStore.with_obstore("s3://no-such-bucket/team", s3_server.storage_options)

    with pytest.raises(UsageError, match="there is no bucket no-such-bucket; create it") as caught:
        use(store)

    assert caught.value.bucket == "no-such-bucket"


def test_a_server_that_is_not_there_is_noticed(s3_server: S3Server) -> None:
    """The error says that trying again later is of use, and that trying at once is not."""
    options = {**s3_server.storage_options, "endpoint_url": f"http://127.0.0.1:{free_port()}"}
    store = RemoteObjectStore.with_obstore("s3://bucket/team", options)

    with pytest.raises(StoreUnavailableError, match=r"in s3://bucket/team.*nothing was") as caught:
        store.get("a")

    assert not caught.value.temporary


def test_both_engines_see_one_store(store: RemoteObjectStore, other: RemoteObjectStore) -> None:
    """A colleague without obstore finds what one with it has put, and the other way round."""
    names = ["config", "blobs/ab/0123~00ff", "a_b-c=d~e/f.g.h", "x" * 200]
    store.put_many({name: [name.encode()] for name in names})
    other.put("log/of-the-other", [b"x"])

    assert other.get_many(names) == [name.encode() for name in names]
    assert sorted(info.name for info in other.list("")) == sorted([*names, "log/of-the-other"])
    assert list(store.list("")) == sorted(store.list(""), key=lambda info: info.name)
    assert {info.name: info.modified for info in store.list("")} == {
        info.name: info.modified for info in other.list("")
    }
    assert not store.create("log/of-the-other", b"y")
    assert not other.create("config", b"y")


def test_who_loses_a_race_is_told_so(
    store: RemoteObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked, and found nothing; the condition decides."""

    def absent(name: str) -> int:
        raise FileNotFoundError(name)

    store.put("config", [b"of the winner"])
    monkeypatch.setattr(store._tree, "size", absent)

    lost = store.create("config", b"of the loser")
    answered_twice = store.create("config", b"of the winner")

    assert not lost
    assert store.get("config") == b"of the winner"
    assert answered_twice, "a repeated request that finds its own object has made it"


def test_a_large_object_is_sent_in_parts(
    store: RemoteObjectStore, fs: s3fs.S3FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which are sent at the same time, and seen together."""
    monkeypatch.setattr(obstore_tree, "_WHOLE_SIZE_MAX", 6 << 20)
    monkeypatch.setattr(obstore_tree, "_PART_SIZE_MIN", 5 << 20)
    data = random.Random(0).randbytes((11 << 20) + 3)  # noqa: S311 (no secret)

    store.put("blobs/ab/cd", [data[:100], b"", memoryview(data)[100:]])
    store.put("blobs/ab/ce", [data[: 6 << 20]])

    assert store.get("blobs/ab/cd") == data
    path = store.url.removeprefix("s3://")
    assert fs.info(f"{path}/blobs/ab/cd")["ETag"].endswith('-3"')
    assert "-" not in fs.info(f"{path}/blobs/ab/ce")["ETag"]
    bucket = path.partition("/")[0]
    assert fs.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads", []) == []


def test_a_closed_store_can_be_used_again(store: RemoteObjectStore) -> None:
    """A storage may be entered a second time."""
    store.put("a", [b"x"])
    store.close()

    assert store.get("a") == b"x"


def test_what_others_put_into_the_bucket_is_not_listed(
    store: RemoteObjectStore, fs: s3fs.S3FileSystem
) -> None:
    """Consoles make markers that stand for directories; people upload what they like."""
    path = store.url.removeprefix("s3://")
    store.put("log/1", [b"x"])
    for name in ("log/", "other/", "log/a b.txt", ".hidden", "local/index/x"):
        fs.pipe_file(f"{path}/{name}", b"")

    assert [info.name for info in store.list("")] == ["log/1"]
    assert [info.name for info in store.list("log/")] == ["log/1"]


def test_where_two_spellings_of_a_name_end_it_is_missing(store: RemoteObjectStore) -> None:
    """A name with a slash more is refused, and one that begins another is none."""
    store.put("log/segment", [b"x"])

    with pytest.raises(NotFoundError):
        store.get("log")


def test_a_batch_can_be_put_while_python_ends(s3_server: S3Server, s3_url: str) -> None:
    """What is still to be written at the end of a program is written by an exit handler."""
    program = """
import atexit, sys
from mandala_cas.objectstore.opening import open_object_store
store = open_object_store(sys.argv[1], engine="obstore")
store.put("log/0", [b"x"])
atexit.register(lambda: store.put_many({f"log/{number}": [b"x"] for number in range(1, 5)}))
"""

    done = subprocess.run(
        [sys.executable, "-c", program, s3_url],
        check=False,
        env={**os.environ, **s3_server.environment},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    store = RemoteObjectStore.with_obstore(s3_url, s3_server.storage_options)
    assert len(list(store.list("log/"))) == 5


def test_a_forked_child_is_told_instead_of_left_hanging(s3_server: S3Server, s3_url: str) -> None:
    """Obstore's threads do not survive a fork, and whoever waits for them waits for ever."""
    program = """
import os, sys
from mandala_cas.errors import UsageError
from mandala_cas.objectstore.opening import open_object_store
store = open_object_store(sys.argv[1], engine="obstore")
early = os.fork()
if not early:
    store.put("log/early", [b"a child of a process that has not begun"])
    os._exit(0)
assert not os.waitpid(early, 0)[1]
assert store.get("log/early").startswith(b"a child")
late = os.fork()
if not late:
    for ask in (lambda: store.get("log/early"), lambda: store.get_many(["log/early", "x"])):
        try:
            ask()
        except UsageError as error:
            assert "'spawn'" in str(error), error
        else:
            os._exit(1)
    os._exit(0)
assert not os.waitpid(late, 0)[1]
store.put("log/after", [b"x"])
"""
    environment = {**os.environ, **s3_server.environment}

    warnings = ["-W", "ignore::DeprecationWarning:__main__"]
    done = subprocess.run(
        [sys.executable, *warnings, "-c", program, s3_url],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
