"""Batches: what goes into a segment with a call, when they are committed, and by whom."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from tests.unit.values.self_contained import (
    assert_self_contained,
    contents_of,
    rows_of,
    segments_of,
)

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.imports import Storage, op
from mandala_cas.log import writer as writer_module
from mandala_cas.model.entries import TagRecord, TagTarget, Tier, Untag
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import ErrorBefore, FaultStore, Hang, Rule
from mandala_cas.testing.counting import CountingObjectStore
from mandala_cas.values import recorder as recorder_module

SIZES = {Tier.INLINE: 10, Tier.PACK: 5_000, Tier.LOOSE: 300_000}
TIERS = [tier.name for tier in SIZES]


@op
def noise(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(size)


@op
def total(numbers: Any) -> float:
    """Use a value."""
    return float(numbers.sum())


@op
def same(numbers: Any) -> Any:
    """Return what was given."""
    return numbers


@op
def increment(x: int) -> int:
    """Return the next number."""
    return x + 1


@pytest.fixture
def objects() -> MemoryObjectStore:
    """Return an empty store."""
    return MemoryObjectStore()


@pytest.mark.parametrize("size", SIZES.values(), ids=TIERS)
def test_a_value_of_another_segment_is_placed_again(objects: MemoryObjectStore, size: int) -> None:
    """A run made of the second segment alone must be able to say where the input is."""
    storage = Storage(objects)
    with storage:
        ref = noise(1, size)
    with storage:
        total(ref)
        total(ref.detached())

    first, second = segments_of(objects)
    assert_self_contained([first, second])
    shared = contents_of(first) & contents_of(second)
    assert [row for row in rows_of(second) if row.content_id in shared] == [
        row for row in rows_of(first) if row.content_id in shared
    ]


@pytest.mark.parametrize("size", SIZES.values(), ids=TIERS)
def test_a_call_answered_by_one_of_equal_content_brings_its_values(
    objects: MemoryObjectStore, size: int
) -> None:
    """Its record outlives the call that computed them."""
    storage = Storage(objects)
    with storage:
        ref = noise(1, size)
        total(ref)
    with Storage(objects) as later:
        total(later.unwrap(ref.detached()))

    segments = segments_of(objects)
    assert len(segments) == 2
    assert_self_contained(segments)


@pytest.mark.parametrize("size", SIZES.values(), ids=TIERS)
def test_a_batch_that_overflows_is_whole_in_both_segments(
    objects: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The second has calls that use values of the first, which nobody has put yet."""
    storage = Storage(objects)
    with storage:
        refs: list[Any] = [noise(seed, size) for seed in range(3)]
        monkeypatch.setattr(writer_module, "BATCH_SIZE_MAX", 1)
        for ref in refs:
            total(ref)
            same(ref)

    segments = segments_of(objects)
    assert len(segments) > 3
    assert_self_contained(segments)
    values = Storage(objects).unwrap([ref.detached() for ref in refs])
    for seed, value in enumerate(values):
        assert np.array_equal(value, noise.f(seed, size))


def test_what_a_tag_names_can_be_read_from_its_segment(objects: MemoryObjectStore) -> None:
    """A tag keeps its ref also when the calls around it are dropped."""
    storage = Storage(objects)
    with storage:
        ref: Any = noise(1, SIZES[Tier.PACK])
    tag = TagRecord("best", TagTarget.REF, ref.history_id, ref.content_id, 1)

    storage._parts.recorder.tag([tag])
    storage.commit()

    _, segment = segments_of(objects)
    assert segment.tag_record(0) == tag
    assert_self_contained([segment])


