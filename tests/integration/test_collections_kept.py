"""What becomes of elements: they are kept, dropped, collected, verified and computed again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.integration.collection_ops import (
    RUNS,
    arrays_of,
    numbers_of,
    one_more,
    payload,
    records_of,
    table_of,
    total_of,
    total_of_arrays,
)

from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.imports import MList, Storage, op
from mandala_cas.model.refs import Ref
from mandala_cas.objectstore.memory import MemoryObjectStore


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    """Count what runs from here on."""
    RUNS.clear()


def count_calls(storage: Storage) -> dict[str, int]:
    """Return how many live calls there are of each op."""
    tables = storage.tables()
    counts: dict[str, int] = {}
    for code in tables.calls["op"]:
        counts[tables.ops[code]] = counts.get(tables.ops[code], 0) + 1
    return counts


def calls_of(storage: Storage, name: str) -> list[Any]:
    """Return the calls of an op."""
    return list(storage.cf(name).df()[name])


def collect(storage: Storage) -> None:
    """Delete what nothing needs, however young it is."""
    storage.gc(dry_run=False, grace=0)


def creator(storage: Storage, ref: Any) -> Any:
    """Return the call that gave a ref."""
    (record,) = storage._parts.book.creators(ref)[:1]
    return storage.make_call(record.call_id)


def lose(objects: MemoryObjectStore, ref: Ref) -> None:
    """Delete the object that has the value of a ref."""
    (place,) = {
        record.location
        for record in records_of(Storage(objects))
        if record.content_id == ref.content_id
    }
    objects.delete([place])


class TestDropping:
    """Structural calls go with the calls that they belong to."""

    def test_calls_of_elements_go_with_the_op(
        self, memory: MemoryObjectStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An element is nothing without the collection that it is in."""
        with Storage(memory) as storage:
            table: Any = table_of(3)
            one_more(7)
            assert count_calls(storage) == {
                "__dict_getitem__": 3,
                "__list_getitem__": 3,
                "one_more": 1,
                "table_of": 1,
            }

            with caplog.at_level("INFO", "mandala_cas"):
                storage.drop_calls(creator(storage, table))

            assert count_calls(storage) == {"one_more": 1}
            assert caplog.messages == [
                "Dropped 1 call, and 6 that tied collections to their elements"
            ]

    def test_makers_stay_while_somebody_uses_what_they_made(
        self, memory: MemoryObjectStore
    ) -> None:
        """And go with the last one."""
        with Storage(memory) as storage:
            total, other = as_refs(total_of([1, 2]), doubled([1, 2]))
            assert count_calls(storage)["__make_list__"] == 1

            storage.drop_calls(creator(storage, total))
            assert count_calls(storage) == {"__make_list__": 1, "doubled": 1, "__list_getitem__": 2}

            storage.drop_calls(creator(storage, other))
            assert count_calls(storage) == {}

    def test_elements_in_use_stay(self, memory: MemoryObjectStore) -> None:
        """A call that stays was given the collection, so its elements must stay readable."""
        with Storage(memory) as storage:
            numbers: Any = numbers_of(3)
            total_of(numbers)

            storage.drop_calls(creator(storage, numbers))

            assert count_calls(storage) == {"__list_getitem__": 3, "total_of": 1}

    def test_elements_go_with_the_last_user(self, memory: MemoryObjectStore) -> None:
        """Of a collection that was dropped before; found by random histories."""
        with Storage(memory) as storage:
            numbers: Any = numbers_of(3)
            total: Any = total_of(numbers)
            storage.drop_calls(creator(storage, numbers))

            storage.drop_calls(creator(storage, total))

            assert count_calls(storage) == {}

    def test_dependents_go_through_elements(self, memory: MemoryObjectStore) -> None:
        """What used an element rests on the collection."""
        with Storage(memory) as storage:
            numbers: Any = numbers_of(3)
            one_more(one_more(numbers[1]))
            total_of([numbers[0], 9])

            storage.drop_calls(creator(storage, numbers), delete_dependents=True)

            assert count_calls(storage) == {}

    def test_a_structural_call_is_not_dropped_alone(self, memory: MemoryObjectStore) -> None:
        """It would leave a collection without its elements; the error names whom it belongs to."""
        with Storage(memory) as storage:
            table, total = as_refs(table_of(3), total_of([1, 2]))
            owner, user = creator(storage, table), creator(storage, total)
            before = count_calls(storage)
            for name, of in [
                ("__dict_getitem__", owner),
                ("__list_getitem__", owner),
                ("__make_list__", user),
            ]:
                call = calls_of(storage, name)[0]
                with pytest.raises(UsageError, match=of.call_id.short) as caught:
                    storage.drop_calls(call)
                assert caught.value.details["hids"] == [of.hid]
                assert count_calls(storage) == before

            storage.drop_calls([calls_of(storage, "__make_list__")[0], user])
            assert count_calls(storage) == {
                n: c for n, c in before.items() if "make" not in n and n != "total_of"
            }

    def test_what_is_tagged_stays_whole(self, memory: MemoryObjectStore) -> None:
        """A tag on a collection keeps its elements, one on a call those of its collections."""
        with Storage(memory) as storage:
            table, arrays = as_refs(table_of(3), arrays_of(2))
            total = as_refs(total_of_arrays([arrays[1], np.zeros(1000)]))[0]
            user = creator(storage, total)
            storage.tag("kept", [table, user])

            storage.drop_calls([creator(storage, table), user], delete_dependents=True)
            storage.drop_calls(creator(storage, arrays))
            collect(storage)

            assert storage.unwrap(table) == {"row 0": [], "row 1": [0], "row 2": [0, 1]}
            made = user.inputs["arrays"]
            assert np.array_equal(storage.unwrap(made)[0], np.random.default_rng(1).random(1000))


