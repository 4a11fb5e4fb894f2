"""An object store that counts: what a budget of requests is checked against."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mandala_cas.objectstore.api import (
    Buffer,
    ByteRange,
    Capabilities,
    ObjectInfo,
    ObjectStore,
    Parts,
)
from mandala_cas.objectstore.buffers import joined

_LISTED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Requests:
    """What was asked of a store, as a bill would count it.

    A batch counts once for each of its objects, a listing once for each thousand objects that were
    taken from it, and at least once. ``create`` counts as a put.
    """

    puts: int = 0
    gets: int = 0
    lists: int = 0
    deletes: int = 0
    put_bytes: int = 0
    get_bytes: int = 0

    def __sub__(self, before: Requests) -> Requests:
        """Return what was asked since ``before``."""
        return Requests(
            self.puts - before.puts,
            self.gets - before.gets,
            self.lists - before.lists,
            self.deletes - before.deletes,
            self.put_bytes - before.put_bytes,
            self.get_bytes - before.get_bytes,
        )


class CountingObjectStore:
    """Passes everything on to ``inner``, and counts it."""

    def __init__(self, inner: ObjectStore) -> None:
        """Start at zero."""
        self.inner = inner
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def requests(self) -> Requests:
        """What was asked so far, also where it failed."""
        with self._lock:
            return Requests(**self._counts)

    @property
    def url(self) -> str:
        """Where the inner store is."""
        return self.inner.url

    @property
    def capabilities(self) -> Capabilities:
        """What the inner store promises."""
        return self.inner.capabilities

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Pass on."""
        data = joined(parts)
        self._count(puts=1, put_bytes=len(data))
        self.inner.put(name, [data])

    def put_many(self, objects: Mapping[str, Parts]) -> None:
        """Pass on."""
        whole = {name: joined(parts) for name, parts in objects.items()}
        self._count(puts=len(whole), put_bytes=sum(len(data) for data in whole.values()))
        self.inner.put_many({name: [data] for name, data in whole.items()})

    def create(self, name: str, data: bytes) -> bool:
        """Pass on."""
        self._count(puts=1, put_bytes=len(data))
        return self.inner.create(name, data)

    def get(self, name: str) -> bytes:
        """Pass on."""
        self._count(gets=1)
        return self._read(self.inner.get(name))

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Pass on."""
        self._count(gets=1)
        return self._read(self.inner.get_range(name, offset, size))

    def get_into(self, name: str, offset: int, buffer: memoryview) -> int:
        """Pass on."""
        self._count(gets=1)
        size = self.inner.get_into(name, offset, buffer)
        self._count(get_bytes=size)
        return size

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Pass on."""
        self._count(gets=len(names))
        return [data and self._read(data) for data in self.inner.get_many(names)]

    def get_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | None]:
        """Pass on."""
        self._count(gets=len(ranges))
        return [data and self._read(data) for data in self.inner.get_ranges(ranges)]

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Pass on."""
        self._count(lists=1)
        return self._listed(self.inner.list(prefix))

    def delete(self, names: Iterable[str]) -> None:
        """Pass on."""
        asked = list(names)
        self._count(deletes=len(asked))
        self.inner.delete(asked)

    def close(self) -> None:
        """Pass on."""
        self.inner.close()

    def _count(self, **more: int) -> None:
        """Add up."""
        with self._lock:
            self._counts.update(more)

    def _read(self, data: bytes) -> bytes:
        """Count what came back."""
        self._count(get_bytes=len(data))
        return data

    def _listed(self, infos: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
        """Pass a listing on; each thousand but the first is a request of its own."""
        for number, info in enumerate(infos):
            if number and number % _LISTED_AT_ONCE == 0:
                self._count(lists=1)
            yield info
