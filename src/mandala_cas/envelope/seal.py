"""Sealing and unsealing of objects.

::

    off   size
    0     8     magic 89 4d 43 53 0d 0a 1a 0a
    8     1     envelope version (1)
    9     1     kind: 1 value 2 pack 3 segment 4 run 5 gc announcement 6 run part
    10    1     compression: 0 raw 1 zstd
    11    1     flags: 1 encrypted (reserved) 2 chunk list (reserved) 4 signed
    12    4     size H of the header, padding included; 16+H is a multiple of 64
    16    H     header: one canonical msgpack map, then zero bytes
    16+H  S     payload as stored
    ...   8     raw size of the payload
          8     stored size S
          32    blake3 of the payload as stored
          16+64 where signed: key id, ed25519 signature
          8     first bytes of blake3(head, trailer up to here)

All numbers are little-endian. Sizes and hash stand behind the payload, so that a value can be
written in one pass. The head (magic to header) and the trailer commit to the payload through its
hash; so one pass over the payload is enough to write and to check an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from blake3 import blake3

from mandala_cas.envelope.compression import CompressionHint, compressed, decompressed, shrinks
from mandala_cas.envelope.hashing import new_hasher
from mandala_cas.envelope.packing import corruption, pack, unpack
from mandala_cas.envelope.signatures import (
    KEY_SIZE,
    SIGNATURE_SIZE,
    Signature,
    Signer,
    key_id_of,
)
from mandala_cas.errors import UnsupportedFormatError, UsageError
from mandala_cas.model.ids import KeyId
from mandala_cas.objectstore.api import Buffer, Parts, Pieces
from mandala_cas.objectstore.buffers import flat, joined, size_of

MAGIC: Final = b"\x89MCS\r\n\x1a\n"
VERSION: Final = 1
ALIGNMENT: Final = 64
HEADER_MAX: Final = 1 << 20

_PREFIX_SIZE: Final = 16
_TRAILER_SIZE: Final = 8 + 8 + 32 + 8
_SIGNATURE_TRAILER_SIZE: Final = KeyId.SIZE + SIGNATURE_SIZE
_FLAG_SIGNED: Final = 4
_KNOWN_FLAGS: Final = _FLAG_SIGNED
_KEY: Final = "key"
_SIGNATURE_CONTEXT: Final = "mandala-cas v1 signature"


class Kind(IntEnum):
    """What an object is; the numbers are part of the format."""

    VALUE = 1
    PACK = 2
    SEGMENT = 3
    RUN = 4
    COLLECTION = 5
    RUN_PART = 6


class Compression(IntEnum):
    """How the payload is stored; the numbers are part of the format."""

    RAW = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class Sealed:
    """An object ready to be put: its bytes in parts, and their sum."""

    parts: Parts
    size: int

    def whole(self) -> Buffer:
        """Return the object in one piece; a copy only where it is in several."""
        if not isinstance(self.parts, Pieces) and len(self.parts) == 1:
            return self.parts[0]
        return self.to_bytes()

    def to_bytes(self) -> bytes:
        """Return one copy of all parts."""
        return joined(self.parts)


@dataclass(frozen=True, slots=True)
class Envelope:
    """An object that proved whole. ``payload`` is uncompressed; it is stored at ``head_size``.

    ``payload_digest`` is plain blake3 of the payload, ``stored_digest`` that of its stored form.
    """

    kind: Kind
    compression: Compression
    head_size: int
    header: Mapping[str, Any]
    payload: memoryview
    signature: Signature | None
    stored_size: int
    payload_digest: bytes
    stored_digest: bytes


def seal(
    kind: Kind,
    header: Mapping[str, Any],
    payload: Parts,
    *,
    level: int | None = 1,
    hint: CompressionHint = "sample",
    payload_digest: bytes | None = None,
    signer: Signer | None = None,
) -> Sealed:
    """Return ``payload`` in an envelope, as ``sealing`` makes it.

    The result may hold views of ``payload``: put it before the payload can change.

    Raises:
        UsageError: the header is too large, or has something that msgpack has no form for.
    """
    parts = tuple(
        sealing(
            kind,
            header,
            payload,
            level=level,
            hint=hint,
            payload_digest=payload_digest,
            signer=signer,
        )
    )
    return Sealed(parts, size_of(parts))


def sealing(
    kind: Kind,
    header: Mapping[str, Any],
    payload: Parts,
    *,
    level: int | None = 1,
    hint: CompressionHint = "sample",
    payload_digest: bytes | None = None,
    signer: Signer | None = None,
) -> Iterator[Buffer]:
    """Yield ``payload`` in an envelope, part by part: each is made when it is asked for.

    ``level`` is that of zstd; None stores the payload raw, and so do samples of it that do not
    shrink, unless ``hint`` spares taking them. ``payload_digest`` spares hashing a payload
    that is stored raw and whose blake3 is known. ``header`` is a map of str to msgpack types; the
    field ``key`` is taken.

    Raises:
        UsageError: the header is too large, or has something that msgpack has no form for.
    """
    if _KEY in header:
        raise UsageError(f"the header field {_KEY!r} is the signer's; choose another name")
    fields = dict(header)
    if signer is not None:
        fields[_KEY] = signer.public_key
    raw_size = size_of(payload)
    compression = Compression.RAW
    if level is not None and raw_size > 0 and hint == "sample" and shrinks(payload):
        compression = Compression.ZSTD
    head = _head(kind, compression, _FLAG_SIGNED if signer else 0, fields)
    yield head

    hasher = None
    if compression is Compression.ZSTD or payload_digest is None:
        hasher = new_hasher(raw_size)
    stored_size = 0
    stored: Iterator[Buffer] = (flat(part) for part in payload)
    if compression is Compression.ZSTD:
        stored = compressed(payload, raw_size, 1 if level is None else level)
    for part in stored:
        if not len(part):
            continue
        if hasher is not None:
            hasher.update(part)
        stored_size += len(part)
        yield part
    digest = payload_digest if hasher is None else hasher.digest()
    assert digest is not None, "what has no digest yet has a hasher"

    trailer = raw_size.to_bytes(8, "little") + stored_size.to_bytes(8, "little") + digest
    if signer is not None:
        trailer += key_id_of(signer.public_key)
        trailer += signer.sign(_signed_message(head, trailer))
    yield trailer + blake3(head + trailer).digest(8)


def unseal(
    data: Buffer,
    *,
    kind: Kind,
    name: str,
    raw_size_max: int,
    raw_size: int | None = None,
    stored_digest: bytes | None = None,
    room: memoryview | None = None,
) -> Envelope:
    """Return what is in an envelope, after every check that needs no key.

    ``name`` says in errors where the bytes came from. Nothing larger than ``raw_size_max`` is
    allocated, whatever the object claims; ``raw_size`` is what a record said it must be.
    ``stored_digest`` is blake3 of the stored payload where these very bytes were hashed before.
    ``room`` is memory to unpack into, at least of the size that ``room_for`` says; ``data`` may
    lie at the end of it, and is overwritten.

    Raises:
        CorruptionError: these are not the bytes that were written.
        UnsupportedFormatError: a newer mandala-cas wrote them.
    """
    view = memoryview(data).cast("B")
    head, fields, flags, compression = _read_head(view, kind, name)
    trailer_size = _TRAILER_SIZE + (_SIGNATURE_TRAILER_SIZE if flags & _FLAG_SIGNED else 0)
    stored_size = len(view) - len(head) - trailer_size
    if stored_size < 0:
        raise corruption(name, f"is cut short: {len(view)} bytes are less than its frame needs")
    trailer = bytes(view[len(view) - trailer_size :])
    if blake3(head + trailer[:-8]).digest(8) != trailer[-8:]:
        raise corruption(name, "does not match its own check sum")
    claimed_raw = int.from_bytes(trailer[:8], "little")
    if int.from_bytes(trailer[8:16], "little") != stored_size:
        raise corruption(name, f"holds {stored_size} bytes of payload, not what its trailer says")
    if claimed_raw > raw_size_max or (raw_size is not None and claimed_raw != raw_size):
        expected = f"at most {raw_size_max}" if raw_size is None else str(raw_size)
        raise corruption(name, f"unpacks to {claimed_raw} bytes, expected {expected}")
    stored = view[len(head) : len(head) + stored_size]
    found = stored_digest or new_hasher(len(stored)).update(stored).digest()
    if found != trailer[16:48]:
        raise corruption(name, "has a payload that does not match its hash")
    signature = _read_signature(name, head, fields, trailer) if flags & _FLAG_SIGNED else None
    payload, payload_digest, size = stored, found, len(view)
    if compression is Compression.ZSTD:
        payload, payload_digest = decompressed(name, stored, claimed_raw, room)
    if len(payload) != claimed_raw:
        raise corruption(name, f"holds {len(payload)} bytes, not {claimed_raw} as its trailer says")
    return Envelope(
        kind, compression, len(head), fields, payload, signature, size, payload_digest, found
    )


def _head(kind: Kind, compression: Compression, flags: int, fields: Mapping[str, Any]) -> bytes:
    """Return magic, version, kind, compression, flags and the padded header."""
    packed = pack(fields)
    size = -(-(_PREFIX_SIZE + len(packed)) // ALIGNMENT) * ALIGNMENT - _PREFIX_SIZE
    if size > HEADER_MAX:
        raise UsageError(
            f"a header of {size} bytes was asked for, {HEADER_MAX} is the limit; "
            "move what is large into the payload"
        )
    return (
        MAGIC
        + bytes((VERSION, kind, compression, flags))
        + size.to_bytes(4, "little")
        + packed.ljust(size, b"\0")
    )


def _read_head(
    view: memoryview, kind: Kind, name: str
) -> tuple[bytes, dict[str, Any], int, Compression]:
    """Return the head's bytes, its fields, the flags and the compression, all checked."""
    if len(view) < _PREFIX_SIZE + _TRAILER_SIZE:
        raise corruption(name, f"is cut short: {len(view)} bytes are less than its frame needs")
    if bytes(view[:8]) != MAGIC:
        raise corruption(name, "does not begin as an object of mandala-cas does")
    version, found_kind, compression, flags = view[8:12]
    if (
        version > VERSION
        or flags & ~_KNOWN_FLAGS
        or compression > Compression.ZSTD
        or found_kind > max(Kind)
    ):
        if _was_of_this_version(view):
            raise corruption(name, "does not match its own check sum")
        raise UnsupportedFormatError(
            f"{name} has envelope version {version}, kind {found_kind}, compression {compression}, "
            f"flags {flags:#x}; this mandala-cas reads version {VERSION}: upgrade it",
            name=name,
        )
    if version < VERSION:
        raise corruption(name, f"has envelope version {version}, which never was")
    if found_kind != kind:
        raise corruption(name, f"is of kind {found_kind}, expected {kind.name.lower()} ({kind})")
    size = int.from_bytes(view[12:16], "little")
    end = _PREFIX_SIZE + size
    if size > HEADER_MAX or end % ALIGNMENT or end + _TRAILER_SIZE > len(view):
        raise corruption(name, f"claims a header of {size} bytes in {len(view)}")
    head = bytes(view[:end])
    return head, _unpack_fields(name, head[_PREFIX_SIZE:]), flags, Compression(compression)


