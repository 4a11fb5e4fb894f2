"""What was freed here because another store has it is as good as here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mandala_cas.imports import Storage, op

ran: list[int] = []


@op
def noise(seed: int) -> Any:
    """Return more than fits into a pack."""
    ran.append(seed)
    return np.random.default_rng(seed).random(200_000)


@op
def same(array: Any) -> Any:
    """Return what was given, so that the call has an output that is on record."""
    return array


@op
def total(array: Any) -> float:
    """Return the sum."""
    return float(array.sum())


@pytest.fixture
def local(tmp_path: Path) -> Storage:
    """Return a store whose values another one has, and which has freed them."""
    ran.clear()
    with Storage(tmp_path / "local") as storage:
        noise(1)
    shutil.copytree(tmp_path / "local", tmp_path / "remote")
    storage.evict(str(tmp_path / "remote"))
    return storage


def test_a_freed_value_comes_back_from_where_it_is(local: Storage) -> None:
    """Nothing is computed again for it."""
    with local:
        ref: Any = noise(1)

    assert np.array_equal(local.unwrap(ref), np.random.default_rng(1).random(200_000))
    assert ran == [1]
    assert local.fsck("data").ok


def test_a_call_that_gives_a_freed_value_stays_on_record(local: Storage) -> None:
    """Its place is condemned, yet nothing is lost: else it would be made at every retrace.

    The first version of the look at announcements took every condemned place whose bytes it could
    not find for a loss, and hid the call right after it was recorded.
    """
    with local:
        ref: Any = noise(1)
        number: Any = total(ref)

    again = Storage(local.url)
    with again:
        found: Any = total(noise(1))
    assert found == number
    assert again.stats().dropped_count == 0
    assert not found.in_memory


def test_a_value_that_is_computed_again_is_here_again(local: Storage, tmp_path: Path) -> None:
    """Who has the bytes at hand relies on no promise of somebody else's."""
    with local:
        copy: Any = same(noise(1))
    shutil.rmtree(tmp_path / "remote")

    assert local.unwrap(copy).shape == (200_000,)


def test_a_promise_that_was_not_kept_is_a_recomputation(local: Storage, tmp_path: Path) -> None:
    """The other store may have collected it, or be gone."""
    shutil.rmtree(tmp_path / "remote")

    with local:
        value = local.unwrap(noise(1))

    assert ran == [1, 1]
    assert np.array_equal(value, np.random.default_rng(1).random(200_000))
