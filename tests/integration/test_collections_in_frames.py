"""Structural calls are ordinary function nodes of a frame."""

from __future__ import annotations

from typing import Any

from tests.integration.collection_ops import (
    described,
    ends_of,
    letters_of,
    numbers_of,
    one_more,
    table_of,
    total_of,
)

from mandala_cas.imports import ListRef, Storage


def test_a_list_that_is_taken_apart(memory: Any) -> None:
    """The call that gives an element stands between the op and who uses the element."""
    with Storage(memory) as storage:
        numbers: Any = numbers_of(3)
        one_more(numbers[1])
        one_more(numbers[2])

        frame = storage.cf(one_more).expand_back(recursive=True)

        assert repr(frame).splitlines()[3:] == [
            "Computational graph:",
            "    list@output_0 = numbers_of(count=count)",
            "    number@list_item = __list_getitem__(i=i, list=list)",
            "    var_0@output_0 = one_more(number=number)",
        ]
        table = frame.df().sort_values("i", ignore_index=True)
        assert table["i"].tolist() == [1, 2]
        assert table["list"].tolist() == [[0, 1, 2], [0, 1, 2]]
        assert table["var_0"].tolist() == [2, 3]


def test_a_list_that_was_made_of_refs(memory: Any) -> None:
    """The elements are under one label, whatever their number."""
    with Storage(memory) as storage:
        total_of([one_more(1), one_more(2), 7])

        frame = storage.cf(total_of).expand_back(recursive=True)

        assert repr(frame).splitlines()[3:] == [
            "Computational graph:",
            "    elts@output_0 = one_more(number=number)",
            "    numbers@list = __make_list__(elts=elts)",
            "    var_0@output_0 = total_of(numbers=numbers)",
        ]
        assert ">*elts (1)<" in frame.draw().svg
        (row,) = frame.df().to_dict("records")
        assert sorted(row["elts"]) == [2, 3, 7]
        assert row["numbers"] == [2, 3, 7]
        (ref,) = frame.df("numbers", values="refs")["numbers"]
        assert type(ref) is ListRef
        assert [storage.unwrap(element) for element in ref] == [2, 3, 7]


def test_every_kind_of_collection(memory: Any) -> None:
    """By the names that the store has for ever."""
    with Storage(memory) as storage:
        table: Any = table_of(2)
        letters: Any = letters_of("ab")
        ends: Any = ends_of([5, 6])
        described(table, {"x", *letters}, (1, "y"), [1])

        above = repr(storage.cf(described).expand_back(recursive=True)).splitlines()[4:]
        below = repr(storage.cf({"t": table, "l": letters, "e": ends}).expand_forward())

        assert [line.strip() for line in above] == [
            "pair@tuple = __make_tuple__(elts=elts_0)",
            "set@output_0 = letters_of(text=text)",
            "elts@set_item = __set_getitem__(i=i, set=set)",
            "letters@set = __make_set__(elts=elts)",
            "table@output_0 = table_of(count=count)",
            "var_0@output_0 = described(letters=letters, pair=pair, plain=plain, table=table)",
        ]
        assert [line.strip() for line in below.splitlines()[4:]] == [
            "dict_value@dict_value = __dict_getitem__(dict=t)",
            "set_item@set_item = __set_getitem__(set=l)",
            "tuple_item@tuple_item = __tuple_getitem__(tuple=e)",
            "var_0@output_0 = described(table=t)",
        ]
        described({"a": [1], "b": [2]}, set(), (1, "y"), [1])
        assert repr(storage.cf("__make_dict__")).splitlines()[4:] == [
            "    dict@dict = __make_dict__(a=a, b=b)"
        ]


def test_a_call_knows_what_its_refs_are(memory: Any) -> None:
    """By what is on record of their values."""
    with Storage(memory) as storage:
        total_of(numbers_of(2))
    again = Storage(memory)

    (call,) = again.cf(total_of).df()["total_of"]

    assert type(call.inputs["numbers"]) is ListRef
    assert again.unwrap(list(call.inputs["numbers"])) == [0, 1]
    assert storage.url == again.url
