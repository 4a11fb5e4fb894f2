"""Garbage collection on small stores: what goes, what stays, and when."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.upkeep.collecting import NOW_US, Clocked, Weak, ageless, plan, run
from tests.unit.upkeep.small_stores import (
    call_of,
    elsewhere,
    inline_of,
    payload_names,
    publish,
    put_loose,
    put_pack,
    sealed_of,
    tag_of,
    tombstone_of,
    unreadable,
)

from mandala_cas.envelope.signatures import SigningKey
from mandala_cas.errors import UsageError
from mandala_cas.log.announcements import Announcements, encode_done
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Untag
from mandala_cas.objectstore.layout import (
    COLLECTIONS,
    SEGMENTS,
    TEMPORARY,
    blob_name,
    collection_name,
)
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.counting import CountingObjectStore
from mandala_cas.upkeep.collecting.collect import DAY_S, GRACE_S, KEPT_S
from mandala_cas.upkeep.collecting.garbage import AGELESS, FOREIGN, TAGGED, USED, WAITING, YOUNG


@pytest.fixture
def clocked() -> Clocked:
    """Return a store whose clock the test turns."""
    return Clocked()


def names(store: MemoryObjectStore, prefix: str = "") -> list[str]:
    """Return what there is below a prefix."""
    return sorted(info.name for info in store.list(prefix))


def drop_one_of_two(store: MemoryObjectStore) -> tuple[str, str]:
    """Record two calls with a loose output each, drop one; return the kept and the other blob."""
    kept, dropped = put_loose(store, "kept"), put_loose(store, "dropped")
    dots = publish(
        store,
        inline_of("x"),
        kept,
        dropped,
        call_of("train", ["x"], ["kept"]),
        call_of("test", ["x"], ["dropped"], duration_us=90_000_000),
    )
    publish(store, tombstone_of(dots[1]), writer=2)
    return kept.location, dropped.location


def test_only_what_no_live_call_needs_is_deleted(memory: MemoryObjectStore) -> None:
    """And a fresh reader reads all that is left."""
    kept, dropped = drop_one_of_two(memory)

    report = run(memory)

    assert report.deleted == (dropped,)
    assert payload_names(memory) == [kept]
    assert unreadable(memory) == []


def test_payload_that_was_never_published_is_garbage(memory: MemoryObjectStore) -> None:
    """What a crash left between payload and segment costs space, until here."""
    kept, _ = drop_one_of_two(memory)
    put_pack(memory, "orphan", "another")

    report = run(memory)

    assert len(report.deleted) == 2
    assert payload_names(memory) == [kept]


def test_what_only_an_input_needs_is_kept(memory: MemoryObjectStore) -> None:
    """The call that made it was dropped; the one that uses it was not."""
    made = put_loose(memory, "middle")
    dots = publish(memory, made, inline_of("x"), call_of("make", ["x"], ["middle"]))
    publish(memory, made, inline_of("y"), call_of("use", ["middle"], ["y"]), writer=2)
    publish(memory, tombstone_of(dots[0]), writer=3)

    assert run(memory).deleted == ()
    assert payload_names(memory) == [made.location]


def test_every_place_of_a_live_value_is_kept(memory: MemoryObjectStore) -> None:
    """Some writer relies on each, and none is better than another."""
    loose, (packed, _) = put_loose(memory, "twice"), put_pack(memory, "twice", "rest")
    # Of the two, only the first segment has a call.
    publish(memory, loose, inline_of("x"), call_of("make", ["x"], ["twice"]))
    publish(memory, packed, writer=2)

    assert run(memory).deleted == ()
    assert payload_names(memory) == sorted((loose.location, packed.location))


def test_a_pack_stays_as_long_as_one_of_its_values_is_needed(memory: MemoryObjectStore) -> None:
    """An object goes whole or not at all."""
    one, two = put_pack(memory, "one", "two")
    dots = publish(
        memory,
        one,
        two,
        inline_of("x"),
        call_of("f", ["x"], ["one"]),
        call_of("g", ["x"], ["two"]),
    )
    publish(memory, tombstone_of(dots[0]), writer=2)
    assert run(memory).deleted == ()

    publish(memory, tombstone_of(dots[1]), writer=3)

    assert run(memory).deleted == (one.location,)


def test_a_tag_on_a_ref_keeps_its_value_until_it_is_taken_off(memory: MemoryObjectStore) -> None:
    """What people named they want, whatever was dropped."""
    best = put_loose(memory, "best")
    dots = publish(memory, best, inline_of("x"), call_of("make", ["x"], ["best"]))
    # The tag stands in row 0 of `tags` of another writer's first segment.
    publish(memory, best, tag_of("best"), tombstone_of(dots[0]), writer=2)

    first = run(memory)
    publish(memory, Untag((2).to_bytes(8, "big"), 0, 0, 0), writer=3)  # type: ignore[arg-type]
    second = run(memory)

    assert (first.deleted, first.kept_because[TAGGED].object_count) == ((), 1)
    assert second.deleted == (best.location,)


def test_a_tag_on_a_call_keeps_all_its_values(memory: MemoryObjectStore) -> None:
    """Also those of a call that was dropped."""
    call = call_of("make", ["in"], ["out"])
    values = put_pack(memory, "in") + put_pack(memory, "out", nonce=2)
    dots = publish(memory, *values, call)
    publish(memory, tag_of(call), tombstone_of(dots[0]), writer=2)

    report = run(memory)

    assert report.deleted == ()
    assert report.kept_because[TAGGED].object_count == 2


def test_a_plan_says_what_happens_and_touches_nothing(memory: MemoryObjectStore) -> None:
    """People look first."""
    drop_one_of_two(memory)
    before = names(memory)

    planned = plan(memory)

    assert names(memory) == before
    done = run(memory)
    assert planned.deleted == done.deleted
    assert (planned.by_op, planned.kept_because) == (done.by_op, done.kept_because)
    assert (planned.carried_out, done.carried_out) == (False, True)


def test_a_second_collection_deletes_and_announces_nothing(memory: MemoryObjectStore) -> None:
    """One is enough."""
    drop_one_of_two(memory)
    run(memory)
    before = names(memory)

    assert run(memory).deleted == ()
    assert names(memory) == before


def test_what_is_younger_than_the_grace_is_kept(clocked: Clocked) -> None:
    """It may be of somebody who has not published yet."""
    kept, dropped = drop_one_of_two(clocked.objects)

    clocked.now += GRACE_S - 1
    early = run(clocked.objects, grace_s=GRACE_S)
    clocked.now += 1
    late = run(clocked.objects, grace_s=GRACE_S)

    assert (early.deleted, early.kept_because[YOUNG].object_count) == ((), 1)
    assert late.deleted == (dropped,)
    assert payload_names(clocked.objects) == [kept]


def test_in_a_quiet_store_garbage_grows_old_as_well(clocked: Clocked) -> None:
    """The newest object is from the day of the drop, so the store is asked for the time.

    Were ages counted from the newest object alone, a store to which nobody writes would keep its
    garbage for ever.
    """
    _, dropped = drop_one_of_two(clocked.objects)
    clocked.now += GRACE_S

    planned = plan(clocked.objects, grace_s=GRACE_S)
    report = run(clocked.objects, grace_s=GRACE_S)

    assert planned.deleted == ()
    assert report.deleted == (dropped,)
    assert report.as_of == clocked.now


def test_what_asks_for_the_time_leaves_nothing_behind(clocked: Clocked) -> None:
    """Else every collection would make the next one's garbage."""
    drop_one_of_two(clocked.objects)
    before = names(clocked.objects)

    run(clocked.objects, grace_s=GRACE_S)

    assert names(clocked.objects) == before


