"""The object store that fails where a plan says so, and records what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar, cast

from mandala_cas.errors import NotFoundError
from mandala_cas.objectstore.api import (
    Buffer,
    ByteRange,
    Capabilities,
    ObjectInfo,
    ObjectStore,
    Parts,
)
from mandala_cas.objectstore.buffers import flat_target, joined
from mandala_cas.objectstore.names import check_name, check_prefix, check_range
from mandala_cas.testing.faults.kinds import StaleList
from mandala_cas.testing.faults.plan import Rule, SimulatedCrash, StoreCall

_T = TypeVar("_T")


class FaultStore:
    """Passes everything on to ``inner``, except where a rule says that it goes wrong.

    ``calls`` records what was asked, in order. With ``forbid_overwrite`` a put of other bytes
    under a name in use raises ``AssertionError``: nothing overwrites an object.
    """

    def __init__(
        self, inner: ObjectStore, plan: Iterable[Rule] = (), *, forbid_overwrite: bool = False
    ) -> None:
        """Wrap ``inner``. Of several rules that match a call, the first one strikes."""
        self.inner = inner
        self.plan = list(plan)
        self.calls: list[StoreCall] = []
        self._forbid_overwrite = forbid_overwrite
        self._lock = threading.RLock()
        self._postponed: list[tuple[int, Callable[[], object]]] = []
        self._history: list[list[ObjectInfo]] = []
        self._crashed = False

    @property
    def url(self) -> str:
        """Where the inner store is."""
        return self.inner.url

    @property
    def capabilities(self) -> Capabilities:
        """What the inner store promises."""
        return self.inner.capabilities

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Store an object, or fail to."""
        check_name(name)
        data = joined(parts)

        def effect() -> None:
            self._check_overwrite(name, data)
            self._remember()
            self.inner.put(name, [data])

        self._run(StoreCall("put", name), effect)

    def put_many(self, objects: Mapping[str, Parts]) -> None:
        """Store objects one by one, so that a crash leaves some of them."""
        for name in objects:
            check_name(name)
        for name, parts in objects.items():
            self.put(name, parts)

    def create(self, name: str, data: bytes) -> bool:
        """Create an object, or fail to."""
        check_name(name)

        def effect() -> bool:
            self._remember()
            return self.inner.create(name, data)

        return self._run(StoreCall("create", name), effect)

    def get(self, name: str) -> bytes:
        """Return an object, or what the plan makes of it."""
        check_name(name)
        return self._run(StoreCall("get", name), lambda: self.inner.get(name))

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Return part of an object, or what the plan makes of it."""
        check_range(name, offset, size)
        call = StoreCall("get_range", name)
        return self._run(call, lambda: self.inner.get_range(name, offset, size))

    def get_into(self, name: str, offset: int, buffer: memoryview) -> int:
        """Read part of an object into ``buffer``, or what the plan makes of it."""
        target = flat_target(buffer)
        check_range(name, offset, target.nbytes)
        call = StoreCall("get_into", name)
        data = self._run(call, lambda: self.inner.get_range(name, offset, target.nbytes))
        target[: len(data)] = data
        return len(data)

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Return objects, one call each."""
        return [_unless_missing(partial(self.get, name)) for name in names]

    def get_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | None]:
        """Return ranges, one call each."""
        return [
            _unless_missing(partial(self.get_range, part.name, part.offset, part.size))
            for part in ranges
        ]

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List what is there now, or what the plan makes of it; one call, however much it is."""
        check_prefix(prefix)
        return iter(self._run(StoreCall("list", prefix), lambda: list(self.inner.list(prefix))))

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects, one call each."""
        for name in [check_name(name) for name in names]:

            def effect(name: str = name) -> None:
                self._remember()
                self.inner.delete([name])

            self._run(StoreCall("delete", name), effect)

    def close(self) -> None:
        """Close the inner store; a dead process closes nothing."""
        if not self._crashed:
            self.inner.close()

    def settle(self) -> None:
        """Let everything that was delayed take effect now, even after a crash."""
        with self._lock:
            due, self._postponed = self._postponed, []
        for _, effect in due:
            effect()

    def kill(self) -> None:
        """Make every later call raise ``SimulatedCrash``."""
        self._crashed = True

    def check_alive(self) -> None:
        """Raise ``SimulatedCrash`` once killed."""
        if self._crashed:
            raise SimulatedCrash("the process is dead already")

    def postpone(self, calls: int, effect: Callable[[], object]) -> None:
        """Have ``effect`` happen once ``calls`` more calls have seen nothing of it."""
        with self._lock:
            self._postponed.append((len(self.calls) + calls, effect))

    def as_of(self, writes: int) -> Sequence[ObjectInfo]:
        """Return what there was before the last ``writes`` writes; at most, at the start."""
        with self._lock:
            versions = [*self._history, list(self.inner.list(""))]
            return versions[max(0, len(self._history) - writes)]

    def _run(self, call: StoreCall, effect: Callable[[], _T]) -> _T:
        """Count a call, and let it happen or let a rule strike."""
        with self._lock:
            self.check_alive()
            self.calls.append(call)
            due = [late for number, late in self._postponed if number < len(self.calls)]
            self._postponed = [late for late in self._postponed if late[0] >= len(self.calls)]
            struck = [rule for rule in self.plan if rule.strikes(call)]
        # Outside of the lock: one caller may hang while others go on.
        for late in due:
            late()
        if not struck:
            return effect()
        return cast("_T", struck[0].fault.strike(self, call, effect))

    def _remember(self) -> None:
        """Keep a listing of how things were before a write, for ``StaleList``."""
        if any(isinstance(rule.fault, StaleList) for rule in self.plan):
            with self._lock:
                self._history.append(list(self.inner.list("")))

    def _check_overwrite(self, name: str, data: bytes) -> None:
        """Refuse to put other bytes under a name in use."""
        if self._forbid_overwrite:
            there = _unless_missing(lambda: self.inner.get(name))
            assert there in {None, data}, f"{name} was about to be overwritten with other bytes"


def _unless_missing(get: Callable[[], bytes]) -> bytes | None:
    """Return what ``get`` does, or None where there is no such object."""
    try:
        return get()
    except NotFoundError:
        return None
