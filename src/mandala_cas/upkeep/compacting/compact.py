"""Compaction: many segments and small runs become one run, and later make room for it.

Two compactors at once waste work, and nothing else; so does one that dies at any line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.signatures import Signer
from mandala_cas.errors import NotFoundError
from mandala_cas.log.announcements import AnnouncementReader
from mandala_cas.log.run_making import MadeRun, RunInputs, make_run
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.upkeep.compacting.loading import LoadedInputs, Trusts, load_inputs, load_run
from mandala_cas.upkeep.compacting.plan import is_due, plan_compaction
from mandala_cas.upkeep.compacting.retire import RetireRules, retire, take_back
from mandala_cas.upkeep.printing import Report, as_count, as_lines, as_size

__all__ = ["CompactReport", "compact", "is_due"]

# As much of a run's name as tells it from any other to a person.
_RUN_LENGTH = len("manifest/2-run/000-") + 12


@dataclass(frozen=True, slots=True, repr=False)
class CompactReport(Report):
    """What one compaction did.

    ``run`` is the name of the run that was made, if one was; it covers ``segment_count`` segments,
    those of ``merged_segments`` and of the runs in ``merged_runs``. ``left`` says of each object
    that could not be merged why; ``retired`` are the log objects that were deleted, because a run
    covers them or because they are runs that lost a part and cover nothing that is not elsewhere.
    ``kept`` says of other runs why what they cover could not be deleted.
    """

    run: str | None = None
    merged_segments: tuple[str, ...] = ()
    merged_runs: tuple[str, ...] = ()
    segment_count: int = 0
    call_count: int = 0
    hidden_call_count: int = 0
    size_before: int = 0
    size_after: int = 0
    left: Mapping[str, str] = field(default_factory=dict)
    retired: tuple[str, ...] = ()
    retired_size: int = 0
    kept: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "run": self.run,
            "merged_segments": list(self.merged_segments),
            "merged_runs": list(self.merged_runs),
            "segment_count": self.segment_count,
            "call_count": self.call_count,
            "hidden_call_count": self.hidden_call_count,
            "size_before": self.size_before,
            "size_after": self.size_after,
            "left": dict(self.left),
            "retired": list(self.retired),
            "retired_size": self.retired_size,
            "kept": dict(self.kept),
        }

    def __str__(self) -> str:
        """Return the report as lines for a terminal."""
        lines: list[tuple[str, str]] = []
        if self.run is None:
            lines.append(("merged", "nothing: there is too little to be worth it"))
        else:
            segments = as_count(len(self.merged_segments), "segment")
            hidden = f", and {self.hidden_call_count} hidden" if self.hidden_call_count else ""
            lines += [
                ("merged", f"{segments}, {as_count(len(self.merged_runs), 'run')}"),
                ("into", f"{self.run[:_RUN_LENGTH]}..."),
                ("calls", f"{self.call_count}{hidden}"),
                ("size", f"{as_size(self.size_before)}, now {as_size(self.size_after)}"),
            ]
        deleted = as_count(len(self.retired), "log object")
        lines.append(("deleted", f"{deleted} that others stand for, {as_size(self.retired_size)}"))
        lines += [("left alone", f"{name}: {why}") for name, why in sorted(self.left.items())]
        lines += [("kept", f"what {run} covers: {why}") for run, why in sorted(self.kept.items())]
        return as_lines(lines)


def compact(
    objects: ObjectStore,
    view: LogView,
    *,
    signer: Signer | None,
    trusts: Trusts,
    clock_us: Callable[[], int],
    draw: Callable[[int], bytes],
    full: bool = False,
    delay_s: float | None = None,
    rows_max: int | None = None,
    announcements: AnnouncementReader | None = None,
) -> CompactReport:
    """Merge what is due into one run, and delete what an older run covers.

    ``full`` merges everything. ``rows_max`` bounds the calls that are written or read back, for
    who compacts in passing. ``trusts`` tells whose objects may be merged: a run speaks for them
    with ``signer``'s word. ``announcements`` reads those of garbage collection; without it nothing
    is deleted while there are any. ``delay_s`` is explained at ``RetireRules``. Costs a listing or
    three, a read of every input, and of what was written.

    Raises:
        StoreUnavailableError: the store does not answer. What was not finished means nothing.
        CorruptionError: what was written does not come back. Nothing was deleted.
        UsageError: the store refuses to be written to.
    """
    view.refresh()
    rules = RetireRules(signer, trusts, announcements, delay_s, rows_max)
    loaded = _load(objects, view, rules, full=full)
    report = CompactReport(left=loaded.left)
    if loaded.inputs.segments or loaded.inputs.runs:
        inputs = replace(loaded.inputs, generation_above=_generation_below(view, loaded.inputs))
        made = make_run(inputs, created_us=clock_us(), draw=draw, signer=signer)
        report = _report_of(made, loaded)
        is_whole = _write(objects, made, signer, trusts)
        # The run, with the time that the store gave it.
        view.refresh()
        if not is_whole:
            take_back(objects, view, made.run.name, rules)
            reason = (
                "is gone again: garbage collection saw its parts before they were named, or "
                "another compactor was faster"
            )
            report = replace(report, run=None, left={**report.left, made.run.name: reason})
    retired = retire(objects, view, rules, just_read=report.run)
    return replace(report, retired=retired.names, retired_size=retired.size, kept=retired.kept)


def _load(objects: ObjectStore, view: LogView, rules: RetireRules, *, full: bool) -> LoadedInputs:
    """Return what is due and may be merged; what may not be makes room for the rest."""
    left: dict[str, str] = {}
    while plan := plan_compaction(
        view, full=full, rows_max=rules.rows_max, trusts=rules.trusts, without=left.keys()
    ):
        loaded = load_inputs(
            objects, plan.segments, plan.runs, signer=rules.signer, trusts=rules.trusts
        )
        left.update(loaded.left)
        if _is_worth_it(loaded.inputs):
            return replace(loaded, left=left)
        if not loaded.left:
            break
    return LoadedInputs(RunInputs(()), {}, left)


def _is_worth_it(inputs: RunInputs) -> bool:
    """Tell whether a run of ``inputs`` is not the copy of another one."""
    return bool(inputs.segments) or len(inputs.runs) > 1


def _generation_below(view: LogView, inputs: RunInputs) -> int:
    """Return the greatest generation of a run that the new one stands for, or could not read."""
    covers = {segment.segment_id for segment, _ in inputs.segments}
    covers.update(*(whole.run.covers for whole in inputs.runs))
    below = (run.header.generation for run in view.runs.values() if run.covers <= covers)
    return max(below, default=0)


def _write(objects: ObjectStore, made: MadeRun, signer: Signer | None, trusts: Trusts) -> bool:
    """Put a run, and read it back whole; tell whether it is there.

    It can be gone again if another compactor covered it at once, and did not wait; and a part of it
    if a collector without a grace found the part before the run.

    Raises:
        CorruptionError: what comes back is not what was put.
    """
    objects.put_many({name: sealed.parts for name, sealed in made.parts.items()})
    # Only now the run, which makes the parts count: a crash before this line leaves parts that
    # nobody speaks of. Put first, it would speak of parts that are not there.
    objects.put(made.run.name, made.run.sealed.parts)
    try:
        found = load_run(objects, made.run.name, signer=signer, trusts=trusts)
    except NotFoundError:
        return False
    if found.run.header != made.header or list(found.run.parts) != list(made.infos):
        raise corruption(made.run.name, "is not what was written")
    return True


def _report_of(made: MadeRun, loaded: LoadedInputs) -> CompactReport:
    """Return what was merged into what."""
    header = made.header
    runs = tuple(whole.run.name for whole in loaded.inputs.runs)
    return CompactReport(
        run=made.run.name,
        merged_segments=tuple(segment.name for segment, _ in loaded.inputs.segments),
        merged_runs=runs,
        segment_count=header.segment_count,
        call_count=header.call_count,
        hidden_call_count=header.covered_call_count - header.call_count,
        size_before=sum(loaded.sizes.values()),
        size_after=made.run.sealed.size + sum(part.size for part in made.parts.values()),
        left=loaded.left,
    )
