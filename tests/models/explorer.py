"""An explicit-state explorer: every interleaving of some processes over a shared world.

A model is a shared world and processes. Each process has a state of its own and a function that
gives its possible next steps from the world and that state; one step happens at a time, and any
process may be the next, or never be again. So every stall of every length is explored, and so is
every crash: a process that dies is one that takes no further step.

Worlds and states are written as people read them (named tuples, frozen sets) and numbered when
they first occur. A state of the whole is then one integer, bit fields of those numbers, and what a
process can do next is looked up by the fields that it sees. No state is left out: there is no
symmetry reduction and no partial order reduction that would have to be proved.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

_World = TypeVar("_World", bound=Hashable)
_Local = TypeVar("_Local", bound=Hashable)
_Thing = TypeVar("_Thing", bound=Hashable)

_WORLD_BITS: Final = 24
_LOCAL_BITS: Final = 16


class Step(NamedTuple, Generic[_World, _Local]):
    """One thing a process may do next: what it is called, and what is so afterwards."""

    label: str
    world: _World
    local: _Local


def never_broken(world: object, local: object) -> None:
    """Break no promise: for a process that makes none."""
    del world, local


@dataclass(frozen=True)
class Process(Generic[_World, _Local]):
    """One process of a model.

    ``steps(world, local)`` gives what it may do next, nothing when it is done; ``broken(world,
    local)`` says which promise to it does not hold, or None. Both must depend on nothing else.
    """

    name: str
    start: _Local
    steps: Callable[[_World, _Local], Iterable[Step[_World, _Local]]]
    broken: Callable[[_World, _Local], str | None] = never_broken


@dataclass(frozen=True)
class Exploration(Generic[_Local]):
    """What an exploration saw.

    ``broken`` is the promise that broke, ``trace`` the shortest way there; None and empty where
    every reachable state is good. ``reached`` holds, for each process, every state it was in.
    """

    state_count: int
    broken: str | None
    trace: tuple[str, ...]
    reached: dict[str, frozenset[_Local]]

    def __str__(self) -> str:
        """Say it for a person."""
        if self.broken is None:
            return f"safe in {self.state_count} states"
        return f"{self.broken} (of {self.state_count} states):\n  " + "\n  ".join(self.trace)


class _Numbers(Generic[_Thing]):
    """Numbers things in the order in which they first occur."""

    def __init__(self, bits: int) -> None:
        """Start with none; at most 2**bits."""
        self.things: list[_Thing] = []
        self._numbers: dict[_Thing, int] = {}
        self._max = 1 << bits

    def of(self, thing: _Thing) -> int:
        """Return the number of a thing."""
        number = self._numbers.setdefault(thing, len(self.things))
        if number == len(self.things):
            # An overflow would run into the next field, and so explore another model.
            assert number < self._max, "this model has more states than its field has room for"
            self.things.append(thing)
        return number


class _Lane(Generic[_World, _Local]):
    """What one process can do, by the two fields of a state that it sees."""

    def __init__(
        self, process: Process[_World, _Local], index: int, worlds: _Numbers[_World]
    ) -> None:
        """Know nothing yet; ``index`` is the place of its field."""
        self.process = process
        self.locals: _Numbers[_Local] = _Numbers(_LOCAL_BITS)
        self.shift = _WORLD_BITS + index * _LOCAL_BITS
        self.mask = ((1 << _LOCAL_BITS) - 1) << self.shift | (1 << _WORLD_BITS) - 1
        # Each step is a difference: adding it to a state gives the state after.
        self.deltas: dict[int, tuple[int, ...]] = {}
        self._worlds = worlds

    def expand(self, seen: int) -> str | None:
        """Find out what can follow where this process sees ``seen``; return what is broken."""
        world, local = self._at(seen)
        after = [self._number(step) - seen for step in self.process.steps(world, local)]
        self.deltas[seen] = tuple(after)
        return self.process.broken(world, local)

    def label(self, seen: int, delta: int) -> str | None:
        """Return what the step is called that makes this difference, or None."""
        world, local = self._at(seen)
        for step in self.process.steps(world, local):
            if self._number(step) - seen == delta:
                return f"{self.process.name}: {step.label}"
        return None

    def _number(self, step: Step[_World, _Local]) -> int:
        """Return the two fields after a step."""
        return self._worlds.of(step.world) | self.locals.of(step.local) << self.shift

    def _at(self, seen: int) -> tuple[_World, _Local]:
        """Return what the two fields stand for."""
        world = self._worlds.things[seen & ((1 << _WORLD_BITS) - 1)]
        return world, self.locals.things[seen >> self.shift]


def explore(
    world: _World, processes: Sequence[Process[_World, _Local]], *, state_max: int = 20_000_000
) -> Exploration[_Local]:
    """Visit every reachable state, nearest first, until one breaks a promise.

    Raises:
        AssertionError: there are more than ``state_max`` states; nothing is known then.
    """
    worlds: _Numbers[_World] = _Numbers(_WORLD_BITS)
    lanes = [_Lane(process, index, worlds) for index, process in enumerate(processes)]
    start = worlds.of(world)
    for lane in lanes:
        start |= lane.locals.of(lane.process.start) << lane.shift
    seen = {start}
    levels = [[start]]
    while levels[-1]:
        level: list[int] = []
        for state in levels[-1]:
            for lane in lanes:
                view = state & lane.mask
                deltas = lane.deltas.get(view)
                if deltas is None:
                    broken = lane.expand(view)
                    if broken is not None:
                        trace = _trace(levels, state, lanes)
                        return Exploration(len(seen), broken, trace, _reached(lanes))
                    deltas = lane.deltas[view]
                for delta in deltas:
                    after = state + delta
                    if after not in seen:
                        seen.add(after)
                        level.append(after)
        assert len(seen) <= state_max, f"more than {state_max} states"
        levels.append(level)
    return Exploration(len(seen), None, (), _reached(lanes))


def _trace(
    levels: Sequence[Sequence[int]], state: int, lanes: Sequence[_Lane[_World, _Local]]
) -> tuple[str, ...]:
    """Return the labels of a shortest way from the start to ``state``, of the last level."""
    labels: list[str] = []
    for level in reversed(levels[:-1]):
        state, label = _step_before(level, state, lanes)
        labels.append(label)
    return tuple(reversed(labels))


def _step_before(
    level: Sequence[int], after: int, lanes: Sequence[_Lane[_World, _Local]]
) -> tuple[int, str]:
    """Return a state of ``level`` that one step leads from to ``after``, and the step's label."""
    for state in level:
        for lane in lanes:
            if after - state in lane.deltas.get(state & lane.mask, ()):
                label = lane.label(state & lane.mask, after - state)
                assert label is not None, "a step that was taken can be found again"
                return state, label
    raise AssertionError("every state but the first was reached from one before")


def _reached(lanes: Sequence[_Lane[_World, _Local]]) -> dict[str, frozenset[_Local]]:
    """Return the states that each process was in."""
    return {lane.process.name: frozenset(lane.locals.things) for lane in lanes}
