"""Keeping a store up, as a user does it: one method for each thing that can be done.

Every method can be interrupted at any moment and called again, also while other processes use the
store.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Final, Literal

from mandala_cas.errors import MandalaError, MandalaWarning, UsageError
from mandala_cas.log.announcements import Announcements
from mandala_cas.log.view import LogView
from mandala_cas.storage.assembly import Assembly, now_us
from mandala_cas.storage.base import StorageFace
from mandala_cas.storage.notices import ProgressBars, notify
from mandala_cas.upkeep.compacting.plan import is_due

if TYPE_CHECKING:
    from mandala_cas.upkeep.collecting.evict import EvictReport
    from mandala_cas.upkeep.collecting.plan import CollectPlan
    from mandala_cas.upkeep.compacting.compact import CompactReport
    from mandala_cas.upkeep.repairing.report import RepairReport
    from mandala_cas.upkeep.reporting.health import HealthReport
    from mandala_cas.upkeep.reporting.stats import StoreStats
    from mandala_cas.upkeep.verifying.findings import FsckReport

Level = Literal["meta", "refs", "data"]

GRACE_S: Final = 7 * 86_400.0

# Compaction in passing: one flush in four that finds it due, and no more than so many calls.
_PASSING_SHARE: Final = 64
_PASSING_ROWS_MAX: Final = 200_000


class StoreUpkeep(StorageFace):
    """The part of a storage that keeps its store quick, small and whole."""

    def compact(self, *, full: bool = False, delay: float | None = None) -> CompactReport:
        """Merge segments into runs, so that the store opens fast and takes less space.

        Covers what you and those whom you trust wrote. Happens in passing as well, in small steps,
        of what you wrote yourself. What a run replaces is deleted by a later compaction, ten
        minutes on (a day where listings may lag), so that readers in between find what they have
        listed.

        Args:
            full: merge everything, also what is large; inline values of dropped calls go.
            delay: seconds that what was replaced is left for readers that have just listed it.

        Raises:
            UnsupportedFormatError: only a newer mandala-cas may remove something from this store.
        """
        from mandala_cas.upkeep.compacting.compact import compact  # noqa: PLC0415 (only who compacts)

        self._check_writable("compact")
        self._check_may_remove()
        self.commit()
        parts = self._parts
        try:
            report = compact(
                parts.objects,
                parts.view,
                signer=parts.key,
                trusts=parts.trusts,
                clock_us=now_us,
                draw=os.urandom,
                full=full,
                delay_s=delay,
                announcements=Announcements(parts.objects),
            )
        finally:
            parts.recorder.lookout.take_in()
        parts.monitor.succeeded()
        parts.keep_index()
        return report

    def gc(self, dry_run: bool = True, *, grace: float = GRACE_S) -> CollectPlan:  # noqa: FBT001, FBT002 (what mandala users expect)
        """Return what no call on record and no tag uses; delete it with ``dry_run=False``.

        Args:
            dry_run: delete nothing, and say what would be deleted.
            grace: seconds for which everything is left alone, by the store's own clock.

        Raises:
            CorruptionError: some of the log cannot be read, so it is not known what is used; run
                ``fsck``, then ``repair``.
            UnsupportedFormatError: only a newer mandala-cas may remove something from this store.
        """
        from mandala_cas.upkeep.collecting.collect import collect, plan_collection  # noqa: PLC0415 (heavy)

        parts = self._parts
        features = parts.config.unknown_gc_features
        if dry_run:
            self._check_open()
            if parts.read_only is None:
                self.commit()
            plan = plan_collection(
                parts.objects, _whole_view(parts), gc_features=features, grace_s=grace
            )
        else:
            self._check_writable("collect garbage")
            self.commit()
            plan = collect(
                parts.objects,
                _whole_view(parts),
                gc_features=features,
                signer=parts.key,
                grace_s=grace,
            )
            # Its own announcements concern what is recorded from here on.
            parts.recorder.refresh()
        return plan

    def vacuum(self) -> CollectPlan:
        """Do what ``gc(dry_run=False)`` does, which is its name here, and say so."""
        notify("vacuum is mandala's name for storage.gc(dry_run=False)")
        return self.gc(dry_run=False)

    def cleanup_refs(self) -> CollectPlan:
        """Do what ``gc(dry_run=False)`` does, which is its name here, and say so.

        That removes the values which ``get_unreferenced_cids`` names, but what is younger than the
        grace.
        """
        notify("cleanup_refs is mandala's name for storage.gc(dry_run=False)")
        return self.gc(dry_run=False)

    def evict(self, remote: str, *, verify: bool = False) -> EvictReport:
        """Free values here that another store holds; calls stay on record.

        They are fetched from there when they are asked for, as long as that store keeps them.

        Args:
            remote: the path or URL of that store; this machine's credentials are used.
            verify: read every value there before it is freed here.
        """
        from mandala_cas.storage.elsewhere import open_other_store  # noqa: PLC0415 (only here)
        from mandala_cas.upkeep.collecting.evict import evict  # noqa: PLC0415 (only who evicts)

        self._check_writable("evict")
        self._check_may_remove()
        parts = self._parts
        if parts.elsewhere is None:
            raise UsageError(
                f"{parts.objects.url} dies with this process, so nothing can be promised to it; "
                "evict from a store in a folder or a bucket"
            )
        self.commit()
        other = open_other_store(remote)
        try:
            return evict(
                parts.objects,
                _whole_view(parts),
                other.objects,
                other.view,
                promises=parts.elsewhere.promises,
                signer=parts.key,
                verify=verify,
            )
        finally:
            parts.recorder.refresh()
            other.objects.close()

    def fsck(
        self, level: Level = "refs", *, sample: float | tuple[int, int] | None = None
    ) -> FsckReport:
        """Verify what the store promises; ``.ok`` tells whether all of it holds. Writes nothing.

        Args:
            level: "meta" reads every log object, "refs" also checks that all payload is there,
                "data" also reads it.
            sample: with "data", read a fraction of the payload, or part n of t as ``(n, t)``.
        """
        from mandala_cas.upkeep.verifying.fsck import verify  # noqa: PLC0415 (only who verifies)

        self._check_open()
        parts = self._parts
        if parts.read_only is None:
            self.commit()
        with ProgressBars() as progress:
            return verify(
                parts.objects,
                level,
                sample,
                trusts=parts.trusts,
                promised_among=parts.promised_among,
                runs_code=parts.codecs.may_run_code,
                key_names=parts.key_names(),
                progress=progress,
            )

    def repair(
        self, level: Level = "refs", *, sample: float | tuple[int, int] | None = None
    ) -> RepairReport:
        """Mend what ``fsck`` with the same arguments finds.

        Damaged objects are put aside below ``bad/``, values are fetched from wherever they can be
        had, and calls whose values are gone count as not made, so that they run again.
        """
        from mandala_cas.upkeep.repairing.repair import repair  # noqa: PLC0415 (only who repairs)

        self._check_writable("repair")
        self._check_may_remove()
        self.commit()
        parts = self._parts
        try:
            with ProgressBars() as progress:
                return repair(
                    parts.objects,
                    level,
                    sample,
                    signer=parts.key,
                    clock_us=now_us,
                    trusts=parts.trusts,
                    promised_among=parts.promised_among,
                    elsewhere=parts.elsewhere,
                    progress=progress,
                )
        finally:
            parts.recorder.refresh()

    def health(self) -> HealthReport:
        """Return how the store is kept up, and what needs attention."""
        from mandala_cas.upkeep.reporting.health import health  # noqa: PLC0415 (only who asks)

        self._check_open()
        parts = self._parts
        parts.recorder.refresh()
        return health(
            parts.objects,
            parts.view,
            monitor=parts.monitor,
            local=parts.places.local,
            may_lock=parts.read_only is None,
        )

    def stats(self, *, listed: bool = False) -> StoreStats:
        """Return how many calls and bytes there are, by op and by where they are.

        Args:
            listed: also list the store, for the true sizes of its folders.
        """
        from mandala_cas.upkeep.reporting.stats import find_stats  # noqa: PLC0415 (only who asks)

        self._check_open()
        parts = self._parts
        parts.recorder.refresh()
        return find_stats(parts.view, parts.objects if listed else None)

    def _check_may_remove(self) -> None:
        """Refuse where only a newer mandala-cas knows what may be removed."""
        from mandala_cas.upkeep.collecting.garbage import (  # noqa: PLC0415 (only who removes something)
            refuse_unknown_features,
        )

        refuse_unknown_features(self._parts.config.unknown_gc_features, self._parts.objects.url)

    def _compact_in_passing(self) -> None:
        """Compact a little after a commit, if it is due; failing is no error, three times are.

        With a chance of one in four, so that writers who find it due together do not all begin.
        """
        parts = self._parts
        if parts.config.unknown_gc_features:
            return
        # One's own only, unless asked: to read a pickle of others that one covers, they must trust
        # whoever covered it.
        if not is_due(parts.view, trusts=parts.owns) or os.urandom(1)[0] >= _PASSING_SHARE:
            return
        from mandala_cas.upkeep.compacting.compact import compact  # noqa: PLC0415 (only who compacts)

        try:
            compact(
                parts.objects,
                parts.view,
                signer=parts.key,
                trusts=parts.owns,
                clock_us=now_us,
                draw=os.urandom,
                rows_max=_PASSING_ROWS_MAX,
                announcements=Announcements(parts.objects),
            )
        except MandalaError as error:
            if parts.monitor.failed(error):
                warnings.warn(
                    f"compaction of {parts.objects.url} has failed {parts.monitor.failure_count} "
                    f"times in a row, so it will open ever more slowly: {error}",
                    MandalaWarning,
                    stacklevel=2,
                )
        else:
            parts.monitor.succeeded()
        finally:
            parts.recorder.lookout.take_in()


def _whole_view(parts: Assembly) -> LogView:
    """Return a view that has read nothing yet, for who is about to delete.

    What was kept in the user's cache is quick to open and not hashed; what a deletion rests on is
    read from the store, and every byte of it is checked.
    """
    return LogView(parts.objects)
