"""Payload in an object store: put under names that say what it is, read in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mandala_cas.blobs.packs import Pack, Placement
from mandala_cas.envelope.seal import Sealed
from mandala_cas.model.ids import PayloadHash
from mandala_cas.objectstore.api import ByteRange, ObjectStore, TakesFiles
from mandala_cas.objectstore.layout import BLOBS, blob_name, check_payload_name


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
        objects = {pack.name: pack.sealed.parts for pack in packs}
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

        The bytes are as they came: ``open_value`` checks them.

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
