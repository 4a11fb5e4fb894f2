"""A store whose every call is a place where another actor may go first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mandala_cas.errors import NotFoundError
from mandala_cas.objectstore.api import (
    Buffer,
    ByteRange,
    Capabilities,
    ObjectInfo,
    ObjectStore,
    Parts,
)
from mandala_cas.objectstore.buffers import joined
from mandala_cas.objectstore.names import check_name, check_prefix, check_range
from mandala_cas.testing.scheduler.interleaving import switch


class ScheduledStore:
    """Passes everything on to ``inner``, after a switch point.

    What a batch does to each object is a call of its own: real stores work on a batch in pieces,
    and others see it in pieces. A listing is one call, or with ``page_size`` one for each page; a
    page shows what is there when it is taken, from where the page before ended.
    """

    def __init__(self, inner: ObjectStore, *, page_size: int | None = None) -> None:
        """Wrap ``inner``, which must not wait for another actor."""
        self.inner = inner
        self._page_size = page_size

    @property
    def url(self) -> str:
        """Where the inner store is."""
        return self.inner.url

    @property
    def capabilities(self) -> Capabilities:
        """What the inner store promises."""
        return self.inner.capabilities

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Store an object."""
        data = joined(parts)
        switch(f"put {name}")
        self.inner.put(name, [data])

    def put_many(self, objects: Mapping[str, Parts]) -> None:
        """Store objects one by one."""
        for name in objects:
            check_name(name)
        for name, parts in objects.items():
            self.put(name, parts)

    def create(self, name: str, data: bytes) -> bool:
        """Create an object."""
        switch(f"create {name}")
        return self.inner.create(name, data)

    def get(self, name: str) -> bytes:
        """Return an object."""
        switch(f"get {name}")
        return self.inner.get(name)

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Return part of an object."""
        switch(f"get_range {name}")
        return self.inner.get_range(name, offset, size)

    def get_into(self, name: str, offset: int, buffer: memoryview) -> int:
        """Read part of an object into ``buffer``."""
        switch(f"get_into {name}")
        return self.inner.get_into(name, offset, buffer)

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Return objects, read one by one."""
        found: list[bytes | None] = []
        for name in names:
            check_name(name)
        for name in names:
            try:
                found.append(self.get(name))
            except NotFoundError:
                found.append(None)
        return found

    def get_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | None]:
        """Return ranges, read one by one."""
        found: list[bytes | None] = []
        for part in ranges:
            check_range(part.name, part.offset, part.size)
        for part in ranges:
            try:
                found.append(self.get_range(part.name, part.offset, part.size))
            except NotFoundError:
                found.append(None)
        return found

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List what is there, page by page."""
        check_prefix(prefix)
        return self._pages(prefix)

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects, one by one."""
        for name in [check_name(name) for name in names]:
            switch(f"delete {name}")
            self.inner.delete([name])

    def close(self) -> None:
        """Close the inner store."""
        self.inner.close()

    def _pages(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield page after page; the first one is taken when it is asked for."""
        switch(f"list {prefix}")
        page = self._page(prefix, "")
        while len(page) == self._page_size:
            yield from page
            switch(f"list {prefix} after {page[-1].name}")
            page = self._page(prefix, page[-1].name)
        yield from page

    def _page(self, prefix: str, after: str) -> Sequence[ObjectInfo]:
        """Return what comes after a name, as a bucket lists: in the order of names."""
        infos = (info for info in self.inner.list(prefix) if info.name > after)
        return sorted(infos, key=lambda info: info.name)[: self._page_size]
