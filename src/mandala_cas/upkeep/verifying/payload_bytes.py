"""Payload read and checked against the records that place it, in batches of bounded size.

Hashes are compared; nothing is decoded, so no pickle runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mandala_cas.blobs.packs import Placement, read_pack_footer
from mandala_cas.blobs.store import BlobStore
from mandala_cas.blobs.value import unseal_value
from mandala_cas.envelope.packing import corruption
from mandala_cas.errors import CorruptionError, MandalaError, UnsupportedFormatError
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.upkeep.verifying.batches import batches, read_batches
from mandala_cas.upkeep.verifying.progress import Progress, silent
from mandala_cas.values.opening import is_payload_of


def check_values(
    blobs: BlobStore, records: Sequence[ValueRecord], progress: Progress = silent
) -> Iterator[tuple[ValueRecord, MandalaError | None]]:
    """Yield each record with what is wrong with the bytes at its place, or None.

    Bytes that are read at the same time take 64 MiB at most, or are one value.
    """
    done = 0
    for batch in batches((record, record.stored_size) for record in records):
        remote = [record for record in batch if record.tier is not Tier.INLINE]
        places = [Placement(r.location, r.offset, r.stored_size) for r in remote]
        data = dict(zip(places, blobs.get_many(places), strict=True))
        for record in batch:
            place = Placement(record.location, record.offset, record.stored_size)
            yield record, check_value(record, data.get(place))
        done += len(batch)
        progress("values", done, len(records))


def read_packs(
    objects: ObjectStore, infos: Sequence[ObjectInfo], progress: Progress = silent
) -> Iterator[tuple[str, bytes | None, MandalaError | None]]:
    """Yield packs, whole, each with what its own name says is wrong with it."""
    done = 0
    for batch in read_batches(objects, infos):
        for name, data in batch:
            error: MandalaError | None = None
            try:
                if data is not None:
                    read_pack_footer(data, name=name)
            except (CorruptionError, UnsupportedFormatError) as caught:
                error = caught
            yield name, data, error
        done += len(batch)
        progress("packs", done, len(infos))


def check_slice(record: ValueRecord, pack: bytes | None) -> MandalaError | None:
    """Return what is wrong with one value in a pack that was read whole."""
    end = record.offset + record.stored_size
    return check_value(record, None if pack is None else pack[record.offset : end])


def check_value(record: ValueRecord, data: bytes | None) -> MandalaError | None:
    """Return what is wrong with the bytes of one value; its payload hash decides."""
    name = record.location or f"inline value {record.content_id.short}"
    try:
        if record.tier is Tier.INLINE:
            is_same = is_payload_of(record, memoryview(record.inline))
        elif data is None:
            return corruption(name, "is not there")
        else:
            envelope = unseal_value(data, name=name, record=record)
            is_same = is_payload_of(record, envelope.payload, envelope.payload_digest)
    except (CorruptionError, UnsupportedFormatError) as error:
        return error
    if not is_same:
        return corruption(name, "does not have the payload that the record says")
    return None
