"""Values that other stores hold for this one: how they come back, and which they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mandala_cas.blobs.store import BlobStore
from mandala_cas.index.copies import ValueCopy
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.storage.opening import open_store
from mandala_cas.values.freed import Freed
from mandala_cas.values.promises import FetchedValue, Promises


@dataclass(frozen=True, slots=True)
class OtherStore:
    """Another store, opened for reading: its log, where that places values, and its payload."""

    objects: ObjectStore
    view: LogView
    lookup: CallLookup
    blobs: BlobStore

    def copies(self, content_id: ContentId) -> Sequence[ValueCopy]:
        """Return the places of a value, on the word of its log."""
        return self.lookup.copies(content_id)


def open_other_store(url: str) -> OtherStore:
    """Open a store for reading, with whatever credentials this machine has for it."""
    objects = open_store(url, mode="r").objects
    view, lookup = LogView(objects), CallLookup()
    lookup.add_parts(view.refresh())
    return OtherStore(objects, view, lookup, BlobStore(objects))


class ValuesElsewhere:
    """Fetches values that were freed here, and tells them from values that are lost."""

    def __init__(self, config: Path, key: Callable[[], bytes]) -> None:
        """Keep promises in the file ``config``.

        ``key`` gives what only this user has; it is asked for when there is a promise, since asking
        may make one.
        """
        self._config = config
        self._key = key

    @cached_property
    def promises(self) -> Promises:
        """The promises that other stores made."""
        return Promises(self._config, key=self._key(), open_remote=open_other_store)

    def fetch(self, content_ids: Iterable[ContentId]) -> dict[ContentId, FetchedValue]:
        """Return those of the values that can be had from the stores that promised."""
        return self.promises.fetch(content_ids) if self._config.exists() else {}

    def promised_among(self, places: Iterable[Freed]) -> AbstractSet[Freed]:
        """Return those of ``places`` whose values are not here because another store holds them."""
        return self.promises.among(places) if self._config.exists() else set()
