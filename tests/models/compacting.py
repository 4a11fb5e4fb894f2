"""Compaction with several compactors, a late segment and a reader, as a model.

Segments ``a`` and ``b`` are there from the beginning; ``c``, whose name sorts among them, may be
put at any moment, by a writer that was suspended. A compactor puts a run of what it read, lists
again and deletes what it believes superseded, one object at a time. The promises: every published
record is in some log object, and a reader that finished has seen what was published before it
began.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tests.models.explorer import Exploration, Process, Step, explore

Records = frozenset[str]
FIRST: Records = frozenset({"a", "b"})


class LogObject(NamedTuple):
    """A segment (``compactor`` is empty) or a run: what it says it covers, what it holds."""

    compactor: str
    covers: Records
    holds: Records


View = frozenset[LogObject]


def segment(record: str) -> LogObject:
    """Return the segment that holds one record."""
    return LogObject("", frozenset({record}), frozenset({record}))


_FIRST_LOG: View = frozenset({segment("a"), segment("b")})


class World(NamedTuple):
    """What is in the log, and what was ever published."""

    log: View = _FIRST_LOG
    published: Records = FIRST


class Actor(NamedTuple):
    """Where a process is, and what it keeps in mind."""

    at: str
    view: View = frozenset()
    victims: View = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the processes do; by default, what the protocol asks of them."""

    coverage: Literal["what was read", "every name up to the last"] = "what was read"
    deletes: Literal["covered by one", "covered by the union"] = "covered by one"
    breaks_ties: bool = True
    reads_first: Literal["segments", "runs"] = "segments"
    # A batch of deletions may happen in any order: None is all of it.
    next_victim_of: Literal[1] | None = None


class Compactor:
    """Puts one run, and retires what it supersedes."""

    def __init__(self, name: str, rules: Rules) -> None:
        """Follow ``rules``."""
        self.name = name
        self.rules = rules

    def process(self) -> Process[World, Actor]:
        """Return it as a process."""
        return Process(self.name, Actor("read"), self.steps, self.broken)

    def broken(self, world: World, me: Actor) -> str | None:
        """Say so if a published record is nowhere."""
        del me
        there = frozenset[str]().union(*(item.holds for item in world.log))
        lost = world.published - there
        return f"lost {', '.join(sorted(lost))}" if lost else None

    def steps(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Yield what it may do next."""
        match me.at:
            case "read":
                yield Step("reads the log", world, Actor("put", world.log))
            case "put":
                held = frozenset[str]().union(*(item.holds for item in me.view))
                covers = held
                if self.rules.coverage == "every name up to the last":
                    covers = frozenset({"a", "b", "c"})
                run = LogObject(self.name, covers, held)
                label = f"puts a run over {', '.join(sorted(covers))}"
                yield Step(label, world._replace(log=world.log | {run}), Actor("list"))
            case "list":
                victims = frozenset(x for x in world.log if self._may_go(x, world.log))
                label = f"lists, plans {len(victims)} deletions"
                yield Step(label, world, Actor("delete", victims=victims))
            case "delete":
                for victim in _in_order(me.victims)[: self.rules.next_victim_of]:
                    after = world._replace(log=world.log - {victim})
                    label = f"deletes {victim.compactor or min(victim.covers)}"
                    yield Step(label, after, me._replace(victims=me.victims - {victim}))
            case _:
                pass

    def _may_go(self, item: LogObject, log: View) -> bool:
        """Tell whether an object is superseded, as far as a listing shows."""
        runs = [other for other in log if other.compactor and other != item]
        if self.rules.deletes == "covered by the union":
            return item.covers <= frozenset[str]().union(*(run.covers for run in runs))
        return any(self._supersedes(run, item) for run in runs)

    def _supersedes(self, run: LogObject, item: LogObject) -> bool:
        """Tell whether one run is enough to let ``item`` go."""
        if run.covers != item.covers or not item.compactor:
            return item.covers <= run.covers
        # Two equal runs: without an order both compactors would delete the other's.
        return not self.rules.breaks_ties or item.compactor < run.compactor


class Reader:
    """Reads the log in two listings, then the objects; begins again if one is gone."""

    def __init__(self, rules: Rules) -> None:
        """Follow ``rules``."""
        self.rules = rules

    def process(self) -> Process[World, Actor]:
        """Return it as a process."""
        return Process("reader", Actor("list"), self.steps, self.broken)

    def broken(self, world: World, me: Actor) -> str | None:
        """Say so if it finished without a record that was there when it began."""
        del world
        seen = frozenset[str]().union(*(item.holds for item in me.view))
        lacks = FIRST - seen
        if me.at != "done" or not lacks:
            return None
        return f"read everything and saw no {', '.join(sorted(lacks))}"

    def steps(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Yield what it may do next."""
        segments = frozenset(item for item in world.log if not item.compactor)
        runs = world.log - segments
        first, second = (
            (segments, runs) if self.rules.reads_first == "segments" else (runs, segments)
        )
        match me.at:
            case "list":
                yield Step("lists one kind", world, Actor("list more", first))
            case "list more":
                yield Step("lists the other kind", world, Actor("get", me.view | second))
            case "get" if me.view <= world.log:
                yield Step("gets all of it", world, me._replace(at="done"))
            case "get":
                yield Step("finds one gone, begins again", world, Actor("list"))
            case _:
                pass


def late_writer_steps(world: World, me: Actor) -> Iterable[Step[World, Actor]]:
    """Yield the put of the late segment."""
    if "c" not in world.published:
        after = World(world.log | {segment("c")}, world.published | {"c"})
        yield Step("puts the late segment c", after, me)


def explore_compacting(rules: Rules, *, compactors: int = 2) -> Exploration[Actor]:
    """Explore compactors, a late writer and a reader that follow ``rules``."""
    return explore(
        World(),
        [
            Process("late writer", Actor("there"), late_writer_steps),
            *(Compactor(f"compactor{n}", rules).process() for n in range(compactors)),
            Reader(rules).process(),
        ],
    )


def _in_order(log: View) -> list[LogObject]:
    """Return log objects in an order that is the same in every process; sets have none."""
    return sorted(log, key=lambda item: (item.compactor, sorted(item.covers)))
