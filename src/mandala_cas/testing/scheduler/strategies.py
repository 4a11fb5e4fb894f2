"""Who goes next: strategies that choose among the actors that could.

A move is the name of an actor, or that name and ``!``: the actor dies where it is.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

# Of many switch points few may kill, or nothing would ever get far.
_CRASH_CHANCE: Final = 0.05


class Options(NamedTuple):
    """What a schedule may choose from.

    ``ready`` are the actors that can go on, never none of them; ``crashes`` those that may die
    now; ``current`` is the actor that made the last step, if it can go on.
    """

    current: str | None
    ready: Sequence[str]
    crashes: Sequence[str]


class Schedule(Protocol):
    """The choices of one run."""

    def choose(self, options: Options) -> str:
        """Return the next move."""
        ...


class Strategy(Protocol):
    """Makes schedules."""

    def schedules(self, seeds: Iterable[int]) -> Iterator[tuple[int, Schedule]]:
        """Yield each seed with its schedule, until either runs out; use one before the next."""
        ...


@dataclass(frozen=True, slots=True)
class RandomWalk:
    """At every switch point any actor, each as likely."""

    def schedules(self, seeds: Iterable[int]) -> Iterator[tuple[int, Schedule]]:
        """Yield a schedule for each seed."""
        for seed in seeds:
            yield seed, _RandomSchedule(random.Random(seed))  # noqa: S311 (repeatable, not secret)


@dataclass(frozen=True, slots=True)
class _RandomSchedule:
    """One random walk."""

    random: random.Random

    def choose(self, options: Options) -> str:
        """Return any actor, now and then to die."""
        if options.crashes and self.random.random() < _CRASH_CHANCE:
            return self.random.choice(options.crashes) + "!"
        return self.random.choice(options.ready)


@dataclass(frozen=True, slots=True)
class PriorityChange:
    """Always the actor of the highest priority, which drops at a few random steps.

    Priorities are random. A bug that needs ``depth`` ordered events is found with a probability of
    at least ``1 / (actors * steps ** (depth - 1))``, which a random walk comes nowhere near where
    one actor must stall while another runs for long. ``steps`` estimates the length of a run.
    """

    depth: int = 3
    steps: int = 64

    def schedules(self, seeds: Iterable[int]) -> Iterator[tuple[int, Schedule]]:
        """Yield a schedule for each seed."""
        for seed in seeds:
            chance = random.Random(seed)  # noqa: S311 (repeatable, not secret)
            changes = frozenset(chance.randrange(1, self.steps + 1) for _ in range(self.depth - 1))
            # Beyond the end in half of the runs: most actors live.
            crash = chance.randrange(2 * self.steps)
            yield seed, _PrioritySchedule(chance, changes, crash)


@dataclass(slots=True)
class _PrioritySchedule:
    """One assignment of priorities, and where they change."""

    random: random.Random
    changes: frozenset[int]
    crash: int
    priorities: dict[str, float] = field(default_factory=dict)
    step: int = 0

    def choose(self, options: Options) -> str:
        """Return the actor of the highest priority."""
        self.step += 1
        for name in options.ready:
            if name not in self.priorities:
                self.priorities[name] = self.random.random()
        if self.step >= self.crash and options.crashes:
            return max(options.crashes, key=lambda name: self.priorities.get(name, 0.0)) + "!"
        if self.step in self.changes:
            # Below every priority so far; the next to drop goes below this one.
            self.priorities[self._highest(options.ready)] = -float(self.step)
        return self._highest(options.ready)

    def _highest(self, names: Iterable[str]) -> str:
        """Return the actor that goes first."""
        return max(names, key=lambda name: self.priorities[name])


class _Choice(NamedTuple):
    """The moves that were allowed at a step, and which one was taken."""

    moves: Sequence[str]
    number: int


@dataclass(frozen=True, slots=True)
class DepthFirst:
    """Every schedule, one after the other, with at most ``preemptions_max`` preemptions.

    A preemption takes the baton from an actor that could go on; most races need one or two. To
    die is no preemption. Seeds only count the runs, so a failure is replayed by its moves.
    """

    preemptions_max: int = 2

    def schedules(self, seeds: Iterable[int]) -> Iterator[tuple[int, Schedule]]:
        """Yield the schedules, beginning with the one that preempts nobody."""
        path: list[_Choice] = []
        for seed in seeds:
            schedule = _DepthFirstSchedule(path, self.preemptions_max)
            yield seed, schedule
            path = schedule.path
            # The deepest choice that has an alternative left takes it; what came after is new.
            while path and path[-1].number + 1 == len(path[-1].moves):
                path.pop()
            if not path:
                return
            last = path.pop()
            path.append(_Choice(last.moves, last.number + 1))


class _DepthFirstSchedule:
    """One path through the tree of choices: as prepared at first, then always the first move."""

    def __init__(self, path: list[_Choice], preemptions_max: int) -> None:
        """Follow ``path``, then go on as before."""
        self.path = path
        self._at = 0
        self._left = preemptions_max

    def choose(self, options: Options) -> str:
        """Return the prepared move, or the first one that is allowed."""
        allowed = self._allowed(options)
        if self._at == len(self.path):
            self.path.append(_Choice(allowed, 0))
        choice = self.path[self._at]
        assert choice.moves == allowed, (
            "the same moves led elsewhere: an actor is not deterministic"
        )
        self._at += 1
        move: str = choice.moves[choice.number]
        if options.current is not None and move != options.current and not move.endswith("!"):
            self._left -= 1
        return move

    def _allowed(self, options: Options) -> list[str]:
        """Return the moves in their order: go on, preempt, die."""
        crashes = [f"{name}!" for name in options.crashes]
        if options.current is None:
            return [*options.ready, *crashes]
        others = [name for name in options.ready if name != options.current]
        return [options.current, *(others if self._left else ()), *crashes]


@dataclass(frozen=True, slots=True)
class Replay:
    """The moves of a run, again; after the last one, the first actor that can go on."""

    moves: Sequence[str]

    def schedules(self, seeds: Iterable[int]) -> Iterator[tuple[int, Schedule]]:
        """Yield the same schedule for each seed."""
        for seed in seeds:
            yield seed, _ReplaySchedule(iter(self.moves))


@dataclass(frozen=True, slots=True)
class _ReplaySchedule:
    """What is left of a list of moves."""

    moves: Iterable[str]

    def choose(self, options: Options) -> str:
        """Return the next move of the list."""
        for move in self.moves:
            return move
        return options.ready[0]
