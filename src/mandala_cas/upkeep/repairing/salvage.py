"""The bytes of values that no record leads to any more: found by their payload hash.

Looked for in loose blobs under any name, in packs by their footers, and in stores that promised
them. What is found is checked against the record as any other payload.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import ContentId, PayloadHash
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import is_pack_name, payload_hash_of_blob
from mandala_cas.upkeep.publishing import Found
from mandala_cas.upkeep.verifying.payload_bytes import check_value
from mandala_cas.values.load import PromisedValues

# Of an unsigned envelope: raw size, stored size, hash, check sum.
_TRAILER_SIZE: Final = 56
_COUNT: Final = struct.Struct("<Q")
_ROW: Final = struct.Struct("<32sQQ")
# A footer of a thousand values, which is more than most packs have.
_TAIL_SIZE: Final = 1024 * _ROW.size + _COUNT.size + _TRAILER_SIZE


def rescue(objects: ObjectStore, records: Iterable[ValueRecord]) -> Iterator[Found]:
    """Yield values from the places that their records name, those that are whole."""
    blobs = BlobStore(objects)
    for record in records:
        (data,) = blobs.get_many([Placement(record.location, record.offset, record.stored_size)])
        if data is not None and check_value(record, data) is None:
            yield Found(replace(record, stored_size=len(data)), data)


def salvage(
    objects: ObjectStore,
    gone: Mapping[ContentId, Sequence[ValueRecord]],
    sizes: Mapping[str, int],
    promised: PromisedValues | None,
) -> Iterator[Found]:
    """Yield what can be had of the values in ``gone``, each once, and one at a time in memory.

    ``sizes`` is a listing of the payload.
    """
    places = _places(objects, gone, sizes)
    blobs = BlobStore(objects)
    missing = []
    for content_id, records in gone.items():
        found = next(_attempts(blobs, records, places), None)
        if found is None:
            missing.append(content_id)
        else:
            yield found
    if missing and promised is not None:
        for content_id, value in promised.fetch(missing).items():
            # The record is another store's; it is this one's word that counts for what it is.
            for own in gone[content_id]:
                there = replace(own, stored_size=len(value.sealed))
                if own.tier is not Tier.INLINE and check_value(there, value.sealed) is None:
                    yield Found(there, value.sealed)
                    break


def _attempts(
    blobs: BlobStore,
    records: Sequence[ValueRecord],
    places: Mapping[PayloadHash, Sequence[Placement]],
) -> Iterator[Found]:
    """Yield the value from each place that has it."""
    for record in records:
        if record.tier is Tier.INLINE:
            continue
        for place in places.get(record.payload_hash, ()):
            (data,) = blobs.get_many([place])
            if data is None:
                continue
            there = replace(record, location=place.name, offset=place.offset, stored_size=len(data))
            if check_value(there, data) is None:
                yield Found(there, data)


def _places(
    objects: ObjectStore,
    gone: Mapping[ContentId, Sequence[ValueRecord]],
    sizes: Mapping[str, int],
) -> Mapping[PayloadHash, Sequence[Placement]]:
    """Return where names and footers say that payload lies, of what is wanted."""
    wanted = {record.payload_hash for records in gone.values() for record in records}
    places: dict[PayloadHash, list[Placement]] = defaultdict(list)
    if not wanted:
        return places
    for name, size in sizes.items():
        hash_ = payload_hash_of_blob(name)
        if hash_ in wanted:
            places[hash_].append(Placement(name, 0, size))
        elif is_pack_name(name):
            for packed, place in _footer(objects, name, size):
                if packed in wanted:
                    places[packed].append(place)
    return places


def _footer(objects: ObjectStore, name: str, size: int) -> Iterator[tuple[PayloadHash, Placement]]:
    """Yield what a pack's footer says, as far as it makes sense; it is only a place to look."""
    tail = _tail(objects, name, size, _TAIL_SIZE)
    end = len(tail) - _TRAILER_SIZE - _COUNT.size
    if end < 0:
        return
    (count,) = _COUNT.unpack_from(tail, end)
    if count * _ROW.size > size:
        return
    if count * _ROW.size > end:
        tail = _tail(objects, name, size, count * _ROW.size + _COUNT.size + _TRAILER_SIZE)
        end = len(tail) - _TRAILER_SIZE - _COUNT.size
    for start in range(max(0, end - count * _ROW.size), end, _ROW.size):
        hash_, offset, stored = _ROW.unpack_from(tail, start)
        if offset + stored <= size:
            yield PayloadHash(hash_), Placement(name, offset, stored)


def _tail(objects: ObjectStore, name: str, size: int, wanted: int) -> bytes:
    """Return the end of an object."""
    begin = max(0, size - wanted)
    return objects.get_range(name, begin, size - begin)
