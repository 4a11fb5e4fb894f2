"""Deletion of segments and runs that one other run stands for, and of runs that stand for nothing.

Architecture invariant: a log object is deleted only if one single run that was read back whole in
this very step covers all of it. "Covered by several together" loses data: each of those may be
deleted for the same reason, by somebody else, at the same time. The exception is a run of which a
part is gone: nobody deletes anything because of it, so what it covers may be in several objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from mandala_cas.envelope.signatures import Signer
from mandala_cas.errors import (
    CorruptionError,
    NotFoundError,
    UnsupportedFormatError,
    UntrustedError,
    UsageError,
)
from mandala_cas.log.announcements import AnnouncementReader
from mandala_cas.log.listing import Listing, list_manifest
from mandala_cas.log.run import Run
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import SegmentId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import COLLECTIONS, parse_collection_name, parse_segment_name
from mandala_cas.upkeep.compacting.loading import Trusts, load_run

STRONG_DELAY_S: Final = 600.0
WEAK_DELAY_S: Final = 86_400.0

_UNUSABLE: Final = (CorruptionError, NotFoundError, UnsupportedFormatError, UntrustedError)


@dataclass(frozen=True, slots=True)
class RetireRules:
    """Whose runs count, and when.

    ``delay_s`` is how much older a run must be than the newest log object, by the store's own
    clock; None: ten minutes, or a day where listings lag. ``rows_max`` bounds what is read back.
    """

    signer: Signer | None
    trusts: Trusts
    announcements: AnnouncementReader | None = None
    delay_s: float | None = None
    rows_max: int | None = None


@dataclass(frozen=True, slots=True)
class Retired:
    """What was deleted, its size, and what could not be: the run that covers it, and why not."""

    names: tuple[str, ...]
    size: int
    kept: Mapping[str, str]


def retire(
    objects: ObjectStore, view: LogView, rules: RetireRules, *, just_read: str | None = None
) -> Retired:
    """Delete the log objects that a run of long enough ago covers, as ``view`` saw them last.

    ``just_read`` is a run that was read back whole since then.

    Raises:
        StoreUnavailableError: the store does not answer; some of them may be deleted.
    """
    names: list[str] = []
    kept: dict[str, str] = {}
    there = set(view.listing.segments) | set(view.runs)
    for run in sorted(view.runs.values(), key=lambda run: len(run.covers), reverse=True):
        covered = [name for name in _covered_by(run, view) if name in there]
        if not covered or not _is_old_enough(run, objects, view, rules):
            continue
        try:
            if run.name != just_read:
                load_run(objects, run.name, signer=rules.signer, trusts=rules.trusts)
            # Only after reading back: a collector that announced before then had not seen the run,
            # and one that announces later sees it first and spares its parts.
            condemned = _condemned_part(objects, run, rules.announcements)
        except _UNUSABLE as error:
            if isinstance(error, NotFoundError) and take_back(objects, view, run.name, rules):
                names.append(run.name)
                there.discard(run.name)
            else:
                kept[run.name] = str(error)
            continue
        if condemned is not None:
            kept[run.name] = condemned
            continue
        try:
            objects.delete(covered)
        except UsageError as error:
            # Who may write and not delete still makes runs; somebody else deletes.
            kept[run.name] = str(error)
            break
        names += covered
        there -= set(covered)
    return Retired(tuple(sorted(names)), sum(_size(name, view) for name in names), kept)


def take_back(objects: ObjectStore, view: LogView, name: str, rules: RetireRules) -> bool:
    """Delete a run of which a part is gone, if all that it covers is elsewhere; tell whether it is.

    Nobody deleted a segment because of it. Who does so reads the run whole and looks at the
    announcements after that; a collector that announces later still reads the log again, sees the
    run, and spares its parts. So a part is gone only where the collector did not see the run, and
    then everybody who looked saw the announcement. A part that is merely announced proves nothing
    of the kind: somebody may rely on the run already. A crash before the deletion leaves a run
    that stands for nothing: readers find its rows in the segments.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    # What was there before the part was found gone may have made room for another run since.
    listing = list_manifest(objects)
    run = view.runs.get(name)
    if run is None or name not in listing.runs:
        return False
    missing = set(run.covers)
    for found in _elsewhere(objects, view, listing, run, rules):
        missing -= found
        if not missing:
            break
    if missing:
        return False
    try:
        objects.delete([name])
    except UsageError:
        # Who may write and not delete leaves it to others.
        return False
    return True


def _elsewhere(
    objects: ObjectStore, view: LogView, listing: Listing, run: Run, rules: RetireRules
) -> Iterator[frozenset[SegmentId]]:
    """Yield the segments that are listed, then those of other runs that are listed and whole."""
    parsed = map(parse_segment_name, listing.segments)
    yield frozenset(item.segment_id for item in parsed if item is not None)
    for other in view.runs.values():
        if other is run or other.name not in listing.runs or other.covers.isdisjoint(run.covers):
            continue
        with suppress(*_UNUSABLE):
            load_run(objects, other.name, signer=rules.signer, trusts=rules.trusts)
            yield other.covers


def _covered_by(run: Run, view: LogView) -> list[str]:
    """Return the names of what ``run`` has all of, so that it alone is enough."""
    segments = []
    for name in view.listing.segments:
        parsed = parse_segment_name(name)
        if parsed is not None and parsed.segment_id in run.covers:
            segments.append(name)
    return [*segments, *(other.name for other in view.runs.values() if run.replaces(other))]


def _is_old_enough(run: Run, objects: ObjectStore, view: LogView, rules: RetireRules) -> bool:
    """Tell whether every reader that listed before the run was there is done by now."""
    info, newest = view.listing.runs.get(run.name), view.listing.newest
    if info is None or info.modified is None or newest is None:
        return False
    if rules.rows_max is not None and run.header.call_count > rules.rows_max:
        return False
    delay_s = rules.delay_s
    if delay_s is None:
        delay_s = STRONG_DELAY_S if objects.capabilities.strong_list else WEAK_DELAY_S
    return newest - info.modified >= delay_s


def _condemned_part(
    objects: ObjectStore, run: Run, announcements: AnnouncementReader | None
) -> str | None:
    """Return why a part of the run may be about to be deleted, or None if it is not."""
    names = [
        info.name
        for info in objects.list(COLLECTIONS)
        if (parsed := parse_collection_name(info.name)) is not None and parsed.kind == "condemned"
    ]
    if not names:
        return None
    if announcements is None:
        return "garbage collection was announced, and nobody here can read of what"
    condemned = announcements.read(names)
    damaged = sorted(announcements.damaged.keys() & set(names))
    if damaged:
        return f"{damaged[0]} cannot be read, so anything may be condemned"
    for part in run.parts:
        if any(part.name in names for names in condemned):
            return f"its part {part.name} is condemned"
    return None


def _size(name: str, view: LogView) -> int:
    """Return the size of a log object."""
    info = view.listing.segments.get(name) or view.listing.runs.get(name)
    return 0 if info is None else info.size
