"""What upkeep puts on record: payload under fresh names first, then segments that place it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from mandala_cas._version import __version__
from mandala_cas.blobs.packs import NONCE_SIZE, group_for_packs, seal_pack
from mandala_cas.blobs.store import BlobStore
from mandala_cas.envelope.seal import Sealed
from mandala_cas.envelope.signatures import Signer
from mandala_cas.log.checks import entry_size
from mandala_cas.log.segment import NO_PREVIOUS, encode_segment, segment_header
from mandala_cas.model.entries import Entry, Tier, ValueRecord
from mandala_cas.model.ids import WriterId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.upkeep.salvage import Found

# Of what is held in memory before it is put, and far below what a segment may have.
_BATCH_SIZE: Final = 32 << 20


class Publisher:
    """A writer of its own, for one step of upkeep; it holds a few tens of megabytes at most.

    Payload is put before the segment that places it: a crash in between leaves payload that
    nothing names.
    """

    def __init__(
        self,
        objects: ObjectStore,
        *,
        signer: Signer | None,
        clock_us: Callable[[], int],
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Write to ``objects``; nothing is written yet."""
        self._objects = objects
        self._blobs = BlobStore(objects)
        self._signer = signer
        self._clock_us = clock_us
        self._draw = draw
        self._writer = WriterId(draw(WriterId.SIZE))
        self._seq = 0
        self._previous = NO_PREVIOUS
        self._entries: list[Entry] = []
        self._packed: list[Found] = []
        self._size = 0
        self.segment_names: list[str] = []

    def place(self, found: Found) -> None:
        """Place a value anew, under a name that nobody used before."""
        record = replace(found.record, offset=0, stored_size=len(found.data))
        if record.tier is Tier.LOOSE:
            sealed = Sealed((found.data,), len(found.data))
            nonce = self._draw(NONCE_SIZE)
            placement = self._blobs.put_loose(record.payload_hash, sealed, nonce=nonce)
            self._add(replace(record, location=placement.name))
            return
        self._packed.append(Found(record, found.data))
        self._size += len(found.data)
        self._publish_if_full()

    def record(self, entries: Iterable[Entry]) -> None:
        """Put entries on record."""
        for entry in entries:
            self._add(entry)

    def publish(self) -> None:
        """Put everything into the store; when this returns, it is on record."""
        placed = self._put_packs()
        entries = [*placed, *self._entries]
        if not entries:
            return
        header = segment_header(
            entries,
            writer=self._writer,
            seq=self._seq,
            previous=self._previous,
            created_us=self._clock_us(),
            library=f"mandala-cas {__version__}",
            session={"upkeep": "repair"},
        )
        sealed = encode_segment(entries, header, self._signer)
        # Only now: a segment promises that the values it places can be read.
        self._objects.put(sealed.name, sealed.sealed.parts)
        self.segment_names.append(sealed.name)
        self._seq += 1
        self._previous = sealed.digest
        self._entries, self._packed, self._size = [], [], 0

    def _put_packs(self) -> Sequence[ValueRecord]:
        """Put what waits for a pack; return the records with their places."""
        values = [(f.record.payload_hash, Sealed((f.data,), len(f.data))) for f in self._packed]
        packs = [
            seal_pack(group, nonce=self._draw(NONCE_SIZE)) for group in group_for_packs(values)
        ]
        self._blobs.put_packs(packs)
        places = [place for pack in packs for place in pack.placements]
        return [
            replace(found.record, location=place.name, offset=place.offset, stored_size=place.size)
            for found, place in zip(self._packed, places, strict=True)
        ]

    def _add(self, entry: Entry) -> None:
        """Take an entry."""
        self._entries.append(entry)
        self._size += entry_size(entry)
        self._publish_if_full()

    def _publish_if_full(self) -> None:
        """Publish what is held, if it is much."""
        if self._size > _BATCH_SIZE:
            self.publish()
