"""Refs of collections give refs of elements, each made once, and nothing is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from mandala_cas.errors import UsageError
from mandala_cas.model.collection_refs import (
    REF_CLASSES,
    CollectionRef,
    DictRef,
    ListRef,
    SetRef,
    TupleRef,
)
from mandala_cas.model.collections import Collection, CollectionKind, made_from, plain_container
from mandala_cas.model.entries import Slot
from mandala_cas.model.ids import ContentId, HistoryId
from mandala_cas.model.refs import MISSING, AtomRef, Elements, LazyRefs, Ref


def ids(number: int) -> tuple[HistoryId, ContentId]:
    """Return the ids of some ref."""
    return HistoryId(bytes([number]) * 16), ContentId(bytes([number]) * 32)


class Loader:
    """Knows the elements of every collection; counts what it is asked."""

    def __init__(self, *keys: str, count: int = 3) -> None:
        """Have so many elements, or one for each key."""
        self.keys = keys
        self.count = len(keys) or count
        self.asked = 0
        self.made: list[int] = []

    def load_ref_value(self, ref: Ref) -> Any:
        """Fail: no value is asked for."""
        raise AssertionError(f"nobody needs the value of {ref!r}")

    def make_ref(self, history_id: HistoryId, content_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref."""
        return AtomRef(history_id, content_id, value, self)

    def load_elements(self, ref: Ref) -> Elements:
        """Return the elements."""
        del ref
        self.asked += 1
        return Elements(LazyRefs(self.count, self._element), self.keys)

    def _element(self, position: int) -> Ref:
        """Make one ref."""
        self.made.append(position)
        return self.make_ref(*ids(10 + position))


def refs(count: int) -> list[Ref]:
    """Return the refs of the first elements."""
    return [AtomRef(*ids(10 + position)) for position in range(count)]


def test_a_list_is_asked_for_its_elements_once() -> None:
    """And makes those refs only that somebody looks at."""
    loader = Loader(count=100_000)
    ref = ListRef(*ids(1), loader=loader)

    assert loader.asked == 0
    assert len(ref) == 100_000
    assert ref[7] == AtomRef(*ids(17))
    assert ref[7] is ref[7]
    assert ref[-99_990:-99_988] == refs(12)[10:]

    assert (loader.asked, loader.made) == (1, [7, 10, 11])


def test_a_list_and_a_tuple_are_sequences() -> None:
    """Slices are plain containers of refs."""
    listed, tupled = (kind(*ids(1), loader=Loader()) for kind in (ListRef, TupleRef))

    assert list(listed) == list(tupled) == refs(3)
    assert listed[1:] == refs(3)[1:]
    assert tupled[::2] == tuple(refs(3)[::2])
    first, *_ = tupled
    assert first in listed
    assert AtomRef(*ids(99)) not in listed
    with pytest.raises(IndexError):
        listed[3]


def test_a_dict_is_a_mapping() -> None:
    """Of keys to refs, in its order."""
    ref = DictRef(*ids(1), loader=Loader("b", "a"))

    assert (len(ref), list(ref), list(ref.keys())) == (2, ["b", "a"], ["b", "a"])
    assert dict(ref.items()) == {"b": refs(2)[0], "a": refs(2)[1]}
    assert list(ref.values()) == refs(2)
    assert (ref["a"], ref.get("b"), ref.get("c"), ref.get("c", 5)) == (*refs(2)[::-1], None, 5)
    assert ("a" in ref, "c" in ref) == (True, False)
    with pytest.raises(KeyError):
        ref["c"]


def test_a_set_has_refs_in_it() -> None:
    """It has an order and no positions."""
    ref = SetRef(*ids(1), loader=Loader())

    assert list(ref) == refs(3)
    assert refs(1)[0] in ref
    assert AtomRef(*ids(99)) not in ref
    assert not hasattr(ref, "__getitem__")