def _was_of_this_version(view: memoryview) -> bool:
    """Tell whether the check sum is that of an object of this version.

    Then the four bytes behind the magic were changed since, and nobody is to be told to upgrade.
    """
    end = _PREFIX_SIZE + int.from_bytes(view[12:16], "little")
    for flags in (0, _FLAG_SIGNED):
        trailer_size = _TRAILER_SIZE + (_SIGNATURE_TRAILER_SIZE if flags else 0)
        if end + trailer_size > len(view):
            continue
        rest, trailer = bytes(view[12:end]), bytes(view[len(view) - trailer_size :])
        for kind in Kind:
            for compression in Compression:
                head = MAGIC + bytes((VERSION, kind, compression, flags)) + rest
                if blake3(head + trailer[:-8]).digest(8) == trailer[-8:]:
                    return True
    return False


def _unpack_fields(name: str, packed: bytes) -> dict[str, Any]:
    """Return the header's map; only zero bytes may follow it."""
    fields, size = unpack(packed, name=name, what="header")
    if not isinstance(fields, dict) or any(packed[size:]):
        raise corruption(name, "has a header that is not one map")
    return fields


def _read_signature(name: str, head: bytes, fields: Mapping[str, Any], trailer: bytes) -> Signature:
    """Return the signature, unchecked but for its form."""
    public_key = fields.get(_KEY)
    if not isinstance(public_key, bytes) or len(public_key) != KEY_SIZE:
        raise corruption(name, "is signed, and names no key")
    key_id, signature = trailer[48:64], trailer[64:128]
    if key_id_of(public_key) != key_id:
        raise corruption(name, "is signed by another key than it names")
    return Signature(name, public_key, _signed_message(head, trailer[:64]), signature)


def _signed_message(head: bytes, trailer: bytes) -> bytes:
    """Return what is signed: a digest of all that stands before the signature."""
    return blake3(head + trailer, derive_key_context=_SIGNATURE_CONTEXT).digest()
