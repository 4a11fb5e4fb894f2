"""The look at what garbage collection announced, after a batch was published and before it counts.

The bytes of the batch are held until this is through.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mandala_cas.blobs.store import BlobStore
from mandala_cas.errors import CorruptionError
from mandala_cas.index.copies import ValueCopy
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import CallRecord, Entry, TagRecord, Tier, ValueRecord
from mandala_cas.model.ids import ContentId, Dot
from mandala_cas.values.batch import Batch, Held
from mandala_cas.values.batches import Batches, Clocks
from mandala_cas.values.condemned import CondemnedNames
from mandala_cas.values.resettling import (
    condemned_among,
    condemned_rows,
    contents_of,
    is_untagged,
    plan_resettlement,
    read_copy,
    renewed,
    saved_and_lost,
    without_promised,
)

_LOGGER: Final = logging.getLogger("mandala_cas")

# Announcements are kept for twice as long: whoever decided later than this has seen them all.
DECISION_AGE_MAX_S: Final = 15 * 24 * 3600


class _Everything:
    """Has every name."""

    def __contains__(self, name: object) -> bool:
        """Tell so."""
        return True


_EVERYTHING: Final = _Everything()


class Recheck:
    """Finds published batches whose values are condemned, and records what makes them good.

    The caller sees to it that one thread at a time is here, and publishes what was recorded.
    """

    def __init__(
        self,
        blobs: BlobStore,
        view: LogView,
        lookup: CallLookup,
        batches: Batches,
        condemned: CondemnedNames,
        *,
        may_vouch: Callable[[ValueCopy], bool],
        clocks: Clocks,
        draw: Callable[[int], bytes],
    ) -> None:
        """Look at ``batches`` with what ``condemned`` knows at the time.

        ``may_vouch`` tells whether this user may put a value anew on the word of a copy.
        """
        self._blobs = blobs
        self._view = view
        self._lookup = lookup
        self._batches = batches
        self._condemned = condemned
        self._may_vouch = may_vouch
        self._clocks = clocks
        self._draw = draw

    def look_again(
        self, entries: Sequence[tuple[Entry, Dot | None]], held: Mapping[ContentId, Held]
    ) -> None:
        """Repair what a dead process published and did not look at again.

        ``held`` are the values it still had the bytes of. It may also have relied on places that
        were there before: what was in them is copied, or the calls count as not made.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        used = dict.fromkeys(c for entry, _ in entries for c in contents_of(entry))
        with self._batches.lock:
            copies = [copy for content_id in used for copy in self._lookup.copies(content_id)]
        # A place of somebody untrusted was not relied on, and is not to be put anew as one's own.
        rows = [copy.record for copy in copies if self._may_vouch(copy)]
        doomed = self._unpromised(condemned_among(rows, self._condemned))
        if doomed:
            self._resettle(entries, doomed, held)

    def look(self) -> bool:
        """Repair what was condemned when it was published; tell whether anything was."""
        is_resettled = False
        for batch in self._batches.published:
            if batch.is_checked or batch.segment is None:
                continue
            is_old = self._is_old(batch)
            doomed: Mapping[ContentId, Sequence[ValueRecord]]
            if is_old:
                doomed = condemned_rows(batch.segment, _EVERYTHING)
            else:
                doomed = self._unpromised(condemned_rows(batch.segment, self._condemned))
            if doomed:
                self._resettle(batch.entries, doomed, batch.held, is_old=is_old)
                is_resettled = True
            batch.is_checked = True
        return is_resettled

    def _is_old(self, batch: Batch) -> bool:
        """Tell whether an announcement may have come and gone since the batch was begun.

        Whoever slept for that long relies on nothing: every value is put anew.
        """
        age_s = max(
            (self._clocks.now_us() - batch.decided_us) / 1e6,
            self._clocks.boot_s() - batch.decided_s,
        )
        return age_s > DECISION_AGE_MAX_S

    def _resettle(
        self,
        entries: Sequence[tuple[Entry, Dot | None]],
        doomed: Mapping[ContentId, Sequence[ValueRecord]],
        held: Mapping[ContentId, Held],
        *,
        is_old: bool = False,
    ) -> None:
        """Record again, with values under fresh names, the calls whose values are condemned."""
        with self._batches.lock:
            copies = {content_id: self._lookup.copies(content_id) for content_id in doomed}
        rows = {c: [copy.record for copy in places] for c, places in copies.items()}
        elsewhere = set() if is_old else self._safe_elsewhere(rows)
        sought = {c: rows for c, rows in doomed.items() if c not in elsewhere}
        saved, lost = saved_and_lost(sought, held, self._blobs, self._condemned.promised_among)
        with self._batches.lock:
            alive = [item for item in entries if self._is_alive(*item)]
            repair = plan_resettlement(alive, elsewhere | saved.keys(), lost)
            if repair.entries:
                anew = [renewed(found, self._draw) for found in saved.values()]
                self._batches.add(repair.entries, (), repair.contents, anew=anew)
        if repair.lost_count:
            _LOGGER.warning(
                "garbage collection deleted the results of %d calls while they were committed; "
                "they count as not made, and are computed again when they are asked for",
                repair.lost_count,
            )
        if repair.lost_tag_count:
            _LOGGER.warning(
                "garbage collection deleted %d values while they were tagged; they are not tagged",
                repair.lost_tag_count,
            )

    def _unpromised(
        self, doomed: Mapping[ContentId, Sequence[ValueRecord]]
    ) -> Mapping[ContentId, Sequence[ValueRecord]]:
        """Return the values that no other store is known to hold."""
        return without_promised(doomed, self._condemned.promised_among)

    def _safe_elsewhere(self, rows: Mapping[ContentId, Sequence[ValueRecord]]) -> set[ContentId]:
        """Return the values that are in a place which nobody is about to delete."""
        condemned = [
            (row.location, content_id)
            for content_id, places in rows.items()
            for row in places
            if row.location in self._condemned
        ]
        # A place that is promised was spared if it is still there.
        going = set(condemned) - self._condemned.promised_among(condemned)
        return {
            content_id
            for content_id, places in rows.items()
            if any((r.location, content_id) not in going and self._is_there(r) for r in places)
        }

    def _is_alive(self, entry: Entry, dot: Dot | None) -> bool:
        """Tell whether nobody has dropped an entry since it was published, nor untagged it."""
        if isinstance(entry, TagRecord) and dot is not None:
            return not is_untagged(dot, self._view.parts.values())
        return not isinstance(entry, CallRecord) or dot in self._lookup.dots(entry.call_id)

    def _is_there(self, record: ValueRecord) -> bool:
        """Tell whether a place on record has the value: damage takes values without a word."""
        if record.tier is Tier.INLINE:
            return True
        try:
            return read_copy(self._blobs, [record]) is not None
        except CorruptionError:
            # The record names no place that could be.
            return False
