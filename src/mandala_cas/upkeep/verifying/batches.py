"""Objects in batches that are bounded in number and in bytes: what is held before it is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mandala_cas.objectstore.api import ObjectInfo

_COUNT: Final = 256
_SIZE: Final = 64 << 20


def batches(infos: Sequence[ObjectInfo]) -> Iterator[list[ObjectInfo]]:
    """Split objects into batches; one that is larger than a batch may be is one by itself."""
    batch: list[ObjectInfo] = []
    size = 0
    for info in infos:
        if batch and (size + info.size > _SIZE or len(batch) == _COUNT):
            yield batch
            batch, size = [], 0
        batch.append(info)
        size += info.size
    if batch:
        yield batch