def test_objects_that_no_version_named_are_kept(memory: MemoryObjectStore) -> None:
    """They may be anyone's; a name is compared exactly as it is stored."""
    hash_, sealed = sealed_of("upper")
    strange = [
        blob_name(hash_).upper().replace("BLOBS", "blobs"),
        "blobs/" + blob_name(hash_).rpartition("/")[2],
        "packs/notes.txt",
    ]
    for name in strange:
        memory.put(name, sealed.parts)

    report = run(memory)

    assert report.deleted == ()
    assert report.kept_because[FOREIGN].object_count == len(strange)


def test_a_live_name_is_not_confused_with_one_that_looks_like_it(memory: MemoryObjectStore) -> None:
    """The same hash with a nonce is another object."""
    live, fresh = put_loose(memory, "v"), put_loose(memory, "v", b"n" * 16)
    publish(memory, live, inline_of("x"), call_of("f", ["x"], ["v"]))

    report = run(memory)

    assert report.deleted == (fresh.location,)
    assert payload_names(memory) == [live.location]


def test_a_record_of_an_object_that_is_gone_changes_nothing(memory: MemoryObjectStore) -> None:
    """Values that were evicted are not here, and that is not the collector's business."""
    kept, dropped = drop_one_of_two(memory)
    memory.delete([kept])

    assert run(memory).deleted == (dropped,)


