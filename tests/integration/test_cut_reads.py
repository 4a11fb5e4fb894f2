"""An answer that is cut short or has a bit flipped on its way is never taken for a value."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mandala_cas.errors import CorruptionError
from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.layout import BLOBS, PACKS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import (
    READS,
    FailingStore,
    Fault,
    FaultStore,
    FlippedGet,
    Rule,
    StoreCall,
    TruncatedGet,
)

SIZES = {PACKS: 50_000, BLOBS: 2_000_000}


@dataclass(frozen=True, slots=True)
class Of:
    """A fault of one object, and of none whose name only begins like its own."""

    name: str
    fault: Fault

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Let the fault strike that object."""
        return self.fault.strike(store, call, effect) if call.name == self.name else effect()


@op
def noise(size: int) -> bytes:
    """Return bytes that do not compress."""
    return random.Random(size).randbytes(size)  # noqa: S311 (no secret)


@pytest.mark.parametrize("fault", [TruncatedGet(0), TruncatedGet(10_000), FlippedGet(10_000)])
@pytest.mark.parametrize("folder", SIZES)
def test_an_answer_that_is_not_whole_is_no_value(folder: str, fault: Fault) -> None:
    """Outside a block nothing can be computed again, so it is an error."""
    objects = MemoryObjectStore()
    with Storage(objects):
        noise(SIZES[folder])
    rule = Rule(fault, READS, folder, times=None)
    storage = Storage(FaultStore(objects, [rule]))
    with storage:
        found: Any = noise(SIZES[folder])

    with pytest.raises(CorruptionError, match="fsck"):
        storage.unwrap(found)

    assert rule.seen > 0
    rule.times = 0
    assert storage.unwrap(found) == noise.f(SIZES[folder])


@pytest.mark.parametrize("fault", [TruncatedGet(10_000), FlippedGet(10_000)])
@pytest.mark.parametrize("folder", SIZES)
def test_inside_a_block_the_value_is_the_right_one_all_the_same(folder: str, fault: Fault) -> None:
    """It is computed again, and stored where nothing was damaged."""
    objects = MemoryObjectStore()
    with Storage(objects):
        noise(SIZES[folder])
    (damaged,) = (info.name for info in objects.list(folder))
    storage = Storage(FaultStore(objects, [Rule(Of(damaged, fault), READS, times=None)]))

    with storage:
        value = storage.unwrap(noise(SIZES[folder]))

    assert value == noise.f(SIZES[folder])
