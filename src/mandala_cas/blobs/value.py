"""The value envelope: a payload, and what is needed to decode it.

It lies in a pack or is a loose blob; ``docs/reference/format.md`` is normative.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mandala_cas.envelope.compression import CompressionHint
from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.seal import Envelope, Kind, Sealed, sealing, unseal
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import PayloadHash
from mandala_cas.objectstore.api import Buffer, Parts
from mandala_cas.objectstore.buffers import size_of

_HASH: Final = "hash"
_CODEC: Final = "codec"
_VERSION: Final = "version"
_HEADER: Final = "header"


def seal_value(
    payload_hash: PayloadHash,
    codec_name: str,
    codec_version: int,
    codec_header: bytes,
    payload: Parts,
    *,
    payload_digest: bytes | None = None,
    hint: CompressionHint = "sample",
) -> Sealed:
    """Return a value envelope; it may hold views of ``payload``.

    ``payload_digest`` is blake3 of the payload, where the caller has it.

    Raises:
        UsageError: the codec's header is too large.
    """
    named = (payload_hash, codec_name, codec_version, codec_header)
    parts = tuple(sealing_value(*named, payload, payload_digest=payload_digest, hint=hint))
    return Sealed(parts, size_of(parts))


def sealing_value(
    payload_hash: PayloadHash,
    codec_name: str,
    codec_version: int,
    codec_header: bytes,
    payload: Parts,
    *,
    payload_digest: bytes | None = None,
    hint: CompressionHint = "sample",
) -> Iterator[Buffer]:
    """Yield a value envelope part by part, as ``seal_value`` returns it at once.

    Raises:
        UsageError: the codec's header is too large.
    """
    header = {
        _HASH: payload_hash,
        _CODEC: codec_name,
        _VERSION: codec_version,
        _HEADER: codec_header,
    }
    return sealing(Kind.VALUE, header, payload, payload_digest=payload_digest, hint=hint)


def unseal_value(
    data: Buffer,
    *,
    name: str,
    record: ValueRecord,
    stored_digest: bytes | None = None,
    room: memoryview | None = None,
) -> Envelope:
    """Return what is in a value envelope; its payload is uncompressed.

    It is whole and of the size that ``record`` states, and the envelope says of it what
    ``record`` says. The caller still compares its payload hash, which only codecs can compute.
    ``stored_digest`` and ``room`` are those of ``unseal``.

    Raises:
        CorruptionError: it is not what ``record`` speaks of.
        UnsupportedFormatError: a newer mandala-cas wrote it.
    """
    # Another writer may have put the same loose value again with another zstd, so only the size
    # of its payload is certain.
    if record.tier is not Tier.LOOSE and len(data) != record.stored_size:
        raise corruption(name, f"holds {len(data)} bytes of a value of {record.stored_size}")
    envelope = unseal(
        data,
        kind=Kind.VALUE,
        name=name,
        raw_size_max=record.raw_size,
        raw_size=record.raw_size,
        stored_digest=stored_digest,
        room=room,
    )
    expected = {
        _HASH: record.payload_hash,
        _CODEC: record.codec_name,
        _VERSION: record.codec_version,
        _HEADER: record.codec_header,
    }
    for field, value in expected.items():
        if envelope.header.get(field) != value:
            raise corruption(name, f"holds another value than its record says: {field} differs")
    return envelope
