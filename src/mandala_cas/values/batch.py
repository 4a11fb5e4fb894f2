"""What waits for one segment: payload that is still to be placed, and the entries that need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from mandala_cas.blobs.packs import NONCE_SIZE, Pack, group_for_packs, seal_pack
from mandala_cas.envelope.seal import Sealed
from mandala_cas.log.segment import Segment
from mandala_cas.log.writer import Position
from mandala_cas.model.entries import Entry, ValueRecord
from mandala_cas.model.ids import ContentId, Dot


@dataclass(slots=True, eq=False)
class Held:
    """A value whose bytes are here; ``record`` has a place as soon as one is settled."""

    record: ValueRecord
    sealed: Sealed


@dataclass(slots=True, eq=False)
class Batch:
    """What one segment will say, and what must be in the store before it does.

    ``packed`` are values that get their places when the batch is closed, ``loose`` those that are
    objects of their own, ``rows`` the values that the segment has a row for. ``entries`` come with
    their dots. ``segment`` is there once the batch is closed; the batch itself, with the bytes, is
    kept until the segment is published and was looked at once more.
    """

    position: Position
    packed: dict[ContentId, Held] = field(default_factory=dict)
    loose: dict[ContentId, Held] = field(default_factory=dict)
    rows: set[ContentId] = field(default_factory=set)
    entries: list[tuple[Entry, Dot | None]] = field(default_factory=list)
    packs: Sequence[Pack] = ()
    segment: Segment | None = None
    is_placed: bool = False
    size: int = 0
    duration_us: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.entries or self.packed or self.loose)

    def has(self, content_id: ContentId) -> bool:
        """Tell whether the segment will say where the value is."""
        return content_id in self.rows or content_id in self.packed

    def pack(self, draw: Callable[[int], bytes]) -> list[ValueRecord]:
        """Settle the places of the packed values; return their rows.

        Nothing here touches the store, so nothing here can fail half-way. A pack that was made in
        vain, because Ctrl-C came before the batch was closed, is in nobody's way: none is put
        before that.
        """
        waiting = list(self.packed.values())
        groups = group_for_packs((held.record.payload_hash, held.sealed) for held in waiting)
        packs = [seal_pack(group, nonce=draw(NONCE_SIZE)) for group in groups]
        places = [place for pack in packs for place in pack.placements]
        rows = [
            replace(held.record, location=place.name, offset=place.offset, stored_size=place.size)
            for held, place in zip(waiting, places, strict=True)
        ]
        self.packs = packs
        for held, row in zip(waiting, rows, strict=True):
            held.record = row
        return rows
