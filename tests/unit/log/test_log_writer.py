"""The writer of the log: order, retries, limits, threads and forks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from tests.unit.log.entry_strategies import call_record, entries, inline_record

from mandala_cas.envelope.signatures import SigningKey, key_id_of
from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.log import writer as writer_module
from mandala_cas.log.checks import ENTRY_SIZE_MAX, SEQ_MAX, entry_size
from mandala_cas.log.rows import build_tables
from mandala_cas.log.segment import NO_PREVIOUS, Segment
from mandala_cas.log.tables import encode_tables
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter
from mandala_cas.model.entries import CallRecord, Entry, Slot, Tier, Tombstone
from mandala_cas.model.ids import ContentId, Dot, HistoryId, WriterId
from mandala_cas.objectstore.layout import SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import Delay, ErrorAfter, ErrorBefore, FaultStore, Hang, Rule

TOMBSTONE = Tombstone(WriterId(b"somebody"), 3, 0, 9)


def numbered_draw() -> Callable[[int], bytes]:
    """Return a source of bytes that are different every time, and the same in every test."""
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def make_writer(store: FaultStore, signer: SigningKey | None = None) -> LogWriter:
    """Return a writer whose every byte is the same in every test."""
    ticks = count(1_700_000_000_000_000, 1_000_000)
    return LogWriter(
        store,
        signer=signer,
        session=lambda: {"host": "here"},
        clock_us=lambda: next(ticks),
        draw=numbered_draw(),
    )


@pytest.fixture
def store() -> FaultStore:
    """Return an empty store that refuses to overwrite."""
    return FaultStore(MemoryObjectStore(), forbid_overwrite=True)


@pytest.fixture
def writer(store: FaultStore) -> LogWriter:
    """Return a writer to ``store``."""
    return make_writer(store)


def read_back(store: FaultStore) -> list[Segment]:
    """Return what another process sees, in the order of the chain."""
    view = LogView(store.inner)
    view.refresh()
    assert view.damaged == {}
    assert view.chain_holes() == []
    return sorted(view.segments.values(), key=lambda segment: segment.header.seq)


def calls_of(segments: list[Segment]) -> list[CallRecord]:
    """Return all calls in some segments."""
    return [s.call_record(row) for s in segments for row in range(s.calls.row_count)]


def names(segments: list[Segment]) -> list[str]:
    """Return the names of segments."""
    return [segment.name for segment in segments]


def test_what_was_published_can_be_read(store: FaultStore, writer: LogWriter) -> None:
    """With the dots that ``append`` promised."""
    calls = [call_record(number) for number in range(3)]
    dots = [writer.append(call) for call in calls]

    published = writer.publish()

    (segment,) = read_back(store)
    assert names(published) == [segment.name]
    assert calls_of([segment]) == calls
    assert dots == [segment.dot(row) for row in range(3)]


def test_only_calls_have_dots(store: FaultStore, writer: LogWriter) -> None:
    """Values and tombstones are not dropped, so nothing names them."""
    appended: list[Entry] = [inline_record(), call_record(), TOMBSTONE, call_record(1)]

    dots = [writer.append(entry) for entry in appended]

    first = WriterId((1).to_bytes(8, "big"))
    assert dots == [None, Dot(first, 0, 0), None, Dot(first, 0, 1)]
    writer.publish()
    (segment,) = read_back(store)
    assert calls_of([segment]) == [call_record(), call_record(1)]
    assert segment.values.row_count == 1
    assert segment.value_record(0) == inline_record()
    assert list(segment.tombstones) == [TOMBSTONE]


def test_nothing_to_say_writes_nothing(store: FaultStore, writer: LogWriter) -> None:
    """A block of hits costs no request."""
    assert (writer.unpublished, writer.publish(), store.calls) == (False, [], [])


def test_publishing_twice_writes_once(store: FaultStore, writer: LogWriter) -> None:
    """What is on record stays so."""
    writer.append(call_record())
    before = writer.unpublished
    writer.publish()

    assert (before, writer.unpublished, writer.publish()) == (True, False, [])
    assert len(read_back(store)) == 1


def test_tombstones_alone_make_a_segment(store: FaultStore, writer: LogWriter) -> None:
    """Dropping is an entry like any other."""
    writer.append(TOMBSTONE)
    writer.publish()

    assert [segment.tombstones for segment in read_back(store)] == [(TOMBSTONE,)]


def test_segments_form_a_chain(store: FaultStore, writer: LogWriter) -> None:
    """Each names the one before it, by all of its bytes."""
    for number in range(3):
        writer.append(call_record(number))
        writer.publish()

    first, second, third = read_back(store)

    assert [s.header.seq for s in (first, second, third)] == [0, 1, 2]
    assert first.header.previous == NO_PREVIOUS
    assert (second.header.previous, third.header.previous) == (first.digest, second.digest)


def test_a_signer_signs_every_segment(store: FaultStore) -> None:
    """Trust follows the writer."""
    key = SigningKey(bytes(range(32)))
    writer = make_writer(store, key)
    writer.append(call_record())
    writer.publish()

    (segment,) = read_back(store)

    assert segment.signature is not None
    assert segment.signature.verified_key() == key_id_of(key.public_key)


@pytest.mark.parametrize("fault", [ErrorBefore(), ErrorAfter(), Delay(0), Delay(2), Delay(99)])
def test_a_failed_publish_is_made_up_for_exactly_once(
    store: FaultStore, writer: LogWriter, fault: ErrorBefore | ErrorAfter | Delay
) -> None:
    """The request failed, its answer was lost, or it takes effect after the retry."""
    store.plan.append(Rule(fault, "put", skip=1))
    writer.append(call_record(0))
    writer.publish()
    writer.append(call_record(1))
    with pytest.raises(StoreUnavailableError):
        writer.publish()
    kept = writer.unpublished
    writer.append(call_record(2))

    published = writer.publish()

    store.settle()
    segments = read_back(store)
    assert kept
    assert calls_of(segments) == [call_record(number) for number in range(3)]
    assert names(published) == names(segments[1:])
    assert not writer.unpublished


def test_a_segment_waits_for_the_one_before_it(store: FaultStore, writer: LogWriter) -> None:
    """Were the second put while the first is missing, a reader would see a hole."""
    store.plan.append(Rule(ErrorBefore(), "put", times=3))
    for number in range(3):
        writer.append(call_record(number))
        with pytest.raises(StoreUnavailableError):
            writer.publish()
    attempts = [call.name for call in store.calls]

    published = writer.publish()

    assert len(set(attempts)) == 1
    assert [call.name for call in store.calls[3:]] == names(published)
    assert [segment.header.seq for segment in published] == [0, 1, 2]


def test_segments_put_before_an_error_are_returned_later(
    store: FaultStore, writer: LogWriter
) -> None:
    """Whoever keeps a view must hear of each segment once."""
    store.plan.append(Rule(ErrorBefore(), "put", times=1))
    writer.append(call_record(0))
    with pytest.raises(StoreUnavailableError):
        writer.publish()
    writer.append(call_record(1))
    store.plan.append(Rule(ErrorBefore(), "put", skip=1))
    with pytest.raises(StoreUnavailableError):
        writer.publish()

    published = writer.publish()

    assert [segment.header.seq for segment in published] == [0, 1]
    assert writer.publish() == []


def test_a_batch_that_grows_too_large_is_sealed(
    store: FaultStore, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader refuses large segments; the dots say which segment a call is in."""
    monkeypatch.setattr(writer_module, "BATCH_SIZE_MAX", 3 * entry_size(call_record()))
    dots = [writer.append(call_record(number)) for number in range(7)]

    published = writer.publish()

    assert [segment.calls.row_count for segment in published] == [3, 3, 1]
    assert dots == [s.dot(row) for s in read_back(store) for row in range(s.calls.row_count)]