@op
def doubled(numbers: MList[int]) -> MList[int]:
    """Return each number twice."""
    return [2 * number for number in numbers]


def as_refs(*refs: Any) -> tuple[Any, ...]:
    """Return refs as what they are."""
    return refs


class TestCollecting:
    """Garbage collection keeps what collections are made of, and nothing else."""

    def test_elements_of_live_collections_stay(self, memory: MemoryObjectStore) -> None:
        """Also when the calls that made the elements are gone."""
        with Storage(memory) as storage:
            arrays: Any = arrays_of(3)
            storage.commit()
            total = total_of_arrays([arrays[0], np.ones(1000) * 0.1])
            storage.commit()
            storage.drop_calls(creator(storage, arrays))
            collect(storage)
            (call,) = calls_of(storage, "total_of_arrays")
            given = call.inputs["arrays"].detached()
        again = Storage(memory)

        assert [array.sum() for array in again.unwrap(given)][1] == pytest.approx(100)
        assert again.unwrap(as_refs(total)[0].detached()) == pytest.approx(
            sum(array.sum() for array in again.unwrap(given))
        )
        assert again.fsck().ok

    def test_elements_of_dropped_collections_go(self, memory: MemoryObjectStore) -> None:
        """With the collection itself."""
        with Storage(memory) as storage:
            arrays: Any = arrays_of(3)
            storage.commit()
            storage.drop_calls(creator(storage, arrays))

            collect(storage)

            assert payload(memory) == []


