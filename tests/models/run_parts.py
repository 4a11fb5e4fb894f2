"""Run parts beside garbage collection, as a model of when inputs may be deleted.

A compactor puts the parts of a run, then the manifest that names them, then deletes the segments
that the run covers. A collector takes parts that no visible run names for leftovers. The promise:
every published record is in a segment, or in a run all of whose parts are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tests.models.explorer import Exploration, Process, Step, explore

Names = frozenset[str]
NOTHING: Names = frozenset()
SEGMENTS: Names = frozenset({"a", "b"})


class Run(NamedTuple):
    """A run manifest: what it covers, and the parts that hold it."""

    name: str
    covers: Names
    parts: Names


class World(NamedTuple):
    """What is in the store."""

    segments: Names = SEGMENTS
    runs: frozenset[Run] = frozenset()
    parts: Names = NOTHING
    announced: frozenset[Names] = frozenset()

    def readable(self) -> Names:
        """Return the records that can be read."""
        whole = (run.covers for run in self.runs if run.parts <= self.parts)
        return self.segments.union(*whole)

    def condemned(self) -> Names:
        """Return the names on any announcement."""
        return NOTHING.union(*self.announced)


class Actor(NamedTuple):
    """Where a process is, and what it keeps in mind."""

    at: str
    names: Names = NOTHING
    runs: frozenset[Run] = frozenset()
    condemned: Names = NOTHING
    number: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What a compactor does before it deletes; by default, what the design asks of it."""

    looks: Literal["after the run is seen", "before the run is put", "never"] = (
        "after the run is seen"
    )
    reads_back: bool = True
    takes_back: Literal["a part is gone", "a part is condemned", "never"] = "a part is gone"


