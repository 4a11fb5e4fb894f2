"""Encoding of values: once, at once, so that the user may change the object afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mandala_cas.blobs.store import BlobStore
from mandala_cas.blobs.tiers import tier_of
from mandala_cas.blobs.value import seal_value
from mandala_cas.codec.api import Encoded
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import StoreUnavailableError
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import ContentId, PayloadHash
from mandala_cas.objectstore.layout import blob_name


@dataclass(frozen=True, slots=True)
class PreparedValue:
    """A value whose bytes are taken, and which nothing on record names yet.

    ``record`` is None where the store has the value already. ``sealed`` holds the bytes that are
    still to be placed: always for a packed value, whose ``record`` lacks its place until then,
    and for a loose one that the store did not take yet.
    """

    content_id: ContentId
    record: ValueRecord | None
    sealed: Sealed | None = None


class ValueEncoder:
    """Turns values into bytes that can be placed; loose blobs are written at once."""

    def __init__(
        self,
        blobs: BlobStore,
        codecs: CodecRegistry,
        is_stored: Callable[[ContentId], bool],
        nonce_for: Callable[[PayloadHash], bytes] = lambda _: b"",
    ) -> None:
        """``is_stored`` tells which values need no bytes of their own.

        ``nonce_for`` gives what a loose blob's name needs besides its hash: see
        ``UnreadablePlaces``.
        """
        self._blobs = blobs
        self._codecs = codecs
        self._is_stored = is_stored
        self._nonce_for = nonce_for

    def prepare(self, value: Any, known_id: ContentId | None = None) -> PreparedValue:
        """Hash and encode ``value``; ``known_id`` spares hashing one that was hashed already.

        Raises:
            UsageError: the value cannot be hashed, or no codec can store it.
        """
        digests = Digests()
        value_id = known_id if known_id is not None else content_id(value, digests)
        if self._is_stored(value_id):
            return PreparedValue(value_id, None)
        encoded = self._codecs.encode(value, digests)
        tier = tier_of(encoded.raw_size)
        record = _record(value_id, encoded, tier)
        match tier:
            case Tier.INLINE:
                inline = b"".join(encoded.payload)
                return PreparedValue(value_id, replace(record, inline=inline))
            case Tier.PACK:
                # One copy: the payload may be views of an object that the user changes next.
                taken = _owned(_seal(encoded))
                return PreparedValue(value_id, replace(record, stored_size=taken.size), taken)
            case Tier.LOOSE:
                return self._prepare_loose(encoded, record)

    def _prepare_loose(self, encoded: Encoded, record: ValueRecord) -> PreparedValue:
        """Write a large value straight from the user's memory; keep a copy only if that fails.

        A crash after this put and before the segment leaves a blob that nothing names: garbage
        that costs space, never a wrong answer.
        """
        sealed = _seal(encoded)
        nonce = self._nonce_for(encoded.payload_hash)
        location = blob_name(encoded.payload_hash, nonce)
        placed = replace(record, location=location, stored_size=sealed.size)
        try:
            self._blobs.put_loose(encoded.payload_hash, sealed, nonce=nonce)
        except StoreUnavailableError:
            return PreparedValue(record.content_id, placed, _owned(sealed))
        return PreparedValue(record.content_id, placed)


def _seal(encoded: Encoded) -> Sealed:
    """Return the value envelope."""
    return seal_value(
        encoded.payload_hash,
        encoded.codec_name,
        encoded.codec_version,
        encoded.header,
        encoded.payload,
        payload_digest=encoded.payload_digest,
    )


def _owned(sealed: Sealed) -> Sealed:
    """Return the same bytes in memory of our own."""
    return Sealed((sealed.to_bytes(),), sealed.size)


def _record(value_id: ContentId, encoded: Encoded, tier: Tier) -> ValueRecord:
    """Return the record of a value that has no place yet."""
    return ValueRecord(
        content_id=value_id,
        payload_hash=encoded.payload_hash,
        tier=tier,
        location="",
        offset=0,
        stored_size=0,
        raw_size=encoded.raw_size,
        codec_name=encoded.codec_name,
        codec_version=encoded.codec_version,
        codec_header=encoded.header,
    )
