"""What a store must keep, whoever was at work on it, asked when all of them are done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from typing import Final

import pytest
from tests.concurrency.actors import PACKED_MAX, Ledger, Process, collecting, compacting, ids_of
from tests.unit.log.sample_runs import State, state_of

from mandala_cas.log.conservation import check_conservation
from mandala_cas.log.segment import decode_segment
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import Dot, HistoryId
from mandala_cas.model.outcomes import Loaded
from mandala_cas.model.refs import AtomRef
from mandala_cas.objectstore.api import Capabilities, ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import BLOBS, MANIFEST, PACKS, RUN_PARTS, RUNS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import Explored, FaultStore, PriorityChange, RandomWalk, explore
from mandala_cas.testing.scheduler import Actor, Strategy
from mandala_cas.upkeep.compacting.loading import load_run
from mandala_cas.upkeep.verifying.findings import ProblemKind
from mandala_cas.upkeep.verifying.fsck import verify

# A run makes between 25 and 130 calls to the store. Where two must stall while a third goes on, a
# random walk comes nowhere near. Each strategy with how many actors may die.
STRATEGIES: Final[tuple[tuple[Strategy, int], ...]] = (
    (RandomWalk(), 0),
    (PriorityChange(depth=3, steps=30), 0),
    (PriorityChange(depth=4, steps=50), 0),
    (PriorityChange(depth=3, steps=100), 2),
)
RUN_COUNT: Final = 250 if os.environ.get("MANDALA_THOROUGH") else 25


def new_store() -> FaultStore:
    """Return an empty store whose clock goes on with every write; nothing may be overwritten."""
    ticks = count(1)
    return FaultStore(MemoryObjectStore(clock=lambda: float(next(ticks))), forbid_overwrite=True)


class Backwards(MemoryObjectStore):
    """A copy of a store that lists the last names first, and says that it keeps no order."""

    def __init__(self, store: ObjectStore) -> None:
        """Copy the log, and what runs are made of."""
        super().__init__()
        for folder in (MANIFEST, RUN_PARTS):
            names = [info.name for info in store.list(folder)]
            for name, data in zip(names, store.get_many(names), strict=True):
                assert data is not None
                self.put(name, [data])

    @property
    def capabilities(self) -> Capabilities:
        """Everything but the order of names."""
        return replace(super().capabilities, flat_list=False)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List from the end."""
        return iter(sorted(super().list(prefix), key=lambda info: info.name, reverse=True))


def state_in(store: ObjectStore, *, is_compacted: bool = False) -> State:
    """Return what somebody sees who reads the log now.

    A run whose parts were collected while it was put may be left, until the next compaction: its
    segments are there.
    """
    view = LogView(store)
    view.refresh()
    damaged = dict(view.damaged)
    assert not damaged or not is_compacted, damaged
    assert all(name.startswith(RUN_PARTS) for name in damaged), damaged
    return state_of(view.parts.values())


def payload_in(store: ObjectStore) -> set[str]:
    """Return the names of all that garbage collection may delete."""
    return {info.name for prefix in (PACKS, BLOBS, RUN_PARTS) for info in store.list(prefix)}


def check_promises(store: ObjectStore, ledger: Ledger, *, has_crashed: bool) -> None:
    """Check what the store must keep; heal what nobody promised, and check again."""
    state = state_in(store)
    reader = Process(store, "reader")
    check_acknowledged(reader, state, ledger)
    check_tags(reader, state, ledger)
    other = state_in(Backwards(store))
    assert other == state, "the order of a listing decides nothing"
    check_whole(store, has_crashed=has_crashed)

    heal(reader, ledger)
    healed = state_in(store)
    check_acknowledged(reader, healed, ledger)
    compacting("last")(store)
    assert state_in(store, is_compacted=True) == healed, (
        "compaction changes nothing that anybody can see"
    )
    check_runs(store)
    collecting("last")(store)
    left = payload_in(store)
    collecting("very last")(store)
    assert payload_in(store) == left, "a second collection finds nothing"
    report = verify(store, "data")
    assert report.ok, str(report)
    assert report.checked["payload that nothing uses"].count == 0


def check_acknowledged(reader: Process, state: State, ledger: Ledger) -> None:
    """Read each value of which a commit said that it is safe."""
    for dot, wanted in ledger.acknowledged.items():
        if dot not in state.calls:
            assert is_named(dot, state), f"{wanted} was acknowledged, and there is no trace of it"
            assert dot in ledger.dropped, f"{wanted} was acknowledged, and nobody dropped it"
            continue
        (slot,) = state.calls[dot].outputs
        assert slot.content_id == ids_of(wanted)[1]
        (outcome,) = reader.book.load_each([AtomRef(slot.history_id, slot.content_id)])
        assert isinstance(outcome, Loaded), f"{wanted} was acknowledged; now: {outcome}"
        assert outcome.value == wanted.value


