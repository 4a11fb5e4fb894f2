"""What was computed, on its way to the store: one batch, committed as a group.

The order of writes is payload, then segment. A crash between the two leaves payload that nothing
names; a crash before or after leaves nothing, or everything. What a failed flush did not write
stays here, and the next flush tries the same bytes under the same names.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from mandala_cas.blobs.packs import NONCE_SIZE, Pack, group_for_packs, seal_pack
from mandala_cas.blobs.store import BlobStore
from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import StoreUnavailableError
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.forks import ForkAware
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter
from mandala_cas.model.entries import CallRecord, Entry, Tier, Tombstone, ValueRecord
from mandala_cas.model.ids import ContentId, Dot
from mandala_cas.values.save import PreparedValue

_LOGGER: Final = logging.getLogger("mandala_cas")

HELD_BYTES_MAX: Final = 64 << 20
HELD_RECORDS_MAX: Final = 100_000


class Recorder(ForkAware):
    """Holds the open batch and commits it. Safe to use from several threads.

    ``lock`` also guards the lookup, which this object keeps up to date.
    """

    def __init__(
        self,
        *,
        blobs: BlobStore,
        writer: LogWriter,
        view: LogView,
        lookup: CallLookup,
        flush_after_us: float,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Start with an empty batch; a batch holding ``flush_after_us`` of compute is flushed."""
        self._blobs = blobs
        self._writer = writer
        self._view = view
        self._lookup = lookup
        self._flush_after_us = flush_after_us
        self._draw = draw
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """Hold nothing: in a forked child, what was held is the parent's to write, once."""
        self.lock = threading.RLock()
        self._open: list[tuple[ValueRecord, Sealed]] = []
        self._packs: list[Pack] = []
        self._loose: dict[str, Sealed] = {}
        self._held: dict[ContentId, tuple[ValueRecord, Sealed]] = {}
        self._unpublished: list[tuple[Entry, Dot | None]] = []
        self._held_bytes = 0
        self._held_us = 0
        self._lookup.clear_open()

    @property
    def is_empty(self) -> bool:
        """Whether everything that was recorded is committed."""
        with self.lock:
            waiting = self._unpublished or self._packs or self._loose
            return not (waiting or self._writer.unpublished)

    def held(self, content_id: ContentId) -> tuple[ValueRecord, Sealed] | None:
        """Return a value that is encoded and not in the store yet, if this batch holds it."""
        return self._held.get(content_id)

    def record(
        self,
        call: CallRecord,
        values: Sequence[PreparedValue],
        hides: Sequence[Tombstone] = (),
    ) -> None:
        """Put the values and the call into the batch as one, and flush if it holds enough.

        ``hides`` are records that this one replaces; they go into the same segment. Were it split
        all the same, what they hide is hidden first: a crash in between leaves a call that counts
        as not made.

        A store that does not answer just now ends no sweep: the batch is kept, and tried again
        when it holds as much compute again, at the latest when the block ends.

        Raises:
            StoreUnavailableError: the batch holds all it may, and could not be flushed.
        """
        with self.lock:
            for value in values:
                self._hold(value)
            for tombstone in hides:
                self._append(tombstone)
            self._append(call)
            self._held_us += call.duration_us
            is_full = self._held_bytes > HELD_BYTES_MAX or len(self._unpublished) > HELD_RECORDS_MAX
            if is_full:
                self.flush()
            elif self._held_us > self._flush_after_us:
                try:
                    self.flush()
                except StoreUnavailableError as error:
                    _LOGGER.warning("not committed yet, kept and tried again later: %s", error)
                    self._held_us = 0

    def drop(self, tombstones: Sequence[Tombstone]) -> None:
        """Put tombstones into the batch; a flush makes them known to others."""
        with self.lock:
            for tombstone in tombstones:
                self._append(tombstone)

    def flush(self) -> None:
        """Commit the batch: when this returns, what was recorded is in the store.

        Raises:
            StoreUnavailableError: some of it is not; it is kept, and flushing again is safe.
        """
        with self.lock:
            if self.is_empty:
                return
            self._seal_packs()
            for location, sealed in list(self._loose.items()):
                self._blobs.put_at(location, sealed)
                del self._loose[location]
            if self._packs:
                self._blobs.put_packs(self._packs)
                self._packs.clear()
            # Only now the segment: it promises that its payload can be read, and a crash before
            # this line leaves payload that nothing names.
            published = self._writer.publish()
            self._held.clear()
            self._unpublished.clear()
            self._held_bytes = self._held_us = 0
            self._view.add(published)
            self._lookup.add_segments(published)
            self._lookup.clear_open()
            self.refresh()

    def refresh(self) -> None:
        """Take in what others published."""
        with self.lock:
            self._lookup.add_segments(self._view.refresh())

    def unpublished(self) -> Sequence[tuple[Entry, Dot | None]]:
        """Return the log entries of the batch in order, calls with the dots they will have."""
        return self._unpublished

    def _hold(self, value: PreparedValue) -> None:
        """Put one value into the batch, unless an equal one is there."""
        record = value.record
        if record is None or self._lookup.has_open_value(record.content_id):
            return
        if value.content_id in self._held:
            return
        if value.sealed is not None:
            self._held[record.content_id] = (record, value.sealed)
            self._held_bytes += value.sealed.size
            if record.tier is Tier.PACK:
                self._open.append((record, value.sealed))
                return
            self._loose[record.location] = value.sealed
        self._held_bytes += len(record.inline)
        self._append(record)

    def _append(self, entry: Entry) -> None:
        """Put one entry into the log's open batch, and make it findable here."""
        dot = self._writer.append(entry)
        self._unpublished.append((entry, dot))
        self._lookup.add_open(entry, dot)

    def _seal_packs(self) -> None:
        """Place the packed values: from here on their records can be written.

        Nothing here touches the store, so nothing here can fail half-way. A pack is sealed once,
        with one nonce, and tried again under the same name.
        """
        waiting = list(self._open)
        records = iter([record for record, _ in waiting])
        for group in group_for_packs((record.payload_hash, sealed) for record, sealed in waiting):
            pack = seal_pack(group, nonce=self._draw(NONCE_SIZE))
            # In this order, Ctrl-C at any line leads to no more than a value in two packs.
            self._packs.append(pack)
            for place in pack.placements:
                record = next(records)
                self._append(
                    replace(
                        record, location=place.name, offset=place.offset, stored_size=place.size
                    )
                )
            del self._open[: len(group)]
