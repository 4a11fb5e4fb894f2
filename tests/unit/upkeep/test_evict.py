"""Freeing of local bytes: only what another store holds goes, and all of it comes back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.unit.upkeep.collecting import NOW_US, Before, Weak, run
from tests.unit.upkeep.other_stores import Lasting, promises_at
from tests.unit.upkeep.small_stores import (
    Writer,
    call_of,
    content_of,
    inline_of,
    payload_names,
    publish,
    put_loose,
    put_pack,
    tombstone_of,
    unreadable,
)

from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.log.announcements import Announcements
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import ValueRecord
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import COLLECTIONS, SEGMENTS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import CrashPoint, SimulatedCrash, crash_at_every_call
from mandala_cas.testing.faults import Crash, FaultStore, Rule
from mandala_cas.upkeep.collecting.evict import NOT_HELD, NOT_LIVE, EvictReport, evict
from mandala_cas.values.freed import Freed

URL = "s3://bucket/store"


def fill(store: ObjectStore, *, nonce: int = 1) -> list[ValueRecord]:
    """Record three calls: a loose output, and two in one pack."""
    values = [put_loose(store, "a"), *put_pack(store, "b", "c", nonce=nonce)]
    calls = [call_of(f"op_{text}", ["x"], [text]) for text in "abc"]
    publish(store, inline_of("x"), *values, *calls)
    return values


def free(
    objects: ObjectStore, remote: ObjectStore, folder: Path, *, verify: bool = False
) -> EvictReport:
    """Evict, with fresh views."""
    return evict(
        objects,
        LogView(objects),
        remote,
        LogView(remote),
        promises=promises_at(folder),
        signer=None,
        verify=verify,
        clock_us=lambda: NOW_US,
        draw=lambda size: b"d" * size,
    )


@pytest.fixture
def remote() -> Lasting:
    """Return a store that holds everything."""
    store = Lasting(URL)
    # Another pack than the local one: what counts is the values.
    fill(store, nonce=2)
    return store


def test_what_another_store_holds_is_freed_and_comes_back(
    memory: MemoryObjectStore, remote: Lasting, tmp_path: Path
) -> None:
    """The records stay."""
    loose, packed, _ = fill(memory)
    segments = [info.name for info in memory.list(SEGMENTS)]

    report = free(memory, remote, tmp_path)

    assert payload_names(memory) == []
    assert set(report.freed) == {loose.location, packed.location}
    assert [info.name for info in memory.list(SEGMENTS)] == segments
    promises = promises_at(tmp_path, remote)
    wanted = [content_of(text) for text in "abc"]
    assert set(promises.fetch(wanted)) == set(wanted)
    places = [(record.location, record.content_id) for record in (loose, packed)]
    assert promises.among(places) == set(places)


def test_a_pack_stays_if_one_live_value_in_it_is_held_nowhere_else(
    memory: MemoryObjectStore, tmp_path: Path
) -> None:
    """An object goes whole or not at all."""
    fill(memory)
    remote = Lasting(URL)
    values = [put_loose(remote, "a"), *put_pack(remote, "b")]
    publish(remote, inline_of("x"), *values, *(call_of(f"op_{t}", ["x"], [t]) for t in "ab"))

    report = free(memory, remote, tmp_path)

    assert len(report.freed) == 1
    assert unreadable(memory) == ["op_a output_0"]
    assert report.kept_because[NOT_HELD].object_count == 1


def test_a_dropped_value_in_a_pack_does_not_hold_it(
    memory: MemoryObjectStore, remote: Lasting, tmp_path: Path
) -> None:
    """Nobody needs it."""
    values = put_pack(memory, "b", "mine")
    dots = publish(
        memory,
        inline_of("x"),
        *values,
        call_of("op_b", ["x"], ["b"]),
        call_of("op_mine", ["x"], ["mine"]),
    )
    publish(memory, tombstone_of(dots[1]), writer=2)

    assert free(memory, remote, tmp_path).freed == (values[0].location,)


def test_what_the_other_store_does_not_need_itself_is_not_held(
    memory: MemoryObjectStore, tmp_path: Path
) -> None:
    """Its next collection deletes it."""
    fill(memory)
    remote = Lasting(URL)
    value = put_loose(remote, "a")
    (dot,) = publish(remote, inline_of("x"), value, call_of("op_a", ["x"], ["a"]))
    publish(remote, tombstone_of(dot), writer=2)

    assert free(memory, remote, tmp_path).freed == ()


@pytest.mark.parametrize("verify", [False, True])
def test_what_the_other_store_lost_or_cut_short_is_not_held(
    memory: MemoryObjectStore, remote: Lasting, tmp_path: Path, *, verify: bool
) -> None:
    """Its listing tells, whatever its log says."""
    fill(memory)
    loose, pack = payload_names(remote)
    remote.delete([pack])
    data = remote.get(loose)
    remote.put(loose, [data[:-1]])

    report = free(memory, remote, tmp_path, verify=verify)

    assert report.freed == ()
    assert unreadable(memory) == []
    assert report.kept_because[NOT_HELD].object_count == 2


def test_damage_in_the_other_store_is_found_where_it_is_asked_for(
    memory: MemoryObjectStore, remote: Lasting, tmp_path: Path
) -> None:
    """A listing shows sizes, and a bit that flipped has none."""
    loose, *_ = fill(memory)
    data = bytearray(remote.get(loose.location))
    data[200] ^= 1
    remote.put(loose.location, [bytes(data)])

    report = free(memory, remote, tmp_path, verify=True)

    assert loose.location in payload_names(memory)
    assert len(report.freed) == 1
    assert len(free(memory, remote, tmp_path).freed) == 1


def test_garbage_is_left_to_the_collector(
    memory: MemoryObjectStore, remote: Lasting, tmp_path: Path
) -> None:
    """Nobody can promise what nobody names."""
    put_loose(memory, "orphan")

    report = free(memory, remote, tmp_path)

    assert (report.freed, report.kept_because[NOT_LIVE].object_count) == ((), 1)
    assert list(memory.list(COLLECTIONS)) == []
    assert not (tmp_path / "local").exists()


def test_one_store_under_two_names_is_refused(memory: MemoryObjectStore, tmp_path: Path) -> None:
    """Its only copy would be freed."""
    fill(memory)
    alias = Lasting("file://elsewhere")
    alias._objects = memory._objects
    before = payload_names(memory)

    with pytest.raises(UsageError, match="are one store"):
        free(memory, alias, tmp_path)
    with pytest.raises(UsageError, match="are one store"):
        free(alias, alias, tmp_path)

    assert payload_names(memory) == before


def test_a_store_that_does_not_last_holds_nothing(
    memory: MemoryObjectStore, tmp_path: Path
) -> None:
    """It is gone with the process."""

    class Other(MemoryObjectStore):
        """Another store in memory."""

        @property
        def url(self) -> str:
            """Its name."""
            return "memory-2"

    with pytest.raises(UsageError, match="does not outlive"):
        free(memory, Other(), tmp_path)


def test_a_store_whose_listings_lag_is_refused(remote: Lasting, tmp_path: Path) -> None:
    """A day would have to pass, as in a collection."""
    with pytest.raises(UsageError, match="may lag"):
        free(Weak(), remote, tmp_path)


def test_a_damaged_log_is_refused(
    memory: MemoryObjectStore, remote: Lasting, tmp_path: Path
) -> None:
    """It may place values that nobody else holds."""
    fill(memory)
    memory.put(SEGMENTS + "strange", [b"?"])

    with pytest.raises(CorruptionError, match="cannot be read"):
        free(memory, remote, tmp_path)

    assert len(payload_names(memory)) == 2


def test_a_crash_at_any_request_leaves_every_value_here_or_promised(
    remote: Lasting, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The promise is on the disk before anything goes."""
    folder = tmp_path_factory.mktemp("begin")
    placed: list[Freed] = []

    def make_store() -> MemoryObjectStore:
        """Begin with an empty folder, too."""
        nonlocal folder
        folder = tmp_path_factory.mktemp("again")
        store = MemoryObjectStore()
        placed[:] = [(record.location, record.content_id) for record in fill(store)]
        return store

    def scenario(store: ObjectStore, acknowledged: list[str]) -> None:
        del acknowledged
        free(store, remote, folder)

    def check(left: ObjectStore, acknowledged: Sequence[str], point: CrashPoint) -> None:
        del acknowledged, point
        missing = {name for name in wanted if name not in payload_names(left)}
        promises = promises_at(folder, remote)
        places = [place for place in placed if place[0] in missing]
        assert promises.among(places) == set(places)
        values = [content_of(text) for text in "abc"]
        if missing:
            assert set(promises.fetch(values)) == set(values)
        else:
            assert unreadable(left) == []
        free(left, remote, folder)
        assert payload_names(left) == []

    wanted = payload_names(make_store())
    assert crash_at_every_call(scenario, check, make_store=make_store) >= 8


