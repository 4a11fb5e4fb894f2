"""What waits for one segment: payload that is still to be placed, and the entries that need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from mandala_cas.blobs.packs import Pack, group_for_packs, seal_pack
from mandala_cas.blobs.store import BlobStore
from mandala_cas.envelope.seal import Sealed
from mandala_cas.log.groups import unpack_group
from mandala_cas.log.segment import Segment
from mandala_cas.log.writer import Position
from mandala_cas.model.entries import Entry, ValueRecord
from mandala_cas.model.ids import ContentId, Dot
from mandala_cas.objectstore.layout import NONCE_SIZE
from mandala_cas.values.spool import SpooledValue


@dataclass(slots=True, eq=False)
class Held:
    """A value whose bytes are here; ``record`` has a place as soon as one is settled."""

    record: ValueRecord
    source: Sealed | SpooledValue
    is_journaled: bool = False

    @property
    def sealed(self) -> Sealed:
        """The bytes; those of a file are mapped."""
        return self.source if isinstance(self.source, Sealed) else self.source.sealed()


@dataclass(slots=True, eq=False)
class Batch:
    """What one segment will say, and what must be in the store before it does.

    ``packed`` are values that get their places when the batch is closed, ``loose`` those that are
    objects of their own, ``rows`` the values that the segment has a row for. ``groups`` is the
    writer's list of what was recorded, as bytes. ``segment`` is there once the batch is closed;
    the batch itself, with the bytes, is kept until the segment is published and was looked at once
    more. ``decided_us`` and ``decided_s`` are when the first choice was made that the store must
    not have overtaken, by the calendar and by a clock that runs while the machine sleeps.
    ``forget`` is what to do when the batch is committed.
    """

    position: Position
    decided_us: int
    decided_s: float
    groups: Sequence[bytes]
    packed: dict[ContentId, Held] = field(default_factory=dict)
    loose: dict[ContentId, Held] = field(default_factory=dict)
    rows: set[bytes] = field(default_factory=set)
    packs: Sequence[Pack] = ()
    segment: Segment | None = None
    is_placed: bool = False
    is_checked: bool = False
    is_exposed: bool = False
    size: int = 0
    record_count: int = 0
    duration_us: int = 0
    forget: Callable[[], None] = lambda: None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.groups or self.packed or self.loose)

    @property
    def entries(self) -> list[tuple[Entry, Dot | None]]:
        """The entries in order, with their dots."""
        found: list[tuple[Entry, Dot | None]] = []
        for group in map(unpack_group, tuple(self.groups)):
            found += [(value.record, None) for value in group.values]
            found += group.with_dots(*self.position)
        return found

    @property
    def held(self) -> dict[ContentId, Held]:
        """The values whose bytes are here."""
        return {**self.packed, **self.loose}

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

    def place(self, blobs: BlobStore) -> None:
        """Put the payload into the store; doing it again changes nothing.

        Raises:
            StoreUnavailableError: some of it is not there.
        """
        if self.is_placed:
            return
        loose: dict[str, Sealed] = {}
        for held in self.loose.values():
            name, source = held.record.location, held.source
            if isinstance(source, Sealed) or not blobs.put_file(name, source.path):
                loose[name] = source if isinstance(source, Sealed) else source.streamed()
        blobs.put_all(self.packs, loose)
        self.is_placed = True

    def let_go(self) -> None:
        """Forget what was kept on this machine: the batch is committed.

        The journal goes first: what it says is in the store, and a crash after it leaves spooled
        files that no journal names.
        """
        self.forget()
        for held in self.loose.values():
            if isinstance(held.source, SpooledValue):
                held.source.remove()
