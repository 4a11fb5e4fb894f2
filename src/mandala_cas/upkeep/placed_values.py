"""Values where the log places them: in which objects they lie, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mandala_cas.index.prefixes import Prefixes, prefixes_of
from mandala_cas.index.sorting import among, begins_of
from mandala_cas.log.part import LogPart
from mandala_cas.log.rows import slot_counts

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PlacedValues:
    """Values in some objects: content, number of the object, size; each place once."""

    prefixes: Prefixes
    objects: Integers
    sizes: Integers


def values_in(numbers: Mapping[str, int], parts: Iterable[LogPart]) -> PlacedValues:
    """Return what the log places in objects that have a number."""
    rows: list[tuple[Prefixes, Integers, Integers, Integers]] = []
    for part in parts:
        objects = objects_of(part, numbers)
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
        return PlacedValues(np.zeros(0, np.uint64), nothing, nothing)
    prefixes, objects, offsets, sizes = (
        np.concatenate(column) for column in zip(*rows, strict=True)
    )
    order = np.lexsort((offsets, objects))
    first = begins_of(objects[order], offsets[order])
    kept = order[first]
    return PlacedValues(prefixes[kept], objects[kept], sizes[kept])


def objects_of(part: LogPart, numbers: Mapping[str, int]) -> Integers:
    """Return for each row of ``values`` the number of its object, -1 where it has none."""
    locations = part.values.text("location")
    of_words = np.array([numbers.get(word, -1) for word in locations.words] or [-1], np.int64)
    return of_words[locations.codes] if len(locations) else np.zeros(0, np.int64)


def ops_of(contents: Prefixes, parts: Iterable[LogPart]) -> tuple[list[str], Integers]:
    """Return names of ops, and for each of ``contents`` the number of its op; -1 for none."""
    codes: dict[str, int] = {}
    rows: list[tuple[Prefixes, npt.NDArray[Any], Integers]] = []
    for part in parts:
        slots = prefixes_of(part.slots.fixed("content_id"))
        inside = among(slots, contents)
        if inside.any():
            op = part.calls.text("op")
            common = np.array([codes.setdefault(word, len(codes)) for word in op.words], np.int64)
            of_slots = np.repeat(common[op.codes], slot_counts(part.calls, part.slots))
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
        first = order[begins_of(prefixes[order])]
        found[np.searchsorted(contents, prefixes[first])] = ops[first]
    return names, found
