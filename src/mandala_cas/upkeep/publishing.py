"""What upkeep puts on record of values: payload first, then segments that say where it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from mandala_cas.blobs.packs import group_for_packs, seal_pack
from mandala_cas.blobs.store import BlobStore
from mandala_cas.envelope.seal import Sealed
from mandala_cas.envelope.signatures import Signer
from mandala_cas.log.announcements import Announcements
from mandala_cas.log.checks import entry_size
from mandala_cas.log.writer import LogWriter
from mandala_cas.model.entries import Entry, Tier, ValueRecord
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import COLLECTIONS, NONCE_SIZE

# Of what is held in memory before it is put, and far below what a segment may have.
_BATCH_SIZE: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """The value envelope of a value that was to be had; ``record`` says what is in it."""

    record: ValueRecord
    data: bytes


class Publisher:
    """Payload and a log writer of its own; it holds a few tens of megabytes, or one value.

    Payload is put before the segment that places it, and announcements of garbage collection are
    looked at behind it, as every writer does. A crash in between leaves payload that nothing names,
    or places that are found missing and repaired by whoever looks next.
    """

    def __init__(
        self,
        objects: ObjectStore,
        *,
        signer: Signer | None,
        clock_us: Callable[[], int],
        purpose: str,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Write to ``objects``; nothing is written yet. Segments say what ``purpose`` they had."""
        self._objects = objects
        self._blobs = BlobStore(objects)
        self._announcements = Announcements(objects)
        self._draw = draw
        self._writer = LogWriter(
            objects,
            signer=signer,
            session=lambda: {"upkeep": purpose},
            clock_us=clock_us,
            draw=draw,
        )
        self._entries: list[Entry] = []
        self._values: list[Found] = []
        self._standing: list[Found] = []
        self._size = 0

    def place(self, found: Found) -> None:
        """Place a value anew, under a name that nobody used before."""
        self._values.append(found)
        self._take(len(found.data))

    def confirm(self, found: Found) -> None:
        """Say once more where a value is; its bytes are put anew only if that place is going."""
        self._standing.append(found)
        self._take(len(found.data))

    def record(self, entries: Iterable[Entry]) -> None:
        """Put entries on record."""
        for entry in entries:
            self._entries.append(entry)
            self._take(entry_size(entry))

    def publish(self) -> None:
        """Put everything into the store; when this returns, it is on record, and will stay."""
        while self._values or self._standing or self._entries:
            standing = [(found, found.record) for found in self._standing]
            placed = [*self._put_packs(), *self._put_blobs(), *standing]
            # Only now: a segment promises that the values it places can be read.
            self._writer.append_all([*(record for _, record in placed), *self._entries])
            self._writer.publish()
            self._entries, self._standing, self._size = [], [], 0
            # A collector that announced before it could see the segment deletes what it named.
            # Such a value is put again, under another name.
            names = [info.name for info in self._objects.list(COLLECTIONS)]
            condemned = self._announcements.read(names)
            self._values = [
                found
                for found, record in placed
                if any(record.location in announced for announced in condemned)
            ]

    def _put_packs(self) -> list[tuple[Found, ValueRecord]]:
        """Put the values that belong in packs; return them with their records."""
        packed = [found for found in self._values if found.record.tier is Tier.PACK]
        values = [(found.record.payload_hash, _sealed(found)) for found in packed]
        packs = [
            seal_pack(group, nonce=self._draw(NONCE_SIZE)) for group in group_for_packs(values)
        ]
        self._blobs.put_packs(packs)
        places = [place for pack in packs for place in pack.placements]
        return [
            (
                found,
                replace(
                    found.record,
                    location=place.name,
                    offset=place.offset,
                    stored_size=place.size,
                ),
            )
            for found, place in zip(packed, places, strict=True)
        ]

    def _put_blobs(self) -> list[tuple[Found, ValueRecord]]:
        """Put the values that are blobs of their own; return them with their records."""
        placed = []
        for found in self._values:
            if found.record.tier is Tier.LOOSE:
                place = self._blobs.put_loose(
                    found.record.payload_hash, _sealed(found), nonce=self._draw(NONCE_SIZE)
                )
                record = replace(
                    found.record, location=place.name, offset=0, stored_size=place.size
                )
                placed.append((found, record))
        return placed

    def _take(self, size: int) -> None:
        """Count what is held, and publish it if it is much."""
        self._size += size
        if self._size > _BATCH_SIZE:
            self.publish()


def _sealed(found: Found) -> Sealed:
    """Return a value envelope as something to be put."""
    return Sealed((found.data,), len(found.data))