class Compactor:
    """Puts a run in two parts, and deletes what any run covers."""

    def __init__(self, name: str, rules: Rules, rounds: int) -> None:
        """Follow ``rules``, ``rounds`` times."""
        self.name = name
        self.rules = rules
        self.rounds = rounds

    def process(self) -> Process[World, Actor]:
        """Return it as a process."""
        return Process(self.name, Actor("read"), self.steps, self.broken)

    def broken(self, world: World, me: Actor) -> str | None:
        """Say so if a record cannot be read."""
        del me
        lost = SEGMENTS - world.readable()
        return f"lost {', '.join(sorted(lost))}" if lost else None

    def steps(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Yield what it may do next."""
        match me.at:
            case "read" if me.number < self.rounds:
                names = world.readable()
                yield Step("reads the log", world, me._replace(at="put parts", names=names))
            case "put parts":
                yield from self._put_parts(world, me)
            case "look early":
                looked = me._replace(at="put manifest", condemned=world.condemned())
                yield Step("reads the announcements", world, looked)
            case "put manifest":
                run = Run(self._name(me), me.names, self._parts(me))
                after = world._replace(runs=world.runs | {run})
                label = f"puts the manifest of {run.name}"
                yield Step(label, after, me._replace(at="list segments"))
            case "list segments":
                # One listing shows segments, then runs, then announcements: a step each.
                yield Step("lists", world, me._replace(at="list runs", names=world.segments))
            case "list runs":
                label = "lists the runs"
                yield Step(label, world, me._replace(at="look", runs=world.runs))
            case "look":
                yield from self._look(world, me)
            case "take back":
                yield from self._take_back(world, me)
            case "delete":
                yield from self._delete(world, me)
            case _:
                pass

    def _name(self, me: Actor) -> str:
        """Return the name of the run that is being made."""
        return f"{self.name}.{me.number}"

    def _parts(self, me: Actor) -> Names:
        """Return the parts of the run that is being made."""
        return frozenset({f"{self._name(me)}/calls", f"{self._name(me)}/values"})

    def _put_parts(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Put the parts one by one; a part is not a record before the manifest names it."""
        missing = self._parts(me) - me.condemned
        if not missing:
            early = self.rules.looks == "before the run is put"
            at = "look early" if early else "put manifest"
            yield Step("has put all parts", world, me._replace(at=at, condemned=NOTHING))
            return
        part = min(missing)
        # `condemned` keeps, up to here, which parts were put.
        after = me._replace(condemned=me.condemned | {part})
        yield Step(f"puts {part}", world._replace(parts=world.parts | {part}), after)

    def _look(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Find out which of the runs seen may stand for what they cover."""
        condemned = {
            "after the run is seen": world.condemned(),
            "before the run is put": me.condemned,
            "never": NOTHING,
        }[self.rules.looks]
        after = me._replace(at="take back", condemned=condemned)
        yield Step(f"sees {len(condemned)} condemned names", world, after)

    def _take_back(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Delete runs that are of no use, if what they cover is elsewhere as well."""
        for run in sorted(me.runs & world.runs):
            others = (other.covers for other in me.runs if other != run)
            is_useless = {
                "a part is gone": not run.parts <= world.parts,
                "a part is condemned": bool(run.parts & me.condemned),
                "never": False,
            }[self.rules.takes_back]
            if is_useless and run.covers <= me.names.union(*others):
                after = world._replace(runs=world.runs - {run})
                yield Step(f"takes {run.name} back", after, me._replace(runs=me.runs - {run}))
                return
        sound = frozenset(run for run in me.runs if not run.parts & me.condemned)
        after_all = me._replace(at="delete", runs=sound, condemned=NOTHING, names=NOTHING)
        yield Step(f"trusts {len(sound)} of {len(me.runs)} runs", world, after_all)

    def _delete(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Delete what one sound run covers, each run read back before."""
        whole = frozenset(run for run in me.runs if run.parts <= world.parts)
        if self.rules.reads_back and not me.names:
            # Read once, before the first deletion.
            yield Step("reads the runs back", world, me._replace(runs=whole, names=SEGMENTS))
            return
        victims = sorted(x for x in world.segments if any(x in run.covers for run in me.runs))
        smaller = sorted(
            run for run in world.runs if any(_supersedes(other, run) for other in me.runs)
        )
        if victims:
            after = world._replace(segments=world.segments - {victims[0]})
            yield Step(f"deletes segment {victims[0]}", after, me)
        elif smaller:
            left = world._replace(runs=world.runs - {smaller[0]})
            yield Step(f"deletes the manifest of {smaller[0].name}", left, me)
        else:
            yield Step("has retired all", world, Actor("read", number=me.number + 1))


class Collector:
    """Deletes parts that no visible run names."""

    def __init__(self, name: str) -> None:
        """Take the name that it has in traces."""
        self.name = name

    def process(self) -> Process[World, Actor]:
        """Return it as a process."""
        return Process(self.name, Actor("mark"), self.steps)

    def steps(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Yield what it may do next."""
        named = NOTHING.union(*(run.parts for run in world.runs))
        match me.at:
            case "mark":
                yield Step("reads the log", world, Actor("list", named))
            case "list":
                names = world.parts - me.names
                label = f"lists, candidates {', '.join(sorted(names)) or 'nothing'}"
                yield Step(label, world, Actor("announce", names))
            case "announce":
                after = world._replace(announced=world.announced | {me.names})
                yield Step("announces", after, me._replace(at="reread"))
            case "reread":
                yield Step("reads the log again", world, Actor("sweep", me.names - named))
            case "sweep" if me.names:
                part = min(me.names)
                after = world._replace(parts=world.parts - {part})
                yield Step(f"deletes {part}", after, Actor("sweep", me.names - {part}))
            case _:
                pass


def explore_run_parts(
    rules: Rules, *, compactors: int = 1, rounds: int = 1, collectors: int = 1
) -> Exploration[Actor]:
    """Explore compactors that follow ``rules`` beside collectors."""
    return explore(
        World(),
        [
            *(Compactor(f"run{n}", rules, rounds).process() for n in range(compactors)),
            *(Collector(f"collector{n}").process() for n in range(collectors)),
        ],
    )


def _supersedes(other: Run, run: Run) -> bool:
    """Tell whether ``other`` alone stands for everything that ``run`` does."""
    if other.covers == run.covers:
        return run.name < other.name
    return run.covers < other.covers
