"""The store behind fsspec, on file systems made for the purpose: no network here."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import obstore.exceptions
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from mandala_cas.errors import MandalaError, NotFoundError, StoreUnavailableError, UsageError
from mandala_cas.objectstore.filesystems import make_filesystem
from mandala_cas.objectstore.fsspec_tree import FsspecTree
from mandala_cas.objectstore.remote import RemoteObjectStore
from mandala_cas.objectstore.tree import STREAMED_MIN

USES: dict[str, Callable[[RemoteObjectStore], object]] = {
    "list": lambda store: list(store.list("")),
    "put": lambda store: store.put("a", [b"x"]),
    "put_many": lambda store: store.put_many({"a": [b"x"], "b": [b"y"]}),
    "create": lambda store: store.create("a", b"x"),
    "get": lambda store: store.get("a"),
    "get_many": lambda store: store.get_many(["a", "b"]),
    "get_range": lambda store: store.get_range("a", 0, 1),
    "get_into": lambda store: store.get_into("a", 0, memoryview(bytearray(1))),
    "delete": lambda store: store.delete(["a"]),
}


def tree_of(store: RemoteObjectStore) -> FsspecTree:
    """Return what asks the file system of a store."""
    assert isinstance(store._tree, FsspecTree)
    return store._tree


class FailingFileSystem(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
    """A file system all of whose requests fail in the same way."""

    protocol = "s3"
    # fsspec would hand out another one's, made for an error that reads the same.
    cachable = False

    def __init__(self, error: Exception) -> None:
        """Fail with ``error``."""
        super().__init__(global_store=False, skip_instance_cache=True)
        self.error = error

    def _fail(self, *_: object, **__: object) -> Any:
        """Fail."""
        raise self.error

    find = ls = info = cat_file = pipe_file = rm_file = open = _fail


class AzureCode(str, Enum):  # noqa: UP042 (theirs is one, and its text is not its value)
    """Codes as Azure's library has them."""

    BUSY = "ServerBusy"
    OVERTAKEN = "InvalidBlockList"


class AzureError(Exception):
    """Stands for what that library raises."""

    __module__ = "azure.core.exceptions"

    def __init__(self, code: AzureCode) -> None:
        """Fail with a code."""
        super().__init__("The request failed.")
        self.error_code = code


def refused(code: str, status: int = 403) -> ClientError:
    """Return what botocore raises for an answer with that code."""
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")


def obstore_error(name: str, text: str) -> Exception:
    """Return an exception of obstore."""
    made: Exception = getattr(obstore.exceptions, name)(text)
    return made


def not_2xx(status: int, code: str) -> str:
    """Return how obstore tells of an answer."""
    return f"Server returned non-2xx status code: {status} Text: <Error><Code>{code}</Code></Error>"


def failing(error: Exception) -> RemoteObjectStore:
    """Return a store on a file system that fails."""
    return RemoteObjectStore.on_filesystem(FailingFileSystem(error), "bucket/team")


