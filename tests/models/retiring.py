"""Compaction beside garbage collection, as a model of where a value's places are on record.

One value is in the object ``k``, placed there by an old segment whose call a user may drop. A
writer's own call needs the value too. Compactors merge any part of the log into runs, leave out the
places of values that they take for unused, and retire what they covered; a collector deletes
objects that no live call needs. The promise: the value of an acknowledged call is in an object that
some visible log object names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

from tests.models.explorer import Exploration, Process, Step, explore

Names = frozenset[str]
NOTHING: Names = frozenset()


class LogObject(NamedTuple):
    """A segment or a run: the segments it stands for, the calls and the places that it holds."""

    name: str
    covers: Names
    calls: Names
    places: Names


def segment(name: str, calls: Names, places: Names) -> LogObject:
    """Return a segment, which stands for itself."""
    return LogObject(name, frozenset({name}), calls, places)


class World(NamedTuple):
    """What is in the store; ``dropped`` calls have a tombstone."""

    objects: Names = frozenset({"k"})
    log: frozenset[LogObject] = frozenset({segment("old", frozenset({"old"}), frozenset({"k"}))})
    announced: frozenset[Names] = frozenset()
    dropped: Names = NOTHING

    def live(self) -> Names:
        """Return the calls that are on record and not dropped."""
        return NOTHING.union(*(item.calls for item in self.log)) - self.dropped

    def places(self) -> Names:
        """Return every place that a visible log object names for the value."""
        return NOTHING.union(*(item.places for item in self.log))

    def referenced(self) -> Names:
        """Return what a collector must keep: every place, while a live call uses the value."""
        return self.places() if self.live() else NOTHING

    def condemned(self) -> Names:
        """Return the names on any announcement."""
        return NOTHING.union(*self.announced)


class Actor(NamedTuple):
    """Where a process is, and what it keeps in mind."""

    at: str
    names: Names = NOTHING
    log: frozenset[LogObject] = frozenset()
    number: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the processes do; by default, what the design asks of them."""

    # Whether a segment also names the places of values that others wrote.
    self_contained: bool = True
    # Whose calls a compactor asks before it leaves a place out.
    drops_places_unused_by: Literal["the run", "the view"] = "the run"
    # What a repair publishes beside the new place: nothing, or the call once more.
    repair_repeats_the_call: bool = True


