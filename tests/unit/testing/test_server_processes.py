"""What runs the servers for tests: it says what is missing, and keeps an eye on what it starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.testing.servers import (
    AzuriteServer,
    BucketServer,
    CephServer,
    FakeGcsServer,
    JuiceFsServer,
    SeaweedFsServer,
)
from mandala_cas.testing.servers.processes import (
    ServerProcess,
    clean_environment,
    free_ports,
)

SERVERS: list[type[BucketServer]] = [
    AzuriteServer,
    CephServer,
    FakeGcsServer,
    JuiceFsServer,
    SeaweedFsServer,
]


@pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.name)
def test_a_server_that_is_not_installed_says_what_to_install(
    kind: type[BucketServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is started, and as a reason that a skipped test can give."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("mandala_cas.testing.servers.fake_gcs.find_spec", lambda _: None)

    reason = kind.missing()

    assert reason is not None
    assert kind.name in reason
    with pytest.raises(UsageError) as caught:
        kind().start()
    assert str(caught.value) == reason


def test_a_process_that_ends_early_says_why(tmp_path: Path) -> None:
    """With what it printed, on whichever stream."""
    command = [sys.executable, "-c", "raise SystemExit('the port is taken')"]
    process = ServerProcess("unlucky", command, tmp_path)

    with pytest.raises(StoreUnavailableError, match=r"unlucky did not start.*the port is taken"):
        process.wait_until(lambda: False, 60.0)

    process.stop()


def test_a_process_that_will_not_end_is_ended(tmp_path: Path) -> None:
    """A server that hangs must not make the test run hang."""
    program = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("ready", "w").close()
time.sleep(600)
"""
    process = ServerProcess("stubborn", [sys.executable, "-c", program], tmp_path)
    process.wait_until((tmp_path / "ready").exists, 60.0)

    process.stop()

    assert process._process.returncode == 256 - 9
    assert tmp_path.is_dir(), "a directory is removed by whoever made it, while there is somebody"


def test_no_setting_of_the_users_reaches_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would take its requests elsewhere, and credentials are nobody's business."""
    for name in ("AWS_PROFILE", "AZURE_STORAGE_KEY", "HTTPS_PROXY", "no_proxy", "GOOGLE_X"):
        monkeypatch.setenv(name, "x")

    assert "x" not in clean_environment().values()


def test_free_ports_are_different_ones() -> None:
    """Asked for one after the other, the same could come twice."""
    assert len(set(free_ports(20))) == 20
