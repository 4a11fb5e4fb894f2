"""Segments made by hand, for the index to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from mandala_cas.log.segment import NO_PREVIOUS, Segment, decode_segment, encode_segment
from mandala_cas.log.segment import segment_header as header_of
from mandala_cas.model.entries import CallRecord, Entry, Slot, Tier, ValueRecord
from mandala_cas.model.ids import (
    ContentId,
    PayloadHash,
    SourceHash,
    WriterId,
    call_content_id,
    call_history_id,
    constant_history_id,
    output_history_id,
)

MakeSegment = Callable[..., Segment]
MakeCall = Callable[..., CallRecord]


def content(text: str) -> ContentId:
    """Return a content id that tells what it is of."""
    return ContentId(text.encode().ljust(32, b"."))


@pytest.fixture
def make_call() -> MakeCall:
    """Return a function that makes the record of a call ``op(x=constant) -> outputs``."""

    def make(
        op: str,
        x: str | Slot,
        outputs: Sequence[str] = ("out",),
        *,
        started_us: int = 1,
        history_only: str = "",
    ) -> CallRecord:
        given = Slot("x", constant_history_id(content(x)), content(x)) if isinstance(x, str) else x
        slot = Slot("x", given.history_id, given.content_id)
        call_id = call_history_id(op, "0", [("x", slot.history_id)])
        if history_only:
            call_id = call_history_id(op, history_only, [("x", slot.history_id)])
        return CallRecord(
            call_id=call_id,
            content_id=call_content_id(op, "0", [("x", slot.content_id)]),
            op_name=op,
            op_version="0",
            module="tests",
            source_hash=SourceHash(bytes(16)),
            started_us=started_us,
            duration_us=5,
            inputs=(slot,),
            outputs=tuple(
                Slot(f"output_{i}", output_history_id(call_id, f"output_{i}"), content(text))
                for i, text in enumerate(outputs)
            ),
        )

    return make


@pytest.fixture
def make_segment() -> MakeSegment:
    """Return a function that makes a segment of one writer, as a reader would see it."""

    def make(entries: Sequence[Entry], *, writer: int = 1) -> Segment:
        header = header_of(
            entries,
            writer=WriterId(writer.to_bytes(8, "big")),
            seq=0,
            previous=NO_PREVIOUS,
            created_us=1_000_000,
            library="test",
            session={},
        )
        sealed = encode_segment(entries, header, None)
        return decode_segment(sealed.name, sealed.sealed.to_bytes())

    return make


def inline(text: str, payload: bytes) -> ValueRecord:
    """Return the record of a small value."""
    return ValueRecord(
        content_id=content(text),
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


@pytest.fixture
def make_value() -> Callable[[str, bytes], ValueRecord]:
    """Return a function that makes the record of a small value."""
    return inline
