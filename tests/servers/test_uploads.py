"""A large object appears whole or not at all, whatever happens while it is sent piece by piece."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.integration.lines import Line, Loss

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.objectstore import gcs_session
from mandala_cas.objectstore.api import Buffer, Pieces
from mandala_cas.objectstore.fsspec_tree import FsspecTree
from mandala_cas.objectstore.opening import open_object_store
from mandala_cas.objectstore.remote import RemoteObjectStore
from mandala_cas.testing.servers import BucketServer

pytestmark = pytest.mark.servers

NAME = "blobs/ab/cd"
# More than are sent at the same time, on every server; the last piece is shorter than the others.
SIZE = (21 << 20) + 5
CHUNK_SIZE = 16 << 20
SERVERS = ["seaweedfs", "azurite", "fake_gcs"]


@pytest.fixture(autouse=True)
def _two_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Google be sent two chunks, where others are sent five."""
    monkeypatch.setattr(gcs_session, "CHUNK_SIZE", CHUNK_SIZE)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> BucketServer:
    """Return each of the servers in turn."""
    found: BucketServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def store(server: BucketServer) -> Iterator[RemoteObjectStore]:
    """Return an empty store, which asks nothing twice."""
    store = RemoteObjectStore.from_url(server.fresh_url(), server.storage_options)
    store.put("warm", [b""])
    yield store
    store.close()


@pytest.fixture
def gcs_store(fake_gcs: BucketServer) -> RemoteObjectStore:
    """Return an empty store on Google's emulator."""
    return RemoteObjectStore.from_url(fake_gcs.fresh_url(), fake_gcs.storage_options)


def noise(seed: int = 0) -> bytes:
    """Return bytes of which no two pieces are alike."""
    return random.Random(seed).randbytes(SIZE)  # noqa: S311 (no secret)


def names_in(store: RemoteObjectStore) -> list[str]:
    """Return what a listing shows of large objects."""
    return [info.name for info in store.list("blobs/")]


def filesystem_of(store: RemoteObjectStore) -> Any:
    """Return what sends the requests of a store."""
    assert isinstance(store._tree, FsspecTree)
    return store._tree.fs


def request_count(store: RemoteObjectStore, line: Line) -> int:
    """Return how many requests one large object takes; it is removed again."""
    line.methods.clear()
    store.put(NAME, [noise(1)])
    count = len(line.methods)
    store.delete([NAME])
    assert count > 2, "it was sent at once"
    return count


