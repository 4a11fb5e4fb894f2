"""The servers for tests: they stop, and leave nothing behind, however the test process ends."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from mandala_cas.testing.servers import (
    AzuriteServer,
    BucketServer,
    CephServer,
    FakeGcsServer,
    JuiceFsServer,
    SeaweedFsServer,
)

pytestmark = pytest.mark.servers

SERVERS: list[type[BucketServer]] = [
    AzuriteServer,
    CephServer,
    FakeGcsServer,
    JuiceFsServer,
    SeaweedFsServer,
]


def processes_in(directory: Path) -> list[int]:
    """Return the processes that name a directory in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in command:
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes where Linux has them")
@pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.name)
def test_a_stopped_server_leaves_nothing_behind(kind: type[BucketServer]) -> None:
    """Neither a process nor a file; and stopping again is harmless."""
    reason = kind.missing()
    if reason is not None:
        pytest.skip(reason)
    with kind() as server:
        directory = server._directory
        assert directory is not None
        assert directory.is_dir()
        assert processes_in(directory) != []

    server.stop()

    assert not directory.exists()
    assert processes_in(directory) == []


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits in a way that only Linux has")
@pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.name)
def test_a_server_ends_with_the_process_that_started_it(kind: type[BucketServer]) -> None:
    """A test run that is killed would leave one behind every time."""
    reason = kind.missing()
    if reason is not None:
        pytest.skip(reason)
    program = f"""
import os, signal
from mandala_cas.testing import servers
server = servers.{kind.__name__}()
server.start()
print(server._directory, *(process.pid for process in server._processes), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == -9, done.stderr
    directory, *pids = done.stdout.split()
    for pid in map(int, pids):
        wait_for_end(pid)
    assert processes_in(Path(directory)) == []
    assert not Path(directory).exists()


def wait_for_end(pid: int) -> None:
    """Return once a process, which need not be a child, has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 60.0)[0], "it is still running"
    finally:
        os.close(descriptor)