def test_where_listings_lag_a_day_lies_between_announcing_and_deleting() -> None:
    """A writer whose listing did not show the announcement has published by then, and is seen."""
    clock = Clocked(Weak)
    _, dropped = drop_one_of_two(clock.objects)
    clock.now += GRACE_S

    first = run(clock.objects)
    clock.now += DAY_S - 1
    second = run(clock.objects)
    clock.now += 1
    third = run(clock.objects)

    assert (first.deleted, first.announced_count) == ((), 1)
    assert (second.deleted, second.kept_because[WAITING].object_count) == ((), 1)
    assert (second.announced_count, third.announced_count) == (0, 0)
    assert third.deleted == (dropped,)


def test_where_listings_lag_a_plan_shows_what_a_collection_would_delete_today() -> None:
    """And what it would only announce as waiting."""
    clock = Clocked(Weak)
    _, dropped = drop_one_of_two(clock.objects)
    clock.now += GRACE_S
    publish(clock.objects, inline_of("y"), writer=4)

    before = plan(clock.objects)
    run(clock.objects)
    clock.now += DAY_S
    publish(clock.objects, inline_of("z"), writer=5)
    after = plan(clock.objects)

    assert (before.deleted, before.kept_because[WAITING].object_count) == ((), 1)
    assert after.deleted == (dropped,)


def test_where_listings_lag_the_grace_is_a_week_whatever_was_asked() -> None:
    """Time is all there is to rely on there."""
    clock = Clocked(Weak)
    drop_one_of_two(clock.objects)
    clock.now += GRACE_S - 1

    report = run(clock.objects, grace_s=0)

    assert (report.grace_s, report.announced_count) == (GRACE_S, 0)


def test_where_listings_lag_what_is_used_again_is_spared() -> None:
    """A day later the log is read anew."""
    clock = Clocked(Weak)
    _, dropped = drop_one_of_two(clock.objects)
    clock.now += GRACE_S
    run(clock.objects)
    record = elsewhere(put_loose(MemoryObjectStore(), "dropped"), dropped)
    publish(clock.objects, record, inline_of("x"), call_of("g", ["x"], ["dropped"]), writer=3)
    clock.now += DAY_S

    report = run(clock.objects)

    assert report.deleted == ()
    assert dropped in payload_names(clock.objects)
    (done,) = Announcements(clock.objects).read_done(names(clock.objects, COLLECTIONS))
    assert (done.deleted_count, done.spared_count) == (0, 1)


def test_without_times_everything_is_kept_unless_asked_for_no_grace(
    memory: MemoryObjectStore,
) -> None:
    """What has no age is not known to be old."""
    _, dropped = drop_one_of_two(memory)

    careful = run(ageless(memory), grace_s=1)
    bold = run(ageless(memory), grace_s=0)

    assert (careful.deleted, careful.kept_because[AGELESS].object_count) == ((), 1)
    assert bold.deleted == (dropped,)


def test_announcements_are_kept_for_thirty_days_after_they_were_carried_out(
    clocked: Clocked,
) -> None:
    """A writer that was asleep must find them; after that nobody needs them."""
    drop_one_of_two(clocked.objects)
    run(clocked.objects)
    clocked.now += KEPT_S
    publish(clocked.objects, inline_of("y"), writer=4)

    early = run(clocked.objects)
    clocked.now += 1
    publish(clocked.objects, inline_of("z"), writer=5)
    late = run(clocked.objects)

    assert (early.expired_count, late.expired_count) == (0, 1)
    assert names(clocked.objects, COLLECTIONS) == []


