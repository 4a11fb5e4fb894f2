"""Cut a scenario off at every call it makes to the store, and look at what is left.

Architecture invariant: whatever an operation of more than one write acknowledged is there after a
crash at any moment, and what is there is consistent. Only a test that crashes at every call shows
that the writes come in the right order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import Crash, FaultStore, Rule, SimulatedCrash, StoreCall

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """Where a scenario was cut off: at its call ``number``, or not at all if ``call`` is None."""

    number: int
    call: StoreCall | None
    after_effect: bool = False

    def __str__(self) -> str:
        """Say it for a person."""
        if self.call is None:
            return f"no crash in {self.number} calls"
        when = "after" if self.after_effect else "before"
        return f"crash {when} call {self.number}: {self.call.operation} {self.call.name}"


def crash_at_every_call(
    scenario: Callable[[ObjectStore, list[_T]], None],
    check: Callable[[ObjectStore, Sequence[_T], CrashPoint], None],
    *,
    make_store: Callable[[], ObjectStore] = MemoryObjectStore,
) -> int:
    """Run ``scenario`` once in full, then cut off before and after each of its calls; count them.

    ``scenario(store, acknowledged)`` appends to ``acknowledged`` whatever it has been told is
    safe, at the moment it is told. ``check(left, acknowledged, point)`` gets the store that the
    crash left, working again, and what had been acknowledged by then; it raises where a promise
    was broken, and may write. ``make_store`` returns a store to start on, always the same. The
    scenario must make the same calls every time: inject clocks and ids.

    Raises:
        AssertionError: a check failed, with the point in its notes; or the scenario did not crash
            where it should have, because it swallowed the crash or made fewer calls.
    """
    calls, left, acknowledged = _run(scenario, make_store, None)
    points = [CrashPoint(len(calls), None)]
    _check(check, left, acknowledged, points[0])
    for number, call in enumerate(calls):
        for after_effect in (False, True):
            point = CrashPoint(number, call, after_effect)
            _, left, acknowledged = _run(scenario, make_store, point)
            _check(check, left, acknowledged, point)
    return len(calls)


def _run(
    scenario: Callable[[ObjectStore, list[_T]], None],
    make_store: Callable[[], ObjectStore],
    point: CrashPoint | None,
) -> tuple[list[StoreCall], ObjectStore, list[_T]]:
    """Run a scenario up to a point; return its calls, what is left and what it was told."""
    left = make_store()
    plan = [] if point is None else [Rule(Crash(point.after_effect), skip=point.number)]
    store = FaultStore(left, plan, forbid_overwrite=True)
    acknowledged: list[_T] = []
    try:
        scenario(store, acknowledged)
    except SimulatedCrash:
        return store.calls, left, acknowledged
    except BaseException as error:
        error.add_note(str(point))
        raise
    assert point is None, f"the scenario went on as if there had been no {point}"
    return store.calls, left, acknowledged


def _check(
    check: Callable[[ObjectStore, Sequence[_T], CrashPoint], None],
    left: ObjectStore,
    acknowledged: Sequence[_T],
    point: CrashPoint,
) -> None:
    """Check what is left; note the point on whatever is raised."""
    try:
        check(left, tuple(acknowledged), point)
    except BaseException as error:
        error.add_note(str(point))
        raise