def check_tags(reader: Process, state: State, ledger: Ledger) -> None:
    """Read each value that somebody tagged and nobody untagged."""
    in_effect = {tag.name: tag for tag in state.tags.values()}
    for name, wanted in ledger.tagged.items():
        if name in ledger.untagged and name not in in_effect:
            continue
        tag = in_effect[name]
        (outcome,) = reader.book.load_each([AtomRef(HistoryId(tag.history_id), tag.content_id)])
        assert isinstance(outcome, Loaded), f"{wanted} is tagged; now: {outcome}"
        assert outcome.value == wanted.value


def check_runs(store: ObjectStore) -> None:
    """Check that each run has or hides what it covers, and has it whole."""
    for info in store.list(RUNS):
        whole = load_run(store, info.name, signer=None, trusts=lambda key_id: key_id is None)
        check_conservation(whole.run, whole.parts)


def check_whole(store: ObjectStore, *, has_crashed: bool) -> None:
    """Check that fsck finds nothing, but what nobody promised.

    A dead process may have published values that were collected. A run may lack a part that was
    collected while it was put; what is in it is in its segments, too.
    """
    for problem in verify(store).problems:
        kinds = {ProblemKind.DAMAGED_PART} | ({ProblemKind.MISSING} if has_crashed else set())
        assert problem.kind in kinds, str(problem)
        assert has_crashed or not problem.is_lost, str(problem)


def heal(reader: Process, ledger: Ledger) -> None:
    """Make every call again: each is answered, or made; what is left half-way is made good."""
    for wanted in ledger.wanted:
        assert reader.load(wanted) == wanted.value
    reader.commit()


def is_named(dot: Dot, state: State) -> bool:
    """Tell whether a tombstone names a record."""
    return any(
        (item.writer, item.seq) == (dot.writer, dot.seq) and item.first <= dot.row <= item.last
        for item in state.hidden
    )


@contextmanager
def quick() -> Iterator[None]:
    """Have values of a few kilobytes in every tier, and decode the same bytes once.

    A segment never changes, and most of them are the same in every run of a test.
    """
    decode = cache(decode_segment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mandala_cas.blobs.tiers.PACK_VALUE_MAX", PACKED_MAX)
        for module in (
            "log.reading",
            "log.writer",
            "upkeep.verifying.log_reading",
            "upkeep.compacting.loading",
        ):
            patch.setattr(f"mandala_cas.{module}.decode_segment", decode)
        yield


@dataclass
class Scenario:
    """Some actors on one store, and what they were told in the run that is going on.

    ``prepare`` puts things into the fresh store, ``actors`` makes the actors of a run.
    """

    prepare: Callable[[ObjectStore, Ledger], None]
    actors: Callable[[Ledger], Mapping[str, Actor]]
    ledger: Ledger = field(default_factory=Ledger)
    run_count: int = 0
    acknowledged_count: int = 0
    forgone_count: int = 0

    def __post_init__(self) -> None:
        """Prepare the store once; every run begins with the same."""
        store = new_store()
        with quick():
            self.prepare(store, self.ledger)
        infos = sorted(store.list(""), key=lambda info: info.modified or 0)
        self._prepared = {info.name: store.get(info.name) for info in infos}
        self._prepared_ledger = self.ledger

    def make_actors(self, store: ObjectStore) -> Mapping[str, Actor]:
        """Fill a fresh store, and return who works on it."""
        for name, data in self._prepared.items():
            store.put(name, [data])
        self.ledger = self._prepared_ledger.copy()
        return self.actors(self.ledger)

    def check(self, store: ObjectStore, results: Mapping[str, object]) -> None:
        """Check every promise, and count."""
        has_crashed = len(results) < len(self.actors(Ledger()))
        self.run_count += 1
        self.acknowledged_count += len(self.ledger.acknowledged)
        self.forgone_count += len(self.ledger.forgone)
        check_promises(store, self.ledger, has_crashed=has_crashed)

    def explore_all(self) -> Explored:
        """Run the actors with every strategy, and check after each run; return the sums."""
        found = [self.explore(RUN_COUNT, *item) for item in STRATEGIES]
        return Explored(
            sum(item.run_count for item in found),
            sum(item.distinct_count for item in found),
            max(item.step_max for item in found),
            sum(item.crash_count for item in found),
        )

    def explore(self, runs: int, strategy: Strategy, crash_max: int = 0) -> Explored:
        """Run the actors in so many orders, and check after each."""
        with quick():
            return explore(
                self.make_actors,
                self.check,
                seeds=range(runs),
                strategy=strategy,
                make_store=new_store,
                crash_max=crash_max,
            )
