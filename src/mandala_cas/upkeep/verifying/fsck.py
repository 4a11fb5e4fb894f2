"""Verification: reads, and tells what is wrong. It writes nothing, and decodes no value.

Of files that are tracked where they lie it says whether they do, as far as the level goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from mandala_cas.errors import UsageError
from mandala_cas.model.ids import KeyId
from mandala_cas.objectstore import layout
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.upkeep.code_values import RunsCode
from mandala_cas.upkeep.printing import as_count
from mandala_cas.upkeep.verifying.findings import FsckReport, ProblemKind, Tally
from mandala_cas.upkeep.verifying.live import LiveLog
from mandala_cas.upkeep.verifying.log_reading import LogReading, read_log
from mandala_cas.upkeep.verifying.payload_check import PayloadCheck
from mandala_cas.upkeep.verifying.pickles import count_pickles
from mandala_cas.upkeep.verifying.progress import Progress, silent
from mandala_cas.upkeep.verifying.sampling import sample_of
from mandala_cas.upkeep.verifying.tracked_check import check_tracked
from mandala_cas.values.freed import PromisedAmong, nothing_promised

Level = Literal["meta", "refs", "data"]

LEVELS: Final = ("meta", "refs", "data")
_FOLDERS: Final = (
    layout.MANIFEST,
    layout.RUN_PARTS,
    layout.PACKS,
    layout.BLOBS,
    layout.QUARANTINE,
    layout.LOCAL,
)
_NAMED_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Verification:
    """A report, and what it was made from; ``check`` is None where payload was not looked at."""

    report: FsckReport
    reading: LogReading
    check: PayloadCheck | None


def verify(
    objects: ObjectStore,
    level: Level = "refs",
    sample: float | tuple[int, int] | None = None,
    *,
    trusts: Callable[[KeyId | None], bool] = lambda _: True,
    promised_among: PromisedAmong = nothing_promised,
    runs_code: RunsCode = lambda _: False,
    key_names: Mapping[str, str] = MappingProxyType({}),
    progress: Progress = silent,
) -> FsckReport:
    """Return what is wrong with a store.

    Args:
        objects: the store; it is only read, so one that cannot be written to will do.
        level: "meta" reads the log; "refs" also lists the payload, and looks for tracked files;
            "data" reads both as well.
        sample: for "data": a fraction of the payload, or (n, t) for part n of t.
        trusts: whose signatures are not worth a word; asked with None about what is not signed.
        promised_among: picks, of objects and the content ids of values in them, those that are not
            here because another store holds them.
        runs_code: which codecs make a value one to be named with who signed it.
        key_names: how the user calls keys, by their ids.
        progress: told how far it is.

    Raises:
        UsageError: there is no such level or sample.
        StoreUnavailableError: the store does not answer.
    """
    found = verify_closely(
        objects, level, sample, trusts=trusts, promised_among=promised_among, progress=progress
    )
    live = live_log(found.reading) if found.check is None else found.check.live
    pickles = count_pickles(found.reading.parts, live, runs_code, key_names)
    if level == "meta":
        return replace(found.report, pickles=pickles)
    closely = sample_of(sample) if level == "data" else None
    tracked = check_tracked(objects, found.reading.parts, live, closely, progress)
    return replace(found.report, pickles=pickles, tracked=tracked)


def verify_closely(
    objects: ObjectStore,
    level: Level,
    sample: float | tuple[int, int] | None,
    *,
    trusts: Callable[[KeyId | None], bool],
    promised_among: PromisedAmong,
    progress: Progress,
) -> Verification:
    """Verify, and return what was read besides the report; see ``verify``."""
    if level not in LEVELS:
        raise UsageError(f"a level is one of {', '.join(LEVELS)}, got {level!r}")
    if sample is not None and level != "data":
        raise UsageError(f"a sample is for the level data, and {level} was asked for")
    part = sample_of(sample)
    reading = read_log(objects, trusts, progress)
    check: PayloadCheck | None = None
    if level != "meta":
        check = check_payload(objects, reading, promised_among, progress)
        if level == "data":
            size = check.check_bytes(part)
            reading.checked["payload read"] = Tally(0, size)
        found = check.problems()
        # Of a part of inline payloads, what is missing says more than that it is damaged.
        named = {problem.name for problem in found if problem.kind is ProblemKind.DAMAGED_PART}
        reading.problems = [p for p in reading.problems if p.name not in named] + found
        _note(reading, check)
    report = FsckReport(
        level=level,
        sample=str(part),
        problems=tuple(reading.problems),
        notices=tuple(reading.notices),
        checked=dict(reading.checked),
        signatures=dict(sorted(reading.signatures.items())),
    )
    return Verification(report, reading, check)


def check_payload(
    objects: ObjectStore,
    reading: LogReading,
    promised_among: PromisedAmong,
    progress: Progress,
) -> PayloadCheck:
    """List the payload, now that the log was read, and check every place by that listing."""
    sizes: dict[str, int] = {}
    strangers: list[str] = []
    for info in objects.list(""):
        if info.name.startswith((layout.PACKS, layout.BLOBS)):
            sizes[info.name] = info.size
        elif not info.name.startswith(_FOLDERS) and info.name not in {layout.README, layout.CONFIG}:
            strangers.append(info.name)
    for folder, what in ((layout.PACKS, "packs"), (layout.BLOBS, "loose blobs")):
        found = [size for name, size in sizes.items() if name.startswith(folder)]
        reading.checked[what] = Tally(len(found), sum(found))
    if strangers:
        names = ", ".join(sorted(strangers)[:_NAMED_MAX])
        reading.notices.append(f"{as_count(len(strangers), 'object')} no store would have: {names}")
    check = PayloadCheck(objects, live_log(reading), sizes, promised_among, progress)
    check.check_places(reading.runs.broken_inline)
    unnamed = check.unnamed()
    reading.checked["payload that nothing uses"] = Tally(len(unnamed), sum(unnamed.values()))
    return check


def live_log(reading: LogReading) -> LiveLog:
    """Return what counts of a log, as far as it can be read."""
    runs = reading.runs.runs.values()
    return LiveLog(
        reading.parts,
        [tombstone for run in runs for tombstone in run.tombstones],
        [untag for run in runs for untag in run.untags],
    )


def _note(reading: LogReading, check: PayloadCheck) -> None:
    """Put down what is worth knowing and no problem."""
    if check.promised_count:
        reading.notices.append(
            f"{as_count(check.promised_count, 'value')} not here, and promised elsewhere"
        )
    if check.absent_inputs:
        calls = check.live.affected(check.absent_inputs)
        absent = as_count(
            len(check.absent_inputs), "value that calls took is", "values that calls took are"
        )
        reading.notices.append(
            f"{absent} not there, and no call on record gave what is missing; "
            f"the calls that took it still answer: {calls}"
        )
