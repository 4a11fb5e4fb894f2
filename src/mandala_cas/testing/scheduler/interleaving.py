"""One interleaving: threads that hand a baton on, so that exactly one of them runs.

The thread that holds the baton decides itself who is next, by asking the schedule, wakes that one
and waits. Where it is next itself, nothing is woken and nothing waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.testing.faults import SimulatedCrash
from mandala_cas.testing.scheduler.strategies import Options, Schedule

Actor = Callable[[ObjectStore], object]


class _Abandoned(BaseException):
    """Unwinds an actor whose run is over; no ``except Exception`` may catch it."""


@dataclass(eq=False)
class Turn:
    """What an interleaving knows of one actor."""

    name: str
    work: Callable[[], object]
    interleaving: Interleaving
    # Held while it waits: a lock is the cheapest thing that another thread can open.
    gate: threading.Lock = field(default_factory=threading.Lock)
    began: bool = False
    ended: bool = False
    crashed: bool = False
    condition: Callable[[], bool] | None = None
    error: BaseException | None = None
    result: object = None


class _Current(threading.local):
    """The turn of the actor that runs in this thread."""

    turn: Turn | None = None


_CURRENT: Final = _Current()


def switch(label: str) -> None:
    """Let others go first, if the schedule says so. Every call to a scheduled store does this.

    Outside an interleaving this does nothing, so that a check can use the same store.

    Raises:
        SimulatedCrash: the actor dies here, or did so before.
    """
    if _CURRENT.turn is not None:
        _CURRENT.turn.interleaving.pass_baton(_CURRENT.turn, label)


def wait_until(condition: Callable[[], bool], label: str = "waits") -> None:
    """Let others go first until ``condition()`` is true; to be used by an actor.

    When nobody can make it true any more, the run fails as a deadlock. The condition is asked
    often, by whichever thread has the baton, and must change nothing.
    """
    turn = _CURRENT.turn
    if turn is None:
        raise AssertionError("only an actor of an interleaving can wait for another")
    turn.condition = condition
    turn.interleaving.pass_baton(turn, label)
    turn.condition = None


class Workers:
    """Threads that are used again for the actors of run after run: starting one costs more."""

    def __init__(self) -> None:
        """Start none yet."""
        self._queues: list[SimpleQueue[Callable[[], None] | None]] = []
        self._threads: list[threading.Thread] = []
        self.is_stuck = False

    def start(self, tasks: Iterable[Callable[[], None]]) -> None:
        """Have each task done in a thread of its own."""
        for index, task in enumerate(tasks):
            if index == len(self._queues):
                queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
                # A daemon: one that hangs must not keep the test run from ending.
                thread = threading.Thread(target=_work, args=(queue,), daemon=True)
                thread.start()
                self._threads.append(thread)
                self._queues.append(queue)
            self._queues[index].put(task)

    def close(self) -> None:
        """End the threads, and wait for it unless one of them hangs."""
        for queue in self._queues:
            queue.put(None)
        for thread in () if self.is_stuck else self._threads:
            thread.join()


def _work(queue: SimpleQueue[Callable[[], None] | None]) -> None:
    """Do one task after the other."""
    while (task := queue.get()) is not None:
        task()


class Interleaving:
    """A run of some actors, from their first steps to their ends.

    ``moves`` are the choices made, ``trace`` what each actor did next at each, in order.
    """

    def __init__(
        self,
        actors: Mapping[str, Callable[[], object]],
        schedule: Schedule,
        *,
        step_max: int,
        crash_max: int,
        patience_s: float,
    ) -> None:
        """Run nothing yet."""
        self.turns = [Turn(name, work, self) for name, work in actors.items()]
        self.moves: list[str] = []
        self.trace: list[tuple[str, str]] = []
        self.failure: BaseException | None = None
        self._schedule = schedule
        self._step_max = step_max
        self._crashes_left = crash_max
        self._patience_s = patience_s
        self._over = threading.Lock()

    def run(self, workers: Workers) -> None:
        """Run all actors to their ends.

        Raises:
            AssertionError: they deadlocked, made too many steps, or one hangs in something that
                is no store call.
        """
        self._over.acquire()
        for turn in self.turns:
            turn.gate.acquire()
        workers.start([self._task(turn) for turn in self.turns])
        self._hand_to(self._next(None))
        if not self._over.acquire(timeout=self._patience_s):
            workers.is_stuck = True
            raise AssertionError(
                f"{self.moves[-1]} has the baton and does not come back: it waits for another "
                "actor by something else than a store call; use wait_until"
            )
        if self.failure is not None:
            raise self.failure

    def pass_baton(self, turn: Turn, label: str) -> None:
        """Come back when it is this actor's turn; it was, until now."""
        if turn.crashed or self.failure is not None:
            self._check_alive(turn, label)
        chosen = self._next(turn)
        if chosen is not turn:
            self._hand_to(chosen)
            turn.gate.acquire()
        self._check_alive(turn, label)
        self.trace.append((turn.name, label))

    def _check_alive(self, turn: Turn, label: str) -> None:
        """Unwind an actor that has died, or whose run is over."""
        if self.failure is not None:
            raise _Abandoned
        if turn.crashed:
            self.trace.append((turn.name, f"dies before: {label}"))
            raise SimulatedCrash(f"{turn.name} at: {label}")

    def _task(self, turn: Turn) -> Callable[[], None]:
        """Return what a thread does for an actor."""

        def task() -> None:
            turn.gate.acquire()
            turn.began = True
            _CURRENT.turn = turn
            try:
                if self.failure is None:
                    turn.result = turn.work()
            except _Abandoned:
                pass
            except SimulatedCrash:
                # A fault of the actor's own store can kill it, too.
                turn.crashed = True
            except BaseException as error:  # noqa: BLE001 (reported by whoever made the run)
                turn.error = error
            finally:
                _CURRENT.turn = None
                turn.ended = True
                self._leave()

        return task

    def _leave(self) -> None:
        """Hand the baton on for good."""
        if all(turn.ended for turn in self.turns):
            self._over.release()
        else:
            self._hand_to(self._next(None))

    def _hand_to(self, turn: Turn) -> None:
        """Wake an actor; from here on it holds the baton."""
        turn.gate.release()

    def _next(self, current: Turn | None) -> Turn:
        """Return whose turn it is; when the run has failed, one that is still to be unwound."""
        if self.failure is None:
            try:
                return self._choose(current)
            except BaseException as error:  # noqa: BLE001 (raised again by `run`)
                # Whoever holds the baton must hand it on, or every actor would wait for ever.
                self.failure = error
        return next(turn for turn in self.turns if not turn.ended)

    def _choose(self, current: Turn | None) -> Turn:
        """Let the schedule choose among those that can go on."""
        waiting = [turn for turn in self.turns if not turn.ended]
        ready = [turn for turn in waiting if turn.condition is None or turn.condition()]
        if not ready:
            names = ", ".join(turn.name for turn in waiting)
            raise AssertionError(f"deadlock: nobody can make true what {names} wait for")
        if len(self.moves) >= self._step_max:
            raise AssertionError(f"no end after {self._step_max} steps: a livelock, or too few")
        moves = {turn.name: turn for turn in ready}
        crashes = {turn.name: turn for turn in waiting if turn.began and self._crashes_left}
        on = current is not None and current.name in moves
        options = Options(current.name if current and on else None, list(moves), list(crashes))
        move = self._schedule.choose(options)
        self.moves.append(move)
        turn = moves.get(move)
        if turn is None:
            turn = crashes.get(move.removesuffix("!"))
            assert turn is not None, f"nobody can make the move {move!r} now"
            turn.crashed = True
            self._crashes_left -= 1
        return turn
