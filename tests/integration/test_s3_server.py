"""The S3 server for tests: it starts, it stops, and it outlives nobody."""

from __future__ import annotations

import os
import select
import subprocess
import sys

import pytest

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.objectstore.remote import RemoteObjectStore
from mandala_cas.testing.servers import S3Server


def is_running(pid: int) -> bool:
    """Tell whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_stopped_server_is_gone() -> None:
    """Nothing is left behind, and stopping again is harmless."""
    with S3Server() as server:
        assert server._process is not None
        pid = server._process.pid
        assert is_running(pid)

    server.stop()

    assert not is_running(pid)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits in a way that only Linux has")
def test_a_server_ends_with_the_process_that_started_it() -> None:
    """A test run that is killed would leave one behind every time."""
    program = """
import os, signal, sys
from mandala_cas.testing.servers import S3Server
server = S3Server()
server.start()
print(server._process.pid, server.endpoint_url, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    pid = int(done.stdout.split()[0])
    assert done.returncode == -9
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Readable once the process has ended, whoever is to bury it.
        assert select.select([descriptor], [], [], 60.0)[0], "it is still running"
    finally:
        os.close(descriptor)


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one whose package is not installed."""
    monkeypatch.setattr(
        "mandala_cas.testing.servers.moto._PROGRAM", "raise SystemExit('no module named moto')"
    )

    with pytest.raises(StoreUnavailableError, match="no module named moto"):
        S3Server().start()


def test_a_bucket_is_made_where_it_can_be_reached(s3_server: S3Server) -> None:
    """Each with a name of its own."""
    urls = {s3_server.fresh_url() for _ in range(3)}

    for url in urls:
        store = RemoteObjectStore.from_url(url, s3_server.storage_options)
        assert list(store.list("")) == []
        store.close()
    assert len(urls) == 3
