"""What compaction merges, and when: tiers of runs by their calls, each eight times the one below.

So that a call is written again only once per tier, whatever the store's size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from mandala_cas.envelope.signatures import key_id_of
from mandala_cas.log.part import LogPart
from mandala_cas.log.run import Run
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import KeyId, SegmentId
from mandala_cas.objectstore.layout import parse_segment_name

UNCOVERED_MAX: Final = 64
RUNS_OF_CLASS_MAX: Final = 8

# About what a call takes in a segment; only for segments that nobody here has read.
_SIZE_OF_ROW: Final = 256


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """The names of what is to be merged into one run; none: nothing is to be done."""

    segments: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything is to be merged."""
        return bool(self.segments or self.runs)


def is_due(view: LogView, *, trusts: Callable[[KeyId | None], bool] | None = None) -> bool:
    """Tell whether compaction has something to merge, as of the view's last refresh.

    Without ``trusts`` also what somebody signed who is not trusted counts, and stays due for ever.
    """
    return bool(plan_compaction(view, trusts=trusts))


def plan_compaction(
    view: LogView,
    *,
    full: bool = False,
    rows_max: int | None = None,
    trusts: Callable[[KeyId | None], bool] | None = None,
    without: Collection[str] = frozenset(),
) -> CompactionPlan:
    """Return what is to be merged, as of the view's last refresh.

    ``full`` merges everything into one run. ``rows_max`` bounds the calls that are written.
    ``without`` are names of objects that cannot be merged. ``trusts`` leaves out what says of
    itself that nobody trusted signed it; whether what it says is true is checked when it is read.
    """

    def may_merge(name: str, source: LogPart | Run | None) -> bool:
        if name in without or source is None or trusts is None:
            return name not in without
        signature = source.signature
        return trusts(None if signature is None else key_id_of(signature.public_key))

    usable = {name: run for name, run in view.runs.items() if may_merge(name, run)}
    segments = [name for name in uncovered(view, usable) if may_merge(name, view.parts.get(name))]
    runs = list(current_runs(usable).values())
    if full:
        # One run that covers everything is as good as it gets.
        if not segments and len(runs) <= 1:
            return CompactionPlan()
        return CompactionPlan(tuple(segments), tuple(run.name for run in runs))
    room = float("inf") if rows_max is None else rows_max
    chosen: list[str] = []
    rows = 0
    for name in segments if len(segments) >= UNCOVERED_MAX else []:
        more = _row_count(name, view)
        # At least one, however large: else the same one would be in the way for ever.
        if chosen and rows + more > room:
            break
        chosen.append(name)
        rows += more
    merged: list[Run] = []
    while due := _due_class(runs, rows if chosen or merged else None, room - rows):
        merged += due
        rows += sum(run.header.call_count for run in due)
        runs = [run for run in runs if run not in due]
    return CompactionPlan(tuple(chosen), tuple(run.name for run in merged))


def uncovered(view: LogView, runs: Mapping[str, Run]) -> list[str]:
    """Return the names of the segments that none of ``runs`` covers in parts that can be read."""
    covered: set[SegmentId] = set()
    for run in runs.values():
        if view.damaged.keys().isdisjoint(part.name for part in run.parts):
            covered |= run.covers
        else:
            of_parts = run.segments_of_parts()
            covered.update(*(ids for name, ids in of_parts.items() if name not in view.damaged))
    return sorted(
        name
        for name in view.listing.segments
        if name not in view.damaged and _segment_id(name) not in covered
    )


def current_runs(runs: Mapping[str, Run]) -> dict[str, Run]:
    """Return the runs that no other run replaces."""
    return {
        name: run
        for name, run in runs.items()
        if not any(other.replaces(run) for other in runs.values())
    }


def size_class(call_count: int) -> int:
    """Return the tier of so many calls."""
    tier = 0
    while call_count >= RUNS_OF_CLASS_MAX:
        call_count //= RUNS_OF_CLASS_MAX
        tier += 1
    return tier


def _due_class(runs: list[Run], rows: int | None, room: float) -> list[Run]:
    """Return the runs of the smallest tier that has too many, counting what is being made."""
    tiers = Counter(size_class(run.header.call_count) for run in runs)
    if rows is not None:
        tiers[size_class(rows)] += 1
    for tier in sorted(tiers):
        members = [run for run in runs if size_class(run.header.call_count) == tier]
        fits = sum(run.header.call_count for run in members) <= room
        if tiers[tier] >= RUNS_OF_CLASS_MAX and members and fits:
            return members
    return []


def _row_count(name: str, view: LogView) -> int:
    """Return about how many calls a segment has."""
    part = view.parts.get(name)
    if part is not None:
        return part.calls.row_count
    return view.listing.segments[name].size // _SIZE_OF_ROW


def _segment_id(name: str) -> SegmentId | None:
    """Return what a segment is called inside runs, if this is the name of one."""
    parsed = parse_segment_name(name)
    return None if parsed is None else parsed.segment_id