def test_tags_have_dots_that_an_untag_can_name(objects: MemoryObjectStore) -> None:
    """They are counted apart from calls, as the rows of their table are."""
    storage = Storage(objects)
    with storage:
        ref: Any = increment(1)
        tags = [TagRecord(name, TagTarget.REF, ref.history_id, ref.content_id, 1) for name in "ab"]
        storage._parts.recorder.tag(tags)
        dots = [dot for entry, dot in storage._parts.recorder.unpublished() if entry in tags]
        assert dots[1] is not None
        storage._parts.recorder.untag(
            [Untag(dots[1].writer, dots[1].seq, dots[1].row, dots[1].row)]
        )

    (segment,) = segments_of(objects)
    assert dots == [segment.tag_dot(0), segment.tag_dot(1)]
    assert segment.tag_rows_named_by(segment.untags[0]) == range(1, 2)


def test_a_copy_that_this_user_can_decode_is_placed_again(objects: MemoryObjectStore) -> None:
    """The other one is somebody's pickle, and may be refused for ever."""
    one, other = Storage(objects), Storage(objects)
    size = SIZES[Tier.PACK]
    with one:
        ref: Any = noise(1, size)
    other._parts.recorder.lookout.looked_s = float("inf")
    with other:
        noise(1, size)
    theirs, own = segments_of(objects)
    later = Storage(objects)
    later._parts.recorder._batches._is_readable = lambda copy: copy.segment == own.name

    with later:
        total(ref.detached())

    third = segments_of(objects)[2]
    places = {row.location for row in rows_of(third) if row.tier is Tier.PACK}
    assert places == {row.location for row in rows_of(own) if row.tier is Tier.PACK}
    assert places != {row.location for row in rows_of(theirs) if row.tier is Tier.PACK}


def test_while_the_store_is_away_batches_do_not_pile_up() -> None:
    """Every try would make a segment, and every opening would read them all."""
    inner = MemoryObjectStore()
    Storage(inner).close()
    away = Rule(ErrorBefore(), "put", times=None)
    objects = FaultStore(inner, [away])
    storage = Storage(objects, flush_after=0)
    with pytest.raises(StoreUnavailableError), storage:
        for seed in range(20):
            noise(seed, 10)

    objects.plan.remove(away)
    storage.commit()

    assert len(segments_of(inner)) == 2


def test_other_threads_compute_and_hit_while_one_commits() -> None:
    """An upload of a minute must not stop a sweep."""
    inner = MemoryObjectStore()
    Storage(inner).close()
    hang = Hang()
    objects = FaultStore(inner, [Rule(hang, "put", "manifest/")])
    storage = Storage(objects)
    with storage:
        increment(1)
        committing = threading.Thread(target=storage.commit)
        committing.start()
        hang.reached.wait(30)

        hit: Any = increment(1)
        computed: Any = increment(2)
        assert (hit.in_memory, computed.in_memory) == (False, True)
        assert storage.unwrap(hit) == 2
        hang.released.set()
        committing.join(30)

    segments = segments_of(inner)
    assert [segment.calls.row_count for segment in segments] == [1, 1]
    assert_self_contained(segments)


def test_a_batch_of_many_records_is_committed(
    objects: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever they hold: a crash would lose them, and nobody else sees them."""
    monkeypatch.setattr(recorder_module, "HELD_RECORDS_MAX", 2)
    storage = Storage(objects)
    with storage:
        for x in range(4):
            increment(x)

        assert len(segments_of(objects)) == 1


def test_a_batch_of_many_bytes_is_committed(
    objects: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is the user's."""
    monkeypatch.setattr(recorder_module, "HELD_BYTES_MAX", 100_000)
    storage = Storage(objects)
    with storage:
        for seed in range(4):
            noise(seed, SIZES[Tier.PACK])

        assert len(segments_of(objects)) == 1


def test_rows_of_other_segments_cost_no_request(objects: MemoryObjectStore) -> None:
    """The index has them."""
    counting = CountingObjectStore(objects)
    storage = Storage(counting, flush_after=1000)
    with storage:
        refs = [noise(seed, 5_000).detached() for seed in range(5)]
    before = counting.requests
    with storage:
        for ref in refs:
            same(storage.unwrap(ref))
    after = counting.requests - before

    # One pack was read, for each value that was unwrapped; what follows writes no pack.
    assert (after.puts, after.lists) == (1, 1)
    assert_self_contained(segments_of(objects))
