"""Segments that tests write and read: as they should be, and as a hostile writer can make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blake3 import blake3
from tests.unit.log.entry_strategies import WRITER, call_record, header_of, inline_record, sealed

from mandala_cas.envelope.seal import Kind, seal, unseal
from mandala_cas.log.rows import build_tables
from mandala_cas.log.segment import SEGMENT_RAW_MAX, Segment, decode_segment, encode_segment
from mandala_cas.log.tables import encode_tables
from mandala_cas.model.entries import Entry, TagRecord, TagTarget, Tombstone, Untag
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.layout import segment_name

BATCH: list[Entry] = [
    call_record(1),
    inline_record(),
    call_record(2, op_name="eval"),
    Tombstone(WRITER, 3, 1, 2),
    TagRecord("best", TagTarget.REF, bytes(16), ContentId(bytes(32)), 1_700_000_000_000_000),
    Untag(WRITER, 3, 1, 2),
]


def decoded(batch: list[Entry], *, level: int | None = 3) -> Segment:
    """Return a batch after it was written and read."""
    segment = encode_segment(batch, header_of(batch), None, level=level)
    return decode_segment(segment.name, segment.sealed.to_bytes())


def resealed(
    payload: bytes, change: Callable[[dict[str, Any]], None] = lambda _fields: None
) -> tuple[str, bytes]:
    """Return an object of any payload, with the header of ``BATCH``, whose hashes all fit.

    What a hostile writer can make, or a mistaken one.
    """
    original = sealed(BATCH)
    envelope = unseal(
        original.sealed.to_bytes(), kind=Kind.SEGMENT, name="n", raw_size_max=SEGMENT_RAW_MAX
    )
    fields = dict(envelope.header)
    change(fields)
    data = seal(Kind.SEGMENT, fields, [payload], level=None).to_bytes()
    time_ms = 1_700_000_000_000
    return segment_name(time_ms, WRITER, 0, blake3(data).digest()), data


PAYLOAD = b"".join(bytes(part) for part in encode_tables(tuple(build_tables(BATCH).values())))
