"""Processes that are killed at random moments: every call that had returned is there, once."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mandala_cas.imports import Storage, op
from mandala_cas.log.journal import is_lock_name
from mandala_cas.memo import context
from mandala_cas.values import exits

THOROUGH = os.environ.get("MANDALA_THOROUGH") == "1"
ROUNDS = 300 if THOROUGH else 8
WORKERS = 3
# Inline, packed, and an object of its own.
SIZES = (10, 10, 5_000, 10, 160_000)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@op
def noise(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(size)


@op
def total(numbers: Any) -> float:
    """Use a value."""
    return float(numbers.sum())


def doomed(delay_s: float, work: Callable[[], None]) -> int:
    """Run ``work`` in a child that the kernel ends, whatever it is doing then.

    The time is that which the child computes, so that a busy machine does not end it too early.
    """
    child = os.fork()
    if child:
        return child
    try:
        # The parent's recorders are not this process's to commit.
        exits._living.clear()
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, delay_s)
        work()
    finally:
        # A child of a test must never get back into pytest.
        os._exit(1)


def work(place: Path, log: Path, start: int, flush_after: float) -> None:
    """Compute call after call; note each one that has returned."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    storage = Storage(place, flush_after=flush_after)
    context.enter(storage._parts.book)
    for seed in range(start, start + 10_000):
        size = SIZES[seed % len(SIZES)]
        ref: Any = noise(seed, size)
        ref.value[:] = 0
        total(ref.detached())
        os.write(descriptor, f"{seed} {size}\n".encode())


def acknowledged(folder: Path) -> list[tuple[int, int]]:
    """Return every call that had returned, in any process."""
    lines = [line for log in folder.glob("*.log") for line in log.read_text().splitlines()]
    return [(int(seed), int(size)) for seed, size in map(str.split, lines)]


def check(place: Path, acks: list[tuple[int, int]]) -> None:
    """Open the store and find every call that had returned, with its value, once."""
    with Storage(place) as storage:
        refs: list[Any] = [noise(seed, size) for seed, size in acks]
        sums: list[Any] = [total(ref) for ref in refs]
    lost = [ack for ack, ref in zip(acks, refs, strict=True) if ref.in_memory]
    assert lost == []
    assert not any(ref.in_memory for ref in sums)
    for (seed, size), value in zip(acks, storage.unwrap(refs), strict=True):
        assert np.array_equal(value, np.random.default_rng(seed).random(size))
    tables = storage.tables().calls
    assert tables["hid"].n_unique() == tables.height
    storage.close()
    for folder in ("journal", "spool"):
        left = [path.name for path in (place / "local" / folder).iterdir()]
        # A lock that says nothing is cleared away a day later.
        assert [name for name in left if not is_lock_name(name)] == []


def some_chance() -> random.Random:
    """Return a source of chance; pytest shows what it printed where a test fails."""
    seed = random.randrange(1 << 32)  # noqa: S311 (moments, no secrets)
    print(f"seed {seed}")  # noqa: T201 (so that a failure can be had again)
    return random.Random(seed)  # noqa: S311 (moments, no secrets)


def test_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    """Of several processes at once, each of which adopts what the dead ones left."""
    chance = some_chance()
    place = tmp_path / "store"
    Storage(place).close()

    for number in range(ROUNDS):
        children = []
        for worker in range(WORKERS):
            start = (number * WORKERS + worker) * 10_000
            log = tmp_path / f"{number}-{worker}.log"
            flush_after = chance.choice([0.0, 0.002, 1000.0])
            delay_s = chance.choice([chance.uniform(0.001, 0.05), chance.uniform(0.05, 0.2)])
            children.append(doomed(delay_s, partial(work, place, log, start, flush_after)))
        for child in children:
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), status

    acks = acknowledged(tmp_path)
    assert len(acks) > ROUNDS
    check(place, acks)


def test_kills_during_an_adoption_lose_nothing(tmp_path: Path) -> None:
    """Each process dies while it records again what the first one left."""
    chance = some_chance()
    place = tmp_path / "store"
    Storage(place).close()
    os.waitpid(doomed(0.2, lambda: work(place, tmp_path / "0.log", 0, 1000.0)), 0)

    for _ in range(ROUNDS):
        delay_s = chance.uniform(0.002, 0.05)
        os.waitpid(doomed(delay_s, lambda: Storage(place).close()), 0)

    check(place, acknowledged(tmp_path))
