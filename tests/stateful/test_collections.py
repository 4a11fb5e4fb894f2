"""Whatever is computed, dropped and collected: what is on record can be read, to the last element.

Values are objects of their own, however short they are, so that garbage collection takes each by
itself.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from mandala_cas.errors import UsageError
from mandala_cas.imports import ListRef, MDict, MList, Ref, Storage, op
from mandala_cas.model.collections import is_structural
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.memory import MemoryObjectStore


def long(text: object) -> str:
    """Return a text that is no inline value here."""
    return f"a value made of {text}"


@op(name="random.source")
def source(number: int) -> str:
    """Return a value."""
    return long(number)


@op(name="random.listed")
def listed(number: int, count: int) -> MList[str]:
    """Return a list."""
    return [long((number, position)) for position in range(count)]


@op(name="random.turned")
def turned(items: MList[str]) -> MList[str]:
    """Return a list that shares its elements."""
    return items[::-1]


@op(name="random.nested")
def nested(items: MList[str], name: str) -> MDict[str, MList[str]]:
    """Return a list in a dict."""
    return {name: items[1:], "all": items}


@op(name="random.chosen")
def chosen(table: MDict[str, MList[str]]) -> MList[str]:
    """Return a list out of a dict."""
    return table["all"]


@op(name="random.length")
def length(item: str) -> int:
    """Use an element."""
    return len(item)


@op(name="random.counted")
def counted(items: MList[str]) -> int:
    """Use a list, and share nothing with it."""
    return len(items)


class Machine(RuleBasedStateMachine):
    """One store, opened again and again."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.objects = MemoryObjectStore()
        self.values: dict[Ref, Any] = {}

    @initialize()
    def first(self) -> None:
        """Open the store."""
        self.storage = Storage(self.objects)

    def known(self, made: Any, value: Any) -> None:
        """Remember what a ref stands for, and the refs in it."""
        self.values[made.detached()] = value
        if isinstance(made, ListRef):
            for element, part in zip(made, value, strict=True):
                self.known(element, part)

    def pick(self, data: st.DataObject, kind: type) -> tuple[Any, Any] | None:
        """Return some ref of a kind, with its value."""
        # What was dropped may have been collected.
        there = set(self.storage.tables().refs["hid"])
        found = [
            (ref, value)
            for ref, value in self.values.items()
            if type(value) is kind and ref.history_id in there
        ]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(number=st.integers(0, 2), count=st.integers(0, 3))
    def compute(self, number: int, count: int) -> None:
        """Make values of no other values."""
        with self.storage:
            self.known(source(number), source.f(number))
            self.known(listed(number, count), listed.f(number, count))

    @rule(data=st.data())
    def collect_refs(self, data: st.DataObject) -> None:
        """Make a list of refs and values, and of lists others."""
        texts = [self.pick(data, str) for _ in range(data.draw(st.integers(0, 3)))]
        pairs = [pair for pair in texts if pair is not None]
        plain = [long("plain")]
        with self.storage:
            made: Any = turned([*(ref for ref, _ in pairs), *plain])
            self.known(made, turned.f([*(value for _, value in pairs), *plain]))

    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        """Give a list to a call, and what is known of it is no other call's."""
        pair = self.pick(data, list)
        if pair is not None:
            with self.storage:
                self.known(counted(pair[0]), len(pair[1]))

    @rule(data=st.data(), as_values=st.booleans())
    def nest(self, data: st.DataObject, *, as_values: bool) -> None:
        """Put lists into dicts, and take them out; of equal content are those given as values."""
        pair = self.pick(data, list)
        if pair is None:
            return
        with self.storage:
            table: Any = nested(pair[as_values], "rest")
            value = nested.f(pair[1], "rest")
            for key in value:
                self.known(table[key], value[key])
            self.known(chosen(table), value["all"])
            if value["all"]:
                self.known(length(table["all"][0]), length.f(value["all"][0]))

    @rule(data=st.data(), with_dependents=st.booleans())
    def drop(self, data: st.DataObject, *, with_dependents: bool) -> None:
        """Drop some call, and collect what nothing needs any more."""
        calls = self.calls(structural=False)
        if calls:
            call = data.draw(st.sampled_from(calls))
            self.storage.drop_calls(call, delete_dependents=with_dependents)
            self.storage.gc(dry_run=False, grace=0)

    @rule(data=st.data())
    def drop_structural(self, data: st.DataObject) -> None:
        """Which is refused, for somebody needs it, and nothing changes."""
        calls = self.calls(structural=True)
        if calls:
            with pytest.raises(UsageError, match="belongs to"):
                self.storage.drop_calls(data.draw(st.sampled_from(calls)))
            assert self.calls(structural=True) == calls

    def calls(self, *, structural: bool) -> list[Any]:
        """Return the calls of ops, or those that tie collections to their elements."""
        found = [self.storage.make_call(hid) for hid in self.storage.tables().calls["hid"]]
        return [call for call in found if is_structural(call.op.name) is structural]

    @rule()
    def reopen(self) -> None:
        """Go on in another process."""
        self.storage.close()
        self.storage = Storage(self.objects)

    @invariant()
    def everything_on_record_can_be_read(self) -> None:
        """Every input and output of every call, whole and right."""
        if not hasattr(self, "storage"):
            return
        tables = self.storage.tables()
        refs = [self.storage.make_ref(*ids) for ids in tables.refs.select("hid", "cid").rows()]
        found = self.storage.load_values([ContentId(ref.content_id) for ref in refs])
        for ref, value in zip(refs, found, strict=True):
            assert ref not in self.values or self.values[ref] == value
            if isinstance(ref, ListRef):
                assert self.storage.unwrap(list(ref)) == value
        assert self.storage.fsck().ok

    @invariant()
    def structural_calls_belong_to_somebody(self) -> None:
        """None is left whose collection nobody gave or uses."""
        if not hasattr(self, "storage"):
            return
        tables = self.storage.tables()
        calls = [self.storage.make_call(hid).record for hid in tables.calls["hid"]]
        given = {slot.history_id for call in calls for slot in call.outputs}
        used = {slot.history_id for call in calls for slot in call.inputs}
        for call in calls:
            if call.op_name.startswith("__make"):
                assert call.outputs[0].history_id in used, call
            elif is_structural(call.op_name):
                users = {
                    slot.history_id
                    for other in calls
                    for slot in other.inputs
                    if not is_structural(other.op_name) or other.op_name.startswith("__make")
                }
                assert call.inputs[0].history_id in given | users, call


def test_collections_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls, drops and garbage collection, in any order."""
    for limit in ("INLINE_MAX", "PACK_VALUE_MAX"):
        monkeypatch.setattr(f"mandala_cas.blobs.tiers.{limit}", 10)
    example_count = settings.default.max_examples if settings.default else 100

    run_state_machine_as_test(
        Machine, settings=settings(stateful_step_count=25, max_examples=max(25, example_count // 4))
    )
