"""What a collection deletes and keeps, and why: the report of a dry run, and of a real one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mandala_cas.objectstore.api import ObjectInfo
from mandala_cas.upkeep.amounts import Amount
from mandala_cas.upkeep.printing import Report, as_count, as_duration, as_size, as_table

_DAY_S: Final = 86_400.0
_AGES: Final = (
    (_DAY_S, "less than a day"),
    (7 * _DAY_S, "1 to 7 days"),
    (30 * _DAY_S, "7 to 30 days"),
    (365 * _DAY_S, "30 to 365 days"),
)
_OLDEST: Final = "a year and more"
_UNKNOWN: Final = "unknown"
_OPS_MAX: Final = 15


@dataclass(frozen=True, slots=True, repr=False)
class CollectPlan(Report):
    """What a collection did, or would do where ``carried_out`` is false.

    ``deleted`` are names of objects, ``deleted_size`` is their bytes. ``as_of`` is the time from
    which ages are counted, by the store's own clock, in seconds since 1970. ``recompute_s`` is
    how long the calls took whose outputs go, as far as the log still knows. ``announced_count``
    is how many objects were announced now. ``leftover_count`` are temporary files of writers that
    died, ``expired_count`` announcements that were kept long enough.
    """

    carried_out: bool
    grace_s: float
    as_of: float | None
    deleted: tuple[str, ...]
    deleted_size: int
    by_op: Mapping[str, Amount]
    by_age: Mapping[str, Amount]
    kept_because: Mapping[str, Amount]
    recompute_s: float
    announced_count: int = 0
    leftover_count: int = 0
    expired_count: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings, lists and dictionaries."""
        return {
            "carried_out": self.carried_out,
            "grace_s": self.grace_s,
            "as_of": self.as_of,
            "deleted": list(self.deleted),
            "deleted_size": self.deleted_size,
            "by_op": _plain(self.by_op),
            "by_age": _plain(self.by_age),
            "kept_because": _plain(self.kept_because),
            "recompute_s": self.recompute_s,
            "announced_count": self.announced_count,
            "leftover_count": self.leftover_count,
            "expired_count": self.expired_count,
        }

    def __str__(self) -> str:
        """Return tables for a terminal."""
        verb = "deleted" if self.carried_out else "would delete"
        what = f"{as_count(len(self.deleted), 'object')}, {as_size(self.deleted_size)}"
        age = f", and at least {as_duration(self.grace_s)} old" if self.grace_s else ""
        lines = [f"{verb} {what}: in no use{age}"]
        if self.deleted:
            lines += ["", _table("of op", _largest(self.by_op)), "", _table("age", self.by_age)]
            lines += ["", f"to compute it again would take {as_duration(self.recompute_s)}"]
        if self.kept_because:
            lines += ["", _table("kept, because", self.kept_because)]
        extras = (
            (self.announced_count, "object", "announced"),
            (self.leftover_count, "temporary file", "of dead writers removed"),
            (self.expired_count, "old announcement", "removed"),
        )
        said = [f"{as_count(count, noun)} {what}" for count, noun, what in extras if count]
        if said:
            lines += ["", ", ".join(said)]
        if self.deleted and not self.carried_out:
            lines += ["", "storage.gc(dry_run=False) or `mandala-cas gc --delete` deletes them"]
        return "\n".join(lines)


def by_age(infos: Iterable[ObjectInfo], now: float | None) -> dict[str, Amount]:
    """Return objects by their age, youngest first."""
    classes: dict[str, list[ObjectInfo]] = {label: [] for _, label in _AGES}
    classes |= {_OLDEST: [], _UNKNOWN: []}
    for info in infos:
        classes[_age_class(info, now)].append(info)
    return {label: Amount.of(found) for label, found in classes.items() if found}


def _age_class(info: ObjectInfo, now: float | None) -> str:
    """Return in words how old an object is."""
    if now is None or info.modified is None:
        return _UNKNOWN
    age_s = now - info.modified
    return next((label for limit, label in _AGES if age_s < limit), _OLDEST)


def _plain(amounts: Mapping[str, Amount]) -> dict[str, dict[str, int]]:
    """Return amounts as dictionaries."""
    return {label: amount.to_dict() for label, amount in amounts.items()}


def _largest(amounts: Mapping[str, Amount]) -> dict[str, Amount]:
    """Return the largest amounts first, as many as fit on a screen, and the others as one."""
    ordered = sorted(amounts.items(), key=lambda item: (-item[1].size, item[0]))
    shown, rest = ordered[:_OPS_MAX], [amount for _, amount in ordered[_OPS_MAX:]]
    if rest:
        others = Amount(sum(a.object_count for a in rest), sum(a.size for a in rest))
        shown.append((f"({len(rest)} others)", others))
    return dict(shown)


def _table(header: str, amounts: Mapping[str, Amount]) -> str:
    """Return amounts as a table; long names are cut to fit a terminal."""
    rows = [(label[:48], a.object_count, as_size(a.size)) for label, a in amounts.items()]
    return as_table((header, "objects", "size"), rows)
