"""Entries for the tests of the log: one of each by hand, and any by Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from mandala_cas.log.checks import (
    PACKED_SIZE_MAX,
    SIZE_MAX,
    TAG_NAME_MAX,
    TIME_MAX_US,
    TIME_MIN_US,
)
from mandala_cas.log.segment import SealedSegment, SegmentHeader, encode_segment, segment_header
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
)
from mandala_cas.objectstore.layout import blob_name, pack_name

WRITER = WriterId(b"writer-1")


def ids(size: int) -> st.SearchStrategy[bytes]:
    """Return any bytes of a size, with the odd ones often."""
    return st.sampled_from([bytes(size), b"\xff" * size]) | st.binary(min_size=size, max_size=size)


texts = st.text(st.characters(codec="utf-8"), max_size=6)
slots = st.builds(Slot, texts, ids(16).map(HistoryId), ids(32).map(ContentId))
# A call's id of zero bytes means "none" in a column, so no call has it.
other_calls = st.none() | ids(16).filter(any).map(CallId)
u4 = st.integers(0, 2**32 - 1)

call_records = st.builds(
    CallRecord,
    call_id=ids(16).map(CallId),
    content_id=ids(16).map(CallContentId),
    op_name=texts,
    op_version=texts,
    module=texts,
    source_hash=ids(16).map(SourceHash),
    started_us=st.integers(TIME_MIN_US, TIME_MAX_US),
    duration_us=st.integers(0, TIME_MAX_US),
    inputs=st.lists(slots, max_size=3).map(tuple),
    outputs=st.lists(slots, max_size=3).map(tuple),
    reused_from=other_calls,
    parent=other_calls,
)


@st.composite
def value_records(draw: st.DrawFn) -> ValueRecord:
    """Return a value of any tier, at a place that such values have."""
    tier = draw(st.sampled_from(Tier))
    payload_hash = PayloadHash(draw(ids(32)))
    inline = draw(st.binary(max_size=50)) if tier is Tier.INLINE else b""
    sizes = st.integers(0, SIZE_MAX)
    location = {Tier.INLINE: "", Tier.PACK: pack_name(payload_hash), Tier.LOOSE: ""}[tier]
    stored_size = {
        Tier.INLINE: st.just(0),
        Tier.PACK: st.integers(0, PACKED_SIZE_MAX),
        Tier.LOOSE: sizes,
    }[tier]
    return ValueRecord(
        content_id=ContentId(draw(ids(32))),
        payload_hash=payload_hash,
        tier=tier,
        location=blob_name(payload_hash) if tier is Tier.LOOSE else location,
        offset=draw(sizes) if tier is Tier.PACK else 0,
        stored_size=draw(stored_size),
        raw_size=len(inline) if tier is Tier.INLINE else draw(sizes),
        codec_name=draw(texts),
        codec_version=draw(u4),
        codec_header=draw(st.binary(max_size=20)),
        inline=inline,
    )


dot_ranges = st.tuples(ids(8), st.integers(0, 2**24 - 1), st.tuples(u4, u4))
tombstones = st.builds(
    lambda dots, reason: Tombstone(WriterId(dots[0]), dots[1], min(dots[2]), max(dots[2]), reason),
    dot_ranges,
    st.sampled_from(TombstoneReason),
)
untags = dot_ranges.map(lambda dots: Untag(WriterId(dots[0]), dots[1], min(dots[2]), max(dots[2])))
tags = st.builds(
    TagRecord,
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
    | st.just("x" * TAG_NAME_MAX),
    target=st.sampled_from(TagTarget),
    history_id=ids(16),
    content_id=ids(32).map(ContentId),
    created_us=st.integers(TIME_MIN_US, TIME_MAX_US),
)

entries: st.SearchStrategy[Entry] = call_records | value_records() | tombstones | tags | untags


def call_record(number: int = 0, *, op_name: str = "train") -> CallRecord:
    """Return a call of one input and one output."""
    byte = bytes([number])
    return CallRecord(
        call_id=CallId(byte * 16),
        content_id=CallContentId(byte * 16),
        op_name=op_name,
        op_version="0",
        module="pipeline",
        source_hash=SourceHash(byte * 16),
        started_us=1_700_000_000_000_000 + number,
        duration_us=number,
        inputs=(Slot("x", HistoryId(byte * 16), ContentId(byte * 32)),),
        outputs=(Slot("output_0", HistoryId(byte * 16), ContentId(byte * 32)),),
    )


def inline_record(payload: bytes = b"\x01") -> ValueRecord:
    """Return an inline value."""
    return ValueRecord(
        content_id=ContentId(bytes(32)),
        payload_hash=PayloadHash(bytes(32)),
        tier=Tier.INLINE,
        location="",
        offset=0,
        stored_size=0,
        raw_size=len(payload),
        codec_name="plain",
        codec_version=1,
        codec_header=b"\x80",
        inline=payload,
    )


def header_of(batch: list[Entry], *, seq: int = 0) -> SegmentHeader:
    """Return a header that fits a batch."""
    return segment_header(
        batch,
        writer=WRITER,
        seq=seq,
        previous=bytes(32) if seq == 0 else b"p" * 32,
        created_us=1_700_000_000_000_000,
        library="mandala-cas test",
        session={"host": "here", "packages": {"numpy": "2.0"}},
    )


def sealed(batch: list[Entry], *, seq: int = 0) -> SealedSegment:
    """Return a batch as a segment."""
    return encode_segment(batch, header_of(batch, seq=seq), None)
