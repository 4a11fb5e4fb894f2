"""What it would take to get deleted values back: whose they were, and how long they took.

As far as the log still knows: compaction forgets what was dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mandala_cas.index.prefixes import Prefixes, prefixes_of
from mandala_cas.index.sorting import among, begins_of
from mandala_cas.log.part import LogPart
from mandala_cas.log.rows import slot_counts
from mandala_cas.objectstore.api import ObjectInfo
from mandala_cas.upkeep.amounts import Amount
from mandala_cas.upkeep.placed_values import (
    Integers,
    PlacedValues,
    objects_of,
    ops_of,
    values_in,
)

UNKNOWN_OP: Final = "(frames, and no call on record)"


@dataclass(frozen=True, slots=True)
class Costs:
    """Whose the deleted values were, and the seconds of compute that they took."""

    by_op: Mapping[str, Amount]
    recompute_s: float


def find_costs(infos: Sequence[ObjectInfo], parts: Iterable[LogPart]) -> Costs:
    """Return what the log knows of the values in some objects.

    A value counts for the op that made it, else for one that used it. An object with values of
    several ops counts as an object of each, its bytes once.
    """
    everything = list(parts)
    numbers = {info.name: number for number, info in enumerate(infos)}
    values = values_in(numbers, everything)
    contents = np.unique(values.prefixes)
    op_names, ops = ops_of(contents, everything)
    by_op = _amounts(infos, values, op_names, ops[np.searchsorted(contents, values.prefixes)])
    gone = np.setdiff1d(contents, _found_elsewhere(contents, numbers, everything))
    return Costs(by_op, _recompute_us(gone, everything) / 1e6)


def _found_elsewhere(
    contents: Prefixes, numbers: Mapping[str, int], parts: Iterable[LogPart]
) -> Prefixes:
    """Return which of ``contents`` the log also has inline, or in objects without a number."""
    found = [np.zeros(0, np.uint64)]
    for part in parts:
        elsewhere = prefixes_of(part.values.fixed("content_id"))[objects_of(part, numbers) < 0]
        found.append(np.unique(elsewhere[among(elsewhere, contents)]))
    return np.unique(np.concatenate(found))


def _amounts(
    infos: Sequence[ObjectInfo], values: PlacedValues, op_names: Sequence[str], ops: Integers
) -> dict[str, Amount]:
    """Return how many objects, and how many bytes of them, are each op's."""
    sizes = np.zeros(len(op_names) + 1, np.int64)
    np.add.at(sizes, ops, values.sizes)
    # What no record speaks of: orphans whole, and the frames of packs.
    sizes[-1] += max(0, sum(info.size for info in infos) - int(sizes.sum()))
    pairs = np.unique(np.stack((ops, values.objects)), axis=1)
    counts = np.bincount(pairs[0] % (len(op_names) + 1), minlength=len(op_names) + 1)
    counts[-1] += len(infos) - len(np.unique(values.objects))
    return {
        name: Amount(int(count), int(size))
        for name, count, size in zip((*op_names, UNKNOWN_OP), counts, sizes, strict=True)
        if count or size
    }


def _recompute_us(gone: Prefixes, parts: Iterable[LogPart]) -> int:
    """Return how long the calls took of which an output is gone, each call once."""
    rows: list[tuple[Prefixes, Integers]] = []
    for part in parts:
        lost = among(prefixes_of(part.slots.fixed("content_id")), gone)
        lost &= part.slots.numbers("is_output") == 1
        calls = np.repeat(np.arange(part.calls.row_count), slot_counts(part.calls, part.slots))
        of_calls = np.unique(calls[lost])
        rows.append(
            (
                prefixes_of(part.calls.fixed("call_id"))[of_calls],
                part.calls.numbers("duration_us")[of_calls].astype(np.int64),
            )
        )
    if not rows:
        return 0
    call_ids, durations = (np.concatenate(column) for column in zip(*rows, strict=True))
    # Of several records of a call the one that computed it is the longest.
    order = np.lexsort((-durations, call_ids))
    return sum(durations[order[begins_of(call_ids[order])]].tolist())
