"""Compaction that dies, races or meets a slow reader: no record is lost, none comes back.

Deletion follows the run at once here (``delay_s`` is 0): the delay makes trouble rare, and it is
the trouble that is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log.sample_runs import State, state_of
from tests.unit.upkeep.compacted_stores import (
    batch_of,
    compacted,
    log_names,
    names,
    numbered_draw,
    put_calls,
    put_segment,
    seen,
)

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.log.segment import Segment
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Entry, Tombstone, Untag
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import RUNS
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
from mandala_cas.upkeep.compacting.compact import CompactReport

Thunk = Callable[[], object]


def make_store() -> MemoryObjectStore:
    """Return a store with a run, segments, a drop, and parts that nobody names."""
    store = MemoryObjectStore()
    segments = put_calls(store, range(3))
    compacted(store, full=True, delay_s=0.0, draw=numbered_draw(1000))
    put_calls(store, range(3, 6))
    hides: list[Entry] = [
        Tombstone(segments[1].header.writer, 0, 0, 0),
        Untag(segments[1].header.writer, 0, 0, 0),
    ]
    put_segment(store, hides, 9)
    return store


def compact_all(store: ObjectStore, start: int = 1) -> CompactReport:
    """Merge everything, and delete what was merged; always the same calls."""
    return compacted(store, full=True, delay_s=0.0, draw=numbered_draw(start))


EXPECTED = seen(make_store())
# The view: a list, a run, its part, 4 segments. The inputs: 4 segments, a run and its 2 parts.
# 3 puts, 3 reads back. The view again: a list and the run. A look at announcements. 5 deletions.
CALLS = 7 + 7 + 3 + 3 + 2 + 1 + 5


def test_a_crash_at_any_call_loses_nothing() -> None:
    """While parts or the run are put, read back, or inputs deleted; and the next one finishes."""

    def scenario(store: ObjectStore, acknowledged: list[CompactReport]) -> None:
        acknowledged.append(compact_all(store))

    def check(store: ObjectStore, acknowledged: Sequence[CompactReport], point: CrashPoint) -> None:
        del acknowledged, point
        assert seen(store) == EXPECTED
        compact_all(store, start=500)
        assert log_names(store) == (0, 1)
        assert seen(store) == EXPECTED

    calls = crash_at_every_call(scenario, check, make_store=make_store)

    assert calls == CALLS


def assert_nothing_is_lost(rule: Rule) -> None:
    """Compact a store at which something goes wrong once, and look at it at every moment."""
    inner = make_store()
    store = FaultStore(inner, [rule], forbid_overwrite=True)

    with pytest.raises(StoreUnavailableError):
        compact_all(store)

    assert seen(inner) == EXPECTED
    compact_all(inner, start=500)
    assert seen(inner) == EXPECTED
    store.settle()
    assert seen(inner) == EXPECTED
    compact_all(inner, start=700)
    assert seen(inner) == EXPECTED


@pytest.mark.parametrize("fault", [ErrorBefore(), ErrorAfter()])
@pytest.mark.parametrize("at_call", range(CALLS))
def test_a_call_that_fails_at_any_moment_loses_nothing(
    at_call: int, fault: ErrorBefore | ErrorAfter
) -> None:
    """Nor one whose answer is lost."""
    assert_nothing_is_lost(Rule(fault, skip=at_call))


@pytest.mark.parametrize("delay", [0, 4, 1000])
@pytest.mark.parametrize(
    ("operation", "at_call"), [*(("put", n) for n in range(3)), *(("delete", n) for n in range(5))]
)
def test_a_write_that_takes_effect_late_loses_nothing(
    operation: Literal["put", "delete"], at_call: int, delay: int
) -> None:
    """When others have done the work meanwhile, or are in the middle of it."""
    assert_nothing_is_lost(Rule(Delay(delay), operation, skip=at_call))


class Interrupted(FaultStore):
    """Lets something happen before one of the calls."""

    def __init__(self, inner: ObjectStore, at_call: int, happens: Thunk) -> None:
        """Let ``happens`` happen before call number ``at_call``."""
        super().__init__(inner, forbid_overwrite=True)
        self._at_call = at_call
        self._happens = happens

    def check_alive(self) -> None:
        """Count, and interrupt."""
        if len(self.calls) == self._at_call:
            self._at_call = -1
            self._happens()
        super().check_alive()


def late_segment(store: ObjectStore) -> Segment:
    """Put a segment whose name lies among the others', of a writer whose put was slow."""
    return put_segment(store, batch_of(40), 4 << 32)


def expected_with(late: Segment) -> State:
    """Return the state with one more segment."""
    store = make_store()
    late_segment(store)
    assert late.calls.row_count == 1
    return seen(store)


@pytest.mark.parametrize("at_call", range(CALLS))
def test_another_compactor_at_any_moment_and_a_late_segment(at_call: int) -> None:
    """Both delete, both see the other's run; nobody sees the late segment in time."""
    inner = make_store()
    late: list[Segment] = []

    def happens() -> None:
        late.append(late_segment(inner))
        compact_all(inner, start=500)

    store = Interrupted(inner, at_call, happens)
    view = LogView(store)

    compacted(store, view, full=True, delay_s=0.0, draw=numbered_draw())

    assert seen(inner) == expected_with(late[0])
    for start in (700, 800, 900):
        compact_all(inner, start=start)
        assert seen(inner) == expected_with(late[0])
    assert log_names(inner) == (0, 1)


