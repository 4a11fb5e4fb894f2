"""Two processes at work on one store, beside the model of what they must see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mandala_cas.imports import Storage, op
from mandala_cas.memo import context
from mandala_cas.memo.op import Op
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import FaultStore, ModelCall, StoreModel

Key = str
WRITERS = ("A", "B")
_executed: list[str] = []

writers = st.sampled_from(WRITERS)
# Few, so that processes often mean the same call.
numbers = st.integers(0, 1)


@op
def small(x: int) -> int:
    """Return a value that lies in the segment."""
    _executed.append("small")
    return x + 1000


@op
def medium(x: int) -> bytes:
    """Return a value that lies in a pack."""
    _executed.append("medium")
    return bytes([x]) * 5000


@op
def follow(before: int) -> int:
    """Return a value made of the value of another call."""
    _executed.append("follow")
    return before + 1000


class StorageMachine(RuleBasedStateMachine):
    """Does the same to a storage and to the model, and compares after every step.

    Nothing is refreshed by the clock: when a process looks is a step of its own.
    """

    def __init__(self) -> None:
        """Open an empty store twice."""
        super().__init__()
        # Nothing may ever overwrite an object with other bytes.
        self.objects = FaultStore(MemoryObjectStore(), forbid_overwrite=True)
        self.model = StoreModel()
        self.storages: dict[str, Storage] = {}
        self.outputs: dict[bytes, Key] = {}
        self.call_hids: dict[Key, str] = {}
        self.values: dict[Key, Any] = {}

    @initialize()
    def open_both(self) -> None:
        """Begin with two processes."""
        for name in WRITERS:
            self.open(name)

    @rule(name=writers, x=numbers)
    def call_small(self, name: str, x: int) -> None:
        """Make a call whose value is inline."""
        with self.inside(name):
            self.make(name, small, f"small {x}", x)

    @rule(name=writers, x=numbers)
    def call_medium(self, name: str, x: int) -> None:
        """Make a call whose value is in a pack."""
        with self.inside(name):
            self.make(name, medium, f"medium {x}", x)

    @rule(name=writers, x=numbers)
    def call_follow(self, name: str, x: int) -> None:
        """Make a call, and one on its result."""
        with self.inside(name):
            ref = self.make(name, small, f"small {x}", x)
            self.make(name, follow, f"follow {x}", ref)

    @rule(name=writers)
    def commit(self, name: str) -> None:
        """Put a batch on record."""
        self.storages[name].commit()
        self.model.commit(name)

    @rule(name=writers)
    def refresh(self, name: str) -> None:
        """See what the other one did."""
        self.storages[name].refresh()
        self.model.refresh(name)

    @precondition(lambda self: self.model.records)
    @rule(name=writers, data=st.data())
    def drop(self, name: str, data: st.DataObject) -> None:
        """Forget a call that this process sees."""
        keys = sorted({call.key for call in self.model.visible(name).values()})
        if keys:
            key = data.draw(st.sampled_from(keys), label="drops")
            self.storages[name].drop_calls([self.call_hids[key]])
            self.model.drop(name, [key])

    @rule(name=writers)
    def close_and_reopen(self, name: str) -> None:
        """End a process as it should be ended, and start another."""
        self.storages[name].commit()
        self.model.commit(name)
        self.open(name)

    @rule(name=writers)
    def crash(self, name: str) -> None:
        """Let a process die with what it had not committed."""
        self.model.crash(name)
        self.open(name)

    @invariant()
    def each_process_sees_what_it_should(self) -> None:
        """Its own calls, and what was committed when it looked."""
        for name, storage in self.storages.items():
            expected = {call.key for call in self.model.visible(name).values()}
            assert self.keys(storage) == expected, f"as {name} sees it"

    @invariant()
    def whoever_opens_the_store_sees_every_live_call_and_its_values(self) -> None:
        """Exactly what was committed and not dropped, and all of it can be read."""
        storage = Storage(self.objects)
        live = {call.key for call in self.model.live().values()}
        assert self.keys(storage) == live, "as somebody sees it who opens the store now"
        tables = storage.tables()
        contents = [ContentId(cid) for cid in tables.refs["cid"]]
        found = dict(zip(tables.refs["hid"], storage.load_values(contents), strict=True))
        for hid, value in found.items():
            if hid in self.outputs:
                assert value == self.values[self.outputs[hid]]
        assert {self.values[key] for key in live} <= set(found.values())

    def open(self, name: str) -> None:
        """Open the store in a process that knows nothing yet."""
        self.storages[name] = Storage(self.objects, flush_after=float("inf"))
        # So that entering never looks because of the time that passed.
        self.storages[name]._parts.recorder.lookout.looked_s = float("inf")
        self.model.reopen(name)

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Enter a storage without the commit at the end of a block."""
        session = context.enter(self.storages[name]._parts.book)
        try:
            yield
        finally:
            context.leave(session)

    def make(self, name: str, function: Op[Any, Any], key: Key, argument: Any) -> Any:
        """Make a call here and in the model; both must compute it, or neither."""
        storage = self.storages[name]
        _executed.clear()
        ref = function(argument)
        executed = list(_executed)
        self.values[key] = storage.unwrap(ref)
        call = ModelCall(key, frozenset({storage.unwrap(argument)}), frozenset({self.values[key]}))
        computed = self.model.call(name, call)
        assert executed == ([function.name] if computed else []), f"{name} calls {key}"
        self.outputs[bytes.fromhex(ref.hid)] = key
        if key not in self.call_hids:
            self.call_hids[key] = self.hid_of_creator(storage, ref)
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