class TestLosing:
    """An element that is lost is computed again, by whoever gave the collection."""

    def lost_store(self, count: int = 3, size: int = 200_000) -> tuple[MemoryObjectStore, Any]:
        """Return a store whose arrays are objects of their own, and the ref of their list."""
        objects = MemoryObjectStore()
        with Storage(objects):
            arrays: Any = arrays_of(count, size)
        RUNS.clear()
        return objects, arrays

    def test_an_element_of_an_output(self) -> None:
        """Asked for by itself, or with the collection; the op runs once."""
        objects, arrays = self.lost_store()
        lose(objects, arrays[2])
        expected = np.random.default_rng(2).random(200_000)

        with Storage(objects) as storage:
            again = as_refs(arrays_of(3, 200_000))[0]
            assert np.array_equal(storage.unwrap(again[2]), expected)
            assert RUNS == ["arrays_of"]
            assert np.array_equal(storage.unwrap(again)[2], expected)
            assert RUNS == ["arrays_of"]
        fresh = Storage(objects)
        assert fresh.fsck(level="data").ok
        assert count_calls(fresh) == {"__list_getitem__": 3, "arrays_of": 1}
        assert np.array_equal(fresh.unwrap(fresh.make_ref(*ids(arrays)))[2], expected)

    def test_several_elements_of_a_list(self) -> None:
        """Are found lost together, and made by one call."""
        objects, arrays = self.lost_store()
        for ref in arrays:
            lose(objects, ref)

        with Storage(objects) as storage:
            values = storage.unwrap(storage.make_ref(*ids(arrays)))

        assert RUNS == ["arrays_of"]
        assert [value.size for value in values] == [200_000] * 3

    def test_the_collection_itself(self) -> None:
        """What is stored of it is made anew, whether an op gave it or a caller did."""
        objects = MemoryObjectStore()
        with Storage(objects):
            given, made = as_refs(numbers_of(200), list(range(300)))
            total_of(given)
            total = as_refs(total_of(made))[0]
        RUNS.clear()
        for name in payload(objects):
            objects.delete([name])

        with Storage(objects) as storage:
            assert storage.unwrap(given.detached()) == list(range(200))
            user = creator(storage, total)
            assert storage.unwrap(user.inputs["numbers"]) == list(range(300))

        assert RUNS == ["numbers_of"]
        assert Storage(objects).fsck(level="data").ok

    def test_an_input_of_a_call_that_runs_again(self) -> None:
        """A lost element of what it was given is made first."""
        objects, _ = self.lost_store()
        with Storage(objects):
            again = as_refs(arrays_of(3, 200_000))[0]
            both = as_refs(halves([again[0], again[1]]))[0]
        RUNS.clear()
        for name in payload(objects):
            objects.delete([name])

        with Storage(objects) as storage:
            values = storage.unwrap(storage.make_ref(*ids(both)))

        assert RUNS == ["arrays_of", "halves"]
        assert np.array_equal(values[1], np.random.default_rng(1).random(200_000) / 2)

    def test_outside_a_block_it_is_a_clear_error(self) -> None:
        """Nothing runs there; the error says which op would give it."""
        objects, arrays = self.lost_store()
        lose(objects, arrays[1])
        storage = Storage(objects)

        with pytest.raises(CorruptionError, match=r"arrays_of .*runs again"):
            storage.unwrap(storage.make_ref(*ids(arrays)))
        assert storage.unwrap(storage.load_elements(arrays).refs[0]).size == 200_000

    def test_fsck_and_repair_know_elements(self) -> None:
        """A collection with a missing element is reported; repaired, its op runs when asked."""
        objects, arrays = self.lost_store()
        lose(objects, arrays[1])
        storage = Storage(objects)

        report = storage.fsck()
        assert not report.ok
        assert [problem.is_lost for problem in report.problems] == [True]
        storage.repair()
        assert storage.fsck().ok

        with Storage(objects):
            arrays_of(3, 200_000)
        assert RUNS == ["arrays_of"]

    def test_repair_rebuilds_what_was_made(self) -> None:
        """What is stored of a collection follows from its call, which the log has."""
        objects = MemoryObjectStore()
        with Storage(objects):
            total_of(list(range(300)))
        for name in payload(objects):
            objects.delete([name])
        storage = Storage(objects)
        assert not storage.fsck().ok

        storage.repair()

        assert storage.fsck(level="data").ok
        (call,) = calls_of(Storage(objects), "total_of")
        assert Storage(objects).unwrap(call.inputs["numbers"]) == list(range(300))

    def test_an_element_from_outside_that_is_lost(self) -> None:
        """No op gives it again: a finding, then an input that nobody has."""
        objects = MemoryObjectStore()
        with Storage(objects):
            total_of_arrays([np.random.default_rng(9).random(200_000)])
        for name in payload(objects):
            objects.delete([name])
        storage = Storage(objects)
        assert not storage.fsck().ok

        storage.repair()

        assert storage.fsck().ok
        RUNS.clear()
        with Storage(objects):
            total_of_arrays([np.random.default_rng(9).random(200_000)])
        assert RUNS == []


@op
def halves(arrays: MList[Any]) -> MList[Any]:
    """Return half of each array."""
    RUNS.append("halves")
    return [array / 2 for array in arrays]


def ids(ref: Any) -> tuple[Any, Any]:
    """Return the ids of a ref."""
    return ref.history_id, ref.content_id


def test_a_stale_element_is_replaced(memory: MemoryObjectStore) -> None:
    """A collection of one history has the elements of the run that is on record."""
    state = {"value": 1}

    @op
    def moody() -> MList[int]:
        return [state["value"], 5]

    with Storage(memory) as storage:
        first: Any = moody()
        total_of(first)
        storage.drop_calls(creator(storage, first))
        state["value"] = 2

        second: Any = moody()

        assert (second.hid, storage.unwrap(second)) == (first.hid, [2, 5])
        assert storage.unwrap(list(second)) == [2, 5]
    again = Storage(memory)
    (call,) = calls_of(again, moody.name)
    assert again.unwrap(list(call.outputs["output_0"])) == [2, 5]
    items = {again.unwrap(c.outputs["list_item"]) for c in calls_of(again, "__list_getitem__")}
    assert items == {2, 5}
