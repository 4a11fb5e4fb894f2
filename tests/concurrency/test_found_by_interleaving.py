"""What the interleavings have found in the code, each told once more in its own order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.concurrency.actors import Ledger, Process, collecting, compacting
from tests.concurrency.promises import new_store, quick, state_in
from tests.concurrency.scenarios import LOOSE, OTHER, several_segments, some_dropped
from tests.unit.upkeep.collecting import Before

from mandala_cas.index.tags import tags_in_effect
from mandala_cas.objectstore.layout import MANIFEST, RUNS
from mandala_cas.testing import Crash, FaultStore, Rule, SimulatedCrash
from mandala_cas.upkeep.verifying.fsck import verify


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    """Have small values in every tier."""
    with quick():
        yield


def store_of_several_segments() -> FaultStore:
    """Return a store that a compactor finds work in."""
    store = new_store()
    several_segments(store, Ledger())
    return store


def test_small_values_are_found_in_segments_when_a_part_of_their_run_is_gone() -> None:
    """A collector saw the parts of a run before anything named them, and the compactor died.

    Readers took the rows from the run's part of records, which was put later and stayed, and found
    the small values neither in the part that was gone nor in any other run. The segments had them.
    """
    store = store_of_several_segments()
    expected = state_in(store)
    collector = Before(lambda: collecting("collector")(store))
    dying = FaultStore(
        store,
        [Rule(collector, "put", "run-parts/", skip=1), Rule(Crash(after_effect=True), "put", RUNS)],
    )

    with pytest.raises(SimulatedCrash):
        compacting("compactor")(dying)

    assert state_in(store) == expected
    assert not verify(store).ok, "the part is gone"


def test_a_run_whose_parts_were_collected_while_it_was_put_is_taken_back() -> None:
    """Left there, it was damage to fsck, and no collection went on until somebody repaired."""
    store = store_of_several_segments()
    expected = state_in(store)
    collector = Before(lambda: collecting("collector")(store))

    compacting("compactor")(FaultStore(store, [Rule(collector, "put", RUNS)]))

    assert list(store.list(RUNS)) == []
    assert state_in(store) == expected
    assert verify(store).ok


def test_a_run_that_loses_its_parts_later_is_in_nobodys_way() -> None:
    """It was whole when the compactor read it back, and lost its parts when the collector went on.

    Every collection after that refused to go on, as if some of the log could not be read. To take
    the run back because its parts are condemned would lose data: they may yet be spared, and
    another compactor may rely on them.
    """
    store = store_of_several_segments()
    expected = state_in(store)
    with pytest.raises(SimulatedCrash):
        compacting("compactor")(FaultStore(store, [Rule(Crash(), "put", RUNS)]))
    # The collector has read the log for the last time, and deletes parts that one who died left:
    # the same that the next compactor makes, whose random bytes repeat here.
    compactor = Before(lambda: compacting("compactor")(store))
    collecting("collector")(FaultStore(store, [Rule(compactor, "delete", "run-parts/")]))
    assert state_in(store) == expected

    collecting("next")(store)

    assert state_in(store) == expected
    compacting("next")(store)
    assert state_in(store, is_compacted=True) == expected
    assert verify(store).ok


def test_a_value_that_was_dropped_and_collected_while_it_was_tagged_is_not_tagged() -> None:
    """Else the tag was acknowledged, kept nothing, and fsck missed its value ever after."""
    store = new_store()
    some_dropped(store, Ledger())
    tagger = Process(store, "tagger")
    tagger.make(OTHER)
    Process(store, "dropper").drop(OTHER)
    collecting("collector")(store)

    tagger.tag(OTHER)

    assert not any(tags_in_effect(tagger.view.parts.values()).values())
    assert verify(store).ok


def test_a_tag_that_was_taken_off_is_not_put_back_by_a_repair() -> None:
    """The tagger publishes, somebody takes the tag off, and only then the tagger looks."""
    store = new_store()
    some_dropped(store, Ledger())

    def meanwhile() -> None:
        Process(store, "other").untag(LOOSE)

    between = FaultStore(store)
    tagger = Process(between, "tagger")
    tagger.make(LOOSE)
    with pytest.raises(SimulatedCrash):
        collecting("collector")(FaultStore(store, [Rule(Crash(), "delete")]))
    between.plan = [Rule(Before(meanwhile), "list", MANIFEST)]

    tagger.tag(LOOSE)

    assert tags_in_effect(Process(store, "reader").view.parts.values()) == {}
