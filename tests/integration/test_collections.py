"""Collections as inputs and outputs: their elements are values, and refs, of their own."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.collection_ops import (
    RUNS,
    arrays_of,
    described,
    ends_of,
    letters_of,
    numbers_of,
    one_more,
    records_of,
    split,
    table_of,
    total_of,
    total_of_array,
    total_of_arrays,
)

from mandala_cas.blobs.store import BlobStore
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.errors import UsageError
from mandala_cas.imports import (
    AtomRef,
    DictRef,
    File,
    ListRef,
    MDict,
    MList,
    MTuple,
    Ref,
    SetRef,
    Storage,
    TupleRef,
    op,
)
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.counting import CountingObjectStore


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    """Count what runs from here on."""
    RUNS.clear()


def as_any(value: Any) -> Any:
    """Return a ref as what it is; to a type checker it is its value."""
    return value


class TestOutputs:
    """What an op gives is a ref that can be taken apart."""

    def test_a_list_is_a_ref_of_refs(self, memory: MemoryObjectStore) -> None:
        """It has a length, positions, slices and an order, as a list has."""
        with Storage(memory) as storage:
            numbers = as_any(numbers_of(4))

            assert type(numbers) is ListRef
            assert len(numbers) == 4
            assert type(numbers[0]) is AtomRef
            assert [ref.value for ref in numbers] == [0, 1, 2, 3]
            assert numbers[1:3] == [numbers[1], numbers[2]]
            assert numbers[-1] == numbers[3]
            assert numbers[2] in numbers
            assert as_any(one_more(1)) not in numbers
            assert storage.unwrap(numbers) == [0, 1, 2, 3]
            assert storage.unwrap({"a": [numbers, numbers[1]]}) == {"a": [[0, 1, 2, 3], 1]}

    def test_a_dict_gives_refs_by_key(self, memory: MemoryObjectStore) -> None:
        """And what stands there may be a collection itself."""
        with Storage(memory) as storage:
            table = as_any(table_of(3))

            assert type(table) is DictRef
            assert list(table) == ["row 0", "row 1", "row 2"] == list(table.keys())
            assert type(table["row 2"]) is ListRef
            assert [storage.unwrap(row) for row in table.values()] == [[], [0], [0, 1]]
            assert dict(table.items())["row 1"] == table["row 1"]
            assert table.get("row 9") is None
            assert "row 9" not in table
            assert storage.unwrap(table) == {"row 0": [], "row 1": [0], "row 2": [0, 1]}

    def test_a_set_has_an_order_as_refs(self, memory: MemoryObjectStore) -> None:
        """That of content ids, which every process has alike."""
        with Storage(memory) as storage:
            letters = as_any(letters_of("banana"))

            assert type(letters) is SetRef
            assert len(letters) == 3
            assert [ref.cid for ref in letters] == sorted(ref.cid for ref in letters)
            assert storage.unwrap(letters) == {"a", "b", "n"}

    def test_a_tuple_is_one_output_or_several(self, memory: MemoryObjectStore) -> None:
        """As the annotation says; without one, a tuple is several outputs."""
        with Storage(memory) as storage:
            ends = as_any(ends_of([4, 5, 6]))
            left, right = as_any(split([4, 5, 6], 1))

            assert type(ends) is TupleRef
            assert [storage.unwrap(ref) for ref in ends] == [4, 6]
            assert (type(left), type(right)) == (ListRef, ListRef)
            assert (storage.unwrap(left), storage.unwrap(right)) == ([4], [5, 6])

    def test_how_refs_look(self, memory: MemoryObjectStore) -> None:
        """With the values of a few elements where they are here, and short where not."""
        with Storage(memory):
            numbers, ends = as_any(numbers_of(9)), as_any(ends_of([1, 2]))

            shown = ", ".join(f"AtomRef({n}, hid={numbers[n].hid[:3]}...)" for n in range(5))
            assert repr(numbers) == f"ListRef([{shown}, ...], hid={numbers.hid[:3]}...)"
            assert repr(ends).startswith("TupleRef((AtomRef(1, hid=")
            again = as_any(numbers_of(9))
            assert repr(again) == f"ListRef(hid={numbers.hid[:3]}..., in_memory=False)"

    def test_pickled_refs_have_their_ids_and_class(self, memory: MemoryObjectStore) -> None:
        """A storage that has them tells the elements."""
        with Storage(memory) as storage:
            numbers = as_any(numbers_of(2))
            copy = pickle.loads(pickle.dumps(numbers))  # noqa: S301 (made right here)

            assert (type(copy), copy) == (ListRef, numbers)
            with pytest.raises(UsageError, match=r"storage\.load_elements"):
                len(copy)
            assert list(storage.load_elements(copy).refs) == list(numbers)
            assert storage.unwrap(copy) == [0, 1]
            total_of(copy)
            assert RUNS == ["numbers_of", "total_of [0, 1]"]


class TestInputs:
    """What an op is given is taken apart, and its body gets plain containers."""

    def test_refs_and_values_may_be_mixed(self, memory: MemoryObjectStore) -> None:
        """Refs keep their histories, and what is none is a constant."""
        with Storage(memory) as storage:
            two = as_any(one_more(1))

            total = as_any(total_of([two, 5, as_any(numbers_of(3))[1]]))

            assert total.value == 8
            assert RUNS == ["one_more 1", "numbers_of", "total_of [2, 5, 1]"]
            total_of([two, 5, as_any(numbers_of(3))[1]])
            assert len(RUNS) == 3
            numbers = as_any(storage.cf(total_of).df(values="refs").numbers[0])
            assert numbers[0] == two
            assert numbers[2] == as_any(numbers_of(3))[1]

    def test_bodies_get_plain_containers(self, memory: MemoryObjectStore) -> None:
        """Whatever mixture of refs and values went in."""
        one: Any
        with Storage(memory):
            table, letters, one = table_of(2), letters_of("ab"), one_more(0)

            text = as_any(described(table, letters, (one, "x"), [3]))
            plain = as_any(described({"row 0": [], "row 1": [0]}, {"b", "a"}, (1, "x"), [3]))

            assert text.value == (
                "['dict', 'set', 'tuple', 'list', 'list', 'list'] "
                "{'row 0': [], 'row 1': [0]} ['a', 'b'] (1, 'x') [3]"
            )
            # Equal elements, so equal content: it is answered, and has a history of its own.
            assert RUNS.count("described") == 1
            assert (text.cid, text.hid != plain.hid) == (plain.cid, True)

    def test_a_collection_is_what_its_elements_are(self, memory: MemoryObjectStore) -> None:
        """Whether an op gave it or a caller did, and whatever the order of a dict."""
        with Storage(memory):
            given = as_any(total_of(as_any(numbers_of(3))))
            plain = as_any(total_of([0, 1, 2]))
            table: Any = {"b": [2], "a": [1]}
            for one in (table, dict(sorted(table.items()))):
                described(one, set(), (1, "x"), [])

            assert given.cid == plain.cid
            assert RUNS == ["numbers_of", "total_of [0, 1, 2]", "described"]

    def test_a_body_gets_plain_values_from_other_ops(self, memory: MemoryObjectStore) -> None:
        """So it works the same in and out of a storage."""

        @op
        def outer(count: int) -> MList[int]:
            numbers = numbers_of(count)
            assert type(numbers) is list
            return [*numbers, total_of(numbers)]

        with Storage(memory) as storage:
            assert storage.unwrap(outer(3)) == [0, 1, 2, 3]
            assert storage.unwrap(outer(3)) == [0, 1, 2, 3]
        assert outer(3) == [0, 1, 2, 3]

    def test_outside_every_storage_refs_are_unwrapped(self, memory: MemoryObjectStore) -> None:
        """Also those in plain containers, where the annotation says that there may be some."""
        with Storage(memory):
            numbers: Any = numbers_of(3)

        assert total_of(numbers) == 3
        assert total_of([numbers[2], 7]) == 9

    def test_a_list_of_another_storage_is_copied(self, memory: MemoryObjectStore) -> None:
        """With its elements, each as a value of its own, and with its ids."""
        with Storage():
            arrays = as_any(arrays_of(3))
        other = Storage(memory)

        with other:
            total = as_any(total_of_arrays(arrays.detached()))
            one = as_any(total_of_array(arrays[1].detached()))

        stored = {record.content_id for record in records_of(other)}
        assert {arrays.content_id, *(ref.content_id for ref in arrays)} <= stored
        assert other.unwrap(total) > other.unwrap(one) > 0
        again = Storage(memory)
        assert len(again.unwrap(again.make_ref(arrays.history_id, arrays.content_id))) == 3

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ((1, 2), "is annotated with MList, so it is a list, and a tuple was given"),
            (7, "a int was given"),
        ],
    )
    def test_what_is_no_list_is_refused(self, given: Any, message: str) -> None:
        """Rather than stored as something that the annotation does not say."""
        with Storage(), pytest.raises(UsageError, match=message):
            total_of(given)

    def test_errors_lead_to_the_element(self) -> None:
        """An element that cannot be hashed, a key that is none, a ref where none can be."""

        @op
        def plain(numbers: list[Any]) -> int:
            return len(numbers)

        with Storage():
            lock: Any = __import__("threading").Lock()
            with pytest.raises(UsageError, match=r'numbers\[1\]\["a"\] .*cannot be hashed'):
                total_of([1, as_any({"a": lock})])
            with pytest.raises(UsageError, match=r"table has the key 3, and the keys of MDict"):
                described(as_any({3: []}), set(), (1, ""), [])
            with pytest.raises(UsageError, match=r"table\['a'\] is annotated with MList"):
                described(as_any({"a": 5}), set(), (1, ""), [])
            with pytest.raises(UsageError, match="pair is annotated as a tuple of 2"):
                described({}, set(), as_any((1, "", 2)), [])
            with pytest.raises(UsageError, match="MList, MDict, MSet or MTuple"):
                plain([as_any(one_more(1))])


class TestStoring:
    """Elements are stored once, and read only when somebody asks for a value."""

    def test_shared_elements_are_stored_once(self, memory: MemoryObjectStore) -> None:
        """However many collections they are in."""
        with Storage(memory) as storage:
            arrays = as_any(arrays_of(4))
            total_of_arrays(arrays)
            total_of_arrays([arrays[0], arrays[3], arrays[0]])
            total_of_arrays(as_any(storage.unwrap(arrays))[:2])
        places: dict[ContentId, set[tuple[str, int]]] = {}
        for record in records_of(Storage(memory)):
            places.setdefault(record.content_id, set()).add((record.location, record.offset))

        counts = Counter(len(places[ref.content_id]) for ref in arrays)

        assert counts == {1: 4}
        # Four arrays of 8,000 bytes that do not shrink, and not much else.
        size = sum(i.size for p in ("packs/", "blobs/") for i in memory.list(p))
        assert 32_000 < size < 40_000

    def test_retracing_reads_no_payload(self, memory: MemoryObjectStore) -> None:
        """Ids, lengths and elements are in the log, or in what is stored of collections."""

        def program() -> list[Ref]:
            arrays = as_any(arrays_of(20))
            total = as_any(total_of_arrays([*arrays[:2], arrays[4]]))
            return [arrays, total, as_any(total_of_array(arrays[3])), as_any(table_of(3))]

        with Storage(memory):
            first = program()
        RUNS.clear()
        counted = CountingObjectStore(memory)
        storage = Storage(counted)
        before = counted.requests
        decoded: Counter[str] = Counter()
        decode = CodecRegistry.decode

        def watched(self: CodecRegistry, name: str, *rest: Any) -> Any:
            decoded[name] += 1
            return decode(self, name, *rest)

        with pytest.MonkeyPatch.context() as patch, storage:
            patch.setattr(CodecRegistry, "decode", watched)
            again = program()

        assert RUNS == []
        assert (counted.requests - before).gets == 0
        assert set(decoded) == {"collection"}
        assert [(type(r), r.hid, r.cid) for r in again] == [(type(r), r.hid, r.cid) for r in first]
        assert not any(ref.in_memory for ref in again)

    def test_another_process_retraces(self, tmp_path: Path) -> None:
        """History ids are the same in every process, whatever its hash seed."""
        program = (
            "import sys; from tests.integration.collection_ops import *\n"
            "with Storage(sys.argv[1]) as storage:\n"
            "    letters = letters_of('mandala'); table = table_of(3)\n"
            "    text = described(table, letters, (1, 'x'), [1])\n"
            "    total = total_of([*numbers_of(3), one_more(1)])\n"
            "print(len(RUNS), total.hid, text.hid, *(ref.hid for ref in letters))\n"
        )

        def run(seed: str) -> list[str]:
            done = subprocess.run(
                [sys.executable, "-c", program, str(tmp_path / "store")],
                check=True,
                capture_output=True,
                text=True,
                env={**__import__("os").environ, "PYTHONHASHSEED": seed},
            )
            return done.stdout.split()

        first, second = run("1"), run("2")

        assert (first[0], second[0]) == ("6", "0")
        assert first[1:] == second[1:]

    def test_many_elements_are_read_in_few_requests(self, memory: MemoryObjectStore) -> None:
        """Those of a level together, however many there are."""
        with Storage(memory):
            arrays = as_any(arrays_of(300, 400)).detached()
        storage = Storage(memory)
        asked: list[int] = []
        get_many = BlobStore.get_many

        def counted(self: BlobStore, places: Any) -> Any:
            asked.append(len(places))
            return get_many(self, places)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BlobStore, "get_many", counted)
            values = storage.unwrap(arrays)

        assert len(values) == 300
        assert np.array_equal(values[7], np.random.default_rng(7).random(400))
        assert asked == [1, 300]

    def test_each_place_has_an_object_of_its_own(self, memory: MemoryObjectStore) -> None:
        """What a caller does to one must not show in another that merely was equal."""

        @op
        def twins() -> MList[Any]:
            return [np.zeros(3), np.zeros(3), [1]]

        with Storage(memory):
            twins()
        storage = Storage(memory)
        with storage:
            first, second, _ = storage.unwrap(twins())

        first += 1

        assert second.sum() == 0


def test_files_are_elements(tmp_path: Path) -> None:
    """Each comes back as a path of its own, also where two have the same contents."""

    @op
    def shards(count: int) -> MList[File]:
        paths = [tmp_path / f"{number}.txt" for number in range(count)]
        for path in paths:
            path.write_text("x" * (int(path.stem) % 2))
        return [File(path) for path in paths]

    @op
    def sizes(files: MList[File]) -> MList[int]:
        return [len(Path(file).read_text()) for file in files]

    with Storage(tmp_path / "store") as storage:
        given = as_any(shards(4))
        assert not given.in_memory
        assert not given[0].in_memory
        assert storage.unwrap(sizes(given)) == [0, 1, 0, 1]
        (tmp_path / "1.txt").write_text("changed")
        assert storage.unwrap(sizes([given[3], given[1]])) == [1, 1]
        assert [Path(file).read_text() for file in storage.unwrap(given)] == ["", "x", "", "x"]


Nested = st.recursive(
    st.integers() | st.text(max_size=3) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@given(
    numbers=st.lists(st.lists(st.integers(), max_size=4), max_size=4),
    table=st.dictionaries(st.text(max_size=3), st.tuples(Nested, st.sets(st.text())), max_size=4),
    pair=st.tuples(st.integers(), st.none() | st.lists(Nested, max_size=3)),
)
def test_whatever_goes_in_comes_back(numbers: Any, table: Any, pair: Any) -> None:
    """As a plain program would have it, in this process and in the next."""
    given = (numbers, table, pair)

    @op(name="echoed")
    def echo(
        numbers: MList[MList[int]],
        table: MDict[str, MTuple[Any, Any]],
        pair: MTuple[int, Optional[MList[Any]]],  # noqa: UP045 (both ways of writing it)
    ) -> tuple[MList[MList[int]], MDict[str, MTuple[Any, Any]], MTuple[int, MList[Any] | None]]:
        assert (numbers, table, pair) == given
        assert list(table) == list(given[1])
        return numbers, table, pair

    objects = MemoryObjectStore()
    with Storage(objects) as storage:
        fresh: Any = echo(*given)
        assert storage.unwrap(fresh) == given
    with Storage(objects) as storage:
        lazy: Any = echo(*given)
        assert storage.unwrap(lazy) == given
        assert [len(ref) for ref in lazy] == [len(value) for value in given]
        inner = [storage.unwrap(ref) for ref in lazy[0]]
        assert inner == numbers
        assert storage.unwrap(echo(*lazy)) == given
