"""A storage in a user's hands: blocks, values, drops, frames."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mandala_cas.errors import MandalaWarning, NotFoundError, UsageError
from mandala_cas.imports import NewArgDefault, Storage, op
from mandala_cas.objectstore.memory import MemoryObjectStore


@op
def increment(x: int) -> int:
    """Return the next number."""
    return x + 1


@op
def add(x: int, y: int) -> int:
    """Return the sum."""
    return x + y


class Pair(NamedTuple):
    """Two things."""

    left: Any
    right: Any


@pytest.fixture
def storage() -> Storage:
    """Return an empty storage in memory."""
    return Storage()


def live(storage: Storage) -> int:
    """Return how many calls there are."""
    return storage.tables().calls.height


def call_of(storage: Storage, ref: Any) -> Any:
    """Return the call that gave a ref."""
    calls = [
        call for calls in storage.cf(ref).expand_back().calls_by_func().values() for call in calls
    ]
    return next(call for call in calls if ref in call.outputs.values())


def test_a_block_restores_the_storage_around_it(storage: Storage) -> None:
    """After an inner block, calls go to the outer storage again."""
    inner = Storage()

    with storage:
        with inner:
            increment(1)
        increment(2)
    outside: Any = increment(3)

    assert (live(storage), live(inner)) == (1, 1)
    assert outside == 4


def test_a_block_that_fails_keeps_what_completed(storage: Storage) -> None:
    """Hours before the mistake are not lost."""
    with pytest.raises(ZeroDivisionError), storage:
        increment(1)
        1 / 0  # noqa: B018 (raises)

    with storage:
        ref: Any = increment(1)
    assert not ref.in_memory


def test_unwrap_looks_into_containers(storage: Storage) -> None:
    """Whatever one has refs in."""
    with storage:
        one: Any = increment(0)
        two: Any = increment(one)

    found = storage.unwrap(
        {"list": [one, 5], "tuple": (two,), "set": {one}, "pair": Pair(one, [two]), "none": None}
    )

    assert found == {"list": [1, 5], "tuple": (2,), "set": {1}, "pair": Pair(1, [2]), "none": None}
    assert isinstance(found["pair"], Pair)


def test_a_ref_survives_pickling_without_its_value(storage: Storage) -> None:
    """It travels as two ids, and any storage that has the value can unwrap it."""
    with storage:
        ref: Any = increment(1)

    travelled = pickle.loads(pickle.dumps(ref))  # noqa: S301 (made here)

    assert travelled == ref
    assert not travelled.in_memory
    assert storage.unwrap(travelled) == 2


def test_a_ref_of_another_storage_is_asked_for_there(storage: Storage) -> None:
    """And as an argument it keeps its history, and its value is copied over."""
    other = Storage()
    with other:
        foreign: Any = increment(1).detached()  # type: ignore[attr-defined] # inside a block, ops give refs

    assert storage.unwrap(foreign) == 2
    with storage:
        ref: Any = increment(foreign)
    (call,) = storage.cf(increment).calls_by_func()["increment"]
    assert call.inputs["x"].hid == foreign.hid
    assert storage.unwrap([ref, call.inputs["x"]]) == [3, 2]


def test_dropping_a_call_forgets_it_and_no_other(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """It is computed again when it is made again."""
    with storage:
        kept: Any = increment(1)
        dropped: Any = increment(2)

    with caplog.at_level(logging.INFO, "mandala_cas"):
        storage.drop_calls([call_of(storage, dropped)])

    assert caplog.messages == ["Dropped 1 call"]
    assert live(storage) == 1
    with storage:
        again: Any = increment(2)
        found: Any = increment(1)
    assert (again.in_memory, found.in_memory) == (True, False)
    assert found == kept


def test_dependents_are_dropped_if_asked(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """What rests on a wrong result is wrong, too."""
    with storage:
        first: Any = increment(1)
        increment(increment(first))
        increment(10)

    with caplog.at_level(logging.INFO, "mandala_cas"):
        storage.drop_calls(call_of(storage, first), delete_dependents=True)

    assert caplog.messages == ["Dropped 3 calls"]
    assert live(storage) == 1


def test_calls_of_equal_content_answer_again_unless_they_are_dropped(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """The same op on the same value, come by in another way, is the same computation."""
    with storage:
        direct: Any = increment(2)
        increment(increment(1))

    with caplog.at_level(logging.INFO, "mandala_cas"):
        storage.drop_calls([direct_call := call_of(storage, direct)])
    with storage:
        again: Any = increment(2)

    assert "1 of equal content remain and would answer again" in caplog.messages[0]
    assert not again.in_memory
    storage.drop_calls(direct_call.hid, content=True)
    with storage:
        computed: Any = increment(2)
    assert computed.in_memory


def test_nulls_of_a_dataframe_are_passed_over(storage: Storage) -> None:
    """A column of calls has them where a path is absent."""
    with storage:
        ref: Any = increment(1)
    call = call_of(storage, ref)

    storage.drop_calls([None, float("nan"), call])

    assert live(storage) == 0


def test_a_call_that_is_not_there_drops_nothing(storage: Storage) -> None:
    """A mistyped hid must not half-work."""
    with storage:
        ref: Any = increment(1)
    call = call_of(storage, ref)

    with pytest.raises(NotFoundError, match=r"1 of 2 calls are not in this store.*nothing was"):
        storage.drop_calls([call, "00" * 16])
    with pytest.raises(UsageError, match="Call objects or hids, got int"):
        storage.drop_calls([7])

    assert live(storage) == 1


def test_a_drop_is_seen_by_others(tmp_path: Path) -> None:
    """And stays when the store is opened again."""
    storage = Storage(tmp_path / "store")
    with storage:
        ref: Any = increment(1)
    storage.drop_calls(call_of(storage, ref))

    assert live(Storage(tmp_path / "store")) == 0


def test_a_frame_inside_a_block_shows_what_was_called_so_far(storage: Storage) -> None:
    """Nothing needs to be committed first, and looking commits nothing."""
    with storage:
        increment(1)

        assert len(storage.cf(increment).df()) == 1
        assert not storage._parts.view.segments


def test_a_frame_can_be_asked_for_by_name(storage: Storage) -> None:
    """Another process need not have the op's code."""
    with storage:
        increment(1)

    assert repr(storage.cf("increment")) == repr(storage.cf(increment))
    assert len(storage.cf("increment").df()) == 1


