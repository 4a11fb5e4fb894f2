"""A collection is on record with all of its elements, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.crash.dying import Deaths, Disk, mortal

from mandala_cas.imports import ListRef, MDict, MList, Storage, op
from mandala_cas.memo import context
from mandala_cas.model.collections import MAKE_OPS, Collection, taken_apart_by
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.testing import CrashPoint, crash_at_every_call

_executed: list[str] = []


@op
def pieces(count: int) -> MList[Any]:
    """Return arrays for packs, and one that is an object of its own."""
    _executed.append("pieces")
    sizes = [1000] * (count - 1) + [200_000]
    return [np.random.default_rng(n).random(size) for n, size in enumerate(sizes)]


@op
def sums(arrays: MList[Any], names: MList[str]) -> MDict[str, MList[float]]:
    """Return a sum for each array, by name."""
    _executed.append("sums")
    return {name: [float(array.sum())] for name, array in zip(names, arrays, strict=True)}


def compute() -> Any:
    """Make two calls with collections in and out."""
    parts: Any = pieces(3)
    return sums([*parts[:2], np.ones(1000)], ["a", "b", "c"])


def run(store: ObjectStore, acknowledged: list[int]) -> None:
    """Compute and commit, then drop the second call."""
    storage = Storage(store)
    with storage:
        compute()
    acknowledged.append(0)
    # From here on the second call may be there or not.
    acknowledged.clear()
    storage.drop_calls(list(storage.cf("sums").df()["sums"]))


def check(left: ObjectStore, acknowledged: Sequence[int], point: CrashPoint) -> None:
    """Look at what a crash left."""
    del point
    storage = Storage(left)
    assert_whole(storage)
    _executed.clear()
    with storage:
        result = storage.unwrap(compute())
    assert not (acknowledged and _executed)
    assert result["c"] == [1000.0]
    assert_whole(Storage(left))


def assert_whole(storage: Storage) -> None:
    """Check that every collection on record has the structural calls it needs, and its elements."""
    tables = storage.tables()
    calls = [storage.make_call(id_) for id_ in tables.calls["hid"]]
    given = {slot for call in calls for slot in call.record.outputs}
    for call in calls:
        for slot in (*call.record.inputs, *call.record.outputs):
            ref = storage.make_ref(slot.history_id, slot.content_id)
            if not isinstance(ref, ListRef):
                continue
            for element in ref:
                assert any(element.history_id == out.history_id for out in given) or any(
                    element.history_id == taken.history_id
                    for maker in calls
                    if maker.op.name in MAKE_OPS
                    for taken in maker.record.inputs
                )
        if taken_apart_by(call.op.name) is not None:
            # What is taken apart was given by a call on record.
            of = call.record.inputs[0]
            assert any(of.history_id == slot.history_id for slot in given)
    contents = [ContentId(cid) for cid in tables.refs["cid"]]
    values = storage.load_values(contents)
    assert not any(isinstance(value, Collection) for value in values)


def test_a_crash_at_any_call_leaves_collections_whole() -> None:
    """A batch has the call and its structural calls in one segment, and so has a drop."""
    calls = crash_at_every_call(run, check)

    assert calls > 8


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Deaths]:
    """Let processes die."""
    with mortal(monkeypatch, tmp_path / "cache") as deaths:
        yield deaths


def test_a_killed_process_leaves_them_in_its_journal(deaths: Deaths) -> None:
    """What had returned is there, with every element."""
    disk = Disk()
    storage = Storage(disk)
    storage.__enter__()
    result: Any = compute()
    keys = list(result)
    # A process that dies in its block leaves it without a commit.
    context.leave(context.innermost(storage._parts.book))
    deaths.strike()
    del storage
    _executed.clear()

    with Storage(disk) as again:
        found: Any = compute()

        assert (_executed, found, list(found)) == ([], result, keys)
        assert again.unwrap(found)["c"] == [1000.0]
        assert_whole(again)