def test_a_writer_of_very_many_segments_becomes_another(
    store: FaultStore, writer: LogWriter
) -> None:
    """The number in a name has six digits."""
    opened = writer._state.open
    last = replace(opened, position=opened.position._replace(seq=SEQ_MAX), previous=b"p" * 32)
    writer._state = writer._state._replace(open=last)
    writer.append(call_record(0))
    writer.publish()
    dot = writer.append(call_record(1))
    writer.publish()

    view = LogView(store)
    view.refresh()
    found = [segment.header for segment in view.segments.values()]
    headers = sorted((header.writer, header.seq, header.previous) for header in found)
    first, second = (WriterId(number.to_bytes(8, "big")) for number in (1, 2))
    assert headers == [(first, SEQ_MAX, b"p" * 32), (second, 0, NO_PREVIOUS)]
    assert dot == Dot(second, 0, 0)


@pytest.mark.parametrize(
    "entry",
    [
        replace(call_record(), started_us=1 << 63),
        replace(call_record(), duration_us=-1),
        replace(call_record(), op_name="\ud800"),
        replace(call_record(), op_name="x" * ENTRY_SIZE_MAX),
        replace(
            call_record(), inputs=(Slot("\udfff", HistoryId(bytes(16)), ContentId(bytes(32))),)
        ),
        replace(inline_record(), raw_size=5),
        replace(inline_record(), raw_size=-1),
        replace(inline_record(), location="../secret"),
        replace(inline_record(), offset=1),
        replace(inline_record(), codec_version=1 << 32),
        replace(inline_record(), tier=Tier.PACK),
        replace(TOMBSTONE, first=10),
        replace(TOMBSTONE, seq=1 << 24),
        replace(TOMBSTONE, last=1 << 32),
    ],
    ids=range(14),
)
def test_what_cannot_be_written_is_not_taken(
    store: FaultStore, writer: LogWriter, entry: Entry
) -> None:
    """One bad entry must not keep the others of its batch from the log."""
    writer.append(call_record())

    with pytest.raises(UsageError):
        writer.append(entry)

    writer.publish()
    assert calls_of(read_back(store)) == [call_record()]