def test_a_source_of_frames_that_nobody_knows_is_an_error(storage: Storage) -> None:
    """Not an empty frame, which would look like an answer."""
    with pytest.raises((NotFoundError, UsageError)):
        storage.cf("incremend")
    with pytest.raises(UsageError, match="int"):
        storage.cf(7)


def test_an_op_that_was_never_called_is_an_empty_frame(storage: Storage) -> None:
    """A notebook can be run from the top."""
    assert len(storage.cf(increment).df()) == 0


def test_an_argument_added_later_keeps_old_results(storage: Storage) -> None:
    """The call with the default is the old call."""
    with storage:
        old: Any = increment(1)

    def later(x: int, step: int = NewArgDefault(1)) -> int:
        return x + step

    renewed = op(later, name="increment")
    with storage:
        same: Any = renewed(1)
        given: Any = renewed(1, step=1)
        other: Any = renewed(1, step=5)

    assert same == given == old
    assert other != old
    assert storage.unwrap(other) == 6


def test_db_path_is_another_name_for_the_place(tmp_path: Path) -> None:
    """Notebooks for mandala have it."""
    storage = Storage(db_path=tmp_path / "store")

    assert storage.url == str(tmp_path / "store")
    assert repr(storage) == f"Storage({tmp_path / 'store'})"


def test_a_damaged_segment_is_reported_once() -> None:
    """Its calls count as not made, and the user is told."""
    objects = MemoryObjectStore()
    with Storage(objects):
        increment(1)
    (name,) = (info.name for info in objects.list("manifest/1-log/"))
    objects.put(name, [b"damaged"])

    with pytest.warns(MandalaWarning, match="skipped a damaged log object"):
        storage = Storage(objects)
    storage.refresh()

    assert live(storage) == 0
