"""Azurite: Microsoft's own emulator of Azure Blob Storage, for Node."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from mandala_cas.testing.servers.base import BucketServer
from mandala_cas.testing.servers.processes import HOST, find_program

# The one account that every Azurite has; Microsoft publishes its key.
_ACCOUNT: Final = "devstoreaccount1"
_KEY: Final = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_START_MAX_S: Final = 60.0


class AzuriteServer(BucketServer):
    """A server of the blob interface only; its bucket is called a container there."""

    name = "Azurite"
    scheme = "az"

    @classmethod
    def missing(cls) -> str | None:
        """Return what has to be installed first."""
        if find_program("azurite-blob") is None:
            return "Azurite is not installed; run: npm install azurite, and put its .bin on PATH"
        if find_spec("azure.storage.blob" if find_spec("azure") else "azure") is None:
            return "adlfs is not installed; run: pip install 'mandala-cas[azure]'"
        return None

    @property
    def endpoint_url(self) -> str:
        """Where it listens: the account is a folder there, and no host."""
        return f"http://{HOST}:{self.port}/{_ACCOUNT}"

    @property
    def storage_options(self) -> dict[str, Any]:
        """What an engine needs to reach it."""
        return {
            "connection_string": f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};"
            f"AccountKey={_KEY};BlobEndpoint={self.endpoint_url};"
        }

    def _launch(self, directory: Path) -> None:
        """Start it, and make the container."""
        from azure.storage.blob import BlobServiceClient  # noqa: PLC0415 (an extra)

        program = find_program("azurite-blob")
        assert program is not None, "missing() was asked"
        process = self._run(
            directory,
            "azurite",
            [
                program,
                *["--blobHost", HOST, "--blobPort", str(self.port)],
                *["--location", str(directory / "data")],
                *["--silent", "--skipApiVersionCheck", "--disableTelemetry"],
            ],
        )
        process.wait_until(lambda: self._status("/") is not None, _START_MAX_S)
        client = BlobServiceClient.from_connection_string(**_renamed(self.storage_options))
        with client:
            client.create_container(self.bucket)


def _renamed(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options as Microsoft's own library calls them."""
    return {"conn_str": options["connection_string"]}
