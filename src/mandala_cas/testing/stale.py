"""A store whose listings lag behind, as those of a network file system or a weak bucket do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mandala_cas.objectstore.api import (
    Buffer,
    ByteRange,
    Capabilities,
    ObjectInfo,
    ObjectStore,
    Parts,
)
from mandala_cas.objectstore.names import check_name, check_prefix


class StaleListStore:
    """Passes everything on to ``inner``, and lists what was there a while ago.

    Every handle on the store must go through this one object, or it does not see their writes.
    Reading by name is never stale: no store that is worth the name has that weakness. Objects that
    were there at the beginning have been there for ever.
    """

    def __init__(
        self,
        inner: ObjectStore,
        *,
        writes: int = 0,
        seconds: float = 0.0,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Lag by the last ``writes`` puts and deletions, and by ``seconds`` of ``clock``."""
        self.inner = inner
        self._writes = writes
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._past: list[tuple[float, list[ObjectInfo]]] = [(float("-inf"), list(inner.list("")))]

    @property
    def url(self) -> str:
        """Where the inner store is."""
        return self.inner.url

    @property
    def capabilities(self) -> Capabilities:
        """What the inner store promises, but for its listings."""
        return replace(self.inner.capabilities, strong_list=False)

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Store an object; listings show it later."""
        self.inner.put(name, parts)
        self._remember()

    def put_many(self, objects: Mapping[str, Parts]) -> None:
        """Store objects; listings show them later, one after the other."""
        for name in objects:
            check_name(name)
        for name, parts in objects.items():
            self.put(name, parts)

    def create(self, name: str, data: bytes) -> bool:
        """Create an object; listings show it later."""
        created = self.inner.create(name, data)
        self._remember()
        return created

    def get(self, name: str) -> bytes:
        """Return an object as it is now."""
        return self.inner.get(name)

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Return part of an object as it is now."""
        return self.inner.get_range(name, offset, size)

    def get_into(self, name: str, offset: int, buffer: memoryview) -> int:
        """Read part of an object as it is now."""
        return self.inner.get_into(name, offset, buffer)

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Return objects as they are now."""
        return self.inner.get_many(names)

    def get_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | None]:
        """Return parts of objects as they are now."""
        return self.inner.get_ranges(ranges)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List what was there as long ago as this store lags."""
        check_prefix(prefix)
        with self._lock:
            shown = self._past[max(0, len(self._past) - 1 - self._writes)][1]
            horizon = self._clock() - self._seconds
            old = [infos for time, infos in self._past if time <= horizon]
            if self._seconds and len(old) < len(self._past) - self._writes:
                shown = old[-1]
        return iter([info for info in shown if info.name.startswith(prefix)])

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; listings show them a while longer."""
        for name in [check_name(name) for name in names]:
            self.inner.delete([name])
            self._remember()

    def close(self) -> None:
        """Close the inner store."""
        self.inner.close()

    def catch_up(self) -> None:
        """Let listings show what is there now, as after a quiet while."""
        with self._lock:
            self._past = [(float("-inf"), list(self.inner.list("")))]

    def _remember(self) -> None:
        """Keep how things are after a write."""
        with self._lock:
            self._past.append((self._clock(), list(self.inner.list(""))))
