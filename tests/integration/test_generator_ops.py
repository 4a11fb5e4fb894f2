"""Generator ops: items are stored as they come, and the result is a list of refs."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

from mandala_cas.errors import UsageError
from mandala_cas.imports import Codec, ListRef, MList, Storage, noop, op
from mandala_cas.values.save import ValueEncoder

RUNS: Counter[str] = Counter()
# To a type checker the refs of a storage are what the function yields.
Refs = Any


@op
def count_to(limit: int) -> Iterator[int]:
    """Yield numbers, and raise where one is too large."""
    for number in range(limit):
        RUNS["count_to"] += 1
        if number == 5:
            raise ValueError("five is too many")
        yield number


@op
def square(x: int) -> int:
    """Return a square."""
    RUNS["square"] += 1
    return x * x


@op
def squares(limit: int) -> Iterator[int]:
    """Yield what another op gives."""
    for number in range(limit):
        yield square(number)


@op
def total(limit: int) -> int:
    """Return a sum of what a generator op yields."""
    return sum(count_to(limit))


@op
def pairs(limit: int) -> Iterator[MList[int]]:
    """Yield collections."""
    for number in range(limit):
        yield [number, number + 1]


@pytest.fixture(autouse=True)
def _at_zero() -> None:
    """Count from the start."""
    RUNS.clear()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """Return a storage in a folder."""
    return Storage(tmp_path / "store")


def test_items_are_refs_of_a_list(storage: Storage) -> None:
    """They can be counted, taken, iterated and passed on."""
    with storage:
        items: Refs = count_to(3)
        results = [square(item) for item in items]

    assert isinstance(items, ListRef)
    assert (len(items), storage.unwrap(items)) == (3, [0, 1, 2])
    assert storage.unwrap(results) == [0, 1, 4]


def test_a_retrace_runs_nothing(storage: Storage, tmp_path: Path) -> None:
    """In another storage of the same store as well."""
    with storage:
        list(count_to(3))
    storage.close()
    again = Storage(tmp_path / "store")
    with again:
        items: Refs = count_to(3)

    assert RUNS["count_to"] == 3
    assert not items.in_memory
    assert again.unwrap(items[1]) == 1


def test_outside_a_storage_it_is_the_generator() -> None:
    """Lazily: nothing runs before it is asked for."""
    items = count_to(100)
    with noop():
        others = count_to(100)

    assert (next(items), next(others)) == (0, 0)
    assert RUNS["count_to"] == 2


def test_a_body_iterates_over_values(storage: Storage) -> None:
    """Run for the first time, and answered: a body works as it does outside."""
    with storage:
        first = total(3)
        second = total.call(3)

    assert storage.unwrap([first, second]) == [3, 3] == [total(3), sum(range(3))]
    # In the storage three items, once; outside of it three more.
    assert RUNS["count_to"] == 6


def test_calls_between_items_are_linked(storage: Storage) -> None:
    """The body runs when an item is asked for, and its calls are calls of its own."""
    with storage:
        items: Refs = squares(3)

    parent = storage.get_ref_creator(items)
    assert parent is not None
    assert storage.unwrap(items) == [0, 1, 4]
    children = [storage.get_call(hid) for hid in storage.calls_df()["hid"]]
    assert [c.parent for c in children if c.op.name == "square"] == [parent.hid] * 3


def test_a_body_that_fails_leaves_nothing(storage: Storage) -> None:
    """Not even the items that came before."""
    with pytest.raises(ValueError, match="five is too many"), storage:
        count_to(10)

    assert len(storage.calls_df()) == 0
    with storage:
        assert not count_to.is_cached(10)


def test_an_item_that_cannot_be_stored_is_named(storage: Storage) -> None:
    """With its place, and the body gets to clean up."""
    closed = []

    @op(name="locks")
    def locks() -> Iterator[Any]:
        try:
            yield 1
            yield (number for number in range(3))
        finally:
            closed.append("closed")

    with (
        pytest.raises(UsageError, match=r"output_0\[1\] \(of type generator\) cannot be stored"),
        storage,
    ):
        locks()

    assert closed == ["closed"]


def test_items_can_be_collections_or_have_codecs(storage: Storage) -> None:
    """As the annotation of what is yielded says."""

    @op(name="texts")
    def texts() -> Iterator[Annotated[str, Codec("plain")]]:
        yield "a"

    with storage:
        nested: Refs = pairs(2)
        items: Refs = texts()

    assert isinstance(nested[0], ListRef)
    assert storage.unwrap([nested, items]) == [[[0, 1], [1, 2]], ["a"]]


def test_items_are_stored_as_they_come_and_not_kept(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So an op may yield more than fits into memory."""
    alive: list[weakref.ref[Any]] = []
    most = 0
    prepare = ValueEncoder.prepare
    order: list[str] = []

    def watched(encoder: ValueEncoder, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, np.ndarray):
            order.append("stored")
        return prepare(encoder, value, *args, **kwargs)

    monkeypatch.setattr(ValueEncoder, "prepare", watched)

    @op(name="arrays")
    def arrays(count: int) -> Iterator[Any]:
        nonlocal most
        for number in range(count):
            array = np.full(200_000, number)
            alive.append(weakref.ref(array))
            order.append("made")
            yield array
            del array
            gc.collect()
            most = max(most, sum(ref() is not None for ref in alive))

    with storage:
        items: Refs = arrays(5)

    assert order == ["made", "stored"] * 5
    # The one that is being handed over may be held by whoever takes it.
    assert most <= 1
    assert [int(storage.unwrap(item)[0]) for item in items] == list(range(5))


def test_frames_show_items(storage: Storage) -> None:
    """Each is tied to the list by a call."""
    with storage:
        for item in count_to(2):
            square(item)
    frame = storage.cf(count_to).expand_all()

    assert "list_item" in repr(frame)
    assert sorted(frame.df()["square"].notna()) == [True, True]


@pytest.mark.parametrize("options", [{"nout": 2}, {"nout": "var"}, {"output_names": ["a", "b"]}])
def test_a_generator_has_one_output(options: Any) -> None:
    """Said at decoration."""

    def items() -> Iterator[int]:
        yield 1

    with pytest.raises(UsageError, match="what a generator yields is one output"):
        op(**options)(items)


def test_the_one_output_can_have_a_name(storage: Storage) -> None:
    """As of any op."""

    @op(name="named", output_names=["numbers"])
    def named() -> Iterator[int]:
        yield 1

    with storage:
        items: Refs = named()

    call = storage.get_ref_creator(items)
    assert call is not None
    assert list(call.outputs) == ["numbers"]
