"""An object store that refuses to change: what a storage opened for reading is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import (
    Buffer,
    ByteRange,
    Capabilities,
    MappedObject,
    MapsObjects,
    ObjectInfo,
    ObjectStore,
    Parts,
)


class ReadOnlyObjectStore:
    """Passes reads on to ``inner``, and refuses every write before it is sent.

    A promise kept here holds for all of the code above: opening, querying and verifying a store
    with it cannot leave a trace, not even by mistake.
    """

    def __init__(self, inner: ObjectStore, reason: str) -> None:
        """Guard ``inner``; ``reason`` says in errors why nothing can be written."""
        self.inner = inner
        self._reason = reason

    @property
    def url(self) -> str:
        """Where the inner store is."""
        return self.inner.url

    @property
    def capabilities(self) -> Capabilities:
        """What the inner store promises."""
        return self.inner.capabilities

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Refuse."""
        del parts
        self._refuse("put", name)

    def put_many(self, objects: Mapping[str, Parts]) -> None:
        """Refuse, unless there is nothing to do."""
        for name in objects:
            self._refuse("put", name)

    def create(self, name: str, data: bytes) -> bool:
        """Refuse."""
        del data
        self._refuse("put", name)

    def get(self, name: str) -> bytes:
        """Pass on."""
        return self.inner.get(name)

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Pass on."""
        return self.inner.get_range(name, offset, size)

    def get_into(self, name: str, offset: int, buffer: memoryview) -> int:
        """Pass on."""
        return self.inner.get_into(name, offset, buffer)

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Pass on."""
        return self.inner.get_many(names)

    def get_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | None]:
        """Pass on."""
        return self.inner.get_ranges(ranges)

    @property
    def maps_objects(self) -> bool:
        """As the inner store."""
        return isinstance(self.inner, MapsObjects) and self.inner.maps_objects

    def map_object(self, name: str) -> MappedObject | None:
        """Pass on, where the inner store can."""
        return self.inner.map_object(name) if isinstance(self.inner, MapsObjects) else None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Pass on."""
        return self.inner.list(prefix)

    def delete(self, names: Iterable[str]) -> None:
        """Refuse, unless there is nothing to do."""
        for name in names:
            self._refuse("delete", name)

    def close(self) -> None:
        """Pass on."""
        self.inner.close()

    def _refuse(self, verb: str, name: str) -> NoReturn:
        """Say why nothing can be written."""
        raise UsageError(f"cannot {verb} {name} in {self.url}: {self._reason}", name=name)