class Writer:
    """Publishes one call that uses the value."""

    def __init__(self, rules: Rules) -> None:
        """Follow ``rules``."""
        self.rules = rules

    def process(self) -> Process[World, Actor]:
        """Return it as a process."""
        return Process("writer", Actor("decide"), self.steps, self.broken)

    def broken(self, world: World, me: Actor) -> str | None:
        """Say so if the value of the acknowledged call cannot be read."""
        if me.at != "acknowledged" or world.places() & world.objects:
            return None
        return "the value of an acknowledged call is gone"

    def steps(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Yield what it may do next."""
        match me.at:
            case "decide":
                usable = world.places() - world.condemned() if world.live() else NOTHING
                if usable:
                    yield Step("skips the value", world, Actor("publish skipped", usable))
                else:
                    yield self._put(world, me)
            case "publish skipped":
                places = me.names if self.rules.self_contained else NOTHING
                yield self._publish(world, me, places)
            case "publish put":
                yield self._publish(world, me, me.names)
            case "look":
                if me.names <= world.condemned():
                    yield self._put(world, me)
                else:
                    yield Step("finds a place not condemned", world, Actor("acknowledged"))
            case _:
                pass

    def _put(self, world: World, me: Actor) -> Step[World, Actor]:
        """Put the value under a name that nobody used."""
        name = f"k~{me.number}"
        after = world._replace(objects=world.objects | {name})
        return Step(f"puts {name}", after, me._replace(at="publish put", names=me.names | {name}))

    def _publish(self, world: World, me: Actor, places: Names) -> Step[World, Actor]:
        """Put a segment; the first one has the call, a repair perhaps."""
        repeats = me.number == 0 or self.rules.repair_repeats_the_call
        calls = frozenset({"new"}) if repeats else NOTHING
        entry = segment(f"new{me.number}", calls, places)
        after = world._replace(log=world.log | {entry})
        return Step("publishes", after, me._replace(at="look", number=me.number + 1))


class Compactor:
    """Merges part of the log into a run, and retires it."""

    def __init__(self, name: str, rules: Rules, rounds: int) -> None:
        """Follow ``rules``, ``rounds`` times."""
        self.name = name
        self.rules = rules
        self.rounds = rounds

    def process(self) -> Process[World, Actor]:
        """Return it as a process."""
        return Process(self.name, Actor("read"), self.steps)

    def steps(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Yield what it may do next."""
        match me.at:
            case "read" if me.number < self.rounds:
                yield from self._read(world, me)
            case "put":
                (run,) = me.log
                after = world._replace(log=world.log | {run})
                yield Step(f"puts {_text(run)}", after, me._replace(at="retire"))
            case "retire":
                (run,) = me.log
                victims = sorted(x for x in world.log if x != run and _supersedes(run, x))
                if victims:
                    after = world._replace(log=world.log - {victims[0]})
                    yield Step(f"deletes {victims[0].name}", after, me)
                else:
                    yield Step("has retired all", world, Actor("read", number=me.number + 1))
            case _:
                pass

    def _read(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Choose what to merge: any part of what is visible."""
        items = sorted(world.log)
        for size in range(1, len(items) + 1):
            for inputs in combinations(items, size):
                run = self._merge(inputs, world, f"{self.name}{me.number}")
                label = f"reads the log, merges {', '.join(item.name for item in inputs)}"
                yield Step(label, world, me._replace(at="put", log=frozenset({run})))

    def _merge(self, inputs: Iterable[LogObject], world: World, name: str) -> LogObject:
        """Return the run of some log objects, as things are while they are read."""
        parts = tuple(inputs)
        calls = NOTHING.union(*(part.calls for part in parts)) - world.dropped
        users = calls if self.rules.drops_places_unused_by == "the run" else world.live()
        places = NOTHING.union(*(part.places for part in parts)) if users else NOTHING
        return LogObject(name, NOTHING.union(*(part.covers for part in parts)), calls, places)


def collector_steps(world: World, me: Actor) -> Iterator[Step[World, Actor]]:
    """Yield what the collector does: mark, list, announce, look again, delete."""
    match me.at:
        case "mark":
            yield Step("reads the log", world, Actor("list", world.referenced()))
        case "list":
            names = world.objects - me.names
            yield Step("lists", world, Actor("announce", names))
        case "announce":
            after = world._replace(announced=world.announced | {me.names})
            yield Step(f"announces {', '.join(sorted(me.names))}", after, me._replace(at="reread"))
        case "reread":
            left = me.names - world.referenced()
            yield Step("reads the log again", world, Actor("sweep", left))
        case "sweep" if me.names:
            name = min(me.names)
            after = world._replace(objects=world.objects - {name})
            yield Step(f"deletes {name}", after, Actor("sweep", me.names - {name}))
        case _:
            pass


def user_steps(world: World, me: Actor) -> Iterator[Step[World, Actor]]:
    """Yield the one thing a user may do: drop the call of the old segment."""
    if "old" not in world.dropped:
        yield Step("drops the old call", world._replace(dropped=frozenset({"old"})), me)


def explore_retiring(
    rules: Rules, *, compactors: int = 1, rounds: int = 1, collectors: int = 1
) -> Exploration[Actor]:
    """Explore a writer, compactors and collectors that follow ``rules``."""
    return explore(
        World(),
        [
            Process("user", Actor("there"), user_steps),
            Writer(rules).process(),
            *(Compactor(f"run{n}-", rules, rounds).process() for n in range(compactors)),
            *(Process(f"collector{n}", Actor("mark"), collector_steps) for n in range(collectors)),
        ],
    )


def _supersedes(run: LogObject, item: LogObject) -> bool:
    """Tell whether ``run`` alone stands for everything that ``item`` does."""
    if run.covers == item.covers and item.name not in item.covers:
        return item.name < run.name
    return item.covers <= run.covers


def _text(run: LogObject) -> str:
    """Return what a run says of itself, for a label."""
    held = f"calls {sorted(run.calls)}, places {sorted(run.places)}"
    return f"a run over {sorted(run.covers)} with {held}"
