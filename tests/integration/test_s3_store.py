"""The store on S3, over a real connection: what the suite of the contract cannot know of."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import s3fs
from tests.integration.lines import Line
from tests.integration.uses import EVERY_USE

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.objectstore import fsspec_tree, remote, s3_parts
from mandala_cas.objectstore.filesystems import close_filesystem
from mandala_cas.objectstore.fsspec_tree import FsspecTree
from mandala_cas.objectstore.opening import open_object_store
from mandala_cas.objectstore.remote import RemoteObjectStore
from mandala_cas.testing.servers import S3Server, free_port


@pytest.fixture
def store(s3_server: S3Server, s3_url: str) -> Iterator[RemoteObjectStore]:
    """Return an empty store."""
    store = RemoteObjectStore.from_url(s3_url, s3_server.storage_options)
    yield store
    store.close()


@pytest.fixture
def fs(s3_server: S3Server) -> s3fs.S3FileSystem:
    """Return a file system as a user would make it, that remembers listings."""
    return s3fs.S3FileSystem(**s3_server.storage_options, skip_instance_cache=True)


def tree_of(store: RemoteObjectStore) -> FsspecTree:
    """Return what asks the file system of a store."""
    assert isinstance(store._tree, FsspecTree)
    return store._tree


def requests_of(store: RemoteObjectStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with each request that the store makes."""
    made: list[str] = []
    filesystem = tree_of(store).fs
    call = filesystem._call_s3

    async def counted(method: str, *args: object, **kwargs: object) -> object:
        made.append(method)
        return await call(method, *args, **kwargs)

    monkeypatch.setattr(filesystem, "_call_s3", counted)
    return made


def pieces_of(
    store: RemoteObjectStore, monkeypatch: pytest.MonkeyPatch, *, fail_at: int = 0
) -> list[int]:
    """Return a list that grows with each piece that is sent; the one to fail at is not."""
    sent: list[int] = []
    filesystem = tree_of(store).fs
    call = filesystem._call_s3

    async def counted(method: str, *args: object, **kwargs: Any) -> object:
        if method == "upload_part":
            if kwargs["PartNumber"] == fail_at:
                raise TimeoutError("cut off")
            sent.append(kwargs["PartNumber"])
        return await call(method, *args, **kwargs)

    monkeypatch.setattr(filesystem, "_call_s3", counted)
    return sent


@pytest.mark.parametrize("use", EVERY_USE)
def test_a_bucket_that_is_not_there_is_named(
    s3_server: S3Server, use: Callable[[RemoteObjectStore], object]
) -> None:
    """It must not look like an empty store: a typing error would hide a year of results."""
    store = RemoteObjectStore.from_url("s3://no-such-bucket/team", s3_server.storage_options)

    with pytest.raises(UsageError, match="there is no bucket no-such-bucket; create it") as caught:
        use(store)

    assert caught.value.bucket == "no-such-bucket"
    store.close()


