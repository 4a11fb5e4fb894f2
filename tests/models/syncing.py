"""Replicas that add, drop, compact and exchange log objects, as a random simulation.

Dropping is observed-remove: a tombstone names the records that the replica had seen, and nothing
else. The promise: once every replica has exchanged everything, each shows exactly the records that
were added and that no drop named.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Dot = tuple[str, int, int]
Dots = frozenset[Dot]
_STEPS = 60
# Enough full rounds for anything to get from any replica to any other by way of a third.
_LAST_ROUNDS = 3

Keeps = Literal["all tombstones", "those of records elsewhere", "no tombstones"]


class LogObject(NamedTuple):
    """A segment or a run: the segments it stands for, its records, its tombstones."""

    covers: frozenset[str]
    records: Dots
    tombstones: Dots


@dataclass
class Replica:
    """One store, and the one writer that writes to it."""

    name: str
    segments: dict[str, LogObject] = field(default_factory=dict)
    runs: dict[str, LogObject] = field(default_factory=dict)
    seq: int = 0

    def live(self) -> Dots:
        """Return the records that a reader sees."""
        items = [*self.segments.values(), *self.runs.values()]
        buried = frozenset[Dot]().union(*(item.tombstones for item in items))
        return frozenset[Dot]().union(*(item.records for item in items)) - buried

    def known(self) -> frozenset[str]:
        """Return the segments that this store has, by themselves or in runs."""
        return frozenset(self.segments).union(*(run.covers for run in self.runs.values()))

    def publish(self, records: Iterable[Dot], tombstones: Iterable[Dot]) -> None:
        """Put one segment."""
        name = f"{self.name}{self.seq}"
        self.seq += 1
        self.segments[name] = LogObject(frozenset({name}), Dots(records), Dots(tombstones))

    def compact(self, inputs: Iterable[LogObject], name: str, keeps: Keeps) -> None:
        """Put a run over some log objects, and delete what it alone supersedes."""
        parts = list(inputs)
        covers = frozenset[str]().union(*(part.covers for part in parts))
        records = frozenset[Dot]().union(*(part.records for part in parts))
        tombstones = frozenset[Dot]().union(*(part.tombstones for part in parts))
        kept = {
            "all tombstones": tombstones,
            "those of records elsewhere": tombstones - records,
            "no tombstones": Dots(),
        }[keeps]
        run = LogObject(covers, records - tombstones, kept)
        self.segments = {k: s for k, s in self.segments.items() if k not in covers}
        self.runs = {
            k: r for k, r in self.runs.items() if not (r.covers < covers or r.covers == covers)
        }
        self.runs[name] = run


class Simulation:
    """Some replicas at random work, the same for the same seed."""

    def __init__(self, seed: int, keeps: Keeps, *, replicas: int = 3) -> None:
        """Do nothing yet."""
        self.random = random.Random(seed)  # noqa: S311 (a simulation, no secret)
        self.keeps: Keeps = keeps
        self.replicas = [Replica(chr(ord("A") + index)) for index in range(replicas)]
        self.added: set[Dot] = set()
        self.dropped: set[Dot] = set()
        self.run_count = 0
        self.sync_count = 0

    def run(self) -> None:
        """Work at random, then exchange everything."""
        for _ in range(_STEPS):
            replica = self.random.choice(self.replicas)
            self.random.choices([self.add, self.drop, self.compact, self.sync], [40, 15, 20, 25])[
                0
            ](replica)
        for _ in range(_LAST_ROUNDS):
            for source in self.replicas:
                for target in self.replicas:
                    self.copy(source, target, None)

    def disagreement(self) -> str | None:
        """Say where a replica differs from the observed-remove model, or None."""
        wanted = self.added - self.dropped
        for replica in self.replicas:
            extra, lost = replica.live() - wanted, wanted - replica.live()
            if extra or lost:
                return f"{replica.name}: resurrected {sorted(extra)}, lost {sorted(lost)}"
        return None

    def add(self, replica: Replica) -> None:
        """Record some calls."""
        dots = [(replica.name, replica.seq, row) for row in range(self.random.randint(1, 3))]
        replica.publish(dots, ())
        self.added.update(dots)

    def drop(self, replica: Replica) -> None:
        """Drop some of what the replica shows."""
        live = sorted(replica.live())
        if live:
            dots = self.random.sample(live, min(len(live), self.random.randint(1, 3)))
            replica.publish((), dots)
            self.dropped.update(dots)

    def compact(self, replica: Replica) -> None:
        """Merge a random part of the log."""
        items = [*replica.segments.values(), *replica.runs.values()]
        inputs = [item for item in items if self.random.random() < 0.7]
        if len(inputs) > 1:
            replica.compact(inputs, f"run{self.run_count}", self.keeps)
            self.run_count += 1

    def sync(self, replica: Replica) -> None:
        """Copy to another replica; sometimes the connection breaks."""
        target = self.random.choice([other for other in self.replicas if other is not replica])
        breaks = self.random.random() < 0.3
        self.copy(replica, target, self.random.randrange(8) if breaks else None)
        self.sync_count += 1

    def copy(self, source: Replica, target: Replica, object_max: int | None) -> None:
        """Copy log objects that the target lacks, in any order, up to ``object_max`` of them."""
        known = target.known()
        segments = [name for name in source.segments if name not in known]
        runs = [name for name in source.runs if name not in target.runs]
        todo = [*segments, *runs]
        self.random.shuffle(todo)
        for name in todo[:object_max]:
            if name in source.segments:
                target.segments[name] = source.segments[name]
            else:
                # One whose segments are all known tells nothing new, and does no harm.
                target.runs[name] = source.runs[name]


def simulate(seed: int, keeps: Keeps) -> Simulation:
    """Return a simulation that has run."""
    simulation = Simulation(seed, keeps)
    simulation.run()
    return simulation
