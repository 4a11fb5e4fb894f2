"""A process that dies while it publishes: what it acknowledged stays, nothing else half-shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import pytest
from blake3 import blake3

from mandala_cas.blobs.packs import Pack, Placement, seal_pack
from mandala_cas.blobs.store import BlobStore
from mandala_cas.blobs.value import seal_value, unseal_value
from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import StoreUnavailableError
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter
from mandala_cas.model.entries import CallRecord, Slot, Tier, ValueRecord
from mandala_cas.model.ids import (
    CallContentId,
    CallId,
    ContentId,
    Dot,
    HistoryId,
    PayloadHash,
    SourceHash,
)
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import BLOBS, NONCE_SIZE, PACKS, SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import (
    CrashPoint,
    Delay,
    ErrorAfter,
    ErrorBefore,
    FaultStore,
    Rule,
    StaleList,
    crash_at_every_call,
)

BATCHES = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """What one flush writes: two packed values, a loose one, and a call for each."""

    packed: tuple[tuple[PayloadHash, Sealed], ...]
    pack: Pack
    loose: tuple[PayloadHash, Sealed]


def payload_of(batch: int, value: int) -> bytes:
    """Return the payload of one value."""
    return bytes([batch, value]) * 300


def sealed_value(batch: int, value: int) -> tuple[PayloadHash, Sealed]:
    """Return one value, sealed."""
    payload = payload_of(batch, value)
    payload_hash = PayloadHash(blake3(payload).digest())
    return payload_hash, seal_value(payload_hash, "plain", 1, b"\x80", [payload])


def make_batch(number: int) -> Batch:
    """Return what one flush writes; always the same."""
    packed = (sealed_value(number, 0), sealed_value(number, 1))
    pack = seal_pack(packed, nonce=bytes([number]) * NONCE_SIZE)
    return Batch(packed, pack, sealed_value(number, 2))


def record_of(payload_hash: PayloadHash, tier: Tier, place: Placement) -> ValueRecord:
    """Return the record of one value."""
    return ValueRecord(
        content_id=ContentId(payload_hash),
        payload_hash=payload_hash,
        tier=tier,
        location=place.name,
        offset=place.offset,
        stored_size=place.size,
        raw_size=600,
        codec_name="plain",
        codec_version=1,
        codec_header=b"\x80",
    )


def call_of(record: ValueRecord) -> CallRecord:
    """Return a call whose output is a value."""
    call_id = CallId(record.payload_hash[:16])
    return CallRecord(
        call_id=call_id,
        content_id=CallContentId(call_id),
        op_name="f",
        op_version="0",
        module="m",
        source_hash=SourceHash(bytes(16)),
        started_us=0,
        duration_us=1,
        inputs=(),
        outputs=(Slot("output_0", HistoryId(call_id), record.content_id),),
    )


def make_writer(store: ObjectStore) -> LogWriter:
    """Return a writer that makes the same bytes every time."""
    ticks = count(1_700_000_000_000_000)
    return LogWriter(
        store,
        signer=None,
        session=dict,
        clock_us=lambda: next(ticks),
        draw=lambda size: b"w" * size,
    )


def write_payload(store: ObjectStore, writer: LogWriter, number: int) -> list[Dot]:
    """Put the values of one flush, and append what the log says of them."""
    batch = make_batch(number)
    blobs = BlobStore(store)
    # Payload before its segment: the other order would show calls whose values are not there.
    blobs.put_packs([batch.pack])
    loose = blobs.put_loose(*batch.loose)
    records = [
        record_of(payload_hash, Tier.PACK, place)
        for (payload_hash, _), place in zip(batch.packed, batch.pack.placements, strict=True)
    ]
    records.append(record_of(batch.loose[0], Tier.LOOSE, loose))
    dots = []
    for record in records:
        writer.append(record)
        dot = writer.append(call_of(record))
        assert dot is not None
        dots.append(dot)
    return dots


def flush_all(store: ObjectStore, acknowledged: list[Dot]) -> None:
    """Flush some batches; a call is acknowledged once its flush has returned."""
    writer = make_writer(store)
    for number in range(BATCHES):
        dots = write_payload(store, writer, number)
        writer.publish()
        acknowledged += dots


def visible_dots(store: ObjectStore) -> list[Dot]:
    """Return every call on record, after reading every value that a segment places."""
    view = LogView(store)
    view.refresh()
    assert view.damaged == {}
    assert view.chain_holes() == []
    dots = []
    for segment in view.segments.values():
        records = [segment.value_record(row) for row in range(segment.values.row_count)]
        places = [Placement(r.location, r.offset, r.stored_size) for r in records]
        for record, data in zip(records, BlobStore(store).get_many(places), strict=True):
            assert data is not None
            payload = unseal_value(data, name=record.location, record=record).payload
            assert blake3(payload).digest() == record.payload_hash
        known = {record.content_id for record in records}
        for row in range(segment.calls.row_count):
            assert all(slot.content_id in known for slot in segment.call_record(row).outputs)
            dots.append(segment.dot(row))
    return sorted(dots)


def assert_every_promise_is_kept(
    store: ObjectStore, acknowledged: Sequence[Dot], point: CrashPoint
) -> None:
    """Check: acknowledged is visible, visible is readable, and whole flushes only."""
    del point
    dots = visible_dots(store)
    assert set(acknowledged) <= set(dots)
    assert len(dots) == len(set(dots))
    assert len(dots) % 3 == 0
    # One flush may have been on record before its writer could be told.
    assert len(dots) - len(acknowledged) in {0, 3}


def test_a_crash_at_any_call_breaks_no_promise() -> None:
    """Cut off before and after every call: three puts a flush."""
    assert crash_at_every_call(flush_all, assert_every_promise_is_kept) == 3 * BATCHES


def test_a_writer_after_the_crash_goes_on() -> None:
    """The store that a crash leaves can be written to, and a later writer finishes the work."""

    def check(store: ObjectStore, acknowledged: Sequence[Dot], point: CrashPoint) -> None:
        assert_every_promise_is_kept(store, acknowledged, point)
        before = visible_dots(store)
        writer = LogWriter(store, signer=None, session=dict, clock_us=lambda: 1)
        write_payload(FaultStore(store, forbid_overwrite=True), writer, BATCHES - 1)
        writer.publish()
        assert len(visible_dots(store)) == len(before) + 3

    crash_at_every_call(flush_all, check)


@pytest.mark.parametrize("at_call", range(3 * BATCHES))
@pytest.mark.parametrize("fault", [ErrorBefore(), ErrorAfter(), Delay(0), Delay(1), Delay(50)])
def test_a_retried_flush_publishes_exactly_once(
    at_call: int, fault: ErrorBefore | ErrorAfter | Delay
) -> None:
    """Failed, its answer lost, or taking effect long after: a retry puts things right."""
    store = FaultStore(
        MemoryObjectStore(), [Rule(fault, "put", skip=at_call)], forbid_overwrite=True
    )
    writer = make_writer(store)
    expected: list[Dot] = []
    failures = 0
    for number in range(BATCHES):
        try:
            expected += write_payload(store, writer, number)
        except StoreUnavailableError:
            failures += 1
            expected += write_payload(store, writer, number)
        try:
            writer.publish()
        except StoreUnavailableError:
            failures += 1
            writer.publish()
        assert set(expected) <= set(visible_dots(store.inner))

    store.settle()

    assert failures == 1
    assert visible_dots(store.inner) == sorted(expected)
    names = [info.name for info in store.inner.list("")]
    found = {
        prefix: sum(n.startswith(prefix) for n in names) for prefix in (SEGMENTS, PACKS, BLOBS)
    }
    assert found == dict.fromkeys((SEGMENTS, PACKS, BLOBS), BATCHES)


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_flushes_that_failed_for_a_while_arrive_in_order(failures: int) -> None:
    """A store that is away for several flushes gets all of them, oldest first."""
    store = FaultStore(
        MemoryObjectStore(),
        [Rule(ErrorBefore(), "put", SEGMENTS, times=failures)],
        forbid_overwrite=True,
    )
    writer = make_writer(store)
    expected: list[Dot] = []
    for number in range(BATCHES):
        expected += write_payload(store, writer, number)
        try:
            writer.publish()
        except StoreUnavailableError:
            # A reader at this moment sees a beginning of the chain, never a hole.
            assert set(visible_dots(store.inner)) < set(expected)

    writer.publish()

    assert visible_dots(store.inner) == sorted(expected)


def test_a_stale_listing_shows_less_and_nothing_broken() -> None:
    """Where listings lag, a reader is late, not wrong."""
    rule = Rule(StaleList(4), "list")
    store = FaultStore(MemoryObjectStore(), [rule])
    acknowledged: list[Dot] = []
    flush_all(store, acknowledged)

    late = visible_dots(store)

    assert set(late) < set(acknowledged)
    assert visible_dots(store) == sorted(acknowledged)
