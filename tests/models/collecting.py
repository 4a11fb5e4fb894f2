"""The handshake of garbage collection with writers, as a model.

One value is in an object ``k``; the call of an old segment uses it, and a user may drop that call
at any moment. Writers publish a call each that needs the value, collectors run beside them, and
there is no grace period at all. The promise: the value of an acknowledged call is in an object that
a segment of its own writer names. That is stricter than what readers need, who may find a value on
anybody's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tests.models.explorer import Exploration, Process, Step, explore

Names = frozenset[str]
NOTHING: Names = frozenset()


class Segment(NamedTuple):
    """A published segment: whose it is, which one, and where it says that the value is."""

    writer: str
    number: int
    names: Names


class Announcement(NamedTuple):
    """The names that a collector is about to delete."""

    collector: str
    names: Names


class World(NamedTuple):
    """What is in the store. ``lost`` are the writers that took their calls back."""

    objects: Names = frozenset({"k"})
    segments: frozenset[Segment] = frozenset({Segment("old", 0, frozenset({"k"}))})
    announced: frozenset[Announcement] = frozenset()
    dropped: bool = False
    lost: Names = NOTHING

    def referenced(self) -> Names:
        """Return the names that segments with a live call name."""
        live = (s for s in self.segments if not (s.writer == "old" and self.dropped))
        return NOTHING.union(*(s.names for s in live if s.writer not in self.lost))

    def condemned(self) -> Names:
        """Return the names on any announcement."""
        return NOTHING.union(*(a.names for a in self.announced))


class Actor(NamedTuple):
    """Where a process is, and what it keeps in mind."""

    at: str
    live: Names = NOTHING
    condemned: Names = NOTHING
    names: Names = NOTHING
    number: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the processes do; by default, what the protocol asks of them."""

    skips_by: Literal["view", "existence"] = "view"
    looks: Literal["after publishing", "before publishing", "before deciding", "never"] = (
        "after publishing"
    )
    listing_is_stale: bool = False
    repairs_under: Literal["a fresh name", "the same name"] = "a fresh name"
    # A writer that never had the bytes can only copy from where they still are.
    holds_bytes: bool = True
    when_gone: Literal["takes the call back", "acknowledges"] = "takes the call back"
    announces: bool = True
    rereads: Literal["after announcing", "before announcing"] = "after announcing"
    keeps_announcements: bool = True
    promise_begins: Literal["acknowledged", "published"] = "acknowledged"