def test_a_large_object_is_sent_piece_by_piece(
    store: RemoteObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the buffers were, and over what was there; it is read back in pieces as well."""
    store.put(NAME, [noise(1)])
    line = Line(monkeypatch)
    data = noise()

    store.put(NAME, [data[:100], memoryview(data)[100:]])

    assert len(line.methods) > 2
    buffer = bytearray(b"-" * (SIZE + 2))
    assert store.get_into(NAME, 1, memoryview(buffer)) == SIZE - 1
    assert bytes(buffer) == data[1:] + b"---"
    assert [(info.name, info.size) for info in store.list("blobs/")] == [(NAME, SIZE)]


@pytest.mark.parametrize(
    ("loss", "before"), [("request", []), ("answer", []), ("request", [b"before"])]
)
def test_a_writer_may_die_at_any_request(
    store: RemoteObjectStore, monkeypatch: pytest.MonkeyPatch, loss: Loss, before: list[bytes]
) -> None:
    """Nobody sees half an object, what was there stays, and the next writer is not disturbed."""
    line = Line(monkeypatch)
    count = request_count(store, line)

    for number in range(count):
        for data in before:
            store.put(NAME, [data])
        line.cut(number, loss, for_good=True)
        with pytest.raises(StoreUnavailableError, match="cut off"):
            store.put(NAME, [noise()])
        line.mend()

        # Of the last request only the answer may be lost: then it has done its work.
        is_done = loss == "answer" and number == count - 1
        expected: list[bytes | None] = [noise()] if is_done else [*before] or [None]
        assert store.get_many([NAME]) == expected
        store.put(NAME, [noise(2)])
        assert store.get(NAME) == noise(2)
        store.delete([NAME])


def test_whoever_is_overtaken_puts_again(server: BucketServer) -> None:
    """Two machines that computed the same may have compressed it differently: no mixture of both.

    On Azure a commit throws away what others have sent of the same object.
    """
    url = server.fresh_url()
    slow, fast = (open_object_store(url, server.storage_options) for _ in range(2))
    data = noise()
    overtaken: list[int] = []

    def pieces() -> Iterator[Buffer]:
        yield data[:-1]
        if not overtaken:
            overtaken.append(1)
            fast.put(NAME, [noise(1)])
        yield data[-1:]

    slow.put(NAME, Pieces(SIZE, pieces))

    assert overtaken
    assert fast.get(NAME) == data
    slow.close()
    fast.close()


def test_what_stops_the_making_of_pieces_stops_the_upload(store: RemoteObjectStore) -> None:
    """Ctrl-C, or a spooled file that somebody removed: it reaches the caller as it is."""

    def pieces() -> Iterator[Buffer]:
        yield noise()[:-1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put(NAME, Pieces(SIZE, pieces))

    assert names_in(store) == []


# SeaweedFS takes parts of an object in any bucket.
@pytest.mark.parametrize("server", ["azurite", "fake_gcs"], indirect=True)
def test_a_bucket_that_is_not_there_is_named(server: BucketServer) -> None:
    """Large objects are put in another way than small ones."""
    url = f"{server.scheme}://no-such-bucket/team"
    store = RemoteObjectStore.from_url(url, server.storage_options)

    with pytest.raises(UsageError, match="there is no bucket no-such-bucket; create it"):
        store.put(NAME, [noise()])
    store.close()


def test_a_session_that_fails_is_ended(
    gcs_store: RemoteObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Google has of it goes at once, and nobody can go on with it."""
    line = Line(monkeypatch)
    line.cut(at=2)

    with pytest.raises(StoreUnavailableError, match="cut off"):
        gcs_store.put(NAME, [noise()])

    assert line.methods == ["POST", "POST", "POST", "DELETE"]


Call = Callable[..., Any]


def through(
    store: RemoteObjectStore, patch: pytest.MonkeyPatch, change: Callable[[Call], Call]
) -> list[str]:
    """Let ``change`` make something else of how pieces are sent; return their ranges as they go."""
    filesystem = filesystem_of(store)
    call, ranges = filesystem._call, []
    changed = change(call)

    async def sent(method: str, path: str, *args: Any, **options: Any) -> Any:
        span = (options.get("headers") or {}).get("Content-Range")
        if span is None:
            return await call(method, path, *args, **options)
        ranges.append(span)
        return await changed(method, path, *args, **options)

    patch.setattr(filesystem, "_call", sent)
    return ranges


def test_what_a_server_did_not_keep_is_sent_again(
    gcs_store: RemoteObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google may keep any part of a piece, and says how much."""
    kept: list[int] = []

    def keep_some(call: Call) -> Call:
        async def sent(*question: Any, headers: dict[str, str], data: Any) -> Any:
            if not kept:
                kept.append(1 << 20)
                headers = {**headers, "Content-Range": f"bytes 0-{kept[0] - 1}/{SIZE}"}
                data = io.BytesIO(data.getvalue()[: kept[0]])
            return await call(*question, headers=headers, data=data)

        return sent

    ranges = through(gcs_store, monkeypatch, keep_some)

    gcs_store.put(NAME, [noise()])

    spans = [(0, CHUNK_SIZE - 1), (1 << 20, CHUNK_SIZE - 1), (CHUNK_SIZE, SIZE - 1)]
    assert ranges == [f"bytes {first}-{last}/{SIZE}" for first, last in spans]
    assert gcs_store.get(NAME) == noise()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(({}, b""), "nothing arrives", id="kept nothing"),
        pytest.param(({}, b'{"size": "7"}'), "became an object", id="made something else"),
    ],
)
def test_a_server_that_does_not_take_it_all_is_noticed(
    gcs_store: RemoteObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[dict[str, str], bytes],
    reason: str,
) -> None:
    """Whoever trusted it would record a call whose value is nowhere."""

    def answer_alike(_: Call) -> Call:
        async def sent(*_: Any, **__: Any) -> Any:
            return answer

        return sent

    through(gcs_store, monkeypatch, answer_alike)

    with pytest.raises(StoreUnavailableError, match=reason):
        gcs_store.put(NAME, [noise()])


def test_a_bucket_without_sessions_is_sent_all_at_once(
    gcs_store: RemoteObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a zonal one gcsfs appends to objects, in a way of its own."""

    async def is_zonal(bucket: str) -> bool:
        return bucket == "testing"

    filesystem = filesystem_of(gcs_store)
    monkeypatch.setattr(filesystem, "_is_zonal_bucket", is_zonal, raising=False)
    line = Line(monkeypatch)

    with pytest.warns(ResourceWarning, match="large body"):
        gcs_store.put(NAME, [noise()])

    assert line.methods == ["POST"]
    assert gcs_store.get(NAME) == noise()
