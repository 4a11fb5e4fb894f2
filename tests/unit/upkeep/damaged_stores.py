"""A small store with a value of every tier, and ways to harm it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from mandala_cas.imports import Storage, op
from mandala_cas.log.merge import PartLimits
from mandala_cas.log.run_making import RunInputs, make_run
from mandala_cas.log.segment import decode_segment
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.refs import Ref
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore

SIZES = {Tier.INLINE: 10, Tier.PACK: 5_000, Tier.LOOSE: 140_000}


@op
def numbers_for_upkeep(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(size)


@op
def doubled_for_upkeep(numbers: Any) -> Any:
    """Return as many."""
    return numbers * 2


def small_store(objects: ObjectStore | None = None) -> ObjectStore:
    """Return a store with two segments: a call for every tier, and one on each of those."""
    objects = MemoryObjectStore() if objects is None else objects
    with Storage(objects) as storage:
        refs: list[Any] = [numbers_for_upkeep(1, size) for size in SIZES.values()]
        storage.commit()
        for ref in refs:
            doubled_for_upkeep(ref)
    return objects


def tiny_store() -> ObjectStore:
    """Return a store with a packed and a loose value, in two segments."""
    objects = MemoryObjectStore()
    with Storage(objects) as storage:
        numbers_for_upkeep(1, SIZES[Tier.PACK])
        storage.commit()
        numbers_for_upkeep(1, SIZES[Tier.LOOSE])
    return objects


def refs_of(objects: ObjectStore) -> list[Ref]:
    """Return the refs of the last calls, smallest first."""
    with Storage(objects):
        refs: list[Any] = [
            doubled_for_upkeep(numbers_for_upkeep(1, size)) for size in SIZES.values()
        ]
    return [ref.detached() for ref in refs]


def right_values() -> list[Any]:
    """Return what those refs stand for."""
    return [np.random.default_rng(1).random(size) * 2 for size in SIZES.values()]


def names(objects: ObjectStore, folder: str) -> list[str]:
    """Return the names of the objects in a folder."""
    return sorted(info.name for info in objects.list(folder))


def records(objects: ObjectStore) -> list[ValueRecord]:
    """Return all value records."""
    return [
        part.value_record(row)
        for part in Storage(objects)._parts.view.segments.values()
        for row in range(part.values.row_count)
    ]


def replace_bytes(objects: ObjectStore, name: str, change: Callable[[bytearray], object]) -> None:
    """Do something to the bytes of an object."""
    data = bytearray(objects.get(name))
    change(data)
    objects.delete([name])
    objects.put(name, [data])


def flip(objects: ObjectStore, name: str, position: int) -> None:
    """Change one byte of an object."""

    def change(data: bytearray) -> None:
        data[position % len(data)] ^= 16

    replace_bytes(objects, name, change)


def copy_of(objects: ObjectStore) -> MemoryObjectStore:
    """Return a store with the same objects."""
    copied = MemoryObjectStore()
    for info in objects.list(""):
        copied.put(info.name, [objects.get(info.name)])
    return copied


def compacted(objects: ObjectStore, *, calls_a_part: int | None = None) -> str:
    """Put a run that covers all segments, take those away, and return its name."""
    chance = random.Random(7)  # noqa: S311 (the same run every time)
    segments = [
        (decode_segment(name, objects.get(name)), None) for name in names(objects, SEGMENTS)
    ]
    limits = PartLimits() if calls_a_part is None else PartLimits(calls_a_part)
    made = make_run(
        RunInputs(segments), created_us=10**15, draw=chance.randbytes, signer=None, limits=limits
    )
    objects.put_many({name: sealed.parts for name, sealed in made.parts.items()})
    objects.put(made.run.name, made.run.sealed.parts)
    objects.delete(segment.name for segment, _ in segments)
    return made.run.name