def test_a_value_that_a_writer_begins_to_rely_on_meanwhile_is_kept(
    remote: Lasting, tmp_path: Path
) -> None:
    """It was dropped, so nobody asked whether it is held elsewhere; then it was made again."""
    store = MemoryObjectStore()
    values = put_pack(store, "b", "mine")
    dots = publish(
        store,
        inline_of("x"),
        *values,
        call_of("op_b", ["x"], ["b"]),
        call_of("op_mine", ["x"], ["mine"]),
    )
    publish(store, tombstone_of(dots[1]), writer=2)
    writer = Writer(store, "mine")
    writer.decide()

    racing = FaultStore(store, [Rule(Before(writer.publish), "put", COLLECTIONS)])

    report = free(racing, remote, tmp_path)
    writer.look()

    assert report.freed == ()
    assert unreadable(store) == []
    (done,) = Announcements(store).read_done([info.name for info in store.list(COLLECTIONS)])
    assert (done.deleted_count, done.spared_count) == (0, 1)


def test_a_collection_finishes_what_an_eviction_announced_and_spares_what_lives(
    memory: MemoryObjectStore, remote: Lasting, tmp_path: Path
) -> None:
    """An announcement is everybody's; what is live is never the collector's to delete."""
    fill(memory)
    before = payload_names(memory)
    dying = FaultStore(memory, [Rule(Crash(after_effect=True), "put", COLLECTIONS)])
    with pytest.raises(SimulatedCrash):
        free(dying, remote, tmp_path)

    report = run(memory)

    assert report.deleted == ()
    assert payload_names(memory) == before
    announced = [info.name for info in memory.list(COLLECTIONS)]
    assert sum(name.endswith(".done") for name in announced) == 1


def test_the_report_is_a_table_and_a_dictionary(
    memory: MemoryObjectStore, remote: Lasting, tmp_path: Path
) -> None:
    """For people and for programs."""
    fill(memory)
    put_loose(memory, "orphan")

    report = free(memory, remote, tmp_path)

    assert str(report).startswith("freed 2 objects, ")
    assert URL in str(report)
    assert NOT_LIVE in str(report)
    fields = report.to_dict()
    assert sorted(fields["freed"]) == sorted(report.freed)
    assert fields["freed_size"] == report.freed_size > 0
