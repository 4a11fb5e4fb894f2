"""Whether anybody keeps a store up: what waits, what failed, and what to do about it.

Asks a view that has been refreshed; reads the few announcements of garbage collection besides, and
no payload.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mandala_cas.errors import MandalaError
from mandala_cas.log.announcements import CONDEMNED, DONE, Announcements
from mandala_cas.log.journal import is_lock_name, writer_of_file
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import SegmentId, WriterId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import (
    JOURNAL,
    LOCAL,
    SPOOL,
    parse_collection_name,
    parse_segment_name,
)
from mandala_cas.objectstore.locks import try_lock
from mandala_cas.upkeep.printing import (
    Report,
    as_count,
    as_duration,
    as_lines,
    as_paragraph,
    as_size,
)
from mandala_cas.upkeep.reporting.monitor import FAILURES_UNTIL_WARNING, UpkeepMonitor

# A listing has a thousand names: far below that, opening a store costs one request.
UNCOVERED_MAX: Final = 256
RUNS_MAX: Final = 32
# A collection that is still not done after a day was left by a process that died.
_UNFINISHED_AFTER_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that was looked at: what it is, how it stands, and what to do if anything."""

    what: str
    state: str
    advice: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class HealthReport(Report):
    """How a store is kept up. ``counts`` are the numbers behind the signs."""

    signs: tuple[Sign, ...]
    counts: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do."""
        return not any(sign.advice for sign in self.signs)

    def __str__(self) -> str:
        """Return how things stand, and below that what to do."""
        stand = as_lines([(sign.what, sign.state) for sign in self.signs])
        if self.ok:
            return f"{stand}\n\nnothing to do"
        advice = [
            as_paragraph(f"{sign.what}: {sign.advice}", "- ", "  ")
            for sign in self.signs
            if sign.advice
        ]
        return "\n".join([stand, "", "what to do", *advice])

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "ok": self.ok,
            "signs": [
                {"what": sign.what, "state": sign.state, "advice": sign.advice}
                for sign in self.signs
            ],
            "counts": dict(self.counts),
        }


def health(
    objects: ObjectStore,
    view: LogView,
    *,
    monitor: UpkeepMonitor | None = None,
    local: Path | None = None,
    may_lock: bool = True,
    clock: Callable[[], float] = time.time,
) -> HealthReport:
    """Return how a store is kept up.

    Args:
        objects: the store, to read announcements from.
        view: its log, refreshed.
        monitor: how this process's own compactions went.
        local: this machine's folder of the store, where processes that died may have left
            journals and spooled values.
        may_lock: whether to find out by their locks which of those processes are alive; without
            it, for who may write nothing, all are counted and none is called dead.
        clock: gives seconds since 1970, to say how long ago something was.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    counts: dict[str, int] = {}
    now = clock()
    signs = [
        *_log_signs(view, counts, now),
        *_collection_signs(objects, view, counts, now),
        *_damage_signs(view, counts),
        *_own_signs(monitor, counts),
        *_local_signs(local, counts, may_lock=may_lock),
    ]
    return HealthReport(tuple(signs), counts)


def _log_signs(view: LogView, counts: dict[str, int], now: float) -> list[Sign]:
    """Return how much of the log waits for compaction."""
    covered: set[SegmentId] = set()
    for run in view.runs.values():
        covered |= run.covers
    parsed = [parse_segment_name(name) for name in view.listing.segments]
    uncovered = sum(name is not None and name.segment_id not in covered for name in parsed)
    counts["uncovered_segments"] = uncovered
    counts["runs"] = len(view.runs)
    newest = max((run.header.created_us for run in view.runs.values()), default=None)
    advice = "storage.compact() or `mandala-cas compact` merges them; opening is slow until then"
    return [
        Sign("segments in no run", str(uncovered), advice if uncovered > UNCOVERED_MAX else ""),
        Sign("runs", str(len(view.runs)), advice if len(view.runs) > RUNS_MAX else ""),
        Sign("last compaction", _ago(None if newest is None else newest / 1e6, now)),
    ]


