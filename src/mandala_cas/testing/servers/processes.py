"""A server process that ends with the process that started it, and takes its directory along."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from mandala_cas.errors import StoreUnavailableError

HOST: Final = "127.0.0.1"
POLL_S: Final = 0.05
_STOP_MAX_S: Final = 30.0
_SAID_SIZE_MAX: Final = 4000

# Between a test and a server that knows nothing of it. Told to end, it ends the server, with force
# after three seconds, for nothing that it holds is of use to anybody. Its standard input ends when
# the test process does, however that comes about: the kernel sees to it. Then nobody else is left
# to remove the directory.
_KEEPER: Final = """
import os, shutil, signal, subprocess, sys, threading
directory, *command = sys.argv[1:]
server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
orphaned = threading.Event()
def send(number):
    try:
        os.killpg(server.pid, number)
    except ProcessLookupError:
        pass
def end(*_):
    send(signal.SIGTERM)
    force = threading.Timer(3, send, [signal.SIGKILL])
    force.daemon = True
    force.start()
def watch():
    sys.stdin.buffer.read()
    orphaned.set()
    end()
signal.signal(signal.SIGTERM, end)
threading.Thread(target=watch, daemon=True).start()
code = server.wait()
if orphaned.is_set():
    shutil.rmtree(directory, ignore_errors=True)
os._exit(code & 255)
"""


class ServerProcess:
    """A command that runs until it is told to stop, or until this process is no more."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        directory: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start ``command``, with its output in ``directory``, where all its files should be."""
        self.name = name
        self._log = directory / f"{name}.log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 (a command of our own)
                [sys.executable, "-c", _KEEPER, str(directory), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**clean_environment(), **(environment or {})},
                cwd=directory,
            )

    @property
    def pid(self) -> int:
        """The process that watches over the server."""
        return self._process.pid

    def wait_until(self, answers: Callable[[], bool], start_max_s: float) -> None:
        """Return when the server ``answers``.

        Raises:
            StoreUnavailableError: it ended, or did not answer in time; with what it printed last.
        """
        deadline = time.monotonic() + start_max_s
        while not answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_bytes()[-_SAID_SIZE_MAX:].decode(errors="replace")
                raise StoreUnavailableError(
                    f"{self.name} did not start within {start_max_s:.0f} seconds; look for what is "
                    f"in its way in what it said: {said}"
                )
            # How often to look, not how long it takes.
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stop the server, and wait until it is gone."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_MAX_S)
        finally:
            assert self._process.stdin is not None
            # If it is still there, it now takes the server with it.
            self._process.stdin.close()


def clean_environment() -> dict[str, str]:
    """Return this process's environment without the user's credentials, settings and proxies."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AWS_", "AZURE_", "GOOGLE_", "MOTO_", "COV_", "COVERAGE_", "CEPH_"))
        and "proxy" not in key.lower()
    }


def find_program(name: str) -> str | None:
    """Return the path of a program, from beside this Python or from the search path."""
    beside = Path(sys.executable).parent
    return shutil.which(name, path=f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def free_ports(count: int) -> list[int]:
    """Return different ports of this machine that nothing listens on right now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def free_port() -> int:
    """Return a port of this machine that nothing listens on right now."""
    return free_ports(1)[0]
