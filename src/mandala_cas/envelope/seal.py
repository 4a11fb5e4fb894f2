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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import zstandard
from blake3 import blake3

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
from mandala_cas.objectstore.api import Buffer

MAGIC: Final = b"\x89MCS\r\n\x1a\n"
VERSION: Final = 1
ALIGNMENT: Final = 64
HEADER_MAX: Final = 1 << 20

_PREFIX_SIZE: Final = 16
_TRAILER_SIZE: Final = 8 + 8 + 32 + 8
_SIGNATURE_TRAILER_SIZE: Final = KeyId.SIZE + SIGNATURE_SIZE
# Random doubles shrink by a sixteenth, at the price of writing at half the speed.
SHRUNK_MAX: Final = 0.8
_SAMPLE_SIZE: Final = 128 * 1024
# A block of zstd gives at most 128 KiB, and takes at least 4 bytes.
_ZSTD_RATIO_MAX: Final = 128 * 1024 // 4
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

    parts: tuple[Buffer, ...]
    size: int

    def whole(self) -> Buffer:
        """Return the object in one piece; a copy only where it is in several."""
        return self.parts[0] if len(self.parts) == 1 else self.to_bytes()

    def to_bytes(self) -> bytes:
        """Return one copy of all parts."""
        return b"".join(self.parts)


@dataclass(frozen=True, slots=True)
class Envelope:
    """An object that proved whole. ``payload`` is uncompressed; it is stored at ``head_size``."""

    kind: Kind
    compression: Compression
    head_size: int
    header: Mapping[str, Any]
    payload: memoryview
    signature: Signature | None
    stored_size: int


def seal(
    kind: Kind,
    header: Mapping[str, Any],
    payload: Sequence[Buffer],
    *,
    level: int | None = 1,
    payload_digest: bytes | None = None,
    signer: Signer | None = None,
) -> Sealed:
    """Return ``payload`` in an envelope.

    ``level`` is that of zstd; None stores the payload raw, and so does a payload whose beginning
    does not shrink. ``payload_digest`` spares hashing a payload that is stored raw and whose
    blake3 is known. ``header`` is a map of str to msgpack types; the field ``key`` is taken.
    The result may hold views of ``payload``: put it before the payload can change.

    Raises:
        UsageError: the header is too large, or has something that msgpack has no form for.
    """
    if _KEY in header:
        raise UsageError(f"the header field {_KEY!r} is the signer's; choose another name")
    fields = dict(header)
    if signer is not None:
        fields[_KEY] = signer.public_key
    flat = _flat(payload)
    raw_size = sum(part.nbytes for part in flat)
    compression = Compression.RAW
    stored: tuple[Buffer, ...] = flat
    if level is not None and raw_size > 0 and _shrinks(flat):
        compression = Compression.ZSTD
        stored = _compress(flat, raw_size, level)
    if compression is Compression.ZSTD or payload_digest is None:
        payload_digest = _digest(stored)
    stored_size = sum(len(part) for part in stored)

    head = _head(kind, compression, _FLAG_SIGNED if signer else 0, fields)
    trailer = raw_size.to_bytes(8, "little") + stored_size.to_bytes(8, "little") + payload_digest
    if signer is not None:
        trailer += key_id_of(signer.public_key)
        trailer += signer.sign(_signed_message(head, trailer))
    trailer += blake3(head + trailer).digest(8)
    return Sealed((head, *stored, trailer), len(head) + stored_size + len(trailer))


def unseal(
    data: Buffer, *, kind: Kind, name: str, raw_size_max: int, raw_size: int | None = None
) -> Envelope:
    """Return what is in an envelope, after every check that needs no key.

    ``name`` says in errors where the bytes came from. Nothing larger than ``raw_size_max`` is
    allocated, whatever the object claims; ``raw_size`` is what a record said it must be.

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
    if _digest((stored,)) != trailer[16:48]:
        raise corruption(name, "has a payload that does not match its hash")
    signature = _read_signature(name, head, fields, trailer) if flags & _FLAG_SIGNED else None
    payload = stored if compression is Compression.RAW else _decompress(name, stored, claimed_raw)
    if len(payload) != claimed_raw:
        raise corruption(name, f"holds {len(payload)} bytes, not {claimed_raw} as its trailer says")
    return Envelope(kind, compression, len(head), fields, payload, signature, len(view))


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


def _digest(parts: Sequence[Buffer]) -> bytes:
    """Return blake3 of the concatenation, on several threads where a part is large."""
    hasher = new_hasher(sum(memoryview(part).nbytes for part in parts))
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def _flat(payload: Sequence[Buffer]) -> tuple[memoryview, ...]:
    """Return the parts as plain bytes, without the empty ones: an empty view has no such form."""
    views = (memoryview(part) for part in payload)
    return tuple(view.cast("B") for view in views if view.nbytes)


def _shrinks(payload: Sequence[memoryview]) -> bool:
    """Tell whether the beginning of the payload loses a fifth when compressed."""
    sample = bytearray()
    for part in payload:
        sample += part[: _SAMPLE_SIZE - len(sample)]
        if len(sample) >= _SAMPLE_SIZE:
            break
    packed = zstandard.ZstdCompressor(level=1).compress(bytes(sample))
    return len(packed) < SHRUNK_MAX * len(sample)


def _compress(payload: Sequence[memoryview], raw_size: int, level: int) -> tuple[bytes, ...]:
    """Return the payload as one zstd frame that states its own raw size."""
    compressor = zstandard.ZstdCompressor(level=level).compressobj(size=raw_size)
    pieces = [compressor.compress(part) for part in payload]
    pieces.append(compressor.flush())
    return tuple(piece for piece in pieces if piece)


def _decompress(name: str, stored: memoryview, raw_size: int) -> memoryview:
    """Return the payload; refuses before allocating what cannot be in there."""
    if raw_size > _ZSTD_RATIO_MAX * len(stored):
        raise corruption(name, f"claims that {len(stored)} bytes unpack to {raw_size}")
    try:
        if zstandard.frame_content_size(stored) != raw_size:
            raise corruption(name, f"does not unpack to the {raw_size} bytes of its trailer")
        payload = zstandard.ZstdDecompressor().decompress(
            stored, max_output_size=raw_size, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise corruption(name, "has a payload that zstd cannot read") from error
    return memoryview(payload)