def watched(asked: list[tuple[int, int]]) -> MemoryFileSystem:
    """Return a file system that notes which ranges are asked for."""

    class Watched(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
        """Notes which ranges are asked for."""

        def cat_file(self, path: str, start: int, end: int, **_: object) -> Any:
            """Note and pass on."""
            asked.append((start, end))
            return super().cat_file(path, start, end)

    return Watched(global_store=False, skip_instance_cache=True)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(PermissionError("Access Denied"), id="PermissionError"),
        pytest.param(refused("AccessDenied"), id="AccessDenied"),
        pytest.param(OSError("Forbidden: b/bucket/o/team"), id="what gcsfs says"),
        pytest.param(obstore_error("PermissionDeniedError", "403"), id="what obstore says"),
        pytest.param(
            obstore_error("GenericError", "PUT http://169.254.169.254/latest/api/token"),
            id="what obstore says without credentials",
        ),
        pytest.param(NoCredentialsError(), id="NoCredentialsError"),
    ],
)
def test_denied_access_names_the_bucket_and_what_to_check(
    error: Exception, use: Callable[[RemoteObjectStore], object]
) -> None:
    """Retrying is of no use, and must not be suggested."""
    with pytest.raises(UsageError, match=r"access denied.*delete in bucket$") as caught:
        use(failing(error))

    assert caught.value.bucket == "bucket"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(refused("ExpiredToken", 400), id="ExpiredToken"),
        pytest.param(PermissionError("Access Denied"), id="PermissionError"),
        pytest.param(
            obstore_error("GenericError", not_2xx(400, "ExpiredToken")), id="what obstore says"
        ),
    ],
)
def test_expired_credentials_are_told_from_denied_ones(
    error: Exception, use: Callable[[RemoteObjectStore], object]
) -> None:
    """Whoever has to sign in again should not look for a missing permission."""
    if isinstance(error, PermissionError):
        # As s3fs raises it: the code stands in what it was raised from.
        error.__cause__ = refused("ExpiredToken", 400)

    with pytest.raises(UsageError, match=r"credentials have expired.*renew them") as caught:
        use(failing(error))

    assert caught.value.bucket == "bucket"


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(TimeoutError("too slow"), id="TimeoutError"),
        pytest.param(ConnectionResetError("reset by peer"), id="ConnectionResetError"),
        pytest.param(refused("SlowDown", 503), id="SlowDown"),
        pytest.param(refused("SomethingNew", 503), id="503"),
        pytest.param(AzureError(AzureCode.BUSY), id="ServerBusy"),
        pytest.param(AzureError(AzureCode.OVERTAKEN), id="another writer came first"),
        pytest.param(OSError(errno.EBUSY, "SlowDown"), id="EBUSY"),
        pytest.param(
            EndpointConnectionError(endpoint_url="http://x", error=ConnectionResetError()),
            id="a reset within what botocore raises",
        ),
        pytest.param(
            obstore_error("GenericError", not_2xx(503, "SlowDown")), id="what obstore says"
        ),
        pytest.param(
            obstore_error("GenericError", "HTTP error\n HttpError {\n kind: Timeout,"),
            id="a timeout of obstore",
        ),
    ],
)
def test_a_store_that_does_not_answer_may_be_asked_again(
    error: Exception, use: Callable[[RemoteObjectStore], object]
) -> None:
    """None of these can be taken for a missing object or for an empty listing."""
    with pytest.raises(
        StoreUnavailableError, match=r"nothing was lost, try again later$"
    ) as caught:
        use(failing(error))

    assert caught.value.temporary


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ConnectionRefusedError("nobody listens"), id="ConnectionRefusedError"),
        pytest.param(
            EndpointConnectionError(endpoint_url="http://x", error=ConnectionRefusedError()),
            id="a refusal within what botocore raises",
        ),
        pytest.param(OSError(errno.EIO, "broken"), id="EIO"),
        pytest.param(ValueError("Bad Request: b/x/o\nan invalid one"), id="what gcsfs says"),
        pytest.param(
            obstore_error("GenericError", "HTTP error\n HttpError {\n kind: Connect,"),
            id="what obstore says",
        ),
    ],
)
def test_what_may_not_pass_is_not_called_temporary(error: Exception) -> None:
    """Whoever misspelt an address need not wait half a minute to hear of it."""
    with pytest.raises(StoreUnavailableError) as caught:
        failing(error).get("a")

    assert not caught.value.temporary


@pytest.mark.parametrize("name", ["list", "put", "put_many"])
def test_a_bucket_that_is_not_found_is_no_empty_store(name: str) -> None:
    """Also where the answer does not say more than that something was not found."""
    with pytest.raises(UsageError, match="there is no bucket bucket; create it"):
        USES[name](failing(FileNotFoundError("bucket/team")))


def test_a_mistake_of_ours_passes_as_it_is() -> None:
    """Only what is the store's answer is translated."""
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError()).get("a")