@pytest.mark.parametrize("session", [{"a": object()}, {"a": "x" * (1 << 20)}])
def test_a_description_that_fits_no_header_is_left_out(
    store: FaultStore, session: dict[str, object]
) -> None:
    """The calls have been made: what is only for people must not keep them from the log."""
    writer = LogWriter(store, signer=None, session=lambda: session, clock_us=lambda: 0)
    writer.append(call_record())

    writer.publish()

    (segment,) = read_back(store)
    assert calls_of([segment]) == [call_record()]
    assert set(segment.header.session) == {"omitted"}


@given(entries)
def test_sizes_are_never_underestimated(entry: Entry) -> None:
    """The limit on batches keeps segments below the limit of readers."""
    payload = sum(
        len(bytes(part)) for part in encode_tables(tuple(build_tables([entry, entry]).values()))
    )
    directory = sum(
        len(bytes(part)) for part in encode_tables(tuple(build_tables([entry]).values()))
    )

    assert payload - directory <= entry_size(entry) + 8 * 20


def test_writers_are_distinct(store: FaultStore) -> None:
    """Each session draws its own id, from the system unless told otherwise."""
    writers = [LogWriter(store, signer=None, session=dict, clock_us=lambda: 0) for _ in range(2)]

    dots = [writer.append(call_record()) for writer in writers]

    assert len(set(dots)) == 2


def test_threads_append_and_publish_at_once(store: FaultStore, writer: LogWriter) -> None:
    """Every record is there once, under the dot that its thread was given."""
    given_dots: dict[CallRecord, Dot | None] = {}

    def work(start: int) -> None:
        for number in range(start, start + 20):
            call = call_record(number)
            given_dots[call] = writer.append(call)
            if number % 5 == 0:
                writer.publish()

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 160, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.publish()

    found = {s.call_record(r): s.dot(r) for s in read_back(store) for r in range(s.calls.row_count)}
    assert found == given_dots
    assert len(found) == 160


def test_appending_does_not_wait_for_a_slow_store(store: FaultStore, writer: LogWriter) -> None:
    """An op that returns while another thread publishes goes on at once."""
    hang = Hang()
    store.plan.append(Rule(hang, "put"))
    writer.append(call_record(0))
    publisher = threading.Thread(target=writer.publish)
    publisher.start()
    assert hang.reached.wait(30)

    dot = writer.append(call_record(1))

    assert dot is not None
    assert dot.seq == 1
    assert writer.unpublished
    hang.released.set()
    publisher.join()
    writer.publish()
    assert calls_of(read_back(store)) == [call_record(0), call_record(1)]


@pytest.fixture
def forked() -> Callable[[Callable[[], bytes]], bytes]:
    """Return a function that runs another one in a forked child, and returns its bytes."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")

    def run(work: Callable[[], bytes]) -> bytes:
        receiving, sending = os.pipe()
        child = os.fork()
        if child == 0:
            # Nothing may escape: this process must not go on with the test suite.
            try:
                os.write(sending, work())
            finally:
                os._exit(0)
        os.close(sending)
        with os.fdopen(receiving, "rb") as answer:
            data = answer.read()
        os.waitpid(child, 0)
        return data

    return run


def test_a_forked_child_is_another_writer(
    store: FaultStore, writer: LogWriter, forked: Callable[[Callable[[], bytes]], bytes]
) -> None:
    """What was open at the fork is its parent's; no dot is given twice."""
    store.plan.append(Rule(ErrorBefore(), "put"))
    writer.append(call_record(0))
    with pytest.raises(StoreUnavailableError):
        writer.publish()
    mine = writer.append(call_record(1))

    def work() -> bytes:
        inherited = writer.unpublished
        dot = writer.append(call_record(2))
        published = writer.publish()
        assert dot is not None
        previous = published[0].header.previous
        return bytes([inherited, len(published)]) + dot.writer + bytes([dot.seq]) + previous

    answer = forked(work)

    assert mine is not None
    assert answer[:2] == bytes([False, 1])
    assert answer[2:10] != mine.writer
    assert answer[10:] == bytes([0]) + NO_PREVIOUS
    assert len(writer.publish()) == 2
    assert calls_of(read_back(store)) == [call_record(0), call_record(1)]


# Newer Pythons warn of forks in processes that have threads; this test is about them.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_another_thread_publishes_hangs_nobody(
    store: FaultStore, writer: LogWriter, forked: Callable[[Callable[[], bytes]], bytes]
) -> None:
    """The child has a copy of a lock that nobody in it will ever free."""
    hang = Hang()
    store.plan.append(Rule(hang, "put"))
    view = LogView(store)
    writer.append(call_record(0))
    publisher = threading.Thread(target=writer.publish)
    publisher.start()
    assert hang.reached.wait(30)

    def work() -> bytes:
        writer.append(call_record(1))
        writer.publish()
        return bytes([len(view.refresh())])

    try:
        answer = forked(work)
    finally:
        hang.released.set()
        publisher.join()
    assert answer == bytes([1])
    assert len(list(store.list(SEGMENTS))) == 1