@pytest.mark.parametrize("first", [8, 14, 16, 17, 18, 20, 23, 25])
@pytest.mark.parametrize("second", [0, 8, 14, 17, 22])
def test_two_compactors_interrupt_each_other(first: int, second: int) -> None:
    """The one stops in the middle of the other, and a third runs there."""
    inner = make_store()

    def third() -> None:
        compact_all(inner, start=700)

    def other() -> None:
        compact_all(Interrupted(inner, second, third), start=500)

    compact_all(Interrupted(inner, first, other), start=1)

    assert seen(inner) == EXPECTED
    compact_all(inner, start=900)
    assert seen(inner) == EXPECTED


def test_the_interruption_happens() -> None:
    """Else the tests above would prove nothing."""
    happened: list[int] = []
    store = Interrupted(make_store(), CALLS - 1, lambda: happened.append(1))

    compact_all(store)

    assert happened == [1]
    assert len(store.calls) == CALLS


# Readers.


@pytest.mark.parametrize("at_call", range(9))
def test_a_reader_that_is_overtaken_by_a_compactor(at_call: int) -> None:
    """What it was about to read is gone; it lists again, and misses nothing."""
    inner = make_store()
    store = Interrupted(inner, at_call, partial(compact_all, inner, 500))
    view = LogView(store)

    view.refresh()

    assert state_of(view.parts.values()) == EXPECTED
    assert dict(view.damaged) == {}
    view.refresh()
    assert state_of(view.parts.values()) == EXPECTED


class Paused(MemoryObjectStore):
    """Lists one name at a time, in order, each as things are then; something happens in between."""

    def __init__(self, inner: MemoryObjectStore, after: int, happens: Thunk) -> None:
        """Let ``happens`` happen once ``after`` names were listed."""
        super().__init__()
        self._inner = inner
        self._after = after
        self._happens = happens
        self.get_many = inner.get_many  # type: ignore[method-assign]
        self.get = inner.get  # type: ignore[method-assign]

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List as a store does that lists in pages: what comes behind is as of later."""
        last = ""
        while True:
            later = [info for info in self._inner.list(prefix) if info.name > last]
            if self._after == 0:
                self._happens()
            self._after -= 1
            if not later:
                return
            info = min(later, key=lambda info: info.name)
            last = info.name
            yield info


@pytest.mark.parametrize("after", range(8))
def test_a_reader_that_is_paused_between_pages(after: int) -> None:
    """Segments that were listed are gone, or the run that covers them is behind them."""
    inner = make_store()
    store = Paused(inner, after, partial(compact_all, inner, 500))
    view = LogView(store)

    view.refresh()

    assert state_of(view.parts.values()) == EXPECTED
    assert dict(view.damaged) == {}


@pytest.mark.parametrize("lag", range(12))
def test_a_reader_whose_listing_is_old(lag: int) -> None:
    """It shows what is gone, and not what took its place: the reader asks again."""
    inner = make_store()
    store = FaultStore(inner, [Rule(StaleList(lag), "list", times=1)])
    compact_all(store, start=500)
    store.plan.append(Rule(StaleList(lag), "list", times=1))
    view = LogView(store)

    view.refresh()

    assert state_of(view.parts.values()) == EXPECTED


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["write", "drop", "compact", "refresh", "open"]), st.integers(0, 40)
        ),
        max_size=14,
    )
)
def test_nothing_is_lost_in_any_order_of_things(steps: Sequence[tuple[str, int]]) -> None:
    """Writers, drops, compactors that are interrupted by each other, readers old and new."""
    store = MemoryObjectStore()
    old = LogView(store)
    written: list[Segment] = []
    for number, (step, choice) in enumerate(steps):
        match step:
            case "write":
                written += put_calls(store, [50 + number])
            case "drop" if written:
                writer = written[choice % len(written)].header.writer
                drop: list[Entry] = [Tombstone(writer, 0, 0, 0)]
                written.append(put_segment(store, drop, 200 + number))
            case "compact":
                # A second one runs to its end somewhere in the middle of the first.
                again = partial(compact_all, store, 10_000 * number + 5000)
                compact_all(Interrupted(store, choice, again), start=10_000 * number + 1)
            case "refresh":
                old.refresh()
        assert seen(store) == state_of(written)
    old.refresh()

    assert state_of(old.parts.values()) == state_of(written)


def test_a_run_that_arrives_after_its_inputs_were_merged_by_others() -> None:
    """Its put was slow: what it covers is covered already, and its parts are there."""
    inner = make_store()
    store = FaultStore(inner, [Rule(Delay(1000), "put", RUNS)])
    with pytest.raises(StoreUnavailableError):
        compact_all(store)
    compact_all(inner, start=500)
    assert log_names(inner) == (0, 1)

    store.settle()

    assert log_names(inner) == (0, 2)
    assert seen(inner) == EXPECTED
    compact_all(inner, start=700)
    assert len(names(inner, RUNS)) == 1
    assert seen(inner) == EXPECTED