@pytest.mark.parametrize("protocol", ["s3", "gs", "az"])
def test_a_large_object_can_be_put_through_any_package(protocol: str) -> None:
    """A protocol does not tell whether the file system has a way to send pieces, and which."""

    class Other(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
        """Speaks the protocol, and knows one way to put an object."""

    Other.protocol = protocol
    store = RemoteObjectStore.on_filesystem(
        Other(global_store=False, skip_instance_cache=True), "bucket/team"
    )

    store.put("a", [bytes(STREAMED_MIN), b"!"])

    assert store.get_range("a", STREAMED_MIN - 1, 9) == b"\0!"


def test_a_refused_range_is_past_the_end_only_if_the_size_says_so() -> None:
    """EINVAL has many reasons, of which a wrong request is one."""
    store = failing(OSError(errno.EINVAL, "Invalid argument"))

    with pytest.raises(StoreUnavailableError, match="Invalid argument"):
        store.get_range("a", 5, 1)


def test_a_listing_of_a_directory_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    """``find`` of fsspec leaves it out without a word; a collector would take it for gone."""

    class Guarded(LocalFileSystem):  # type: ignore[misc] # fsspec has no types
        """Refuses to list one directory."""

        def ls(self, path: str, detail: bool = False, **kwargs: object) -> Any:  # noqa: FBT001, FBT002 (fsspec's signature)
            """List, or refuse to."""
            if path.endswith("log"):
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return super().ls(path, detail=detail, **kwargs)

    store = RemoteObjectStore.on_filesystem(Guarded(skip_instance_cache=True), str(tmp_path))
    store.put("log/1", [b"x"])
    store.put("other/2", [b"x"])

    with pytest.raises(UsageError, match="access denied"):
        store.list("")


def test_where_half_a_file_shows_it_is_written_under_another_name(tmp_path: Path) -> None:
    """A reader that lists in the middle of a put sees nothing of it."""
    seen: list[list[str]] = []

    class Slow(LocalFileSystem):  # type: ignore[misc] # fsspec has no types
        """Looks at the store in the middle of each write."""

        def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: object) -> None:
            """Write one half, look, and write the other."""
            del mode
            with Path(path).open("wb") as file:
                file.write(value[:2])
                file.flush()
                seen.append([info.name for info in store.list("")])
                file.write(value[2:])

    store = RemoteObjectStore.on_filesystem(Slow(skip_instance_cache=True), str(tmp_path))

    store.put("log/1", [b"half", b"half"])

    assert seen == [[]]
    assert store.get("log/1") == b"halfhalf"
    assert list((tmp_path / "local" / "tmp").iterdir()) == []


def test_no_message_and_no_url_holds_a_secret() -> None:
    """Messages end up in logs and in bug reports."""
    options = {
        "secret": "very-secret",
        "key": "access-key",
        "client_kwargs": {"aws_session_token": "my-token"},
        "endpoint_url": "http://127.0.0.1:1",
    }
    store = RemoteObjectStore.from_url("s3://bucket/team", options)
    error = PermissionError(
        "very-secret my-token access-key https://me:hidden@host/x?X-Amz-Signature=signature"
    )

    message = str(store._border.translate(error, "get", "a"))

    for secret in ("very-secret", "my-token", "access-key", "hidden", "signature"):
        assert secret not in message
    assert "https://host/x" in message
    assert store.url == "s3://bucket/team"


def test_a_password_in_a_url_is_not_shown() -> None:
    """Some protocols have it there."""
    fs = MemoryFileSystem(global_store=False, skip_instance_cache=True)

    store = RemoteObjectStore(FsspecTree(fs, "/team"), url="sftp://me:hidden@host/team?x=1")

    assert store.url == "sftp://host/team"


def test_a_file_system_that_remembers_is_made_to_look_again(tmp_path: Path) -> None:
    """A user hands in one as it comes, and most remember for as long as they live."""

    class Remembering(LocalFileSystem):  # type: ignore[misc] # fsspec has no types
        """Remembers listings and sizes until told to forget."""

        def __init__(self) -> None:
            """Remember nothing yet."""
            super().__init__(skip_instance_cache=True)
            self.remembered: dict[tuple[str, str], Any] = {}

        def ls(self, path: str, detail: bool = False, **kwargs: object) -> Any:  # noqa: FBT001, FBT002 (fsspec's signature)
            """List from memory."""
            if ("ls", path) not in self.remembered:
                self.remembered["ls", path] = super().ls(path, detail=detail, **kwargs)
            return self.remembered["ls", path]

        def info(self, path: str, **kwargs: object) -> Any:
            """Answer from memory."""
            if ("info", path) not in self.remembered:
                self.remembered["info", path] = super().info(path, **kwargs)
            return self.remembered["info", path]

        def invalidate_cache(self, path: str | None = None) -> None:
            """Forget."""
            del path
            self.remembered.clear()

    store = RemoteObjectStore.on_filesystem(Remembering(), str(tmp_path))
    store.put("log/1", [b"x"])

    assert [info.name for info in store.list("log/")] == ["log/1"]
    (tmp_path / "log" / "2").write_bytes(b"of another")
    assert sorted(info.name for info in store.list("log/")) == ["log/1", "log/2"]

    assert not store.create("log/1", b"y")
    (tmp_path / "log" / "1").unlink()
    assert store.create("log/1", b"y")


