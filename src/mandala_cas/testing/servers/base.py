"""What all servers for tests have in common: a directory, processes, a bucket, places in it."""

from __future__ import annotations

import http.client
import itertools
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from mandala_cas.errors import UsageError
from mandala_cas.testing.servers.processes import HOST, ServerProcess, free_port

ACCESS_KEY: Final = "testing-access-key"
SECRET_KEY: Final = "testing-secret-key"  # noqa: S105 (of a server that nobody else can reach)
REGION: Final = "us-east-1"
_REQUEST_MAX_S: Final = 10.0


class BucketServer(ABC):
    """A server with one bucket, on a free port of this machine. Use it in a ``with`` block."""

    name: ClassVar[str]
    scheme: ClassVar[str] = "s3"
    bucket: ClassVar[str] = "testing"

    def __init__(self) -> None:
        """Choose a port; nothing is started yet."""
        self.port = free_port()
        self._directory: Path | None = None
        self._processes: list[ServerProcess] = []
        self._places = itertools.count()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Return what has to be installed first, and how; None if nothing has."""

    @abstractmethod
    def _launch(self, directory: Path) -> None:
        """Start all processes, and return when they answer; make the bucket."""

    @property
    def endpoint_url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @property
    def storage_options(self) -> dict[str, Any]:
        """What an engine needs to reach it, in fsspec's words; a new dictionary each time."""
        return {
            "key": ACCESS_KEY,
            "secret": SECRET_KEY,
            "endpoint_url": self.endpoint_url,
            "client_kwargs": {"region_name": REGION},
        }

    def start(self) -> None:
        """Start the server; return when it has a bucket.

        Raises:
            UsageError: it is not installed.
            StoreUnavailableError: it ended or did not answer in time; with what it printed.
        """
        reason = self.missing()
        if reason is not None:
            raise UsageError(reason)
        self._directory = Path(tempfile.mkdtemp(prefix=f"mandala-cas-{self.name.lower()}-"))
        try:
            self._launch(self._directory)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started, last first, and remove its files. Twice is harmless."""
        while self._processes:
            self._processes.pop().stop()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def fresh_url(self) -> str:
        """Return the URL of an empty place for a store."""
        return f"{self.scheme}://{self.bucket}/place-{next(self._places)}"

    def _run(
        self,
        directory: Path,
        name: str,
        command: list[str],
        environment: Mapping[str, str] | None = None,
    ) -> ServerProcess:
        """Start one process, which is stopped with the server."""
        process = ServerProcess(name, command, directory, environment)
        self._processes.append(process)
        return process

    def _status(self, path: str) -> int | None:
        """Return the status of a plain request; None where nobody answers yet."""
        try:
            return self._request("GET", path)[0]
        except OSError:
            return None

    def _request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Return the status and body of the answer to a request without credentials."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_REQUEST_MAX_S)
        try:
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _make_s3_bucket(self) -> None:
        """Make the bucket of a server that speaks S3."""
        import s3fs  # noqa: PLC0415 (heavy)

        fs = s3fs.S3FileSystem(**self.storage_options, skip_instance_cache=True)
        # Without a location: some servers know of none, not even of the default one.
        fs.call_s3("create_bucket", Bucket=self.bucket)
        s3fs.S3FileSystem.close_session(fs.loop, fs._s3)  # noqa: SLF001 (there is no other way)
