"""What users see of a server in trouble, with both engines, over a real connection."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.objectstore.opening import Engine
from mandala_cas.objectstore.remote import RemoteObjectStore
from mandala_cas.objectstore.retrying import RetryingObjectStore

ENGINES: list[Engine] = ["fsspec", "obstore"]
ANSWERS = {
    "throttled": (503, "SlowDown"),
    "busy": (429, "TooManyRequests"),
    "broken": (500, "InternalError"),
    "expired": (400, "ExpiredToken"),
    "denied": (403, "AccessDenied"),
    "no bucket": (404, "NoSuchBucket"),
}


class TroubledServer(ThreadingHTTPServer):
    """Answers every request in the same way, or in none."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.trouble = "throttled"
        self.request_count = 0
        self.over = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Say nothing of connections that it broke itself."""


class Handler(BaseHTTPRequestHandler):
    """Makes the trouble."""

    protocol_version = "HTTP/1.1"
    server: TroubledServer

    def answer(self) -> None:
        """Take a request, and be of no help."""
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.request_count += 1
        if self.server.trouble == "silent":
            self.server.over.wait()
            self.close_connection = True
        elif self.server.trouble == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        else:
            status, code = ANSWERS[self.server.trouble]
            body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def __getattr__(self, name: str) -> Any:
        """Answer every method in the same way."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[TroubledServer]:
    """Run a server in trouble."""
    server = TroubledServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def open_store(server: TroubledServer, engine: Engine) -> RemoteObjectStore:
    """Return a store on that server, with as little patience as can be had."""
    options: dict[str, Any] = {
        "key": "testing",
        "secret": "testing",
        "endpoint_url": server.url,
        "client_kwargs": {"region_name": "us-east-1"},
    }
    if engine == "obstore":
        return RemoteObjectStore.with_obstore("s3://bucket/team", options)
    options["config_kwargs"] = {"read_timeout": 0.2}
    return RemoteObjectStore.from_url("s3://bucket/team", options)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("trouble", ["throttled", "busy", "broken", "reset"])
def test_trouble_that_passes_is_called_temporary(
    server: TroubledServer, trouble: str, engine: Engine
) -> None:
    """The engine has tried twice or so by itself, within seconds, and leaves the rest to us."""
    server.trouble = trouble
    server.request_count = 0
    store = open_store(server, engine)

    with pytest.raises(StoreUnavailableError, match="nothing was lost, try again") as caught:
        store.get("a")

    store.close()
    assert caught.value.temporary
    # botocore has not heard of 429; aiohttp knocks twice where a connection breaks.
    assert 1 <= server.request_count <= 4


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_that_says_nothing_is_not_waited_for_for_ever(
    server: TroubledServer, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks like one that is slow, and may be."""
    server.trouble = "silent"
    monkeypatch.setattr(
        "mandala_cas.objectstore.obstore_tree._CLIENT",
        {"allow_http": True, "read_timeout": "200ms"},
    )
    store = open_store(server, engine)

    with pytest.raises(StoreUnavailableError, match="nothing was lost, try again") as caught:
        store.get("a")

    store.close()
    assert caught.value.temporary


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("expired", r"the credentials have expired.*renew them"),
        ("denied", r"access denied.*check that credentials are set"),
        ("no bucket", r"there is no bucket bucket; create it"),
    ],
)
def test_trouble_of_the_users_own_says_what_to_do(
    server: TroubledServer, trouble: str, message: str, engine: Engine
) -> None:
    """Each with its own next step, after one request, and with nobody waiting for it to pass."""
    server.trouble = trouble
    server.request_count = 0
    inner = open_store(server, engine)
    slept: list[float] = []
    store = RetryingObjectStore(inner, sleep=slept.append)

    for use in (
        lambda: store.get("a"),
        lambda: list(store.list("")),
        lambda: store.put("a", [b"x"]),
    ):
        with pytest.raises(UsageError, match=message):
            use()

    store.close()
    assert slept == []
    # s3fs calls a bucket empty that is not there, so that we ask once more.
    assert 3 <= server.request_count <= 4


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_that_recovers_gives_what_was_asked(
    server: TroubledServer, engine: Engine
) -> None:
    """Nobody but the clock notices."""
    server.trouble = "throttled"
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        server.trouble = "no bucket"

    store = RetryingObjectStore(open_store(server, engine), sleep=sleep)

    with pytest.raises(UsageError, match="there is no bucket"):
        store.get("a")

    store.close()
    assert len(slept) == 1