def test_it_keeps_no_view_of_a_user_who_deletes_during_a_batch() -> None:
    """An object that goes while others are read is missing, and no more than that."""
    fs = MemoryFileSystem(global_store=False, skip_instance_cache=True)
    store = RemoteObjectStore.on_filesystem(fs, "/team")
    store.put_many({"a": [b"x"], "b": [b"y"]})
    fs.rm_file("/team/a")

    assert store.get_many(["a", "b"]) == [None, b"y"]
    with pytest.raises(NotFoundError):
        store.get_into("a", 0, memoryview(bytearray()))


def test_what_a_record_claims_is_not_allocated() -> None:
    """A size from a store is untrusted; some file systems would allocate it."""
    asked: list[tuple[int, int]] = []
    store = RemoteObjectStore.on_filesystem(watched(asked), "/team")
    store.put("a", [b"0123456789"])

    assert store.get_range("a", 4, 1 << 62) == b"456789"
    assert asked == [(4, 10)]


def test_nothing_is_asked_for_as_one_byte() -> None:
    """A range that ends before it begins is ignored by S3, which then sends the whole object."""
    asked: list[tuple[int, int]] = []
    store = RemoteObjectStore.on_filesystem(watched(asked), "/team")
    store.put("a", [b"0123456789"])

    assert store.get_range("a", 4, 0) == b""
    assert asked == [(4, 5)]


def test_a_forked_child_remakes_what_holds_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent's stays untouched: closing it here would close it there."""
    store = RemoteObjectStore.from_url("s3://bucket/team", {"anon": True})
    parents = tree_of(store).fs
    forked = os.getpid() + 1

    monkeypatch.setattr(os, "getpid", lambda: forked)
    childs = tree_of(store).fs

    assert childs is not parents
    assert childs is tree_of(store).fs
    assert not childs.dircache.use_listings_cache
    assert childs.anon
    assert parents in tree_of(store)._inherited


def test_a_forked_child_keeps_what_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file system in memory would be empty."""
    fs = MemoryFileSystem(global_store=False, skip_instance_cache=True)
    store = RemoteObjectStore.on_filesystem(fs, "/team")
    store.put("a", [b"x"])
    forked = os.getpid() + 1

    monkeypatch.setattr(os, "getpid", lambda: forked)

    assert store.get("a") == b"x"


@pytest.mark.parametrize("protocol", ["s3", "memory", "http", "ftp"])
def test_no_file_system_that_we_make_remembers_listings(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its kind, and whatever the user's options say: a stale listing loses calls."""
    made: list[dict[str, object]] = []

    class Recorded(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
        """Notes how it was made."""

        def __init__(self, **options: object) -> None:
            made.append(options)
            super().__init__(global_store=False)

    monkeypatch.setattr("fsspec.get_filesystem_class", lambda _: Recorded)

    one = make_filesystem(protocol, f"{protocol}://host/x", {"use_listings_cache": True})
    two = make_filesystem(protocol, f"{protocol}://host/x", {"use_listings_cache": True})

    assert one is not two
    assert [options["use_listings_cache"] for options in made] == [False, False]


def test_a_file_system_for_event_loops_is_refused() -> None:
    """It would hang, or raise from deep inside."""
    fs = MemoryFileSystem(global_store=False, skip_instance_cache=True)
    fs.asynchronous = True

    with pytest.raises(UsageError, match="asynchronous=True"):
        RemoteObjectStore.on_filesystem(fs, "/team")


def test_a_read_only_kind_of_store_says_so() -> None:
    """A web server can be read as a store; putting into it is a mistake to be told of."""

    class ReadOnly(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
        """Cannot be written."""

        protocol = "http"

        def pipe_file(self, *_: object, **__: object) -> None:
            """Refuse, as fsspec does."""
            raise NotImplementedError

    store = RemoteObjectStore.on_filesystem(
        ReadOnly(global_store=False, skip_instance_cache=True), "/team"
    )

    with pytest.raises(MandalaError, match="the request was refused"):
        store.put("a", [b"x"])
    assert not store.capabilities.strong_list
