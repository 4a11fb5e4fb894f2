"""What a store must answer, in a few dictionaries: the oracle of stateful tests.

No cleverness: no batches, no packs, no runs, no index. Where this and the real store differ, one of
the two is wrong, and this one is the shorter to read.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

# Which record: the model numbers them.
Dot = int
Value = Hashable
# Which call: whatever a test calls it.
CallKey = str


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One record: which call it is, the values that went in and came out."""

    key: CallKey
    inputs: frozenset[Value] = frozenset()
    outputs: frozenset[Value] = frozenset()

    @property
    def values(self) -> frozenset[Value]:
        """The values that the record uses."""
        return self.inputs | self.outputs


@dataclass
class ModelWriter:
    """One process that has the store open: what it saw, and what it has not committed."""

    seen: set[Dot] = field(default_factory=set)
    seen_tombstones: set[Dot] = field(default_factory=set)
    batch: dict[Dot, ModelCall] = field(default_factory=dict)


@dataclass
class StoreModel:
    """A store and the processes that have it open, by name.

    ``present`` holds the values whose bytes are in the store: what was committed and neither
    collected nor evicted.
    """

    records: dict[Dot, ModelCall] = field(default_factory=dict)
    tombstones: set[Dot] = field(default_factory=set)
    tags: dict[str, frozenset[Value]] = field(default_factory=dict)
    present: set[Value] = field(default_factory=set)
    writers: dict[str, ModelWriter] = field(default_factory=dict)
    next_dot: Dot = 0

    # Processes

    def reopen(self, name: str) -> None:
        """Open the store, perhaps again: what was not committed is gone."""
        self.writers[name] = ModelWriter()
        self.refresh(name)

    def crash(self, name: str) -> None:
        """Have a process die; what it leaves is what it committed."""
        del self.writers[name]

    def refresh(self, name: str) -> None:
        """See everything that was committed by now."""
        self.writers[name].seen = set(self.records)
        self.writers[name].seen_tombstones = set(self.tombstones)

    def commit(self, name: str) -> None:
        """Put a batch on record, and see what others did."""
        writer = self.writers[name]
        if writer.batch:
            self.records |= writer.batch
            for call in writer.batch.values():
                self.present |= call.values
            writer.batch = {}
            self.refresh(name)

    # What is so

    def live(self) -> dict[Dot, ModelCall]:
        """Return the records that count, as somebody sees them who opens the store now."""
        return {dot: call for dot, call in self.records.items() if dot not in self.tombstones}

    def visible(self, name: str) -> dict[Dot, ModelCall]:
        """Return the records that one process sees, its own batch included."""
        writer = self.writers[name]
        seen = {dot: self.records[dot] for dot in writer.seen - writer.seen_tombstones}
        return seen | writer.batch

    def needed(self) -> frozenset[Value]:
        """Return the values that the store must keep: of live records, and tagged."""
        used = frozenset[Value]().union(*(call.values for call in self.live().values()))
        return used.union(*self.tags.values())

    def readable(self) -> frozenset[Value]:
        """Return the needed values whose bytes are there."""
        return self.needed() & self.present

    # What people do

    def call(self, name: str, call: ModelCall) -> bool:
        """Make a call; tell whether it had to be computed, or a record answered."""
        if any(known.key == call.key for known in self.visible(name).values()):
            return False
        self.writers[name].batch[self.next_dot] = call
        self.next_dot += 1
        return True

    def drop(self, name: str, keys: Iterable[CallKey]) -> None:
        """Forget calls: the records of them that this process has seen, and no others.

        Commits first, and so sees what others committed.
        """
        self.commit(name)
        wanted = set(keys)
        dots = {dot for dot, call in self.visible(name).items() if call.key in wanted}
        self.tombstones |= dots
        self.refresh(name)

    def tag(self, tag: str, values: Iterable[Value]) -> None:
        """Keep values under a name, whatever becomes of their calls."""
        self.tags[tag] = frozenset(values)

    def untag(self, tag: str) -> None:
        """Take a name away."""
        self.tags.pop(tag, None)

    def compact(self) -> None:
        """Change nothing that anybody can see."""

    def collect(self) -> frozenset[Value]:
        """Remove every value that nothing needs; return those."""
        removed = frozenset(self.present - self.needed())
        self.present -= removed
        return removed

    def evict(self, values: Iterable[Value]) -> None:
        """Free the bytes of values; their records stay."""
        self.present -= set(values)

    def restore(self, values: Iterable[Value]) -> None:
        """Have the bytes of values again: fetched, or computed once more."""
        self.present |= set(values)
