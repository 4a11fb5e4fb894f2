"""A real S3 server of one's own, in a process of its own, for as long as a test needs it.

It is moto, the mock of AWS, spoken to through a socket as the real thing would be: what a stub
inside the test process would hide, such as sessions left open, shows.
"""

from __future__ import annotations

import http.client
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any, Final, Self

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.testing.servers.base import ACCESS_KEY, REGION, SECRET_KEY
from mandala_cas.testing.servers.processes import HOST, clean_environment, free_port

_START_MAX_S: Final = 60.0
_STOP_MAX_S: Final = 10.0
_POLL_S: Final = 0.02
# The server ends when its standard input does, which the kernel sees to: whoever started it may be
# killed, and would leave it running otherwise.
_PROGRAM: Final = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
from moto.server import main
main(sys.argv[1:])
"""


class S3Server:
    """An empty S3 server on a free port of this machine. Use it in a ``with`` block."""

    def __init__(self) -> None:
        """Choose a port; nothing is started yet."""
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._port}"

    @property
    def storage_options(self) -> dict[str, Any]:
        """What fsspec needs to reach it; a new dictionary each time."""
        return {
            "key": ACCESS_KEY,
            "secret": SECRET_KEY,
            "endpoint_url": self.endpoint_url,
            "client_kwargs": {"region_name": REGION},
        }

    @property
    def environment(self) -> Mapping[str, str]:
        """What another process needs in its environment to reach it without options."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            # No look at the cloud's address for credentials, which hangs where there is no cloud.
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> None:
        """Start the server; return when it answers.

        Raises:
            StoreUnavailableError: it ended or did not answer in time; with what it printed.
        """
        command = [sys.executable, "-c", _PROGRAM, "-H", HOST, "-p", str(self._port)]
        self._process = subprocess.Popen(  # noqa: S603 (a command of our own)
            command,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
        )
        deadline = time.monotonic() + _START_MAX_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._output.seek(0)
                said = self._output.read().decode(errors="replace")
                self.stop()
                raise StoreUnavailableError(
                    f"the S3 server for tests did not start on port {self._port}; run "
                    f"`moto_server -p {self._port}` to see why; it said: {said}"
                )
            # How often to look, not how long it takes.
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop the server, and wait until it is gone. Stopping twice is harmless."""
        process, self._process = self._process, None
        if process is not None:
            # Not its stdin alone: a process forked meanwhile may hold the other end as well.
            process.terminate()
            try:
                process.communicate(timeout=_STOP_MAX_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        self._output.close()

    def make_bucket(self, name: str | None = None) -> str:
        """Make a bucket, by default one with a new name, and return its name."""
        bucket = name or f"bucket-{secrets.token_hex(8)}"
        status, body = self._request("PUT", f"/{bucket}")
        if status != http.client.OK:
            raise StoreUnavailableError(f"cannot make bucket {bucket}: {status} {body!r}")
        return bucket

    def fresh_url(self) -> str:
        """Return the URL of an empty place for a store, in a bucket of its own."""
        return f"s3://{self.make_bucket()}/store"

    def _answers(self) -> bool:
        """Tell whether the server answers yet."""
        try:
            self._request("GET", "/")
        except OSError:
            return False
        return True

    def _request(self, method: str, path: str) -> tuple[int, bytes]:
        """Return the status and body of the answer to a plain request."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=_STOP_MAX_S)
        try:
            # The server tells by the credentials' scope that S3 is meant; it checks no signature.
            scope = f"{ACCESS_KEY}/20260101/{REGION}/s3/aws4_request"
            headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"}
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
