"""A second store that holds values for a first one, as promises and eviction need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.unit.upkeep.small_stores import records_in

from mandala_cas.blobs.store import BlobStore
from mandala_cas.index.copies import ValueCopy
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.api import Capabilities, ObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.values.promises import Promises

KEY = b"k" * 32


class Lasting(MemoryObjectStore):
    """A store in memory that says it lasts, and has a URL of its own."""

    def __init__(self, url: str) -> None:
        """Be empty, at ``url``."""
        super().__init__()
        self._url = url

    @property
    def url(self) -> str:
        """Where it says it is."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """Everything."""
        return replace(super().capabilities, persistent=True)


class OpenedStore:
    """A store as promises see it."""

    def __init__(self, objects: ObjectStore) -> None:
        """Read its log now."""
        self.blobs = BlobStore(objects)
        self._view = LogView(objects)
        self._view.refresh()

    def copies(self, content_id: ContentId) -> Sequence[ValueCopy]:
        """Return every place on record."""
        return [
            ValueCopy(record, part.name, part.signature, 1)
            for part in self._view.parts.values()
            for record in records_in(part)
            if record.content_id == content_id
        ]


def promises_at(folder: Path, *stores: Lasting, key: bytes = KEY) -> Promises:
    """Return promises in a folder, which can be kept by any of ``stores``."""
    by_url = {store.url: store for store in stores}
    return Promises(
        folder / "local" / "config.json",
        key=key,
        open_remote=lambda url: OpenedStore(by_url[url]),
    )
