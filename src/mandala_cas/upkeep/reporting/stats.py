"""How much a store holds: calls and values by op and by tier, from the log alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mandala_cas.index.prefixes import Prefixes, prefixes_of
from mandala_cas.index.tags import tags_in_effect
from mandala_cas.log.columns import TextColumn
from mandala_cas.log.graves import Flags, graves_of
from mandala_cas.log.part import LogPart
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Tier
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import PACKS
from mandala_cas.upkeep.amounts import Amount
from mandala_cas.upkeep.placed_values import Integers, ops_of, values_in
from mandala_cas.upkeep.printing import Report, as_count, as_duration, as_size, as_table


@dataclass(frozen=True, slots=True)
class ValueAmount:
    """Some values, and their bytes where they lie. A value at two places counts twice."""

    value_count: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class OpAmount:
    """Calls of one op, and the values that count for it.

    Records of dropped calls count only as far as the log still has them. ``compute_s`` is how
    long the calls on record took.
    """

    call_count: int = 0
    dropped_count: int = 0
    compute_s: float = 0.0
    value_count: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class StoreStats(Report):
    """What a store holds. ``by_folder`` is there where the store was listed.

    A value counts for the op that made it, else for one that used it.
    """

    segment_count: int
    run_count: int
    tag_count: int
    by_op: Mapping[str, OpAmount]
    by_tier: Mapping[str, ValueAmount]
    by_folder: Mapping[str, Amount] | None = None

    @property
    def call_count(self) -> int:
        """How many records of calls count."""
        return sum(op.call_count for op in self.by_op.values())

    @property
    def dropped_count(self) -> int:
        """How many records of dropped calls the log still has."""
        return sum(op.dropped_count for op in self.by_op.values())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings and dictionaries."""
        return {
            "segment_count": self.segment_count,
            "run_count": self.run_count,
            "tag_count": self.tag_count,
            "call_count": self.call_count,
            "dropped_count": self.dropped_count,
            "by_op": {name: asdict(amount) for name, amount in self.by_op.items()},
            "by_tier": {name: asdict(amount) for name, amount in self.by_tier.items()},
            "by_folder": self.by_folder
            and {name: amount.to_dict() for name, amount in self.by_folder.items()},
        }

    def __str__(self) -> str:
        """Return tables for a terminal."""
        ops = [
            (
                name[:32],
                op.call_count,
                op.dropped_count,
                as_duration(op.compute_s),
                op.value_count,
                as_size(op.size),
            )
            for name, op in self.by_op.items()
        ]
        tiers = [(name, t.value_count, as_size(t.size)) for name, t in self.by_tier.items()]
        log = f"{as_count(self.segment_count, 'segment')}, {as_count(self.run_count, 'run')}"
        counts = f"{as_count(self.call_count, 'call')}, {as_count(self.tag_count, 'tag')}"
        tables = [
            f"{counts}; {log} in the log",
            as_table(("op", "calls", "dropped", "compute", "values", "size"), ops),
            as_table(("tier", "values", "size"), tiers),
        ]
        if self.by_folder is not None:
            folders = [(n, a.object_count, as_size(a.size)) for n, a in self.by_folder.items()]
            tables.append(as_table(("folder", "objects", "size"), folders))
        return "\n\n".join(tables)


def find_stats(view: LogView, objects: ObjectStore | None = None) -> StoreStats:
    """Return what the log, as it was read last, says that the store holds.

    Reads no payload. With ``objects`` the store is listed too, and what it really holds counted.
    """
    parts = list(view.parts.values())
    numbers = {word: 0 for part in parts for word in part.values.text("location").words if word}
    numbers = {name: number for number, name in enumerate(numbers)}
    is_packed = np.array([name.startswith(PACKS) for name in numbers], np.bool_)
    placed, inline = values_in(numbers, parts), _inline(parts)
    tiers = np.where(is_packed[placed.objects], Tier.PACK, Tier.LOOSE)
    values = _Values(
        np.concatenate((placed.prefixes, inline.prefixes)),
        np.concatenate((tiers, inline.tiers)),
        np.concatenate((placed.sizes, inline.sizes)),
    )
    return StoreStats(
        segment_count=len(frozenset[bytes]().union(*(part.segment_ids for part in parts))),
        run_count=len(view.runs),
        tag_count=sum(map(len, tags_in_effect(parts).values())),
        by_op=_by_op(parts, values),
        by_tier={
            tier.name.lower(): _amount(values, values.tiers == tier)
            for tier in Tier
            if (values.tiers == tier).any()
        },
        by_folder=None if objects is None else _by_folder(objects.list("")),
    )


@dataclass(frozen=True, slots=True)
class _Values:
    """Distinct places of values: content, tier, size."""

    prefixes: Prefixes
    tiers: Integers
    sizes: Integers


def _inline(parts: Iterable[LogPart]) -> _Values:
    """Return the inline values; the same one in two segments counts once."""
    prefixes, sizes = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for part in parts:
        inside = part.values.numbers("tier") == Tier.INLINE
        prefixes.append(prefixes_of(part.values.fixed("content_id"))[inside])
        sizes.append(part.values.numbers("raw_size")[inside].astype(np.int64))
    found, first = np.unique(np.concatenate(prefixes), return_index=True)
    return _Values(found, np.full(len(found), Tier.INLINE, np.int64), np.concatenate(sizes)[first])


def _by_op(parts: Sequence[LogPart], values: _Values) -> dict[str, OpAmount]:
    """Return what each op has, in the order of their names."""
    live: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    took_us: Counter[str] = Counter()
    graves = graves_of(parts)
    for part in parts:
        op, dead = part.calls.text("op"), graves.hides(part.call_dots())
        durations = np.where(dead, 0, part.calls.numbers("duration_us").astype(np.int64))
        sums = np.zeros(len(op.words), np.int64)
        np.add.at(sums, op.codes, durations)
        live.update(_counts(op, ~dead))
        dropped.update(_counts(op, dead))
        took_us.update(dict(zip(op.words, sums.tolist(), strict=True)))
    contents = np.unique(values.prefixes)
    names, ops = ops_of(contents, parts)
    of_values = ops[np.searchsorted(contents, values.prefixes)]
    mine = {name: _amount(values, of_values == number) for number, name in enumerate(names)}
    by_op = {}
    for name in sorted(took_us):
        amount = mine.get(name, ValueAmount())
        by_op[name] = OpAmount(
            live[name], dropped[name], took_us[name] / 1e6, amount.value_count, amount.size
        )
    return by_op


def _counts(op: TextColumn, mask: Flags) -> dict[str, int]:
    """Return how many of some rows have each word."""
    counts = np.bincount(op.codes[mask], minlength=len(op.words)).tolist()
    return dict(zip(op.words, counts, strict=True))


def _amount(values: _Values, mask: Flags) -> ValueAmount:
    """Return how much some of the values are."""
    return ValueAmount(int(mask.sum()), int(values.sizes[mask].sum()))


def _by_folder(infos: Iterable[ObjectInfo]) -> dict[str, Amount]:
    """Return what lies in each folder of the root, and in the root itself."""
    folders: dict[str, list[ObjectInfo]] = {}
    for info in infos:
        folder, slash, _ = info.name.partition("/")
        folders.setdefault(folder + slash, []).append(info)
    return {folder: Amount.of(found) for folder, found in sorted(folders.items())}