@pytest.mark.parametrize("kind", list(CollectionKind))
def test_pickling_keeps_ids_and_class(kind: CollectionKind) -> None:
    """A loader holds a store open, and elements are in it."""
    ref = REF_CLASSES[kind](*ids(1), [1], Loader(), elements=Elements(refs(2)))

    make, arguments = ref.__reduce__()
    copy = make(*arguments)

    assert (type(copy), copy, copy.in_memory) == (REF_CLASSES[kind], ref, False)
    assert type(ref.detached()) is type(ref)
    with pytest.raises(UsageError, match=r"storage\.load_elements\(ref\)"):
        len(copy)


def test_how_they_look() -> None:
    """The elements where the value is here; what is not known is not looked up."""
    elements = Elements([AtomRef(*ids(n), n) for n in range(7)])
    shown = ", ".join(f"AtomRef({n}, hid=0{n}0...)" for n in range(5))

    def made(kind: type[CollectionRef], count: int, *keys: str) -> CollectionRef:
        """Return a ref with its value."""
        return kind(*ids(1), "value", elements=Elements(elements.refs[:count], keys))

    assert repr(made(ListRef, 7)) == f"ListRef([{shown}, ...], hid=010...)"
    assert repr(made(ListRef, 0)) == "ListRef([], hid=010...)"
    assert repr(made(TupleRef, 1)) == "TupleRef((AtomRef(0, hid=000...),), hid=010...)"
    assert repr(made(SetRef, 1)) == "SetRef({AtomRef(0, hid=000...)}, hid=010...)"
    assert repr(made(DictRef, 1, "a")) == "DictRef({'a': AtomRef(0, hid=000...)}, hid=010...)"
    assert repr(made(ListRef, 1).detached()) == "ListRef(hid=010..., in_memory=False)"
    assert repr(ListRef(*ids(1), [1])) == "ListRef([1], hid=010...)"


def test_content_ids_tell_collections_apart() -> None:
    """By kind, by order where there is one, and by where one key ends."""
    one, two = ids(1)[1], ids(2)[1]
    different = [
        Collection(CollectionKind.LIST, (one, two)),
        Collection(CollectionKind.LIST, (two, one)),
        Collection(CollectionKind.TUPLE, (one, two)),
        Collection(CollectionKind.SET, (one, two)),
        Collection(CollectionKind.LIST, ()),
        Collection(CollectionKind.DICT, ()),
        Collection(CollectionKind.DICT, (one, two), ("a", "b")),
        Collection(CollectionKind.DICT, (one, two), ("b", "a")),
        Collection(CollectionKind.DICT, (one, two), ("ab", "")),
    ]
    same = Collection(CollectionKind.DICT, (two, one), ("b", "a"))

    assert len({collection.content_id for collection in different}) == len(different)
    assert same.content_id == different[6].content_id


@pytest.mark.parametrize(
    ("kind", "elements", "keys"),
    [
        (CollectionKind.SET, [2, 1], []),
        (CollectionKind.SET, [1, 1], []),
        (CollectionKind.DICT, [1, 2], ["a"]),
        (CollectionKind.DICT, [1, 2], ["a", "a"]),
        (CollectionKind.LIST, [1], ["a"]),
    ],
)
def test_what_is_no_collection_is_refused(
    kind: CollectionKind, elements: list[int], keys: list[str]
) -> None:
    """Here, where it is made: two collections must not be one."""
    with pytest.raises(UsageError):
        Collection(kind, tuple(ids(n)[1] for n in elements), tuple(keys))


@pytest.mark.parametrize("kind", list(CollectionKind))
def test_a_record_tells_what_its_call_made(kind: CollectionKind) -> None:
    """What is stored of a collection can be made of the log alone."""
    names = ["a", "b", "c"] if kind is CollectionKind.DICT else ["elts_0", "elts_1", "elts_2"]
    slots = [Slot(name, *ids(number)) for name, number in zip(names, (5, 5, 4), strict=True)]

    made = made_from(kind, slots)

    contents = [4, 5] if kind is CollectionKind.SET else [5, 5, 4]
    assert made.element_ids == tuple(ids(number)[1] for number in contents)
    assert made.keys == (("a", "b", "c") if kind is CollectionKind.DICT else ())
    assert type(plain_container(kind, made.keys, [1, 2, 3])).__name__ == kind.value
