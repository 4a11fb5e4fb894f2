"""Values on their way in and out: taken at once, placed by size, verified when read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mandala_cas.errors import CorruptionError, NotFoundError, StoreUnavailableError
from mandala_cas.imports import Storage, op
from mandala_cas.model.entries import Tier
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import ErrorBefore, FaultStore, OutOfSpace, Rule

SIZES = {Tier.INLINE: 10, Tier.PACK: 5_000, Tier.LOOSE: 300_000}


@op
def noise(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(size)


@op
def grow(numbers: list[int]) -> int:
    """Change what was given, as careless code does."""
    numbers.append(0)
    return len(numbers)


@op
def slow(x: int) -> int:
    """Take a microsecond at least."""
    return sum(range(2000)) * 0 + x + 1


def tiers(storage: Storage) -> dict[int, Tier]:
    """Return the tier of each array on record, by its size in bytes."""
    records = [
        segment.value_record(row)
        for segment in storage._parts.view.segments.values()
        for row in range(segment.values.row_count)
    ]
    return {r.raw_size // 8: r.tier for r in records if r.codec_name == "ndarray"}


def test_a_value_goes_where_its_size_says() -> None:
    """Small ones into the segment, medium ones into a pack, large ones into objects."""
    storage = Storage()
    with storage:
        for size in SIZES.values():
            noise(1, size)

    assert tiers(storage) == {size: tier for tier, size in SIZES.items()}


@pytest.mark.parametrize("size", SIZES.values(), ids=[tier.name for tier in SIZES])
def test_a_value_can_be_read_before_it_is_committed(size: int) -> None:
    """Inside a block, a lazy ref of an uncommitted call has a value, too."""
    storage = Storage()
    with storage:
        noise(1, size)
        ref: Any = noise(1, size)

        assert not ref.in_memory
        assert np.array_equal(storage.unwrap(ref), noise.f(1, size))


@pytest.mark.parametrize("size", SIZES.values(), ids=[tier.name for tier in SIZES])
def test_a_value_may_be_changed_after_it_was_returned(size: int) -> None:
    """Its bytes were taken before the call returned."""
    objects = MemoryObjectStore()
    storage = Storage(objects)
    with storage:
        ref: Any = noise(1, size)
        ref.value[:] = 0

    assert np.array_equal(Storage(objects).unwrap(ref.detached()), noise.f(1, size))


def test_an_argument_is_recorded_as_it_was_before_the_body_ran() -> None:
    """The call is found again by what it was given."""
    storage = Storage()
    with storage:
        grow([1, 2])
        again: Any = grow([1, 2])

    assert not again.in_memory
    assert list(storage.cf(grow).df()["numbers"]) == [[1, 2]]


def test_each_reader_gets_a_value_of_its_own() -> None:
    """What one does to it does not reach the next."""
    storage = Storage()
    with storage:
        ref: Any = noise(1, 10).detached()
    first = storage.unwrap(ref)
    first[:] = 0

    assert np.array_equal(storage.unwrap(ref), noise.f(1, 10))


def test_large_values_that_the_store_did_not_take_are_kept_for_the_next_try() -> None:
    """A full disk costs no result, of whatever size."""
    inner = MemoryObjectStore()
    full = Rule(OutOfSpace(), "put", times=None)
    Storage(inner).close()
    objects = FaultStore(inner, [full])
    storage = Storage(objects)

    with pytest.raises(StoreUnavailableError, match="disk is full"), storage:
        refs: list[Any] = [noise(1, size) for size in SIZES.values()]
        for ref in refs:
            ref.value[:] = 0
    objects.plan.remove(full)
    storage.commit()

    read = Storage(inner).unwrap([ref.detached() for ref in refs])
    for array, size in zip(read, SIZES.values(), strict=True):
        assert np.array_equal(array, noise.f(1, size))


@pytest.mark.parametrize("folder", ["packs", "blobs"])
def test_payload_that_is_gone_is_corruption_that_names_it(tmp_path: Path, folder: str) -> None:
    """Somebody cleaned up by hand."""
    storage = Storage(tmp_path / "store")
    with storage:
        refs: list[Any] = [noise(1, size).detached() for size in SIZES.values()]
    (lost,) = (path for path in (tmp_path / "store" / folder).rglob("*") if path.is_file())
    lost.unlink()
    ref = refs[1 if folder == "packs" else 2]

    with pytest.raises(CorruptionError, match=rf"{folder}/../{lost.name}, which is not there"):
        storage.unwrap(ref)

    assert np.array_equal(storage.unwrap(refs[0]), noise.f(1, SIZES[Tier.INLINE]))


def test_a_lost_copy_gives_way_to_another(tmp_path: Path) -> None:
    """Two machines computed the same; one pack is enough."""
    one, other = Storage(tmp_path / "store"), Storage(tmp_path / "store")
    size = SIZES[Tier.PACK]
    with one:
        ref: Any = noise(1, size).detached()
    (pack,) = (path for path in (tmp_path / "store" / "packs").rglob("*") if path.is_file())
    # The second has not looked since, so it does not know that the value is there.
    other._parts.recorder.lookout.looked_s = float("inf")
    with other:
        noise(1, size)
    pack.unlink()

    assert np.array_equal(Storage(tmp_path / "store").unwrap(ref), noise.f(1, size))


def test_a_value_that_nothing_names_is_not_found() -> None:
    """The error says what to look for."""
    with pytest.raises(NotFoundError, match="not in this store"):
        Storage().load_values([ContentId(bytes(32))])


def test_a_batch_that_holds_much_compute_is_committed_before_the_block_ends() -> None:
    """A crash after hours of work must not cost hours."""
    objects = MemoryObjectStore()
    with Storage(objects, flush_after=0):
        noise(1, 200_000)

        with Storage(objects):
            ref: Any = noise(1, 200_000)
            assert not ref.in_memory


def test_a_store_that_does_not_answer_for_a_while_ends_no_sweep(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The calls go on, and what they computed is committed when the store is back."""
    inner = MemoryObjectStore()
    Storage(inner).close()
    objects = FaultStore(inner, [Rule(ErrorBefore(), "put", "manifest/", times=2)])

    with Storage(objects, flush_after=0) as storage:
        refs: list[Any] = [slow(x) for x in range(3)]

    assert storage.unwrap(refs) == [1, 2, 3]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    with Storage(inner):
        assert not any(slow(x).in_memory for x in range(3))  # type: ignore[attr-defined] # inside a block, ops give refs
