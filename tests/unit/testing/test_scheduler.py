"""The scheduler: one actor at a time, in an order that a seed gives; it finds what it should."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count

import pytest

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import (
    Crash,
    DepthFirst,
    ErrorBefore,
    FaultStore,
    PriorityChange,
    RandomWalk,
    Replay,
    Rule,
    SimulatedCrash,
    explore,
    switch,
    wait_until,
)
from mandala_cas.testing.scheduler import Actor, Strategy

STRATEGIES = [RandomWalk(), PriorityChange(steps=12), DepthFirst(preemptions_max=1)]


def increment(store: ObjectStore) -> None:
    """Add one to a number in the store, as if nobody else did."""
    number = int(store.get("number"))
    store.put("number", [str(number + 1).encode()])


def list_often(store: ObjectStore) -> None:
    """Make five calls."""
    for _ in range(5):
        list(store.list(""))


def actors(*functions: Actor) -> Callable[[ObjectStore], Mapping[str, Actor]]:
    """Return what makes actors a, b, c ... on a store with a zero in it."""

    def make(store: ObjectStore) -> Mapping[str, Actor]:
        store.put("number", [b"0"])
        return dict(zip("abcdef", functions, strict=False))

    return make


def anything(store: ObjectStore, results: Mapping[str, object]) -> None:
    """Find nothing wrong."""


def number_is_two(store: ObjectStore, results: Mapping[str, object]) -> None:
    """Both increments count."""
    del results
    assert store.get("number") == b"2", "an update was lost"


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_a_lost_update_is_found(strategy: Strategy) -> None:
    """By every strategy, soon, and with what is needed to see it again."""
    with pytest.raises(AssertionError, match="an update was lost") as caught:
        explore(actors(increment, increment), number_is_two, seeds=range(100), strategy=strategy)

    how, trace = caught.value.__notes__
    moves = how.partition("Replay(")[2]
    assert repr(strategy) in how
    assert sorted(trace.split("\n")) == [
        *("  a: get number", "  a: put number"),
        *("  b: get number", "  b: put number"),
    ]
    replay = Replay([move for move in moves if move in "ab"])
    with pytest.raises(AssertionError, match="an update was lost") as again:
        explore(actors(increment, increment), number_is_two, seeds=[0], strategy=replay)
    assert again.value.__notes__[1] == trace


def test_actors_that_do_not_race_pass() -> None:
    """Nothing is found where nothing is."""
    explored = explore(
        actors(increment, lambda store: store.get("number")),
        lambda store, _: None if store.get("number") == b"1" else pytest.fail("not one"),
        seeds=range(50),
        strategy=RandomWalk(),
    )

    assert explored.run_count == 50
    assert explored.distinct_count == 3


def test_a_reader_that_lists_in_the_wrong_order_is_found() -> None:
    """The oldest mistake with a compactor: runs first, segments after."""

    def compact(store: ObjectStore) -> None:
        store.put("run/1", [b""])
        store.delete(["log/1"])

    def read(*prefixes: str) -> Actor:
        return lambda store: [info.name for prefix in prefixes for info in store.list(prefix)]

    def make(reader: Actor) -> Callable[[ObjectStore], Mapping[str, Actor]]:
        def on(store: ObjectStore) -> Mapping[str, Actor]:
            store.put("log/1", [b""])
            return {"compactor": compact, "reader": reader}

        return on

    def check(_: ObjectStore, results: Mapping[str, object]) -> None:
        assert results["reader"], "the reader saw neither"

    right = explore(
        make(read("log/", "run/")), check, seeds=range(1000), strategy=DepthFirst(preemptions_max=9)
    )

    assert right.distinct_count == 6
    with pytest.raises(AssertionError, match="saw neither"):
        explore(make(read("run/", "log/")), check, seeds=range(1000), strategy=DepthFirst())


def test_one_listing_of_everything_can_be_torn_between_pages() -> None:
    """A bucket lists a thousand names at a time; the next page may be of another moment."""

    def move(store: ObjectStore) -> None:
        store.put("a", [b""])
        store.delete(["z"])

    def names(store: ObjectStore) -> set[str]:
        return {info.name for info in store.list("")}

    def make(store: ObjectStore) -> Mapping[str, Actor]:
        store.put("m", [b""])
        store.put("z", [b""])
        return {"mover": move, "reader": names}

    seen: set[frozenset[str]] = set()

    def check(_: ObjectStore, results: Mapping[str, object]) -> None:
        assert isinstance(results["reader"], set)
        seen.add(frozenset(results["reader"]))

    explore(make, check, seeds=range(500), strategy=DepthFirst(preemptions_max=3), page_size=1)
    assert frozenset("m") in seen

    seen.clear()
    explore(make, check, seeds=range(500), strategy=DepthFirst(preemptions_max=3))
    assert seen == {frozenset("mz"), frozenset("amz"), frozenset("am")}


@pytest.mark.parametrize("strategy", [RandomWalk(), PriorityChange(steps=12)], ids=repr)
def test_a_seed_gives_the_same_run_again(strategy: Strategy) -> None:
    """A failure that cannot be seen again teaches nothing."""
    runs: list[list[str]] = []

    def note(_: ObjectStore, results: Mapping[str, object]) -> None:
        del results
        runs.append(order[:])
        order.clear()

    order: list[str] = []

    def named(name: str) -> Actor:
        def act(store: ObjectStore) -> None:
            for _ in range(4):
                list(store.list(""))
                order.append(name)

        return act

    for _ in range(2):
        explore(actors(named("a"), named("b")), note, seeds=range(20), strategy=strategy)

    assert runs[:20] == runs[20:]
    assert len({tuple(run) for run in runs}) > 5


def test_depth_first_goes_through_every_schedule_once() -> None:
    """Three actors of one call each: without preemption six orders, and then no more."""
    one_call: Actor = lambda store: list(store.list(""))  # noqa: E731 (an actor in a word)

    explored = explore(
        actors(one_call, one_call, one_call),
        anything,
        seeds=count(),
        strategy=DepthFirst(preemptions_max=0),
    )

    assert explored.distinct_count == 6


def test_depth_first_finds_every_order_when_it_may_preempt() -> None:
    """Two actors of three calls: twenty orders, six with one preemption at most."""
    three: Actor = lambda store: [list(store.list("")) for _ in range(3)]  # noqa: E731 (in a word)

    explored = explore(
        actors(three, three), anything, seeds=count(), strategy=DepthFirst(preemptions_max=8)
    )

    assert explored.distinct_count == 20
    few = explore(actors(three, three), anything, seeds=count(), strategy=DepthFirst(1))
    assert few.distinct_count == 6


def test_only_one_actor_runs_at_a_time() -> None:
    """Threads that really raced would make every result a matter of luck."""
    running: list[str] = []

    def alone(name: str) -> Actor:
        def act(store: ObjectStore) -> None:
            for _ in range(5):
                running.append(name)
                assert running == [name]
                running.remove(name)
                list(store.list(""))

        return act

    explored = explore(
        actors(alone("a"), alone("b"), alone("c")), anything, seeds=range(30), strategy=RandomWalk()
    )

    assert explored.distinct_count > 25


def test_thousands_of_interleavings_are_cheap() -> None:
    """Threads are used again, and nobody is woken who would only go back to sleep."""
    before = threading.active_count()

    explored = explore(
        actors(list_often, list_often, list_often),
        anything,
        seeds=range(2_000),
        strategy=RandomWalk(),
    )

    assert explored.distinct_count > 1_900
    assert explored.step_max == 18
    assert threading.active_count() == before


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_an_actor_can_die_at_any_call(strategy: Strategy) -> None:
    """It makes no further call, whatever its handlers try; the others go on."""

    def stubborn(store: ObjectStore) -> None:
        try:
            store.put("begun", [b""])
            store.put("ended", [b""])
        finally:
            with suppress(SimulatedCrash):
                store.put("cleaned", [b""])

    left: set[frozenset[str]] = set()

    def check(store: ObjectStore, results: Mapping[str, object]) -> None:
        names = frozenset(info.name for info in store.list("")) - {"number"}
        assert ("a" in results) == ("cleaned" in names)
        assert results, "only one may die"
        left.add(names)

    explored = explore(
        actors(stubborn, list_often), check, seeds=range(1_000), strategy=strategy, crash_max=1
    )

    assert explored.crash_count > 0
    assert left == {
        frozenset(),
        frozenset({"begun"}),
        frozenset({"begun", "ended"}),
        frozenset({"begun", "ended", "cleaned"}),
    }


def test_actors_that_wait_for_each_other_are_a_deadlock() -> None:
    """Nobody can make it true any more."""

    def wait_for(name: str) -> Actor:
        def act(store: ObjectStore) -> None:
            wait_until(lambda: done[name], f"waits for {name}")
            list(store.list(""))

        return act

    done = {"a": False, "b": False}

    with pytest.raises(AssertionError, match=r"deadlock: .* a, b wait for") as caught:
        explore(
            actors(wait_for("b"), wait_for("a")), anything, seeds=range(3), strategy=RandomWalk()
        )

    assert "seed 0" in caught.value.__notes__[0]


def test_an_actor_waits_until_another_has_done_its_part() -> None:
    """And is not asked before."""
    order: list[str] = []

    def first(store: ObjectStore) -> None:
        list(store.list(""))
        order.append("first")

    def second(store: ObjectStore) -> None:
        wait_until(lambda: bool(order), "waits for the first")
        order.append("second")
        list(store.list(""))

    def check(_: ObjectStore, results: Mapping[str, object]) -> None:
        del results
        assert order == ["first", "second"]
        order.clear()

    explored = explore(actors(first, second), check, seeds=range(30), strategy=RandomWalk())

    assert explored.run_count == 30


def test_actors_that_never_end_are_a_livelock() -> None:
    """Two that are polite for ever; both are unwound."""

    def forever(store: ObjectStore) -> None:
        while True:
            list(store.list(""))

    before = threading.active_count()

    with pytest.raises(AssertionError, match="no end after 50 steps"):
        explore(actors(forever, forever), anything, seeds=[0], strategy=RandomWalk(), step_max=50)

    assert threading.active_count() == before


def test_an_actor_that_waits_in_secret_does_not_hang_the_test() -> None:
    """A lock that another actor holds: nobody can get the baton."""
    lock = threading.Lock()
    lock.acquire()

    try:
        with pytest.raises(AssertionError, match="a has the baton and does not come back"):
            explore(
                actors(lambda _: lock.acquire()),
                anything,
                seeds=[0],
                strategy=RandomWalk(),
                patience_s=0.01,
            )
    finally:
        lock.release()


def test_what_an_actor_raises_is_raised_with_the_way_there() -> None:
    """An error of the code under test is a finding as well."""

    def fail(store: ObjectStore) -> None:
        store.get("nothing")

    with pytest.raises(LookupError) as caught:
        explore(actors(list_often, fail), anything, seeds=range(5), strategy=RandomWalk())

    raised_by, how, trace = caught.value.__notes__
    assert raised_by == "raised by b"
    assert "seed 0" in how
    assert "b: get nothing" in trace


def test_a_schedule_that_makes_no_sense_is_an_error_and_no_hang() -> None:
    """Such as the moves of another test, or of actors that draw at random."""
    with pytest.raises(AssertionError, match="nobody can make the move 'z' now"):
        explore(actors(list_often), anything, seeds=[0], strategy=Replay(["a", "a", "z"]))

    sizes = iter([3, 0])

    def differ(store: ObjectStore) -> None:
        for _ in range(next(sizes)):
            list(store.list(""))

    with pytest.raises(AssertionError, match="not deterministic"):
        explore(actors(differ, list_often), anything, seeds=range(20), strategy=DepthFirst())


def test_faults_and_schedules_compose() -> None:
    """An actor's own handle may fail or kill it; so may the store that all share."""

    def one_fails(name: str, handle: ObjectStore) -> ObjectStore:
        rules = [Rule(ErrorBefore(), "put")] if name == "a" else [Rule(Crash(), "put")]
        return FaultStore(handle, rules)

    def patient(store: ObjectStore) -> str:
        with suppress(OSError):
            store.put("x", [b"1"])
            return "at once"
        store.put("x", [b"1"])
        return "the second time"

    def check(store: ObjectStore, results: Mapping[str, object]) -> None:
        assert results == {"a": "the second time"}
        assert isinstance(store, FaultStore)
        assert [call.name for call in store.calls if call.operation == "put"] == ["number", "x"]

    explored = explore(
        actors(patient, patient),
        check,
        seeds=range(10),
        strategy=RandomWalk(),
        make_store=lambda: FaultStore(MemoryObjectStore(), forbid_overwrite=True),
        wrap=one_fails,
    )

    assert explored.crash_count == 10


def test_outside_a_run_a_switch_point_does_nothing() -> None:
    """A check may use whatever the actors used."""
    switch("nobody is there")

    with pytest.raises(AssertionError, match="only an actor"):
        wait_until(lambda: True)