class Writer:
    """Publishes one call that needs the value."""

    def __init__(self, name: str, rules: Rules) -> None:
        """Follow ``rules``."""
        self.name = name
        self.rules = rules

    def process(self) -> Process[World, Actor]:
        """Return it as a process."""
        return Process(self.name, Actor("begin"), self.steps, self.broken)

    def broken(self, world: World, me: Actor) -> str | None:
        """Say so if the value of a promised call cannot be read."""
        early = self.rules.promise_begins == "published" and me.at in {"look", "repair", "copy"}
        if me.at != "acknowledged" and not early:
            return None
        own = NOTHING.union(*(s.names for s in world.segments if s.writer == self.name))
        return None if own & world.objects else f"the value of {self.name} is gone"

    def steps(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Yield what it may do next."""
        match me.at:
            case "begin":
                yield Step(
                    "reads the log",
                    world,
                    Actor("decide", world.referenced(), world.condemned()),
                )
            case "decide":
                yield self._decide(world, me)
            case "look first":
                condemned = me.names <= world.condemned()
                at = "copy" if condemned else "publish"
                label = f"finds it {'' if condemned else 'not '}condemned"
                yield Step(label, world, me._replace(at=at))
            case "publish":
                yield self._publish(world, me)
            case "look":
                yield from self._look(world, me)
            case "repair":
                yield from self._repair(world, me)
            case "copy":
                yield self._put(world, me, "publish")
            case "take back":
                lost = world._replace(lost=world.lost | {self.name})
                yield Step("publishes that the call is lost", lost, Actor("lost"))
            case _:
                pass

    def _decide(self, world: World, me: Actor) -> Step[World, Actor]:
        """Skip the value where it is thought to be there, or put it."""
        known = world.objects if self.rules.skips_by == "existence" else me.live
        usable = known - me.condemned
        then = "look first" if self.rules.looks == "before publishing" else "publish"
        if usable or not self.rules.holds_bytes:
            # Without the bytes there is nothing to put: whatever is on record is relied on.
            names = usable or me.live
            at = then if names else "lost"
            return Step(f"skips, for {_text(names)}", world, Actor(at, names=names))
        name = "k" if "k" not in me.condemned else f"k~{self.name}0"
        names = frozenset({name})
        return Step(f"puts {name}", _with(world, name), Actor(then, names=names))

    def _publish(self, world: World, me: Actor) -> Step[World, Actor]:
        """Put the segment: from here on readers see the call."""
        segment = Segment(self.name, me.number, me.names)
        at = "look" if self.rules.looks == "after publishing" else "acknowledged"
        after = world._replace(segments=world.segments | {segment})
        return Step("publishes", after, me._replace(at=at))

    def _look(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Read the announcements after publishing."""
        if self.rules.listing_is_stale:
            yield Step("lists announcements, stale", world, Actor("acknowledged"))
        if me.names <= world.condemned():
            yield Step("finds it condemned", world, me._replace(at="repair"))
        else:
            yield Step("finds it not condemned", world, Actor("acknowledged"))

    def _repair(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Make another copy, or find that there is nothing to copy."""
        if self.rules.repairs_under == "the same name":
            yield Step("puts k again", _with(world, "k"), Actor("acknowledged"))
        elif self.rules.holds_bytes:
            yield self._put(world, me, "publish")
        elif me.names & world.objects:
            yield Step("reads the condemned object", world, me._replace(at="copy"))
        elif self.rules.when_gone == "acknowledges":
            yield Step("finds the object gone", world, Actor("acknowledged"))
        else:
            yield Step("finds the object gone", world, me._replace(at="take back"))

    def _put(self, world: World, me: Actor, at: str) -> Step[World, Actor]:
        """Put the value under a name that nobody used."""
        number = me.number + 1
        name = f"k~{self.name}{number}"
        after = me._replace(at=at, names=me.names | {name}, number=number)
        return Step(f"puts {name}", _with(world, name), after)


class Collector:
    """Deletes what no live call needs."""

    def __init__(self, name: str, rules: Rules, *, rounds: int = 1) -> None:
        """Follow ``rules``, ``rounds`` times."""
        self.name = name
        self.rules = rules
        self.rounds = rounds

    def process(self) -> Process[World, Actor]:
        """Return it as a process."""
        return Process(self.name, Actor("mark"), self.steps)

    def steps(self, world: World, me: Actor) -> Iterator[Step[World, Actor]]:
        """Yield what it may do next."""
        match me.at:
            case "mark":
                referenced = world.referenced()
                yield Step("reads the log", world, me._replace(at="list", live=referenced))
            case "list":
                names = world.objects - me.live
                label = f"lists, candidates {_text(names)}"
                after = me._replace(at=self._after_listing(), live=NOTHING, names=names)
                yield Step(label, world, after)
            case "announce":
                entry = Announcement(f"{self.name}{me.number}", me.names)
                at = "reread" if self.rules.rereads == "after announcing" else "sweep"
                announced = world._replace(announced=world.announced | {entry})
                yield Step(f"announces {_text(me.names)}", announced, me._replace(at=at))
            case "reread":
                left = me.names - world.referenced()
                at = "sweep" if self.rules.rereads == "after announcing" else "announce"
                yield Step("reads the log again", world, me._replace(at=at, names=left))
            case "sweep":
                yield self._sweep(world, me)
            case _:
                pass

    def _after_listing(self) -> str:
        """Return what comes after the candidates are known."""
        if not self.rules.announces:
            return "sweep"
        return "announce" if self.rules.rereads == "after announcing" else "reread"

    def _sweep(self, world: World, me: Actor) -> Step[World, Actor]:
        """Delete the next candidate; after the last one, end or begin again."""
        if me.names:
            name = min(me.names)
            after = world._replace(objects=world.objects - {name})
            return Step(f"deletes {name}", after, me._replace(names=me.names - {name}))
        number = me.number + 1
        if not self.rules.keeps_announcements:
            own = f"{self.name}{me.number}"
            kept = frozenset(a for a in world.announced if a.collector != own)
            world = world._replace(announced=kept)
        return Step("ends", world, Actor("mark" if number < self.rounds else "done", number=number))


def user_steps(world: World, me: Actor) -> Iterable[Step[World, Actor]]:
    """Yield the one thing a user may do: drop the call of the old segment."""
    if not world.dropped:
        yield Step("drops the old call", world._replace(dropped=True), me)


def explore_collecting(
    rules: Rules, *, writers: int = 1, collectors: int = 1, rounds: int = 1
) -> Exploration[Actor]:
    """Explore writers and concurrent collectors that follow ``rules``."""
    return explore(
        World(),
        [
            Process("user", Actor("there"), user_steps),
            *(Writer(f"writer{n}", rules).process() for n in range(writers)),
            *(
                Collector(f"collector{n}", rules, rounds=rounds).process()
                for n in range(collectors)
            ),
        ],
    )


def _with(world: World, name: str) -> World:
    """Return the world with one more object."""
    return world._replace(objects=world.objects | {name})


def _text(names: Names) -> str:
    """Return names for a label."""
    return ", ".join(sorted(names)) or "nothing"
