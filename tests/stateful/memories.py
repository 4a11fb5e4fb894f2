"""Stores in memory that count as lasting, so that a process keeps a journal for them."""

from __future__ import annotations

from dataclasses import replace

from tests.stateful.processes import ticking

from mandala_cas.blobs.store import BlobStore
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.api import Capabilities
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.storage.elsewhere import OtherStore

_stores: dict[str, KeptMemory] = {}


class KeptMemory(MemoryObjectStore):
    """A store in memory that others find by its URL, as if it were far away."""

    def __init__(self, url: str) -> None:
        """Take the place of whatever had that URL."""
        super().__init__(clock=ticking())
        self._url = url
        _stores[url] = self

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """As a bucket has them."""
        return replace(super().capabilities, persistent=True)


def open_kept_memory(url: str) -> OtherStore:
    """Open such a store for reading, as ``open_other_store`` does any."""
    objects = _stores[url]
    view, lookup = LogView(objects), CallLookup()
    lookup.add_parts(view.refresh())
    return OtherStore(objects, view, lookup, BlobStore(objects))
