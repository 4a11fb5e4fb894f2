"""Processes that have one store open, and the model that does what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from tempfile import TemporaryDirectory
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from mandala_cas.codec.canonical import content_id
from mandala_cas.imports import Storage, op
from mandala_cas.log.view import LogView
from mandala_cas.memo import context
from mandala_cas.memo.op import Op
from mandala_cas.model.ids import ContentId
from mandala_cas.model.refs import Ref
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import FaultStore, ModelCall, StoreModel

Key = str
Work = Literal["commit", "compact", "compact all", "collect"]
WRITERS = ("A", "B", "C")
TAGS = ("kept", "best")
PACKED_SIZE = 3_000
LOOSE_SIZE = 6_000
# What the test sets, so that a loose value is small enough to be made thousands of times.
PACKED_MAX = 5_000
_executed: list[str] = []

writers = st.sampled_from(WRITERS)
# Few, so that processes often mean the same call.
numbers = st.integers(0, 1)
# Of as many things as there are then: what is drawn must not depend on what a store looks like,
# for ids and times differ whenever a history is run again.
choices = st.integers(0, 1 << 16)


def ticking() -> Callable[[], float]:
    """Return a clock that goes on with every look."""
    ticks = count(1)
    return lambda: float(next(ticks))


@op
def small(x: int) -> int:
    """Return a value that lies in the segment."""
    _executed.append("small")
    return x + 1000


@op
def medium(x: int) -> bytes:
    """Return a value that lies in a pack."""
    _executed.append("medium")
    return bytes([x]) * PACKED_SIZE


@op
def large(x: int) -> bytes:
    """Return a value that is an object of its own."""
    _executed.append("large")
    return bytes([x]) * LOOSE_SIZE


@op
def follow(before: int) -> int:
    """Return a value made of the value of another call."""
    _executed.append("follow")
    return before + 1000


class Handle(FaultStore):
    """A process's way to the store, on which nothing may overwrite an object with other bytes.

    But for what a test damaged: what is put in its place is right.
    """

    def __init__(self, inner: MemoryObjectStore, damaged: set[str]) -> None:
        """Know what was damaged, now and later."""
        super().__init__(inner, forbid_overwrite=True)
        self._damaged = damaged

    def _check_overwrite(self, name: str, data: bytes) -> None:
        """Check, unless what is there is damaged."""
        if name not in self._damaged:
            super()._check_overwrite(name, data)


class ModelledStore(RuleBasedStateMachine):
    """A store, who has it open, and a model of both; no rules yet.

    What a process that dies had not committed is lost.
    """

    def __init__(self) -> None:
        """Open an empty store some times."""
        super().__init__()
        self.folder = TemporaryDirectory()
        self.inner = self.make_store()
        self.model = StoreModel()
        self.storages: dict[str, Storage] = {}
        self.handles: dict[str, FaultStore] = {}
        self.outputs: dict[bytes, Key] = {}
        self.call_hids: dict[Key, str] = {}
        self.values: dict[Key, Any] = {}
        # Whose decisions a collection may have overtaken.
        self.overtaken: set[str] = set()
        self.whole_runs: set[str] = set()
        self.damaged: set[str] = set()

    def make_store(self) -> MemoryObjectStore:
        """Return an empty store, whose clock goes on with every object."""
        return MemoryObjectStore(clock=ticking())

    def places(self) -> dict[str, set[ContentId]]:
        """Return which values the log places in which objects."""
        view = LogView(self.inner)
        view.refresh()
        found: dict[str, set[ContentId]] = {}
        for part in view.parts.values():
            for row in range(part.values.row_count):
                record = part.value_record(row)
                found.setdefault(record.location, set()).add(record.content_id)
        return found

    def forget_what_is_lost(self, contents: set[ContentId]) -> None:
        """Have the model forget the calls whose results were nowhere else."""
        keys = self.keys(self.reader())
        gone = {dot for dot, call in self.model.live().items() if call.key not in keys}
        for dot in gone:
            (value,) = self.model.records[dot].outputs
            assert content_id(value) in contents, f"{value!r:.30} was in another object"
        self.model.tombstones |= gone

    def do(self, name: str, work: Work) -> None:
        """Do what may be cut off."""
        storage = self.storages[name]
        match work:
            case "commit":
                storage.commit()
            case "compact" | "compact all":
                storage.compact(full=work == "compact all", delay=0)
            case "collect":
                storage.gc(dry_run=False, grace=0)

    def die(self, name: str) -> None:
        """Have the model know that a process died."""
        self.model.crash(name)

    def reader(self) -> Storage:
        """Open the store in a process that only looks."""
        return Storage(self.inner, mode="r", cache_dir=self.folder.name)

    def open(self, name: str) -> None:
        """Open the store in a process that knows nothing yet."""
        self.handles[name] = Handle(self.inner, self.damaged)
        storage = Storage(self.handles[name], flush_after=float("inf"), cache_dir=self.folder.name)
        # So that nobody looks because of the time that passed, or that an op took.
        storage._parts.recorder.lookout._stale_after_s = float("inf")
        self.storages[name] = storage
        self.model.reopen(name)
        self.overtaken.discard(name)

    def commit_both(self, name: str) -> None:
        """Commit, here and in the model.

        A collection may have taken bytes that the batch relied on and never had: then the commit
        says that the call was not made.
        """
        batch = dict(self.model.writers[name].batch)
        self.storages[name].commit()
        self.model.commit(name)
        self.forget_forgone(name, batch, is_overtaken=name in self.overtaken)
        if batch:
            self.overtaken.discard(name)

    def forget_forgone(
        self, name: str, batch: Mapping[int, ModelCall], *, is_overtaken: bool
    ) -> None:
        """Have the model forget what a commit said it could not keep."""
        if not batch:
            return
        keys = self.keys(self.storages[name])
        forgone = {dot for dot, call in batch.items() if call.key not in keys}
        assert not forgone or is_overtaken
        self.model.tombstones |= forgone
        self.model.refresh(name)

    def others_are_overtaken(self, name: str) -> None:
        """Note that bytes went on which the batches of others may rely."""
        self.overtaken.update(set(WRITERS) - {name})

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Enter a storage without the commit at the end of a block."""
        session = context.enter(self.storages[name]._parts.book)
        try:
            yield
        finally:
            context.leave(session)

    def make(self, name: str, function: Op[Any, Any], key: Key, argument: Any, value: Any) -> Ref:
        """Make a call here and in the model; both must compute it, or neither.

        ``value`` is what ``argument`` is, or what it is a ref of.
        """
        _executed.clear()
        ref: Ref = function(argument)
        executed = list(_executed)
        self.values[key] = function.f(value)
        call = ModelCall(key, frozenset({value}), frozenset({self.values[key]}))
        computed = self.model.call(name, call)
        assert executed == ([function.name] if computed else []), f"{name} calls {key}"
        self.outputs[bytes.fromhex(ref.hid)] = key
        if key not in self.call_hids:
            self.call_hids[key] = self.hid_of_creator(self.storages[name], ref)
        return ref

    def hid_of_creator(self, storage: Storage, ref: Any) -> str:
        """Return the id of the call that gave a ref."""
        (call,) = {
            call
            for calls in storage.cf(ref).expand_back().calls_by_func().values()
            for call in calls
            if ref.hid in {output.hid for output in call.outputs.values()}
        }
        return str(call.hid)

    def keys(self, storage: Storage) -> set[Key]:
        """Return the calls that a storage shows; one that nobody made is an error."""
        tables = storage.tables()
        hids = tables.refs["hid"].to_list()
        slots = tables.slots
        return {
            self.outputs[hids[ref]]
            for is_output, ref in zip(slots["is_output"], slots["ref"], strict=True)
            if is_output
        }
