"""Garbage collection: announce, read the log again, delete.

A writer may be about to rely on an object that nothing names any more: its call was dropped, and
is being made again. So nobody deletes what was not announced first, and a writer looks at the
announcements after it published. Either the collector, which reads the log after it announced,
sees what the writer published, or the writer sees the announcement and puts the bytes again,
under a name that was never used. No clock takes part in that, nor does the grace: it only keeps
collections from causing copies.

What a crash leaves is an announcement that was not carried out. The next collection, whoever runs
it, carries out every such announcement. The roots are the log's alone: nobody can hand in others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from blake3 import blake3

from mandala_cas.blobs.packs import seal_pack
from mandala_cas.blobs.value import seal_value
from mandala_cas.envelope.signatures import Signer
from mandala_cas.errors import UsageError
from mandala_cas.log.announcements import Announcements, Condemned, Done
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import PayloadHash
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import NONCE_SIZE
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.upkeep.amounts import Amount
from mandala_cas.upkeep.collecting.announcing import Crier, announced_in
from mandala_cas.upkeep.collecting.costs import find_costs
from mandala_cas.upkeep.collecting.garbage import (
    WAITING,
    YOUNG,
    Listed,
    Needed,
    Sorted,
    list_store,
    needed_by,
    refuse_unknown_features,
    sort_out,
)
from mandala_cas.upkeep.collecting.plan import CollectPlan, by_age

DAY_S: Final = 86_400.0
GRACE_S: Final = 7 * DAY_S
# Where a listing may lag: how long an announcement must be there before it is carried out.
WEAK_DELAY_S: Final = DAY_S
# A writer that sleeps longer than half of this decides anew what it may rely on.
KEPT_S: Final = 30 * DAY_S

# A log that was read longer ago than this is read again before anything more is deleted: an
# announcement is not kept for ever after somebody else carried it out.
_READ_MAX_US: Final = 3_600_000_000
_BATCH: Final = 1000


def plan_collection(
    objects: ObjectStore, view: LogView, *, gc_features: Iterable[str], grace_s: float = GRACE_S
) -> CollectPlan:
    """Return what ``collect`` would delete now, and why the rest is kept. Writes nothing.

    Ages are counted from the newest object in the store; ``collect`` asks the store for the time,
    so it may find more that is old enough. Raises what ``collect`` raises.
    """
    refuse_unknown_features(gc_features, objects.url)
    return _Collection(objects, view, grace_s).forecast()


def collect(
    objects: ObjectStore,
    view: LogView,
    *,
    gc_features: Iterable[str],
    signer: Signer | None,
    grace_s: float = GRACE_S,
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    draw: Callable[[int], bytes] = os.urandom,
) -> CollectPlan:
    """Delete what nothing in the log needs, and return what was deleted and kept.

    ``gc_features`` are those of the store's config. ``view`` is refreshed.
    ``grace_s`` is how old garbage must be by the store's own clock: at least seven days where
    listings may lag. There, what is found now is only announced, and a collection a day later
    deletes it. Where listings have no times, objects have no age, and all are kept unless
    ``grace_s`` is 0 and listings do not lag.

    May be cut off at any moment, fail at any request, and run in several processes at once.

    Raises:
        UnsupportedFormatError: the store has a feature, or something in its root, that this
            version does not know. Nothing was removed.
        CorruptionError: some of the log cannot be read, so what it needs is not known. Nothing
            more was removed.
        StoreUnavailableError: the store does not answer, or does not show what was announced;
            collect again later.
    """
    refuse_unknown_features(gc_features, objects.url)
    return _Collection(objects, view, grace_s, signer, clock_us, draw).carry_out()


@dataclass(slots=True)
class _Collection:
    """One collection: the store, its log, what was agreed for it, and what it read last."""

    objects: ObjectStore
    view: LogView
    grace_s: float
    signer: Signer | None = None
    clock_us: Callable[[], int] = lambda: 0
    draw: Callable[[int], bytes] = os.urandom
    crier: Crier = field(init=False)
    announcements: Announcements = field(init=False)
    done: list[Done] = field(init=False)
    needed: Needed = field(init=False)
    read_at_us: int = field(init=False)

    def __post_init__(self) -> None:
        """Raise the grace to what the store needs."""
        if not self.grace_s >= 0:
            raise UsageError(f"a grace is a number of seconds from 0 on, got {self.grace_s}")
        self.crier = Crier(self.objects, self.signer, self.clock_us, self.draw)
        self.announcements = Announcements(self.objects)
        if not self.is_strong:
            self.grace_s = max(self.grace_s, GRACE_S)

    @property
    def is_strong(self) -> bool:
        """Whether a listing shows everything that was put before it began."""
        return self.objects.capabilities.strong_list

    def forecast(self) -> CollectPlan:
        """Look, and touch nothing."""
        self.read_log()
        listed = list_store(self.objects)
        garbage = self.sort(listed, listed.newest).garbage
        pending = self.pending()
        due = [item for item in pending if self.is_due(item, listed.newest)]
        # Where no listing lags, what is found is announced and deleted in one go.
        deleted = garbage if self.is_strong else announced_in(garbage, due)
        return self.plan(listed, listed.newest, deleted, carried_out=False)

    def carry_out(self) -> CollectPlan:
        """Announce, read the log again, delete."""
        self.read_log()
        listed = list_store(self.objects)
        pending = self.pending()
        now = listed.newest
        if YOUNG in self.sort(listed, now).kept or (pending and not self.is_strong):
            now = self.ask_time(now)
        garbage = self.sort(listed, now).garbage
        known = {info.name for info in announced_in(garbage, pending)}
        fresh = [info.name for info in garbage if info.name not in known]
        # A crash before this line leaves nothing; one after it an announcement, for the next
        # collection. Announced is announced, whoever did it: all are carried out together.
        pending += self.crier.announce(fresh)
        due = [item for item in pending if self.is_due(item, now)]
        deleted = self.sweep(listed, now, due) if due else []
        plan = self.plan(listed, now, deleted, carried_out=True)
        expired = self.expire(now)
        leftovers = self.remove_leftovers(now)
        return replace(
            plan,
            announced_count=len(fresh),
            expired_count=expired,
            leftover_count=leftovers,
        )

    def read_log(self) -> None:
        """Read the log as it is now, and see what it needs."""
        self.read_at_us = self.clock_us()
        self.view.refresh()
        self.needed = needed_by(self.view, self.objects.url)

    def sort(self, listed: Listed, now: float | None) -> Sorted:
        """Sort what is listed by what the log, as it was read last, needs."""
        return sort_out(
            listed.infos,
            self.needed,
            now=now,
            grace_s=self.grace_s,
            may_be_ageless=self.is_strong and self.grace_s == 0,
        )

    def pending(self) -> list[Condemned]:
        """Return the announcements that nobody has carried out, or said so."""
        names = self.view.listing.announcements
        self.done = self.announcements.read_done(names)
        done = {item.condemned for item in self.done}
        return self.announcements.read([name for name in names if name not in done])

    def is_due(self, item: Condemned, now: float | None) -> bool:
        """Tell whether an announcement may be carried out."""
        if self.is_strong:
            return True
        # One that was not listed before was made just now.
        info = self.view.listing.announcements.get(item.name)
        if info is None or info.modified is None or now is None:
            return False
        return now - info.modified >= WEAK_DELAY_S

    def sweep(
        self, listed: Listed, now: float | None, due: Sequence[Condemned]
    ) -> list[ObjectInfo]:
        """Carry announcements out; return the objects that were deleted."""
        # Only now, that all of `due` can be seen: a writer that published before this line is
        # seen here, and one that publishes after it sees the announcements. The other order
        # loses what was published in between.
        self.read_log()
        self.crier.check_shown(due, self.view.listing.announcements)
        deleted = self.delete(announced_in(self.sort(listed, now).garbage, due))
        gone = {info.name for info in deleted}
        left = [info for info in listed.infos if info.name not in gone]
        for item in due:
            spared_count = len(announced_in(left, [item]))
            # A crash before this line makes the next collection look at it once more.
            self.crier.report_done(item, spared_count)
        return deleted

    def delete(self, infos: Sequence[ObjectInfo]) -> list[ObjectInfo]:
        """Delete objects, as long as the log was read just now; return those that went."""
        deleted: list[ObjectInfo] = []
        for start in range(0, len(infos), _BATCH):
            if not 0 <= self.clock_us() - self.read_at_us <= _READ_MAX_US:
                self.read_log()
            batch = [info for info in infos[start : start + _BATCH] if info.name not in self.needed]
            self.objects.delete([info.name for info in batch])
            deleted += batch
        return deleted

    def expire(self, now: float | None) -> int:
        """Delete announcements that were carried out long ago; return how many."""
        listing = self.view.listing.announcements

        def is_old(name: str) -> bool:
            """Tell whether an announcement was kept long enough."""
            modified = listing[name].modified if name in listing else None
            return now is not None and modified is not None and now - modified > KEPT_S

        # Of two collectors that carried out the same, the later one counts.
        recent = {item.condemned for item in self.done if not is_old(item.name)}
        old = [item for item in self.done if item.condemned not in recent]
        first = {item.condemned for item in old}
        first |= {name for name in self.announcements.damaged if is_old(name)}
        # What says that it was carried out goes last: a crash between the two must not make
        # anyone carry it out again, unseen by those who looked at it before.
        self.objects.delete(sorted(first))
        self.objects.delete([item.name for item in old])
        return len(first)

    def remove_leftovers(self, now: float | None) -> int:
        """Remove temporary files of dead writers, where the store is a directory."""
        if now is None or not isinstance(self.objects, LocalObjectStore):
            return 0
        return self.objects.remove_leftovers(modified_before=now - max(self.grace_s, DAY_S))

    def ask_time(self, newest: float | None) -> float | None:
        """Return the time by the store's own clock: that of an object put just now.

        A crash leaves it as garbage, which a later collection removes.
        """
        hash_ = PayloadHash(blake3(b"").digest())
        value = seal_value(hash_, "plain", 1, b"\x80", ())
        probe = seal_pack([(hash_, value)], nonce=self.draw(NONCE_SIZE))
        self.objects.put(probe.name, probe.sealed.parts)
        folder = probe.name.rpartition("/")[0] + "/"
        times = [info.modified for info in self.objects.list(folder) if info.name == probe.name]
        self.objects.delete([probe.name])
        return max((time for time in (*times, newest) if time is not None), default=None)

    def plan(
        self,
        listed: Listed,
        now: float | None,
        deleted: Sequence[ObjectInfo],
        *,
        carried_out: bool,
    ) -> CollectPlan:
        """Return the report."""
        gone = {info.name for info in deleted}
        found = self.sort(listed, now)
        kept = {reason: Amount.of(infos) for reason, infos in found.kept.items()}
        waiting = [info for info in found.garbage if info.name not in gone]
        if waiting:
            kept[WAITING] = Amount.of(waiting)
        costs = find_costs(deleted, self.view.parts.values())
        return CollectPlan(
            carried_out=carried_out,
            grace_s=self.grace_s,
            as_of=now,
            deleted=tuple(info.name for info in deleted),
            deleted_size=sum(info.size for info in deleted),
            by_op=costs.by_op,
            by_age=by_age(deleted, now),
            kept_because=kept,
            recompute_s=costs.recompute_s,
        )
