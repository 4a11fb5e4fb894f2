"""A store that persists and is no folder, for tests of what a storage does with one."""

from __future__ import annotations

from mandala_cas.objectstore.api import Capabilities
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import FaultStore


class Bucket(FaultStore):
    """An object store in memory that promises what a bucket promises."""

    def __init__(self, url: str = "memory://bucket") -> None:
        """Begin empty, at ``url``."""
        super().__init__(MemoryObjectStore())
        self._url = url

    @property
    def capabilities(self) -> Capabilities:
        """Everything that a bucket promises."""
        return Capabilities(persistent=True)

    @property
    def url(self) -> str:
        """Where it says that it is."""
        return self._url

    def read(self, prefix: str) -> list[str]:
        """Return the names below ``prefix`` that were read, and forget what was asked so far."""
        names = [
            call.name
            for call in self.calls
            if call.operation.startswith("get") and call.name.startswith(prefix)
        ]
        self.calls.clear()
        return names
