"""A run that a killed compactor left, and whose parts were collected before it was there."""

from __future__ import annotations

from typing import Any

import pytest

from mandala_cas.errors import MandalaWarning
from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.layout import RUN_PARTS, RUNS, SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore


@op
def square(x: int) -> int:
    """Return a small value."""
    return x * x


def compacted() -> MemoryObjectStore:
    """Return a store of two segments and a run that covers them, of which no part is there."""
    objects = MemoryObjectStore()
    storage = Storage(objects)
    for x in range(2):
        with storage:
            square(x)
    storage.compact(full=True)
    objects.delete([info.name for info in objects.list(RUN_PARTS)])
    return objects


def test_a_dead_run_is_nothing_to_be_warned_of() -> None:
    """All that it covers is there; a warning would say that calls count as not made."""
    objects = compacted()

    # Warnings are errors.
    storage = Storage(objects)

    with storage:
        refs: list[Any] = [square(x) for x in range(2)]
    assert not any(ref.in_memory for ref in refs)
    storage.compact(full=True, delay=0)
    storage.compact(full=True, delay=0)
    assert storage.fsck("data").ok
    assert len(list(objects.list(RUNS))) == 1
    assert Storage(objects).tables().calls.height == 2


def test_a_dead_run_whose_segments_are_gone_is_warned_of() -> None:
    """There, calls are missing."""
    objects = compacted()
    first = next(iter(objects.list(SEGMENTS))).name
    objects.delete([first])

    with pytest.warns(MandalaWarning, match="damaged log object"):
        Storage(objects)
