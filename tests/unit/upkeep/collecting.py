"""Ways to collect in tests, and stores whose times and listings are weaker than most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from mandala_cas.envelope.signatures import Signer
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.api import Capabilities, ObjectInfo, ObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.upkeep.collecting.collect import collect, plan_collection
from mandala_cas.upkeep.collecting.plan import CollectPlan

NOW_US = 1_700_000_000_000_000


def run(
    objects: ObjectStore,
    *,
    grace_s: float = 0,
    view: LogView | None = None,
    signer: Signer | None = None,
    features: tuple[str, ...] = (),
) -> CollectPlan:
    """Collect, with a fresh view unless there is one."""
    return collect(
        objects,
        LogView(objects) if view is None else view,
        gc_features=features,
        signer=signer,
        grace_s=grace_s,
        clock_us=lambda: NOW_US,
    )


def plan(objects: ObjectStore, *, grace_s: float = 0) -> CollectPlan:
    """Plan, with a fresh view."""
    return plan_collection(objects, LogView(objects), gc_features=(), grace_s=grace_s)


class Before:
    """A fault that is none: something else happens before the call."""

    def __init__(self, action: Callable[[], object]) -> None:
        """Do ``action`` first."""
        self._action = action

    def strike(self, store: object, call: object, effect: Callable[[], object]) -> object:
        """Do it, then let the call go on."""
        del store, call
        self._action()
        return effect()


class Weak(MemoryObjectStore):
    """A store that does not promise that a listing shows everything."""

    @property
    def capabilities(self) -> Capabilities:
        """Everything but that."""
        return replace(super().capabilities, strong_list=False)


class Clocked:
    """A store in memory whose times are set by hand, in seconds."""

    def __init__(self, kind: type[MemoryObjectStore] = MemoryObjectStore) -> None:
        """Begin some time after 1970."""
        self.now = 1e9
        self.objects = kind(clock=lambda: self.now)


class _Ageless(MemoryObjectStore):
    """A store whose listings tell no times."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Leave the times out."""
        return (replace(info, modified=None) for info in super().list(prefix))


def ageless(objects: MemoryObjectStore) -> MemoryObjectStore:
    """Return the same objects, in a store that tells no times."""
    found = _Ageless()
    # Shared, so that both see what the other does.
    found._objects = objects._objects
    return found
