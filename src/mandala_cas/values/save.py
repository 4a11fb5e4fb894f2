"""Encoding of values: once, at once, so that the user may change the object afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from mandala_cas.blobs.store import BlobStore
from mandala_cas.blobs.tiers import tier_of
from mandala_cas.blobs.value import sealing_value
from mandala_cas.codec.api import Encoded
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.files_within import check_taken
from mandala_cas.codec.hooks import Hasher
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import ContentId, PayloadHash
from mandala_cas.objectstore.api import Buffer
from mandala_cas.objectstore.buffers import size_of
from mandala_cas.objectstore.layout import NONCE_SIZE, blob_name
from mandala_cas.values.spool import Spool, SpooledValue


class PreparedValue(NamedTuple):
    """A value whose bytes are taken, and which nothing on record names yet.

    ``record`` is None where the store has the value already. ``sealed`` holds the bytes that are
    still to be placed: always for a packed value, whose ``record`` lacks its place until then,
    and for a loose one that the store did not take yet. ``spooled`` is the file that has them.
    ``may_hold_files`` tells that the value may be other than what the store gives for it.
    """

    content_id: ContentId
    record: ValueRecord | None
    sealed: Sealed | None = None
    spooled: SpooledValue | None = None
    may_hold_files: bool = False


class ValueEncoder:
    """Turns values into bytes that can be placed; large ones are written down at once."""

    def __init__(
        self,
        blobs: BlobStore,
        codecs: CodecRegistry,
        is_stored: Callable[[ContentId], bool],
        *,
        nonce_for: Callable[[PayloadHash], bytes] = lambda _: b"",
        spool: Spool | None = None,
        writes: bool = True,
        is_condemned: Callable[[str], bool] = lambda _: False,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """``is_stored`` tells which values need no bytes of their own.

        Large values go to ``spool``, and straight to the store where there is none; they stay in
        memory where the store may not be written to (``writes``). ``nonce_for``
        gives what a loose blob's name needs besides its hash, see ``UnreadablePlaces``;
        ``is_condemned`` tells which names are about to be deleted, and may not be used again.
        """
        self._blobs = blobs
        self._codecs = codecs
        self._is_stored = is_stored
        self._nonce_for = nonce_for
        self._spool = spool
        self._writes = writes
        self._is_condemned = is_condemned
        self._draw = draw

    def check_codec(self, codec_name: str) -> None:
        """Refuse a codec that ``prepare`` could not use.

        Raises:
            UsageError: there is none of this name.
        """
        self._codecs.named(codec_name)

    def prepare(
        self,
        value: Any,
        known_id: ContentId | None = None,
        codec_name: str | None = None,
        *,
        hasher: Hasher | None = None,
        is_ref: bool = False,
    ) -> PreparedValue:
        """Hash and encode ``value``; ``known_id`` spares hashing one that was hashed already.

        ``hasher`` is what decided it, if not the type of the value did. With ``is_ref`` it is the
        id of a ref, and may come of a hasher that nobody knows here. ``codec_name`` is the codec
        to use, which is no matter for a value that is stored already.

        Raises:
            UsageError: the value cannot be hashed, or no codec can store it.
        """
        if known_id is not None and self._is_stored(known_id):
            # Whoever did not hash it here has seen nothing of the files in it.
            return PreparedValue(known_id, None, may_hold_files=True)
        digests = Digests()
        value_id = known_id
        if value_id is None:
            value_id = content_id(value, digests)
            if self._is_stored(value_id):
                # Nor has whoever had a hasher decide.
                may_hold_files = digests.has_custom or bool(digests.files)
                return PreparedValue(value_id, None, may_hold_files=may_hold_files)
        encoded = self._codecs.encode(value, digests, codec_name)
        if digests.taken and not is_ref:
            check_taken(value, value_id, digests, is_hashed=known_id is None, hasher=hasher)
        may_hold_files = bool(digests.files or digests.taken)
        tier = tier_of(encoded.raw_size)
        record = _record(value_id, encoded, tier)
        if tier is Tier.INLINE:
            return PreparedValue(value_id, record, None, None, may_hold_files)
        if tier is Tier.PACK:
            # One copy: the payload may be views of an object that the user changes next.
            taken = _owned(_seal(encoded))
            placed = replace(record, stored_size=taken.size)
            return PreparedValue(value_id, placed, taken, None, may_hold_files)
        return self._prepare_loose(encoded, record)._replace(may_hold_files=may_hold_files)

    def _prepare_loose(self, encoded: Encoded, record: ValueRecord) -> PreparedValue:
        """Write a large value from the user's memory; keep a copy there only if that fails.

        Without a spool it goes to the store at once. A crash after that put and before the segment
        leaves a blob that nothing names: garbage that costs space, never a wrong answer.
        """
        nonce = self._nonce_for(encoded.payload_hash)
        name = blob_name(encoded.payload_hash, nonce)
        if self._is_condemned(name):
            name = blob_name(encoded.payload_hash, self._draw(NONCE_SIZE))
        if self._writes and self._spool is not None:
            with suppress(StoreUnavailableError, UsageError):
                spooled = self._spool.write(_sealing(encoded))
                placed = replace(record, location=name, stored_size=spooled.size)
                return PreparedValue(record.content_id, placed, spooled=spooled)
        # Without a spool, or where its disk is full: the store may be another.
        sealed = _seal(encoded)
        placed = replace(record, location=name, stored_size=sealed.size)
        if not self._writes:
            return PreparedValue(record.content_id, placed, _owned(sealed))
        try:
            self._blobs.put_all((), {name: sealed})
        except StoreUnavailableError:
            return PreparedValue(record.content_id, placed, _owned(sealed))
        return PreparedValue(record.content_id, placed)


def _seal(encoded: Encoded) -> Sealed:
    """Return the value envelope."""
    parts = tuple(_sealing(encoded))
    return Sealed(parts, size_of(parts))


def _sealing(encoded: Encoded) -> Iterator[Buffer]:
    """Yield the value envelope part by part."""
    return sealing_value(
        encoded.payload_hash,
        encoded.codec_name,
        encoded.codec_version,
        encoded.header,
        encoded.payload,
        payload_digest=encoded.payload_digest,
        hint=encoded.compression,
    )


def _owned(sealed: Sealed) -> Sealed:
    """Return the same bytes in memory of our own."""
    return Sealed((sealed.to_bytes(),), sealed.size)


def _record(value_id: ContentId, encoded: Encoded, tier: Tier) -> ValueRecord:
    """Return the record of a value that has no place yet, or that is its own."""
    return ValueRecord(
        value_id,
        encoded.payload_hash,
        tier,
        "",
        0,
        0,
        encoded.raw_size,
        encoded.codec_name,
        encoded.codec_version,
        encoded.header,
        b"".join(encoded.payload) if tier is Tier.INLINE else b"",
    )
