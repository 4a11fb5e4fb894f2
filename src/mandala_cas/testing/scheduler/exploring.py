"""Many interleavings of the same actors, each on a fresh store, each checked at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.scheduler.interleaving import Actor, Interleaving, Workers
from mandala_cas.testing.scheduler.store import ScheduledStore
from mandala_cas.testing.scheduler.strategies import Strategy


@dataclass(frozen=True, slots=True)
class Explored:
    """What an exploration went through, so that a test can ask for more than nothing.

    ``distinct_count`` counts orders of store calls, ``crash_count`` the actors that died.
    """

    run_count: int
    distinct_count: int
    step_max: int
    crash_count: int


def explore(
    make_actors: Callable[[ObjectStore], Mapping[str, Actor]],
    check: Callable[[ObjectStore, Mapping[str, object]], None],
    *,
    seeds: Iterable[int],
    strategy: Strategy,
    make_store: Callable[[], ObjectStore] = MemoryObjectStore,
    wrap: Callable[[str, ObjectStore], ObjectStore] | None = None,
    page_size: int | None = None,
    crash_max: int = 0,
    step_max: int = 10_000,
    patience_s: float = 60.0,
) -> Explored:
    """Run actors once for each seed, until the seeds or the schedules are used up.

    ``make_actors(store)`` prepares a fresh store, on which nothing is interleaved yet, and returns
    the actors by name. Each gets a handle on the store of its own, which ``wrap(name, handle)``
    may wrap again, in a ``FaultStore`` for one. ``check(store, results)`` gets the store and what
    the actors returned, but not of those that died, and raises where a promise was broken. Up to
    ``crash_max`` actors die in a run; one that died can make no more calls. Listings come in pages
    of ``page_size``.

    Actors must be deterministic: clocks and ids injected, no threads of their own. One that waits
    for another by anything but a store call or ``wait_until`` is given up on after ``patience_s``.

    Raises:
        AssertionError: a check failed, the actors deadlocked or did not end within ``step_max``
            steps.
        BaseException: whatever an actor raised. All of these carry the seed, the moves and the
            calls in their notes.
    """
    workers = Workers()
    run_count = step_count = crash_count = 0
    distinct: set[tuple[tuple[str, str], ...]] = set()
    try:
        for seed, schedule in strategy.schedules(seeds):
            store = make_store()
            works = {
                name: partial(actor, _handle(name, store, wrap, page_size))
                for name, actor in make_actors(store).items()
            }
            run = Interleaving(
                works, schedule, step_max=step_max, crash_max=crash_max, patience_s=patience_s
            )
            try:
                run.run(workers)
                _judge(run, store, check)
            except BaseException as error:
                _annotate(error, run, strategy, seed)
                raise
            run_count += 1
            step_count = max(step_count, len(run.moves))
            crash_count += sum(turn.crashed for turn in run.turns)
            distinct.add(tuple(run.trace))
    finally:
        workers.close()
    return Explored(run_count, len(distinct), step_count, crash_count)


def _handle(
    name: str,
    store: ObjectStore,
    wrap: Callable[[str, ObjectStore], ObjectStore] | None,
    page_size: int | None,
) -> ObjectStore:
    """Return what one actor gets."""
    scheduled = ScheduledStore(store, page_size=page_size)
    return scheduled if wrap is None else wrap(name, scheduled)


def _judge(
    run: Interleaving,
    store: ObjectStore,
    check: Callable[[ObjectStore, Mapping[str, object]], None],
) -> None:
    """Raise what an actor raised, or what the check does."""
    for turn in run.turns:
        if turn.error is not None:
            turn.error.add_note(f"raised by {turn.name}")
            raise turn.error
    check(store, {turn.name: turn.result for turn in run.turns if not turn.crashed})


def _annotate(error: BaseException, run: Interleaving, strategy: Strategy, seed: int) -> None:
    """Note how to see it again."""
    error.add_note(f"strategy {strategy}, seed {seed}; again: Replay({run.moves!r})")
    error.add_note("\n".join(f"  {name}: {label}" for name, label in run.trace))
