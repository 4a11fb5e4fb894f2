"""What a record speaks of, out of the bytes at its place: every read is verified here."""

from __future__ import annotations

from mandala_cas.blobs.value import unseal_value
from mandala_cas.codec.digests import Digests, payload_hash, payload_hash_of_digest
from mandala_cas.envelope.seal import Envelope
from mandala_cas.errors import CorruptionError
from mandala_cas.model.entries import ValueRecord
from mandala_cas.objectstore.api import Buffer


def open_verified(
    data: Buffer,
    *,
    name: str,
    record: ValueRecord,
    stored_digest: bytes | None = None,
    room: memoryview | None = None,
) -> Envelope:
    """Return what is in a value envelope, its payload known to be the one of ``record``.

    The digest that proved the envelope whole is that of the payload hash as well, so that large
    bytes are gone through once. See ``unseal_value`` for the rest.

    Raises:
        CorruptionError: it is not what ``record`` speaks of.
        UnsupportedFormatError: a newer mandala-cas wrote it.
    """
    envelope = unseal_value(data, name=name, record=record, stored_digest=stored_digest, room=room)
    check_payload(record, envelope.payload, envelope.payload_digest)
    return envelope


def check_payload(record: ValueRecord, payload: memoryview, digest: bytes | None = None) -> None:
    """Compare a payload with the hash that its record names, as ``is_payload_of`` does.

    Raises:
        CorruptionError: they differ.
    """
    if not is_payload_of(record, payload, digest):
        raise CorruptionError(
            f"the bytes of value {record.content_id.short} do not match the hash on record; "
            "do not rely on this store",
            content_id=record.content_id,
        )


def is_payload_of(record: ValueRecord, payload: memoryview, digest: bytes | None = None) -> bool:
    """Tell whether a payload has the hash that a record names; ``digest`` is its blake3."""
    named = (record.codec_name, record.codec_version, record.codec_header)
    if digest is None:
        return payload_hash(*named, (payload,), Digests()) == record.payload_hash
    return payload_hash_of_digest(*named, (payload,), digest) == record.payload_hash
