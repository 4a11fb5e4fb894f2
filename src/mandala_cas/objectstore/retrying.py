"""An object store that asks again where asking again helps, for so long, at random intervals."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.objectstore.api import (
    Buffer,
    ByteRange,
    Capabilities,
    ObjectInfo,
    ObjectStore,
    Parts,
)
from mandala_cas.objectstore.buffers import repeatable

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to go on, and how long to wait in between; all in seconds.

    The longest wait doubles with each attempt, from ``first_delay_max`` to ``delay_max``. Half
    of it is always waited; how much of the other half is left to chance, so that clients that were
    turned away together do not come back together. No attempt begins later than ``total_max``
    after the first.
    """

    first_delay_max: float = 0.5
    delay_max: float = 8.0
    total_max: float = 30.0


class RetryingObjectStore:
    """Passes everything on to ``inner``, and again where what is in the way will pass.

    Only what may be done twice is done twice, which is all but ``create``. Only errors that say
    that they are ``temporary`` are waited for: one that does not, such as a denied request, a
    bucket or an object that is not there, or credentials that have expired, is raised at once.
    What the engine below has spent on attempts of its own counts against ``total_max``.
    """

    def __init__(
        self,
        inner: ObjectStore,
        policy: RetryPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Ask ``inner``; ``chance`` gives numbers from 0 up to, but not including, 1."""
        self.inner = inner
        self.policy = policy or RetryPolicy()
        self._clock = clock
        self._sleep = sleep
        self._chance = chance

    @property
    def url(self) -> str:
        """Where the inner store is."""
        return self.inner.url

    @property
    def capabilities(self) -> Capabilities:
        """What the inner store promises."""
        return self.inner.capabilities

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Put; the same bytes under the same name change nothing."""
        buffers = repeatable(parts)
        self._insist(lambda: self.inner.put(name, buffers))

    def put_many(self, objects: Mapping[str, Parts]) -> None:
        """Put all; all of them again where one failed."""
        self._insist(lambda: self.inner.put_many(objects))

    def create(self, name: str, data: bytes) -> bool:
        """Ask once: an answer that was lost may have been that this call made it."""
        return self.inner.create(name, data)

    def get(self, name: str) -> bytes:
        """Read."""
        return self._insist(lambda: self.inner.get(name))

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Read."""
        return self._insist(lambda: self.inner.get_range(name, offset, size))

    def get_into(self, name: str, offset: int, buffer: memoryview) -> int:
        """Read, over what a failed attempt has left in the buffer."""
        return self._insist(lambda: self.inner.get_into(name, offset, buffer))

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Read all; all of them again where one failed."""
        return self._insist(lambda: self.inner.get_many(names))

    def get_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | None]:
        """Read all; all of them again where one failed."""
        return self._insist(lambda: self.inner.get_ranges(ranges))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List to the end before anything is handed out, so that nothing is handed out twice."""
        return self._insist(lambda: iter(tuple(self.inner.list(prefix))))

    def delete(self, names: Iterable[str]) -> None:
        """Delete; what has gone already is a success."""
        asked = tuple(names)
        self._insist(lambda: self.inner.delete(asked))

    def close(self) -> None:
        """Pass on."""
        self.inner.close()

    def _insist(self, ask: Callable[[], Answer]) -> Answer:
        """Return what ``ask`` does; ask again while that may help and there is time.

        Raises:
            StoreUnavailableError: with a detail ``attempt_count``; asking again was of no use.
        """
        start = self._clock()
        delay_max = self.policy.first_delay_max
        attempt_count = 1
        while True:
            try:
                return ask()
            except StoreUnavailableError as error:
                delay = min(delay_max, self.policy.delay_max) * (1 + self._chance()) / 2
                over = self._clock() - start + delay > self.policy.total_max
                if over or not error.details.get("temporary", False):
                    error.details["attempt_count"] = attempt_count
                    raise
            self._sleep(delay)
            delay_max *= 2
            attempt_count += 1
