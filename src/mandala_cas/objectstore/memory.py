"""An object store in this process's memory: for `Storage()` and for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mandala_cas.errors import NotFoundError
from mandala_cas.objectstore.api import Buffer, ByteRange, Capabilities, ObjectInfo, Parts
from mandala_cas.objectstore.buffers import flat_target, joined
from mandala_cas.objectstore.names import check_name, check_prefix, check_range


class MemoryObjectStore:
    """A dictionary under a lock. It dies with the process."""

    def __init__(self, *, clock: Callable[[], float] | None = None) -> None:
        """Start empty. ``clock`` gives the times of modification; by default a counter does."""
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()
        self._ticks = 0.0
        self._clock = clock

    @property
    def url(self) -> str:
        """What to call this store in messages."""
        return "memory"

    @property
    def capabilities(self) -> Capabilities:
        """Everything but persistence; a counter of modifications is no time."""
        return Capabilities(
            strong_list=True,
            atomic_create=True,
            persistent=False,
            flat_list=True,
            mtime=self._clock is not None,
        )

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Store the concatenation of ``parts``."""
        check_name(name)
        data = joined(parts)
        with self._lock:
            self._objects[name] = (data, self._now())

    def put_many(self, objects: Mapping[str, Parts]) -> None:
        """Store several objects."""
        for name in objects:
            check_name(name)
        for name, parts in objects.items():
            self.put(name, parts)

    def create(self, name: str, data: bytes) -> bool:
        """Store ``data`` unless ``name`` exists."""
        check_name(name)
        with self._lock:
            if name in self._objects:
                return False
            self._objects[name] = (data, self._now())
            return True

    def get(self, name: str) -> bytes:
        """Return the object, whole."""
        check_name(name)
        with self._lock:
            if name not in self._objects:
                raise NotFoundError(f"no object {name} in this memory store", name=name)
            return self._objects[name][0]

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Return part of an object."""
        check_range(name, offset, size)
        return self.get(name)[offset : offset + size]

    def get_into(self, name: str, offset: int, buffer: memoryview) -> int:
        """Copy part of an object into ``buffer``."""
        target = flat_target(buffer)
        check_range(name, offset, target.nbytes)
        data = memoryview(self.get(name))[offset : offset + target.nbytes]
        target[: len(data)] = data
        return len(data)

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Return several objects."""
        for name in names:
            check_name(name)
        with self._lock:
            found = [self._objects.get(name) for name in names]
        return [None if entry is None else entry[0] for entry in found]

    def get_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | None]:
        """Return several ranges."""
        for part in ranges:
            check_range(part.name, part.offset, part.size)
        whole = self.get_many([part.name for part in ranges])
        return [
            None if data is None else data[part.offset : part.offset + part.size]
            for part, data in zip(ranges, whole, strict=True)
        ]

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield what is below ``prefix`` at this moment."""
        check_prefix(prefix)
        with self._lock:
            infos = [
                ObjectInfo(name, len(data), modified)
                for name, (data, modified) in sorted(self._objects.items())
                if name.startswith(prefix)
            ]
        return iter(infos)

    def delete(self, names: Iterable[str]) -> None:
        """Remove the objects."""
        checked = [check_name(name) for name in names]
        with self._lock:
            for name in checked:
                self._objects.pop(name, None)

    def close(self) -> None:
        """Keep everything: the storage may be entered again."""

    def _now(self) -> float:
        """Return the time of a modification; later ones are never earlier."""
        if self._clock is not None:
            return self._clock()
        self._ticks += 1
        return self._ticks
