"""Ops with collections, for tests of what becomes of these; ``RUNS`` counts what ran."""

from __future__ import annotations

from typing import Any

import numpy as np

from mandala_cas.imports import MDict, MList, MSet, MTuple, Storage, op
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import BLOBS, PACKS

RUNS: list[str] = []


@op
def numbers_of(count: int) -> MList[int]:
    """Return the first numbers."""
    RUNS.append("numbers_of")
    return list(range(count))


@op
def total_of(numbers: MList[int]) -> int:
    """Return a sum."""
    RUNS.append(f"total_of {numbers}")
    return sum(numbers)


@op
def one_more(number: int) -> int:
    """Return the next number."""
    RUNS.append(f"one_more {number}")
    return number + 1


@op
def arrays_of(count: int, size: int = 1000) -> MList[Any]:
    """Return arrays that do not shrink, each a value in a pack."""
    RUNS.append("arrays_of")
    return [np.random.default_rng(seed).random(size) for seed in range(count)]


@op
def total_of_arrays(arrays: MList[Any]) -> float:
    """Return a sum."""
    RUNS.append("total_of_arrays")
    return float(sum(array.sum() for array in arrays))


@op
def total_of_array(array: Any) -> float:
    """Return a sum."""
    RUNS.append("total_of_array")
    return float(array.sum())


@op
def table_of(count: int) -> MDict[str, MList[int]]:
    """Return lists under names."""
    RUNS.append("table_of")
    return {f"row {n}": list(range(n)) for n in range(count)}


@op
def letters_of(text: str) -> MSet[str]:
    """Return the letters."""
    RUNS.append("letters_of")
    return set(text)


@op
def ends_of(numbers: MList[int]) -> MTuple[int, int]:
    """Return the first and the last number, as one output."""
    RUNS.append("ends_of")
    return numbers[0], numbers[-1]


@op
def split(numbers: MList[int], at: int) -> tuple[MList[int], MList[int]]:
    """Return two lists, as two outputs."""
    RUNS.append("split")
    return numbers[:at], numbers[at:]


@op
def described(
    table: MDict[str, MList[int]], letters: MSet[str], pair: MTuple[int, str], plain: list[int]
) -> str:
    """Return what there is to say of some collections."""
    RUNS.append("described")
    kinds = [type(x).__name__ for x in (table, letters, pair, plain, *table.values())]
    return f"{kinds} {table} {sorted(letters)} {pair} {plain}"


def payload(objects: ObjectStore) -> list[str]:
    """Return the names of all packs and loose blobs."""
    return sorted(info.name for folder in (PACKS, BLOBS) for info in objects.list(folder))


def records_of(storage: Storage) -> list[Any]:
    """Return where all values are, as the segments say."""
    return [
        segment.value_record(row)
        for segment in storage._parts.view.segments.values()
        for row in range(segment.values.row_count)
    ]
