"""Payload in an object store: put under names that say what it is, read in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mandala_cas.blobs.packs import Pack, Placement
from mandala_cas.envelope.compression import may_unpack_to, room_for
from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import NotFoundError
from mandala_cas.model.ids import PayloadHash
from mandala_cas.objectstore.api import (
    Buffer,
    ByteRange,
    FileIdentity,
    MapsObjects,
    ObjectStore,
    Parts,
    TakesFiles,
)
from mandala_cas.objectstore.buffers import new_buffer
from mandala_cas.objectstore.layout import BLOBS, blob_name, check_payload_name

# Smaller ones are better asked for together.
LARGE_MIN: Final = 16 << 20
# Above this, what a record says of a size is checked before anybody allocates it.
_TRUSTED_SIZE_MAX: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class FetchedBlob:
    """A sealed value as it came, in memory that is the caller's own to change.

    ``room`` is where it may be unpacked to, see ``unseal``. ``identity`` is that of the file that
    was mapped, if one was: whoever checked its bytes need not do so again.
    """

    data: Buffer
    room: memoryview | None = None
    identity: FileIdentity | None = None


class BlobStore:
    """Packs and loose blobs. May be used by several threads at once."""

    def __init__(self, objects: ObjectStore) -> None:
        """Keep payload in ``objects``."""
        self._objects = objects

    def put_loose(
        self, payload_hash: PayloadHash, sealed: Sealed, *, nonce: bytes = b""
    ) -> Placement:
        """Store a value as an object of its own, and return its place.

        Storing it again changes nothing that a reader could tell, so callers may retry freely.
        With a ``nonce`` it has a name that was never used: where the plain one is condemned, or
        what lies under it is damaged.
        """
        return self.put_at(blob_name(payload_hash, nonce), sealed)

    def put_at(self, name: str, sealed: Sealed) -> Placement:
        """Store a value under the name that its record has already, and return its place."""
        self._objects.put(check_payload_name(name), sealed.parts)
        return Placement(name, 0, sealed.size)

    def put_all(self, packs: Sequence[Pack], loose: Mapping[str, Sealed]) -> None:
        """Store packs, and values under names of their own, at the same time where that is faster.

        Callers may retry freely.
        """
        objects: dict[str, Parts] = {pack.name: pack.sealed.parts for pack in packs}
        for name, sealed in loose.items():
            objects[check_payload_name(name)] = sealed.parts
        if objects:
            self._objects.put_many(objects)

    def put_file(self, name: str, source: Path) -> bool:
        """Store a file that holds a sealed value, without a copy of it; tell whether that was done.

        Only a store on the same disk can, by giving the file a second name. The file stays.
        """
        if not isinstance(self._objects, TakesFiles):
            return False
        self._objects.put_file(check_payload_name(name), source)
        return True

    def put_packs(self, packs: Sequence[Pack]) -> None:
        """Store packs, at the same time where that is faster. Callers may retry freely."""
        self.put_all(packs, {})

    def get_many(self, places: Sequence[Placement]) -> list[bytes | None]:
        """Return the sealed values at ``places``, in their order; None where no object is.

        The bytes are as they came: ``unseal_value`` checks them.

        Raises:
            CorruptionError: a place is in no pack and no loose blob.
        """
        loose: dict[Placement, None] = {}
        packed: dict[Placement, None] = {}
        for place in places:
            kind = loose if check_payload_name(place.name).startswith(BLOBS) else packed
            kind[place] = None
        found: dict[Placement, bytes | None] = {}
        if loose:
            # Whole, whatever size the place has: another writer may have put the same value
            # in more or fewer bytes since.
            whole = self._objects.get_many([place.name for place in loose])
            found.update(zip(loose, whole, strict=True))
        if packed:
            ranges = [ByteRange(place.name, place.offset, place.size) for place in packed]
            found.update(zip(packed, self._objects.get_ranges(ranges), strict=True))
        return [found[place] for place in places]

    def fetches_alone(self, stored_size: int) -> bool:
        """Tell whether ``fetch_large`` is the way to get a loose value of this size."""
        objects = self._objects
        return stored_size >= LARGE_MIN or (
            isinstance(objects, MapsObjects) and objects.maps_objects
        )

    def fetch_large(
        self, place: Placement, raw_size: int, *, mapped: bool = True
    ) -> FetchedBlob | None:
        """Return one sealed value without a second copy of it in memory; None where no object is.

        From a directory of this host it is ``mapped``, unless it is to be unpacked or the caller
        says otherwise; elsewhere it is read into memory that the value may keep.

        Raises:
            CorruptionError: the place is no loose blob.
        """
        name = check_payload_name(place.name)
        is_raw = place.size >= raw_size
        try:
            if mapped and is_raw and isinstance(self._objects, MapsObjects):
                found = self._objects.map_object(name)
                if found is not None:
                    return FetchedBlob(found.data, identity=found.identity)
            if not self._is_so_large(place):
                return FetchedBlob(self._objects.get(name))
            return self._read(place, raw_size)
        except NotFoundError:
            return None

    def _is_so_large(self, place: Placement) -> bool:
        """Tell whether memory may be set aside on the word of a record."""
        if place.size <= _TRUSTED_SIZE_MAX:
            return True
        return len(self._objects.get_range(place.name, place.size - 1, 1)) == 1

    def _read(self, place: Placement, raw_size: int) -> FetchedBlob:
        """Read a value into memory of our own, with room to unpack it in front."""
        lead = 0
        room: memoryview | None = None
        if place.size < raw_size and may_unpack_to(place.size, raw_size):
            lead = max(0, room_for(raw_size) - place.size)
        # One more, so that an object that is larger than its record says shows itself.
        buffer = new_buffer(lead + place.size + 1)
        filled = self._objects.get_into(place.name, 0, buffer[lead:])
        if filled > place.size:
            # Another writer has put the same value in more bytes since.
            return FetchedBlob(self._objects.get(place.name))
        if lead:
            room = buffer
        return FetchedBlob(buffer[lead : lead + filled], room)