def test_a_server_that_is_not_there_is_noticed(s3_server: S3Server) -> None:
    """The error says that trying again later is of use, and where nobody answered."""
    options: dict[str, Any] = {
        **s3_server.storage_options,
        "endpoint_url": f"http://127.0.0.1:{free_port()}",
        # The user's own choice goes before ours: no second attempt.
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    store = RemoteObjectStore.from_url("s3://bucket/team", options)

    for use in (
        lambda: list(store.list("")),
        lambda: store.put("a", [b"x"]),
        lambda: store.get_many(["a"]),
        lambda: store.delete(["a"]),
        lambda: store.create("a", b"x"),
    ):
        with pytest.raises(StoreUnavailableError, match=r"in s3://bucket/team.*nothing was lost"):
            use()
    store.close()


def test_missing_credentials_are_the_users_to_mend(
    s3_server: S3Server, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trying again would fail for ever."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nowhere")
    store = RemoteObjectStore.from_url(s3_url, {"endpoint_url": s3_server.endpoint_url})

    with pytest.raises(UsageError, match=r"access denied.*check that credentials are set"):
        list(store.list(""))

    store.close()


def test_ours_caches_no_listing_and_is_shared_with_nobody(s3_server: S3Server, s3_url: str) -> None:
    """By default fsspec remembers listings for the life of an instance that all share."""
    options = {**s3_server.storage_options, "use_listings_cache": True}

    one = RemoteObjectStore.from_url(s3_url, options)
    two = RemoteObjectStore.from_url(s3_url, options)

    assert not tree_of(one).fs.dircache.use_listings_cache
    assert tree_of(one).fs is not tree_of(two).fs
    one.close()
    two.close()


def test_a_listing_is_not_remembered_by_a_file_system_that_does(
    fs: s3fs.S3FileSystem, store: RemoteObjectStore
) -> None:
    """A user hands in a file system as it comes; another writer puts and deletes."""
    path = store.url.removeprefix("s3://")
    theirs = RemoteObjectStore.on_filesystem(fs, path)
    store.put("log/1", [b"x"])
    assert fs.ls(f"{path}/log") == [f"{path}/log/1"]
    assert [info.name for info in theirs.list("log/")] == ["log/1"]

    store.put("log/2", [b"y"])
    store.delete(["log/1"])

    assert fs.ls(f"{path}/log") == [f"{path}/log/1"], "it does remember"
    assert [info.name for info in theirs.list("log/")] == ["log/2"]
    assert theirs.create("log/1", b"again")
    assert not theirs.create("log/2", b"again")


def test_a_foreign_file_system_is_not_closed(
    fs: s3fs.S3FileSystem, store: RemoteObjectStore
) -> None:
    """Its owner may be using it for something else."""
    path = store.url.removeprefix("s3://")
    theirs = RemoteObjectStore.on_filesystem(fs, path)
    theirs.put("a", [b"x"])
    session = fs._s3._endpoint.http_session

    theirs.close()

    assert not any(one.closed for one in session._sessions.values())
    assert fs.cat_file(f"{path}/a") == b"x"


def test_closing_closes_the_connections(store: RemoteObjectStore) -> None:
    """At once, not when Python happens to collect them."""
    store.put("a", [b"x"])
    session = tree_of(store).fs._s3._endpoint.http_session
    sessions = list(session._sessions.values())

    store.close()

    assert [one.closed for one in sessions] == [True]


def test_a_closed_store_can_be_used_again(store: RemoteObjectStore) -> None:
    """A storage may be entered a second time."""
    store.put("a", [b"x"])
    store.close()

    assert store.get("a") == b"x"


def test_nothing_stays_open(s3_server: S3Server, s3_url: str) -> None:
    """Python would complain of a session that was left open, which makes this test fail."""
    store = RemoteObjectStore.from_url(s3_url, s3_server.storage_options)
    store.put_many({f"log/{number}": [b"x"] for number in range(20)})
    store.close()
    del store

    gc.collect()


def test_reads_and_writes_cost_one_request_each(
    store: RemoteObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """s3fs would ask for the size before each read: half of the time and of the bill."""
    made = requests_of(store, monkeypatch)

    store.put("a/1", [b"one"])
    store.put_many({"a/2": [b"two"], "a/3": [b"three"]})
    store.get("a/1")
    store.get_many(["a/1", "a/2"])
    store.get_range("a/1", 1, 1)
    store.get_into("a/3", 0, memoryview(bytearray(5)))
    list(store.list("a/"))
    store.delete(["a/1", "a/2"])

    assert made == [
        *["put_object"] * 3,
        *["get_object"] * 5,
        "list_objects_v2",
        *["delete_object"] * 2,
    ]


def test_a_very_large_object_is_sent_piece_by_piece(
    store: RemoteObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need not fit into memory twice; and is read back the same way."""
    monkeypatch.setattr(fsspec_tree, "STREAMED_MIN", 11 << 20)
    monkeypatch.setattr(s3_parts, "PIECE_SIZE", 5 << 20)
    monkeypatch.setattr(remote, "PIECE_SIZE", 1 << 20)
    monkeypatch.setattr(remote, "READ_SIZE_MAX", 3 << 20)
    data = random.Random(0).randbytes((11 << 20) + 3)  # noqa: S311 (no secret)
    sent = pieces_of(store, monkeypatch)

    store.put("blobs/ab/cd", [data[:100], memoryview(data)[100:]])
    buffer = bytearray(b"-" * (len(data) + 2))
    count = store.get_into("blobs/ab/cd", 1, memoryview(buffer))

    assert sorted(sent) == [1, 2, 3]
    assert store.get("blobs/ab/cd") == data
    assert count == len(data) - 1
    assert bytes(buffer) == data[1:] + b"---"


def test_a_large_object_that_fails_half_way_leaves_nothing(
    store: RemoteObjectStore, fs: s3fs.S3FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither half an object nor parts of it that cost money until somebody finds them."""
    monkeypatch.setattr(fsspec_tree, "STREAMED_MIN", 11 << 20)
    monkeypatch.setattr(s3_parts, "PIECE_SIZE", 5 << 20)

    with monkeypatch.context() as patch:
        pieces_of(store, patch, fail_at=2)
        with pytest.raises(StoreUnavailableError, match="cut off"):
            store.put("blobs/ab/cd", [bytes(12 << 20)])

    assert list(store.list("")) == []
    bucket = store.url.split("/")[2]
    assert fs.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads", []) == []


@pytest.mark.parametrize("botocore_attempts", [1, 2])
def test_a_part_that_is_sent_again_is_sent_whole(
    s3_server: S3Server, s3_url: str, monkeypatch: pytest.MonkeyPatch, botocore_attempts: int
) -> None:
    """Also by s3fs, which a user may have told to insist, and which does not rewind what it sends.

    The last part may have any size, so that nobody would notice if it were empty.
    """
    fs = s3fs.S3FileSystem(
        **s3_server.storage_options,
        config_kwargs={"retries": {"mode": "standard", "total_max_attempts": botocore_attempts}},
        skip_instance_cache=True,
    )
    fs.retries = 3 - botocore_attempts
    store = RemoteObjectStore.on_filesystem(fs, s3_url.removeprefix("s3://"))
    store.put("warm", [b""])
    data = random.Random(0).randbytes((16 << 20) + 3)  # noqa: S311 (no secret)
    line = Line(monkeypatch)

    # The first begins the upload, four are parts, of which the last was sent last.
    line.cut(4, "answer")
    store.put("blobs/ab/cd", [data])

    assert len(line.methods) == 7
    assert store.get("blobs/ab/cd") == data
    close_filesystem(fs)


def test_a_root_may_hold_what_means_something_to_fsspec(
    s3_server: S3Server, fs: s3fs.S3FileSystem
) -> None:
    """Stars and brackets are patterns to some of its methods; letters of any kind are letters."""
    bucket = s3_server.make_bucket()
    root = f"s3://{bucket}/run[1]*/caf\N{LATIN SMALL LETTER E WITH ACUTE} 100%/"
    store = RemoteObjectStore.from_url(root, s3_server.storage_options)
    fs.pipe_file(f"{bucket}/run1/a", b"not to be touched")

    store.put_many({"a": [b"x"], "b/c": [b"y"]})

    assert sorted(info.name for info in store.list("")) == ["a", "b/c"]
    assert store.get_many(["a", "b/c"]) == [b"x", b"y"]
    store.delete(["a", "b/c"])
    assert list(store.list("")) == []
    assert fs.cat_file(f"{bucket}/run1/a") == b"not to be touched"
    store.close()


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}//", "s3://{bucket}//{rest}", "S3://{path}"])
def test_one_place_has_many_spellings(
    s3_server: S3Server, store: RemoteObjectStore, spelling: str
) -> None:
    """A slash more would be another place to S3, and a store that looks empty to a user."""
    store.put("a", [b"x"])
    path = store.url.removeprefix("s3://")
    bucket, _, rest = path.partition("/")
    url = spelling.format(store.url, path=path, bucket=bucket, rest=rest)

    other = open_object_store(url, s3_server.storage_options)

    assert other.get("a") == b"x"
    assert other.url == store.url
    other.close()


def test_what_others_put_into_the_bucket_is_not_listed(
    store: RemoteObjectStore, fs: s3fs.S3FileSystem
) -> None:
    """Consoles make markers that stand for directories; people upload what they like."""
    path = store.url.removeprefix("s3://")
    store.put("log/1", [b"x"])
    for name in ("log/", "other/", "log/a b.txt", ".hidden", "local/index/x"):
        fs.pipe_file(f"{path}/{name}", b"")

    assert [info.name for info in store.list("")] == ["log/1"]


def test_a_forked_child_has_connections_of_its_own(s3_server: S3Server, s3_url: str) -> None:
    """The parent's belong to a loop that does not run in the child; both go on undisturbed."""
    program = """
import os, sys
from mandala_cas.objectstore.fsspec_tree import FsspecTree
from mandala_cas.objectstore.opening import open_object_store
store = open_object_store(sys.argv[1])
store.put("log/parent", [b"before"])
children = []
for child in range(3):
    pid = os.fork()
    if not pid:
        assert store.get("log/parent") == b"before"
        store.put_many({f"log/{child}-{number}": [b"x"] for number in range(5)})
        os._exit(0)
    children.append(pid)
failed = any(os.waitpid(pid, 0)[1] for pid in children)
store.put("log/after", [b"x"])
store.close()
sys.exit(failed)
"""

    # From Python 3.12 on, a fork of a process with threads warns; that it works is what is tested.
    warnings = ["-W", "error::ResourceWarning", "-W", "ignore::DeprecationWarning:__main__"]
    done = subprocess.run(
        [sys.executable, *warnings, "-c", program, s3_url],
        check=False,
        env={**os.environ, **s3_server.environment},
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    store = RemoteObjectStore.from_url(s3_url, s3_server.storage_options)
    assert len(list(store.list("log/"))) == 17
    store.close()
