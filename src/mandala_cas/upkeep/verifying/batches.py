"""Batches that are bounded in number and in bytes: what is held before it is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from mandala_cas.objectstore.api import ObjectInfo, ObjectStore

_COUNT: Final = 256
_SIZE: Final = 64 << 20

_Item = TypeVar("_Item")


def read_batches(
    objects: ObjectStore, infos: Iterable[ObjectInfo]
) -> Iterator[list[tuple[str, bytes | None]]]:
    """Yield names with the whole objects, None for one that is gone."""
    for names in batches((info.name, info.size) for info in infos):
        yield list(zip(names, objects.get_many(names), strict=True))


def batches(sized: Iterable[tuple[_Item, int]]) -> Iterator[list[_Item]]:
    """Split items, given with their sizes; one larger than a batch may be is one by itself."""
    batch: list[_Item] = []
    total = 0
    for item, size in sized:
        if batch and (total + size > _SIZE or len(batch) == _COUNT):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size
    if batch:
        yield batch
