"""Writes the golden objects of this format. Run by hand, and never for a released format.

``python tests/format/golden/make.py``. What a released version wrote stays readable for ever, so
its golden objects are never written again. Nor are those in ``format-1``: they were made before
there were tags, and show that such stores stay readable. ``format-1-runs`` is what is made here.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

from blake3 import blake3

from mandala_cas.blobs.packs import Pack, seal_pack
from mandala_cas.blobs.value import seal_value
from mandala_cas.codec.digests import Digests, payload_hash
from mandala_cas.envelope.seal import Sealed
from mandala_cas.envelope.signatures import SigningKey, key_id_of
from mandala_cas.log.columns import RawColumn
from mandala_cas.log.merge import PartLimits
from mandala_cas.log.rows import build_tables
from mandala_cas.log.run_making import MadeRun, RunInputs, make_run
from mandala_cas.log.segment import (
    SealedSegment,
    decode_segment,
    encode_segment,
    seal_tables,
    segment_header,
)
from mandala_cas.log.tables import Table
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    Slot,
    TagRecord,
    TagTarget,
    Tier,
    Tombstone,
    TombstoneReason,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import (
    CallContentId,
    CallId,
    ContentId,
    HistoryId,
    PayloadHash,
    SourceHash,
    WriterId,
    constant_history_id,
    output_history_id,
)
from mandala_cas.objectstore.layout import blob_name

ROOT = Path(__file__).parent / "format-1"
RUNS_ROOT = Path(__file__).parent / "format-1-runs"
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


def later_value(payload: bytes) -> ValueRecord:
    """Return an inline value whose payload hash follows from its payload."""
    hash_ = payload_hash("plain", 3, b"\x81\xa1k\x01", [payload], Digests())
    return replace(record(payload, Tier.INLINE), payload_hash=hash_)


def derived_call(byte: int, value: ContentId, result: ContentId) -> CallRecord:
    """Return a call of a constant, whose slots have the history ids that follow."""
    call_id = CallId(bytes([byte]) * 16)
    return replace(
        call(byte, (), ()),
        inputs=(Slot("x", constant_history_id(value), value),),
        outputs=(Slot("output_0", output_history_id(call_id, "output_0"), result),),
    )


def later_segments() -> list[SealedSegment]:
    """Return two segments of one writer that have all tables, and one that nobody knows."""
    blob, sealed = golden_blob()
    one, two = later_value(b"\x01"), later_value(b"\x02")
    loose = record(LOOSE, Tier.LOOSE, blob, 0, sealed.size)
    writer = WriterId(b"\x72" * 8)
    first: list[Entry] = [
        one,
        two,
        loose,
        derived_call(0x80, one.content_id, two.content_id),
        call(
            0x84, (slot("x", 0x90),), (Slot("output_0", HistoryId(b"\x92" * 16), two.content_id),)
        ),
        derived_call(0x88, two.content_id, loose.content_id),
        TagRecord("best", TagTarget.REF, b"\x92" * 16, two.content_id, 1_700_000_000_000_001),
        TagRecord(
            "slow", TagTarget.CALL, b"\x88" * 16, ContentId(bytes(32)), 1_700_000_000_000_002
        ),
    ]
    second: list[Entry] = [
        replace(one, payload_hash=PayloadHash(b"\x99" * 32)),
        derived_call(0x8C, one.content_id, one.content_id),
        Tombstone(writer, 0, 0, 0),
        Tombstone(writer, 0, 2, 2, TombstoneReason.LOST),
        Untag(writer, 0, 1, 1),
    ]
    made: list[SealedSegment] = []
    for seq, entries in enumerate((first, second)):
        header = segment_header(
            entries,
            writer=writer,
            seq=seq,
            previous=made[-1].digest if made else bytes(32),
            created_us=1_700_000_001_000_000 + seq,
            library="mandala-cas golden",
            session={"host": "golden"},
        )
        marks = Table("marks", 1, {"mark": RawColumn("later", (b"as it is",))})
        tables = [*build_tables(entries).values(), *([marks] if seq == 0 else [])]
        made.append(seal_tables(tables, header, SIGNER))
    return made


def golden_run() -> MadeRun:
    """Return a run of those two and of the segment that was written before there were tags."""
    (old,) = (ROOT / "manifest").rglob("018*")
    read = [decode_segment(segment.name, segment.sealed.to_bytes()) for segment in later_segments()]
    read.append(decode_segment(old.relative_to(ROOT).as_posix(), old.read_bytes()))
    nonces = count(1)
    return make_run(
        RunInputs([(segment, key_id_of(SIGNER.public_key)) for segment in read]),
        created_us=1_700_000_002_000_000,
        draw=lambda size: bytes([next(nonces)]) * size,
        signer=SIGNER,
        limits=PartLimits(calls_max=3),
        library="mandala-cas golden",
    )


def golden_run_objects() -> dict[str, bytes]:
    """Return the golden run, its parts, and the segments that came with it, by name."""
    run = golden_run()
    return {
        **{segment.name: segment.sealed.to_bytes() for segment in later_segments()},
        **{name: sealed.to_bytes() for name, sealed in run.parts.items()},
        run.run.name: run.run.sealed.to_bytes(),
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
    for name, data in golden_run_objects().items():
        path = RUNS_ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
