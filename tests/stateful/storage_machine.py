"""Some processes at work on one store, beside the model of what they must see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mandala_cas.codec.canonical import content_id
from mandala_cas.imports import Storage, op
from mandala_cas.log.view import LogView
from mandala_cas.memo import context
from mandala_cas.memo.op import Op
from mandala_cas.model.ids import ContentId
from mandala_cas.model.refs import Ref
from mandala_cas.objectstore.layout import BLOBS, PACKS, RUNS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import Crash, FaultStore, ModelCall, Rule, SimulatedCrash, StoreModel
from mandala_cas.upkeep.run_loading import load_run

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


class StorageMachine(RuleBasedStateMachine):
    """Does the same to a storage and to the model, and compares after every step.

    Nothing is refreshed by the clock: when a process looks is a step of its own. What a process
    that dies had not committed is lost.
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

    def make_store(self) -> MemoryObjectStore:
        """Return an empty store."""
        return MemoryObjectStore()

    def teardown(self) -> None:
        """Close, collect what is left, and verify every byte."""
        if self.storages:
            for name in WRITERS:
                self.commit_both(name)
            storage = self.storages["A"]
            storage.gc(dry_run=False, grace=0)
            assert storage.gc(dry_run=False, grace=0).deleted == ()
            report = storage.fsck("data")
            assert report.ok, str(report)
            for storage in self.storages.values():
                storage.close()
        self.folder.cleanup()

    @initialize()
    def open_all(self) -> None:
        """Begin with some processes."""
        for name in WRITERS:
            self.open(name)

    # Calls

    @rule(name=writers, x=numbers)
    def call_small(self, name: str, x: int) -> None:
        """Make a call whose value is inline."""
        with self.inside(name):
            self.make(name, small, f"small {x}", x, x)

    @rule(name=writers, x=numbers)
    def call_medium(self, name: str, x: int) -> None:
        """Make a call whose value is in a pack."""
        with self.inside(name):
            self.make(name, medium, f"medium {x}", x, x)

    @rule(name=writers, x=numbers)
    def call_large(self, name: str, x: int) -> None:
        """Make a call whose value is an object."""
        with self.inside(name):
            self.make(name, large, f"large {x}", x, x)

    @rule(name=writers, x=numbers)
    def call_follow(self, name: str, x: int) -> None:
        """Make a call, and one on its result."""
        with self.inside(name):
            ref = self.make(name, small, f"small {x}", x, x)
            self.make(name, follow, f"follow {x}", ref, x + 1000)

    @rule(name=writers)
    def commit(self, name: str) -> None:
        """Put a batch on record."""
        self.commit_both(name)

    @rule(name=writers)
    def refresh(self, name: str) -> None:
        """See what the others did."""
        self.storages[name].refresh()
        self.model.refresh(name)

    @precondition(lambda self: self.model.records)
    @rule(name=writers, data=st.data())
    def drop(self, name: str, data: st.DataObject) -> None:
        """Forget a call that this process sees."""
        self.commit_both(name)
        keys = sorted({call.key for call in self.model.visible(name).values()})
        if keys:
            key = data.draw(st.sampled_from(keys), label="drops")
            self.storages[name].drop_calls([self.call_hids[key]])
            self.model.drop(name, [key])

    # Tags

    @rule(name=writers, tag=st.sampled_from(TAGS), data=st.data())
    def tag(self, name: str, tag: str, data: st.DataObject) -> None:
        """Keep what a call gave."""
        self.commit_both(name)
        self.refresh(name)
        keys = sorted({call.key for call in self.model.visible(name).values()})
        if keys:
            key = data.draw(st.sampled_from(keys), label="tags")
            (hid,) = [hid for hid, known in self.outputs.items() if known == key]
            self.storages[name].tag(tag, hid.hex())
            self.model.tag(tag, self.model.tags.get(tag, frozenset()) | {self.values[key]})
            self.model.refresh(name)

    @precondition(lambda self: self.model.tags)
    @rule(name=writers, data=st.data())
    def untag(self, name: str, data: st.DataObject) -> None:
        """Take a name off everything."""
        self.commit_both(name)
        self.refresh(name)
        tag = data.draw(st.sampled_from(sorted(self.model.tags)), label="takes off")
        self.storages[name].untag(tag)
        self.model.untag(tag)
        self.model.refresh(name)

    # Upkeep

    @rule(name=writers, full=st.booleans())
    def compact(self, name: str, *, full: bool) -> None:
        """Merge, and delete at once what was merged."""
        self.commit_both(name)
        self.storages[name].compact(full=full, delay=0)
        self.model.compact()
        self.model.refresh(name)

    @rule(name=writers)
    def collect(self, name: str) -> None:
        """Delete what nothing needs; a second collection finds nothing."""
        self.commit_both(name)
        self.storages[name].gc(dry_run=False, grace=0)
        self.model.collect()
        self.model.refresh(name)
        self.others_are_overtaken(name)
        assert self.storages[name].gc(grace=0).deleted == ()

    @precondition(lambda self: self.model.present)
    @rule(name=writers, flipped=st.booleans(), data=st.data())
    def damage(self, name: str, *, flipped: bool, data: st.DataObject) -> None:
        """Lose an object, or a bit of it, and repair what can be repaired."""
        for other in WRITERS:
            self.commit_both(other)
        names = [info.name for folder in (PACKS, BLOBS) for info in self.inner.list(folder)]
        if not names:
            return
        victim = data.draw(st.sampled_from(sorted(names)), label="damages")
        body = bytearray(self.inner.get(victim))
        self.inner.delete([victim])
        if flipped:
            body[len(body) // 2] ^= 1
            self.inner.put(victim, [bytes(body)])
        self.storages[name].repair("data")
        assert self.storages[name].fsck("data").ok
        self.forget_what_is_lost(victim)
        for other in WRITERS:
            self.refresh(other)

    def forget_what_is_lost(self, victim: str) -> None:
        """Have the model forget the calls whose results were nowhere else."""
        view = LogView(self.inner)
        view.refresh()
        in_it = {
            part.value_record(row).content_id
            for part in view.parts.values()
            for row in range(part.values.row_count)
            if part.value_record(row).location == victim
        }
        gone = {
            dot
            for dot, call in self.model.live().items()
            if call.key not in self.keys(self.reader())
        }
        for dot in gone:
            (value,) = self.model.records[dot].outputs
            assert content_id(value) in in_it, f"{value!r:.30} was not in {victim}"
        self.model.tombstones |= gone
        # A tag on what is lost stays: it says which call to make again.

    # Ends

    @rule(name=writers)
    def close_and_reopen(self, name: str) -> None:
        """End a process as it should be ended, and start another."""
        self.commit_both(name)
        self.storages[name].close()
        self.open(name)

    @rule(name=writers)
    def crash(self, name: str) -> None:
        """Let a process die with what it had not committed."""
        self.die(name)
        self.open(name)

    @rule(
        name=writers,
        work=st.sampled_from(["commit", "compact", "compact all", "collect"]),
        x=numbers,
        at_call=st.integers(0, 14),
        after_effect=st.booleans(),
    )
    def crash_inside(
        self, name: str, work: Work, x: int, at_call: int, *, after_effect: bool
    ) -> None:
        """Let a process die in the middle of its work on the store."""
        self.commit_both(name)
        self.refresh(name)
        self.call_large(name, x)
        position = self.storages[name]._parts.recorder._writer.position
        self.handles[name].plan = [Rule(Crash(after_effect), skip=at_call)]
        try:
            self.do(name, work)
        except SimulatedCrash:
            prefix = position.writer + position.seq.to_bytes(4, "big")
            view = LogView(self.inner)
            view.refresh()
            if any(id_.startswith(prefix) for id_ in view.segment_ids):
                self.model.commit(name)
            self.die(name)
            self.open(name)
        else:
            self.handles[name].plan = []
            self.model.commit(name)
            self.model.refresh(name)
        if work == "collect":
            self.model.collect()
            self.others_are_overtaken(name)

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

    # What must be so

    @invariant()
    def each_process_sees_what_it_should(self) -> None:
        """Its own calls, and what was committed when it looked."""
        for name, storage in self.storages.items():
            expected = {call.key for call in self.model.visible(name).values()}
            assert self.keys(storage) == expected, f"as {name} sees it"

    @invariant()
    def whoever_opens_the_store_sees_every_live_call_and_its_values(self) -> None:
        """Exactly what was committed and not dropped, and all of it can be read; so for tags."""
        if not self.storages:
            return
        storage = self.reader()
        live = {call.key for call in self.model.live().values()}
        assert self.keys(storage) == live, "as somebody sees it who opens the store now"
        tables = storage.tables()
        contents = [ContentId(cid) for cid in tables.refs["cid"]]
        found = dict(zip(tables.refs["hid"], storage.load_values(contents), strict=True))
        for hid, value in found.items():
            if hid in self.outputs:
                assert value == self.values[self.outputs[hid]]
        assert {self.values[key] for key in live} <= set(found.values())
        tagged = {tag: frozenset(map(storage.unwrap, refs)) for tag, refs in storage.tags().items()}
        assert tagged == self.model.tags

    @invariant()
    def every_run_has_or_hides_what_it_covers(self) -> None:
        """The law of conservation, and each part is there."""
        for info in self.inner.list(RUNS):
            if info.name not in self.whole_runs and self.storages:
                key = self.storages["A"]._parts.key
                load_run(self.inner, info.name, signer=key, trusts=self.storages["A"]._parts.trusts)
                self.whole_runs.add(info.name)

    # How

    def reader(self) -> Storage:
        """Open the store in a process that only looks."""
        return Storage(self.inner, mode="r", cache_dir=self.folder.name)

    def open(self, name: str) -> None:
        """Open the store in a process that knows nothing yet."""
        # Nothing may ever overwrite an object with other bytes.
        self.handles[name] = FaultStore(self.inner, forbid_overwrite=True)
        storage = Storage(
            self.handles[name], flush_after=float("inf"), cache_dir=self.folder.name
        )
        # So that entering never looks because of the time that passed.
        storage._refreshed_at = float("inf")
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
