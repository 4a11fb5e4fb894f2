"""What processes may do to one store, each step beside the model of what they must see."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from tests.stateful.processes import (
    TAGS,
    WRITERS,
    ModelledStore,
    Work,
    choices,
    follow,
    large,
    medium,
    numbers,
    small,
    writers,
)

from mandala_cas.codec.canonical import content_id
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.layout import BLOBS, PACKS, RUNS
from mandala_cas.testing import Crash, Rule, SimulatedCrash
from mandala_cas.upkeep.compacting.loading import load_run
from mandala_cas.values.stored import StoredValues


class StorageMachine(ModelledStore):
    """Does the same to a storage and to the model, and compares after every step.

    Nothing is refreshed by the clock: when a process looks is a step of its own.
    """

    def teardown(self) -> None:
        """Close, collect what is left, and verify every byte."""
        if self.storages:
            for name in WRITERS:
                self.commit_both(name)
            storage = self.storages["A"]
            storage.gc(dry_run=False, grace=0)
            assert storage.gc(dry_run=False, grace=0).deleted == ()
            if self.damaged:
                # What nobody needed when it was damaged was left, and may be one of several
                # places of a value that somebody has made again since.
                storage.repair("data")
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

    @rule(name=writers, choice=choices)
    def drop(self, name: str, choice: int) -> None:
        """Forget a call that this process sees."""
        self.commit_both(name)
        keys = sorted({call.key for call in self.model.visible(name).values()})
        if keys:
            key = keys[choice % len(keys)]
            self.storages[name].drop_calls([self.call_hids[key]])
            self.model.drop(name, [key])

    # Tags

    @rule(name=writers, tag=st.sampled_from(TAGS), choice=choices)
    def tag(self, name: str, tag: str, choice: int) -> None:
        """Keep what a call gave."""
        self.commit_both(name)
        self.refresh(name)
        keys = sorted({call.key for call in self.model.visible(name).values()})
        if keys:
            key = keys[choice % len(keys)]
            (hid,) = [hid for hid, known in self.outputs.items() if known == key]
            self.storages[name].tag(tag, hid.hex())
            self.model.tag(tag, self.model.tags.get(tag, frozenset()) | {self.values[key]})
            self.model.refresh(name)

    @rule(name=writers, choice=choices)
    def untag(self, name: str, choice: int) -> None:
        """Take a name off everything."""
        if not self.model.tags:
            return
        self.commit_both(name)
        self.refresh(name)
        tag = sorted(self.model.tags)[choice % len(self.model.tags)]
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

    @rule(name=writers, flipped=st.booleans(), choice=choices)
    def damage(self, name: str, choice: int, *, flipped: bool) -> None:
        """Lose an object, or a bit of it, and repair what can be repaired."""
        for other in WRITERS:
            self.commit_both(other)
        places = self.places()
        tagged = {content_id(value) for values in self.model.tags.values() for value in values}
        # A tag stays on a value that is lost, and fsck tells of it until its call is made again.
        infos = [
            info
            for folder in (PACKS, BLOBS)
            for info in self.inner.list(folder)
            if tagged.isdisjoint(places.get(info.name, ()))
        ]
        if not infos:
            return
        # By age, for names are random: a history that is run again should damage the same.
        infos.sort(key=lambda info: info.modified or 0.0)
        victim = infos[choice % len(infos)].name
        body = bytearray(self.inner.get(victim))
        self.inner.delete([victim])
        if flipped:
            body[len(body) // 2] ^= 1
            self.inner.put(victim, [bytes(body)])
            self.damaged.add(victim)
        self.storages[name].repair("data")
        report = self.storages[name].fsck("data")
        assert report.ok, str(report)
        self.forget_what_is_lost(places.get(victim, set()))
        for other in WRITERS:
            self.refresh(other)
            # A process looks once at what nobody needs before it relies on it. Damage after that
            # look is damage after its commit, and no repair follows here.
            stored = self.storages[other]._parts.book._encoder._is_stored
            assert isinstance(stored, StoredValues)
            stored._seen.clear()

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
