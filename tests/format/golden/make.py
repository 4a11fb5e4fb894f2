"""Writes the golden objects of this format. Run by hand, and never for a released format.

``python tests/format/golden/make.py``. What a released version wrote stays readable for ever, so
its golden objects are never written again.
"""

from __future__ import annotations

from pathlib import Path

from blake3 import blake3

from mandala_cas.blobs.packs import Pack, seal_pack
from mandala_cas.blobs.value import seal_value
from mandala_cas.envelope.seal import Sealed
from mandala_cas.envelope.signatures import SigningKey
from mandala_cas.log.segment import SealedSegment, encode_segment, segment_header
from mandala_cas.model.entries import CallRecord, Entry, Slot, Tier, Tombstone, ValueRecord
from mandala_cas.model.ids import (
    CallContentId,
    CallId,
    ContentId,
    HistoryId,
    PayloadHash,
    SourceHash,
    WriterId,
)
from mandala_cas.objectstore.layout import blob_name

ROOT = Path(__file__).parent / "format-1"
SIGNER = SigningKey(bytes(range(32)))
NONCE = bytes(range(0x10, 0x20))
PACKED = (b"the first packed value", b"", bytes(range(256)))
LOOSE = b"a loose value, which shrinks; " * 100


def hash_of(payload: bytes) -> PayloadHash:
    """Return a hash to name a payload by; how codecs compute theirs is another page."""
    return PayloadHash(blake3(payload).digest())


def value(payload: bytes) -> tuple[PayloadHash, Sealed]:
    """Return one payload as a value."""
    payload_hash = hash_of(payload)
    return payload_hash, seal_value(payload_hash, "plain", 3, b"\x81\xa1k\x01", [payload])


def golden_pack() -> Pack:
    """Return a pack of three values that do not shrink."""
    return seal_pack([value(payload) for payload in PACKED], nonce=NONCE)


def golden_blob() -> tuple[str, Sealed]:
    """Return a loose blob, compressed."""
    payload_hash, sealed = value(LOOSE)
    return blob_name(payload_hash), sealed


def call(
    byte: int, inputs: tuple[Slot, ...], outputs: tuple[Slot, ...], reused_from: int | None = None
) -> CallRecord:
    """Return a call whose ids repeat one byte."""
    return CallRecord(
        call_id=CallId(bytes([byte]) * 16),
        content_id=CallContentId(bytes([byte + 1]) * 16),
        op_name="train" if reused_from is None else "prüfen",
        op_version="0",
        module="pipeline",
        source_hash=SourceHash(bytes([byte + 2]) * 16),
        started_us=1_700_000_000_000_000 + byte,
        duration_us=byte,
        inputs=inputs,
        outputs=outputs,
        reused_from=None if reused_from is None else CallId(bytes([reused_from]) * 16),
        parent=None if reused_from is None else CallId(bytes([reused_from + 1]) * 16),
    )


def slot(name: str, byte: int) -> Slot:
    """Return a slot whose ids repeat one byte."""
    return Slot(name, HistoryId(bytes([byte]) * 16), ContentId(bytes([byte + 1]) * 32))


def record(
    payload: bytes, tier: Tier, location: str = "", offset: int = 0, stored_size: int = 0
) -> ValueRecord:
    """Return what the log says of a value."""
    return ValueRecord(
        content_id=ContentId(hash_of(payload)[::-1]),
        payload_hash=hash_of(payload),
        tier=tier,
        location=location,
        offset=offset,
        stored_size=stored_size,
        raw_size=len(payload),
        codec_name="plain",
        codec_version=3,
        codec_header=b"\x81\xa1k\x01",
        inline=payload if tier is Tier.INLINE else b"",
    )


def golden_entries() -> list[Entry]:
    """Return entries of every kind, and values of every tier."""
    blob, sealed = golden_blob()
    places = [
        record(payload, Tier.PACK, place.name, place.offset, place.size)
        for payload, place in zip(PACKED, golden_pack().placements, strict=True)
    ]
    return [
        call(0x30, (slot("x", 0x50), slot("seed", 0x52)), (slot("output_0", 0x54),)),
        record(b"\x2a", Tier.INLINE),
        *places,
        call(0x40, (), (slot("output_0", 0x56), slot("output_1", 0x58)), reused_from=0x60),
        record(LOOSE, Tier.LOOSE, blob, 0, sealed.size),
        Tombstone(WriterId(b"\x70" * 8), 5, 2, 9),
        call(0x44, (slot("x", 0x54),), ()),
    ]


def golden_segment() -> SealedSegment:
    """Return a signed segment, the first of its writer."""
    entries = golden_entries()
    header = segment_header(
        entries,
        writer=WriterId(b"\x71" * 8),
        seq=0,
        previous=bytes(32),
        created_us=1_700_000_000_123_456,
        library="mandala-cas golden",
        session={"host": "golden", "packages": {"numpy": "2.0.0"}, "pid": 1},
    )
    return encode_segment(entries, header, SIGNER)


def golden_objects() -> dict[str, bytes]:
    """Return all golden objects by name."""
    pack, segment = golden_pack(), golden_segment()
    blob, sealed = golden_blob()
    return {
        pack.name: pack.sealed.to_bytes(),
        blob: sealed.to_bytes(),
        segment.name: segment.sealed.to_bytes(),
    }


def example_objects() -> dict[str, bytes]:
    """Return the examples of ``docs/reference/format.md``, in its order, by heading."""
    payload = b"hello"
    value_object = seal_value(hash_of(payload), "plain", 1, b"\x80", [payload])
    pack = seal_pack([(hash_of(payload), value_object)], nonce=b"\xaa" * 16)
    dropped: list[Entry] = [Tombstone(WriterId(b"\xbb" * 8), 2, 3, 4)]
    header = segment_header(
        dropped,
        writer=WriterId(b"\xcc" * 8),
        seq=0,
        previous=bytes(32),
        created_us=1_700_000_000_000_000,
        library="mandala-cas 0.1.0",
        session={},
    )
    segment = encode_segment(dropped, header, None, level=None)
    return {
        blob_name(hash_of(payload)): value_object.to_bytes(),
        pack.name: pack.sealed.to_bytes(),
        segment.name: segment.sealed.to_bytes(),
    }


def main() -> None:
    """Write the golden objects beside this file."""
    for name, data in golden_objects().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
