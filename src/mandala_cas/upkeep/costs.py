"""What it would take to get deleted values back: whose they were, and how long they took.

As far as the log still knows: compaction forgets what was dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mandala_cas.log.part import LogPart
from mandala_cas.objectstore.api import ObjectInfo
from mandala_cas.upkeep.amounts import Amount
from mandala_cas.upkeep.liveness import Prefixes, among, prefixes_of, slot_counts

UNKNOWN_OP: Final = "(frames, and no call on record)"

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Costs:
    """Whose the deleted values were, and the seconds of compute that they took."""

    by_op: Mapping[str, Amount]
    recompute_s: float


@dataclass(frozen=True, slots=True)
class _Values:
    """Values in some objects: content, number of the object, size; each place once."""

    prefixes: Prefixes
    objects: _Numbers
    sizes: _Numbers


def find_costs(infos: Sequence[ObjectInfo], parts: Iterable[LogPart]) -> Costs:
    """Return what the log knows of the values in some objects.

    A value counts for the op that made it, else for one that used it. An object with values of
    several ops counts as an object of each, its bytes once.
    """
    everything = list(parts)
    numbers = {info.name: number for number, info in enumerate(infos)}
    values = _values_in(numbers, everything)
    contents = np.unique(values.prefixes)
    op_names, ops = _ops_of(contents, everything)
    by_op = _amounts(infos, values, op_names, ops[np.searchsorted(contents, values.prefixes)])
    gone = np.setdiff1d(contents, _found_elsewhere(contents, numbers, everything))
    return Costs(by_op, _recompute_us(gone, everything) / 1e6)


def _values_in(numbers: Mapping[str, int], parts: Iterable[LogPart]) -> _Values:
    """Return what the log places in objects that have a number."""
    rows: list[tuple[Prefixes, _Numbers, _Numbers, _Numbers]] = []
    for part in parts:
        objects = _objects_of(part, numbers)
        inside = objects >= 0
        if inside.any():
            rows.append(
                (
                    prefixes_of(part.values.fixed("content_id"))[inside],
                    objects[inside],
                    part.values.numbers("offset")[inside].astype(np.int64),
                    part.values.numbers("stored_size")[inside].astype(np.int64),
                )
            )
    if not rows:
        nothing = np.zeros(0, np.int64)
        return _Values(np.zeros(0, np.uint64), nothing, nothing)
    prefixes, objects, offsets, sizes = (
        np.concatenate(column) for column in zip(*rows, strict=True)
    )
    order = np.lexsort((offsets, objects))
    first = _is_first(objects[order], offsets[order])
    kept = order[first]
    return _Values(prefixes[kept], objects[kept], sizes[kept])


def _objects_of(part: LogPart, numbers: Mapping[str, int]) -> _Numbers:
    """Return for each row of ``values`` the number of its object, -1 where it has none."""
    locations = part.values.text("location")
    of_words = np.array([numbers.get(word, -1) for word in locations.words] or [-1], np.int64)
    return of_words[locations.codes] if len(locations) else np.zeros(0, np.int64)


def _found_elsewhere(
    contents: Prefixes, numbers: Mapping[str, int], parts: Iterable[LogPart]
) -> Prefixes:
    """Return which of ``contents`` the log also has inline, or in objects without a number."""
    found = [np.zeros(0, np.uint64)]
    for part in parts:
        elsewhere = prefixes_of(part.values.fixed("content_id"))[_objects_of(part, numbers) < 0]
        found.append(np.unique(elsewhere[among(elsewhere, contents)]))
    return np.unique(np.concatenate(found))


def _ops_of(contents: Prefixes, parts: Iterable[LogPart]) -> tuple[list[str], _Numbers]:
    """Return names of ops, and for each of ``contents`` the number of its op; -1 for none."""
    codes: dict[str, int] = {}
    rows: list[tuple[Prefixes, npt.NDArray[Any], _Numbers]] = []
    for part in parts:
        slots = prefixes_of(part.slots.fixed("content_id"))
        inside = among(slots, contents)
        if inside.any():
            op = part.calls.text("op")
            common = np.array([codes.setdefault(word, len(codes)) for word in op.words], np.int64)
            of_slots = np.repeat(common[op.codes], slot_counts(part))
            is_input = part.slots.numbers("is_output")[inside] == 0
            rows.append((slots[inside], is_input, of_slots[inside]))
    names = sorted(codes)
    found = np.full(len(contents), -1, np.int64)
    if rows:
        prefixes, is_input, ops = (np.concatenate(column) for column in zip(*rows, strict=True))
        # By name, so that the answer does not depend on the order in which segments came.
        ranks = np.empty(len(codes), np.int64)
        ranks[[codes[name] for name in names]] = np.arange(len(names))
        ops = ranks[ops]
        order = np.lexsort((ops, is_input, prefixes))
        first = order[_is_first(prefixes[order])]
        found[np.searchsorted(contents, prefixes[first])] = ops[first]
    return names, found


def _amounts(
    infos: Sequence[ObjectInfo], values: _Values, op_names: Sequence[str], ops: _Numbers
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
    rows: list[tuple[Prefixes, _Numbers]] = []
    for part in parts:
        lost = among(prefixes_of(part.slots.fixed("content_id")), gone)
        lost &= part.slots.numbers("is_output") == 1
        calls = np.repeat(np.arange(part.calls.row_count), slot_counts(part))
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
    return sum(durations[order[_is_first(call_ids[order])]].tolist())


def _is_first(*columns: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Tell of each row of sorted columns whether it differs from the one before."""
    first = np.ones(len(columns[0]), np.bool_)
    if len(first):
        first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return first
