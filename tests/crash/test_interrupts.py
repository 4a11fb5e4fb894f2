"""Ctrl-C at any moment of a commit loses nothing, and a second commit goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mandala_cas.blobs import packs
from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import ErrorAfter, ErrorBefore, FaultStore, Rule, StoreCall
from mandala_cas.values import batch

SIZES = (10, 5_000, 300_000)


@op
def noise(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(size)


def interrupt(call: StoreCall) -> BaseException:
    """Return what Ctrl-C raises."""
    del call
    return KeyboardInterrupt()


def compute(storage: Storage, seeds: range) -> None:
    """Compute a value of each size, of each seed."""
    with storage:
        for seed in seeds:
            for size in SIZES:
                noise(seed, size)


def assert_all_is_there(inner: MemoryObjectStore, seeds: range) -> None:
    """Open the store anew and find every call with its value, once."""
    storage = Storage(inner)
    with storage:
        refs = {(s, size): noise(s, size) for s in seeds for size in SIZES}
    assert not any(ref.in_memory for ref in refs.values())
    for (seed, size), ref in refs.items():
        assert np.array_equal(storage.unwrap(ref), noise.f(seed, size))
    assert len(storage.cf(noise).df(lazy_vars=["var_0"])) == len(seeds) * len(SIZES)


@pytest.mark.parametrize("fault", [ErrorBefore, ErrorAfter])
@pytest.mark.parametrize(
    ("operation", "prefix"), [("put", "packs/"), ("put", "manifest/"), ("list", "manifest/")]
)
def test_an_interrupted_commit_can_be_done_again(
    fault: Callable[..., Any], operation: Any, prefix: str
) -> None:
    """Whatever request it was that Ctrl-C came into."""
    inner = MemoryObjectStore()
    Storage(inner).close()
    objects = FaultStore(inner, [])
    storage = Storage(objects)
    objects.plan.append(Rule(fault(interrupt), operation, prefix))

    with pytest.raises(KeyboardInterrupt):
        compute(storage, range(2))
    assert len(storage.cf(noise).df(lazy_vars=["var_0"])) == 2 * len(SIZES)
    storage.commit()

    assert_all_is_there(inner, range(2))


@pytest.mark.parametrize("interrupted_call", [0, 1])
def test_an_interrupt_between_two_packs_loses_no_value(
    monkeypatch: pytest.MonkeyPatch, interrupted_call: int
) -> None:
    """Nothing is taken out of the batch before its place is on record."""
    inner = MemoryObjectStore()
    storage = Storage(inner)
    whole = packs.seal_pack
    calls = 0

    def seal_pack(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == interrupted_call + 1:
            raise KeyboardInterrupt
        return whole(*args, **kwargs)

    monkeypatch.setattr(batch, "seal_pack", seal_pack)
    monkeypatch.setattr(batch, "group_for_packs", lambda values: [[value] for value in values])

    with pytest.raises(KeyboardInterrupt):
        compute(storage, range(3))
    storage.commit()

    assert_all_is_there(inner, range(3))