def _collection_signs(
    objects: ObjectStore, view: LogView, counts: dict[str, int], now: float
) -> list[Sign]:
    """Return when garbage was collected, and whether a collection was left undone."""
    found = view.listing.announcements
    announcements = Announcements(objects)
    ended = {done.condemned for done in announcements.read_done(found)}
    begun = {name: info for name, info in found.items() if _step(name) == CONDEMNED}
    unfinished = [
        name
        for name, info in begun.items()
        if name not in ended and now - (info.modified or 0.0) > _UNFINISHED_AFTER_S
    ]
    counts["unfinished_collections"] = len(unfinished)
    done = [info.modified or 0.0 for name, info in found.items() if _step(name) == DONE]
    times = [info.modified or 0.0 for info in begun.values()]
    return [
        Sign("last announcement of a collection", _ago(max(times, default=None), now)),
        Sign("last collection that ended", _ago(max(done, default=None), now)),
        Sign(
            "collections left undone",
            str(len(unfinished)),
            "storage.gc(dry_run=False) or `mandala-cas gc --delete` goes on with them"
            if unfinished
            else "",
        ),
    ]


def _damage_signs(view: LogView, counts: dict[str, int]) -> list[Sign]:
    """Return what of the log cannot be read."""
    holes = view.chain_holes()
    counts["damaged_objects"] = len(view.damaged)
    counts["missing_segments"] = len(holes)
    advice = (
        "storage.fsck() or `mandala-cas fsck` says what is lost, storage.repair() or "
        "`mandala-cas repair` mends what can be"
    )
    return [
        Sign("damaged log objects", str(len(view.damaged)), advice if view.damaged else ""),
        Sign("missing segments", str(len(holes)), advice if holes else ""),
    ]


def _own_signs(monitor: UpkeepMonitor | None, counts: dict[str, int]) -> list[Sign]:
    """Return how this process's own upkeep went."""
    if monitor is None:
        return []
    count = counts["failed_compactions"] = monitor.failure_count
    state = f"{count} failed in a row: {monitor.last_error}" if count else "no failures"
    is_bad = count >= FAILURES_UNTIL_WARNING
    advice = "storage.compact() tries again, and raises what is wrong" if is_bad else ""
    return [Sign("compactions of this process", state, advice)]


def _local_signs(local: Path | None, counts: dict[str, int], *, may_lock: bool) -> list[Sign]:
    """Return what processes of this machine left behind."""
    if local is None:
        return []
    folders = [local / folder.removeprefix(LOCAL) for folder in (JOURNAL, SPOOL)]
    found = [_files_by_writer(folder) for folder in folders]
    living: set[WriterId] = set()
    if may_lock:
        living = {writer for writer in {*found[0], *found[1]} if _is_alive(folders[0], writer)}
    advice = "the next one to open the store for writing commits what is in them"
    signs = []
    for what, of_writers in zip(("journals", "spooled values"), found, strict=True):
        sizes = [
            size for writer, sizes in of_writers.items() if writer not in living for size in sizes
        ]
        state = as_count(len(sizes), "file") + (f", {as_size(sum(sizes))}" if sizes else "")
        if may_lock:
            counts[what.replace(" ", "_")] = len(sizes)
            signs.append(Sign(f"{what} of dead processes", state, advice if sizes else ""))
        else:
            signs.append(Sign(f"{what} of any process", state))
    return signs


def _files_by_writer(folder: Path) -> dict[WriterId, list[int]]:
    """Return the sizes of the files in a folder by who wrote them; locks say nothing."""
    found: dict[WriterId, list[int]] = {}
    try:
        for path in folder.iterdir():
            writer = writer_of_file(path.name)
            if writer is not None and not is_lock_name(path.name):
                found.setdefault(writer, []).append(path.stat().st_size)
    except OSError:
        # It was never made, or somebody is just tidying up: nothing more that can be counted.
        return found
    return found


def _is_alive(journals: Path, writer: WriterId) -> bool:
    """Tell whether a writer's process runs, by its lock, which ends with the process.

    Taking the lock for a moment disturbs nobody: a writer takes its own before it makes the first
    file, by which it is found here, and who is about to adopt the journal leaves it to the next.
    """
    path = journals / writer.hex()
    if not path.exists():
        return False
    try:
        lock = try_lock(path)
    except MandalaError:
        # Somebody else's, who lets nobody else open it: theirs to adopt.
        return True
    if lock is None:
        return True
    lock.release()
    return False


def _ago(when: float | None, now: float) -> str:
    """Return how long ago something was."""
    return "never" if when is None else f"{as_duration(max(0.0, now - when))} ago"


def _step(name: str) -> str | None:
    """Return which step of a collection a name speaks of."""
    parsed = parse_collection_name(name)
    return None if parsed is None else parsed.kind
