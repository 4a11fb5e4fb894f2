"""Calls of a dead process whose values were on record already, and what became of those."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.crash.dying import Deaths, Disk, mortal

from mandala_cas.imports import Storage, op
from mandala_cas.memo import context
from mandala_cas.objectstore.layout import BLOBS, PACKS

# Inline, packed, and an object of its own.
SIZES = (10, 5_000, 200_000)
_executed: list[int] = []


@op
def made(size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(size).random(size)


@op
def again(size: int) -> Any:
    """Return the same, as another call."""
    _executed.append(size)
    return np.random.default_rng(size).random(size)


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Deaths]:
    """Let processes die."""
    with mortal(monkeypatch, tmp_path / "cache") as deaths:
        yield deaths


@pytest.fixture
def disk(deaths: Deaths) -> Disk:
    """Return a store that has been made."""
    del deaths
    disk = Disk()
    Storage(disk).close()
    return disk


def die_after_somebody_forgot(disk: Disk, deaths: Deaths, size: int) -> None:
    """Record a call whose value is on record; drop and merge away what recorded it; then die."""
    other = Storage(disk)
    with other:
        ref: Any = made(size)
    storage = Storage(disk)
    storage.__enter__()
    try:
        again(size)
        (call,) = other.cf(made).calls_by_func()["made"]
        other.drop_calls([call])
        for _ in range(2):
            other.compact(full=True, delay=0)
    finally:
        context.leave(context.innermost(storage._parts.book))
        deaths.strike()
    del ref


@pytest.mark.parametrize("size", SIZES)
def test_a_call_outlives_its_process_though_the_log_forgot_its_value(
    disk: Disk, deaths: Deaths, size: int
) -> None:
    """It had returned; that its value needed no bytes of its own is not the caller's fault."""
    die_after_somebody_forgot(disk, deaths, size)

    _executed.clear()
    with Storage(disk) as later:
        ref: Any = again(size)

    assert _executed == []
    assert np.array_equal(later.unwrap(ref), again.f(size))
    assert later.fsck("data").ok


def test_a_call_whose_value_is_nowhere_counts_as_not_made(disk: Disk, deaths: Deaths) -> None:
    """A place in a journal is worth as much as what lies there."""
    die_after_somebody_forgot(disk, deaths, SIZES[2])
    disk.delete([info.name for folder in (BLOBS, PACKS) for info in disk.list(folder)])

    _executed.clear()
    with Storage(disk) as later:
        again(SIZES[2])

    assert _executed == [SIZES[2]]
    assert later.fsck("data").ok
