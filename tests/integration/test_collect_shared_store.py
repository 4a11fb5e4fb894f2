"""Two storages on one store: a collection by one of them knows what the other needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mandala_cas.imports import Storage, op
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.upkeep.collecting.collect import collect, plan_collection

_executed: list[int] = []


@op
def noise(seed: int) -> Any:
    """Return a value that lies in a pack, and does not shrink."""
    _executed.append(seed)
    return np.random.default_rng(seed).bytes(20_000)


@op
def large(seed: int) -> Any:
    """Return a value that is an object of its own."""
    _executed.append(seed)
    return np.random.default_rng(seed).random(200_000)


def collect_all(root: Path) -> int:
    """Collect with no grace, as somebody who has only the folder; return how much went."""
    objects = LocalObjectStore(root)
    report = collect(objects, LogView(objects), gc_features=(), signer=None, grace_s=0)
    assert plan_collection(objects, LogView(objects), gc_features=(), grace_s=0).deleted == ()
    return len(report.deleted)


def test_what_another_project_recorded_is_no_garbage(tmp_path: Path) -> None:
    """Nobody hands in roots: the log of the store is all there is to say."""
    mine, others = Storage(tmp_path), Storage(tmp_path)
    with others:
        kept = [others.unwrap(noise(1)), others.unwrap(large(2))]
    with mine:
        noise(3)
        large(4)
    dropped = [call for op_ in (noise, large) for call in mine.cf(op_).df()[op_.name]]
    mine.drop_calls([call for call in dropped if mine.unwrap(call.inputs["seed"]) in {3, 4}])

    assert collect_all(tmp_path) == 2

    _executed.clear()
    fresh = Storage(tmp_path)
    with fresh:
        assert fresh.unwrap(noise(1)) == kept[0]
        assert np.array_equal(fresh.unwrap(large(2)), kept[1])
        assert _executed == []
        noise(3)
        assert _executed == [3]


def test_what_was_dropped_and_made_again_is_no_garbage(tmp_path: Path) -> None:
    """The value has its old name, and a new record needs it."""
    storage = Storage(tmp_path)
    with storage:
        value = storage.unwrap(large(5))
    storage.drop_calls(list(storage.cf(large).df()["large"]))
    with storage:
        large(5)

    collect_all(tmp_path)

    _executed.clear()
    fresh = Storage(tmp_path)
    with fresh:
        assert np.array_equal(fresh.unwrap(large(5)), value)
    assert _executed == []
