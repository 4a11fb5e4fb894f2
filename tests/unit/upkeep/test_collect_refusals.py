"""When garbage collection refuses, and that nothing is gone then."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.unit.upkeep.collecting import Before, plan, run
from tests.unit.upkeep.small_stores import (
    call_of,
    inline_of,
    payload_names,
    publish,
    put_loose,
    tombstone_of,
)

from mandala_cas.errors import (
    CorruptionError,
    StoreUnavailableError,
    UnsupportedFormatError,
    UsageError,
)
from mandala_cas.log.announcements import encode_condemned
from mandala_cas.log.listing import Listing
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.api import ObjectInfo
from mandala_cas.objectstore.layout import CONFIG, QUARANTINE, README, RUN_PARTS, run_name
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import (
    Deny,
    ErrorAfter,
    ErrorBefore,
    FaultStore,
    FlippedGet,
    PartialList,
    Rule,
)
from mandala_cas.upkeep.collecting.collect import collect


@pytest.fixture
def store(memory: MemoryObjectStore) -> MemoryObjectStore:
    """Return a store with one loose blob that is garbage, and one that is not."""
    kept, dropped = put_loose(memory, "kept"), put_loose(memory, "dropped")
    dots = publish(
        memory,
        inline_of("x"),
        kept,
        dropped,
        call_of("f", ["x"], ["kept"]),
        call_of("g", ["x"], ["dropped"]),
    )
    publish(memory, tombstone_of(dots[1]), writer=2)
    return memory


def everything(store: MemoryObjectStore) -> list[str]:
    """Return all names."""
    return sorted(info.name for info in store.list(""))


def test_a_feature_that_this_version_does_not_know_is_refused(store: MemoryObjectStore) -> None:
    """Objects may be kept for a reason that it cannot see."""
    before = everything(store)

    with pytest.raises(UnsupportedFormatError, match=r"leases.*upgrade"):
        run(store, features=("leases",))

    assert everything(store) == before


@pytest.mark.parametrize("name", ["chunks/00/abc", "catalog", "Packs/00/abc", "other/config"])
@pytest.mark.parametrize("act", [plan, run])
def test_something_unknown_in_the_root_is_refused(
    store: MemoryObjectStore, name: str, act: Callable[[MemoryObjectStore], object]
) -> None:
    """A newer version may name payload from there; or it is another store altogether."""
    store.put(name, [b"?"])
    before = everything(store)

    with pytest.raises(UnsupportedFormatError, match=name.partition("/")[0]):
        act(store)

    assert everything(store) == before


def test_what_every_store_has_in_its_root_is_known(store: MemoryObjectStore) -> None:
    """Else nothing could ever be collected."""
    for name in (README, CONFIG, QUARANTINE + "manifest/1-log/x", RUN_PARTS + "strange"):
        store.put(name, [b"?"])

    assert len(run(store).deleted) == 1
    assert len(everything(store)) == 2 + 1 + 4 + 2


@pytest.mark.parametrize("act", [plan, run])
def test_a_damaged_segment_is_refused(
    store: MemoryObjectStore, act: Callable[[object], object]
) -> None:
    """What it names would count as garbage."""
    damaged = FaultStore(store, [Rule(FlippedGet(900), "get", "manifest/1-log/", times=None)])
    before = everything(store)

    with pytest.raises(CorruptionError, match=r"cannot be read.*fsck, then repair"):
        act(damaged)

    assert everything(store) == before


def test_damage_that_is_seen_only_when_the_log_is_read_again_stops_the_deletion(
    store: MemoryObjectStore,
) -> None:
    """Announced is not deleted: the announcement is carried out when the log is whole again."""
    before = payload_names(store)
    bad = "manifest/1-log/000000000000-0000000000000009-000000-0000000000000000"
    faulty = FaultStore(
        store,
        [Rule(Before(lambda: store.put(bad, [b"no segment"])), "put", "manifest/3-gc/")],
    )

    with pytest.raises(CorruptionError, match="cannot be read"):
        run(faulty)

    assert payload_names(store) == before
    store.delete([bad])
    assert len(run(store).deleted) == 1


def test_a_run_of_which_nothing_is_known_is_refused(store: MemoryObjectStore) -> None:
    """A manifest that is listed and was not read names parts that would count as garbage."""

    class Blind(LogView):
        """A view that lists a run and has not read it."""

        @property
        def listing(self) -> Listing:
            """Show a run."""
            name = run_name(1, bytes(32))
            return replace(super().listing, runs={name: ObjectInfo(name, 1)})

    before = everything(store)

    with pytest.raises(CorruptionError, match="2-run"):
        run(store, view=Blind(store))

    assert everything(store) == before


def test_an_announcement_that_is_not_listed_stops_the_deletion(store: MemoryObjectStore) -> None:
    """Writers would not see it either; the store lists less well than it says."""
    before = payload_names(store)
    # The second listing of the manifest ends before the announcements.
    hidden = FaultStore(store, [Rule(PartialList(2), "list", "manifest/", skip=1)])

    with pytest.raises(StoreUnavailableError, match=r"does not show.*collect again"):
        run(hidden)

    assert payload_names(store) == before
    assert len(run(store).deleted) == 1


def test_an_announcement_that_cannot_be_read_back_stops_the_deletion(
    store: MemoryObjectStore,
) -> None:
    """Writers could not read it either."""
    before = payload_names(store)
    faulty = FaultStore(store, [Rule(FlippedGet(2000), "get", "manifest/3-gc/")])

    with pytest.raises(CorruptionError, match="bytes that its name says"):
        run(faulty)

    assert payload_names(store) == before


def test_an_announcement_of_a_newer_version_is_refused(store: MemoryObjectStore) -> None:
    """What it condemns cannot be known."""
    before = payload_names(store)
    name, sealed = encode_condemned(["a"], created_us=1, nonce=b"n" * 16, signer=None)
    newer = sealed.to_bytes().replace(b"min_reader\x01", b"min_reader\x02")
    assert newer != sealed.to_bytes()
    store.put(name, [newer])

    # Its bytes are not those of its name, so it is damage, and nobody's announcement.
    assert len(run(store).deleted) == 1
    assert before != payload_names(store)


@pytest.mark.parametrize("operation", ["put", "delete"])
def test_who_may_not_write_is_told_so_and_loses_nothing(
    store: MemoryObjectStore, operation: str
) -> None:
    """Credentials that can only add are a good idea; they cannot collect."""
    before = payload_names(store)
    denied = FaultStore(store, [Rule(Deny(), operation, times=None)])  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="may not"):
        run(denied)

    assert payload_names(store) == before
    assert len(run(store).deleted) == 1


@pytest.mark.parametrize("fault", [ErrorBefore(), ErrorAfter()])
@pytest.mark.parametrize("at_call", range(12))
def test_after_a_failed_request_the_next_collection_finishes(
    store: MemoryObjectStore, fault: ErrorBefore | ErrorAfter, at_call: int
) -> None:
    """Whether the request took effect or not."""
    faulty = FaultStore(store, [Rule(fault, skip=at_call)], forbid_overwrite=True)
    with suppress(StoreUnavailableError):
        run(faulty)
    assert len(faulty.calls) <= at_call + 1

    run(store)

    assert len(payload_names(store)) == 1
    assert run(store).deleted == ()
    assert len([name for name in everything(store) if name.endswith(".done")]) == len(
        [name for name in everything(store) if name.endswith(".condemned")]
    )


def test_what_somebody_else_deleted_meanwhile_is_no_error(store: MemoryObjectStore) -> None:
    """Two collections at once find the same garbage."""

    def other() -> None:
        run(store)

    racing = FaultStore(store, [Rule(Before(other), "delete", "blobs/")])

    report = run(racing)

    assert len(report.deleted) == 1
    assert len(payload_names(store)) == 1


def test_a_collector_that_slept_reads_the_log_again_before_it_deletes(
    store: MemoryObjectStore,
) -> None:
    """Others may have carried its announcement out, and removed it, long ago."""
    (dropped,) = plan(store).deleted
    readings = 0

    def clock_us() -> int:
        """Sleep for forty days before the deletion, while somebody uses the value again."""
        nonlocal readings
        readings += 1
        # The first is for the log, then one for the announcement, then one for the log again.
        if readings == 4:
            entries = put_loose(store, "dropped"), call_of("h", ["x"], ["dropped"]), inline_of("x")
            publish(store, *entries, writer=3)
        return 40 * 86_400_000_000 if readings >= 4 else 0

    report = collect(
        store, LogView(store), gc_features=(), signer=None, grace_s=0, clock_us=clock_us
    )

    assert readings > 4
    assert report.deleted == ()
    assert dropped in payload_names(store)