def test_of_two_collectors_that_carried_out_the_same_the_later_one_counts(
    clocked: Clocked,
) -> None:
    """Whoever was asleep during the second deletion must still find what it was about."""
    drop_one_of_two(clocked.objects)
    run(clocked.objects)
    (condemned,) = Announcements(clocked.objects).read(names(clocked.objects, COLLECTIONS))
    clocked.now += KEPT_S
    name, sealed = encode_done(
        condemned.name, 1, 0, created_us=NOW_US, nonce=b"n" * 16, signer=None
    )
    clocked.objects.put(name, sealed.parts)

    clocked.now += 1
    publish(clocked.objects, inline_of("y"), writer=4)
    early = run(clocked.objects)
    clocked.now += KEPT_S
    publish(clocked.objects, inline_of("z"), writer=5)
    late = run(clocked.objects)

    assert (early.expired_count, late.expired_count) == (0, 1)
    assert names(clocked.objects, COLLECTIONS) == []


def test_a_damaged_announcement_goes_when_it_is_old(clocked: Clocked) -> None:
    """Nobody can carry it out, and nobody can read it."""
    clocked.objects.put(collection_name(bytes(32), "condemned"), [b"?"])
    clocked.now += KEPT_S
    publish(clocked.objects, inline_of("y"))
    assert run(clocked.objects).expired_count == 0

    clocked.now += 1
    publish(clocked.objects, inline_of("z"), writer=2)

    assert run(clocked.objects).expired_count == 1
    assert names(clocked.objects, COLLECTIONS) == []


def test_an_announcement_that_nobody_carried_out_is_carried_out_and_kept() -> None:
    """However old it is: thirty days are counted from the deletion."""
    clock = Clocked(Weak)
    drop_one_of_two(clock.objects)
    clock.now += GRACE_S
    run(clock.objects)
    clock.now += 2 * KEPT_S

    report = run(clock.objects)
    again = run(clock.objects)

    assert (len(report.deleted), report.expired_count) == (1, 0)
    assert again.expired_count == 0
    assert len(names(clock.objects, COLLECTIONS)) == 2


def test_an_announcement_carries_the_signature_of_who_made_it(memory: MemoryObjectStore) -> None:
    """As everything in the log does."""
    drop_one_of_two(memory)
    signer = SigningKey(b"k" * 32)

    run(memory, signer=signer)

    found = Announcements(memory)
    (condemned,) = found.read(names(memory, COLLECTIONS))
    (done,) = found.read_done(names(memory, COLLECTIONS))
    assert condemned.signature is not None
    assert condemned.signature.public_key == signer.public_key
    assert condemned.signature.verified_key()
    assert done.signature is not None
    assert (done.condemned, done.deleted_count) == (condemned.name, 1)


def test_a_directory_loses_the_temporary_files_of_dead_writers(tmp_path: Path) -> None:
    """They are in no listing, so nobody else would find them."""
    store = LocalObjectStore(tmp_path)
    publish(store, inline_of("x"))
    leftover = tmp_path / TEMPORARY / "123-4-abc"
    leftover.write_bytes(b"half of it")
    import os  # noqa: PLC0415 (one test sets a time)

    os.utime(leftover, (1e9, 1e9))

    report = run(store)

    assert report.leftover_count == 1
    assert not leftover.exists()


@pytest.mark.parametrize("grace_s", [-1.0, float("nan")])
def test_a_grace_is_no_negative_time(memory: MemoryObjectStore, grace_s: float) -> None:
    """It would make objects of the future old."""
    with pytest.raises(UsageError, match="seconds from 0 on"):
        run(memory, grace_s=grace_s)


def test_a_hundred_thousand_objects_cost_a_hundred_listings_and_a_few_requests() -> None:
    """Nothing is asked per object but its deletion."""
    inner = MemoryObjectStore()
    hash_ = sealed_of("v")[0]
    for number in range(100_000):
        inner.put(blob_name(hash_, number.to_bytes(16, "big")), [b""])
    publish(inner, inline_of("x"))
    store = CountingObjectStore(inner)

    report = run(store)

    assert len(report.deleted) == 100_000
    requests = store.requests
    # The manifest twice, the store once, and the folder of the object that asks for the time.
    assert requests.lists <= 105
    assert requests.gets == 2
    # An announcement, how it ended, and what asks for the time.
    assert requests.puts <= 3
    assert requests.deletes <= 100_001


def test_a_plan_costs_two_listings(memory: MemoryObjectStore) -> None:
    """And a read of each segment, once."""
    drop_one_of_two(memory)
    store = CountingObjectStore(memory)

    plan(store)

    assert (store.requests.lists, store.requests.gets, store.requests.puts) == (2, 2, 0)
    assert len(names(memory, SEGMENTS)) == 2
    assert LogView(store).segments == {}
    assert USED in plan(store).kept_because
