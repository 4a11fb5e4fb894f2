"""What annotations say of collections, and what becomes of arguments and outputs by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Optional

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import UsageError
from mandala_cas.imports import (
    AtomRef,
    Codec,
    DictRef,
    Hash,
    ListRef,
    MDict,
    MList,
    MSet,
    MTuple,
    NewArgDefault,
    SetRef,
    TupleRef,
    op,
)
from mandala_cas.memo import constructing, recovery
from mandala_cas.memo.annotations import Annotations
from mandala_cas.memo.notes import NO_NOTE, Note, Notes, Shape
from mandala_cas.model.collections import Collection, CollectionKind
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import ContentId, constant_history_id

LIST, TUPLE, SET, DICT = (
    CollectionKind.LIST,
    CollectionKind.TUPLE,
    CollectionKind.SET,
    CollectionKind.DICT,
)


def noted(hint: Any, output_count: int | None = None) -> Notes:
    """Return what an annotation says of a parameter `x` and of the result."""

    def f(x: Any) -> Any:
        return x

    f.__annotations__ = {"x": hint, "return": hint}
    return Annotations(f, "f").notes(output_count) or Notes()


def one(shape: Shape, *, strict: bool = True) -> Note:
    """Return the note of one collection."""
    return Note(shapes=(shape,), is_strict=strict)


FIVE = ContentId(bytes(32))
ITEM = Note("words")
MARKED: Any = Annotated[str, Codec("words")]


class TestReading:
    """Annotations, in all the ways in which they are written."""

    @pytest.mark.parametrize(
        ("hint", "note"),
        [
            (MList[int], one(Shape(LIST, (NO_NOTE,)))),
            (MList, one(Shape(LIST))),
            ("MList[int]", one(Shape(LIST, (NO_NOTE,)))),
            (MList["MList[int]"], one(Shape(LIST, (one(Shape(LIST, (NO_NOTE,))),)))),
            (MSet[MARKED], one(Shape(SET, (ITEM,)))),
            (MDict[str, MARKED], one(Shape(DICT, (ITEM,)))),
            (MDict, one(Shape(DICT))),
            (MTuple[MARKED, int], one(Shape(TUPLE, (ITEM, NO_NOTE), is_fixed=True))),
            (MTuple[MARKED, ...], one(Shape(TUPLE, (ITEM,)))),
            (MTuple[()], one(Shape(TUPLE, (), is_fixed=True))),
            (MTuple, one(Shape(TUPLE))),
            (Optional[MList[int]], one(Shape(LIST, (NO_NOTE,)))),  # noqa: UP045 (both ways)
            (MList[int] | None, one(Shape(LIST, (NO_NOTE,)))),
            (MList[int] | int, one(Shape(LIST, (NO_NOTE,)), strict=False)),
            (Annotated[MList[int], "a note"], one(Shape(LIST, (NO_NOTE,)))),
            (
                MList[int] | MDict[str, int],
                Note(shapes=(Shape(LIST, (NO_NOTE,)), Shape(DICT, (NO_NOTE,))), is_strict=True),
            ),
        ],
    )
    def test_what_they_say(self, hint: Any, note: Note) -> None:
        """Of a parameter, and of a result."""
        notes = noted(hint)

        assert (notes.of_argument("x"), notes.of_output(0, 1)) == (note, note)

    @pytest.mark.parametrize(
        ("hint", "message"),
        [
            (Annotated[MList[int], Codec("words")], "around that of the elements of a collection"),
            (Annotated[MList[int], Hash(len)], "around that of the elements of a collection"),
            (list[MList[int]], "make what is around a collection one as well"),
            (MList[list[MList[int]]], "make what is around a collection one as well"),
            (MDict[int, str], r"the keys of MDict are str"),
            (MList[int] | MList[str], "two collections of one kind"),
            (MList[int] | MARKED, "a part of a union"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, hint: Any, message: str) -> None:
        """Rather than passed over, which nobody would notice."""
        with pytest.raises(UsageError, match=message):
            noted(hint)

    def test_a_tuple_of_collections_is_several_outputs(self) -> None:
        """As it is with other markers; `MTuple` is one."""

        def f() -> tuple[MList[int], int]: ...  # type: ignore[empty-body]

        found = Annotations(f, "f").notes(None)
        assert found is not None
        assert (found.elements[0].shapes[0].kind, found.elements[1]) == (LIST, NO_NOTE)
        assert (found.is_whole, found.has_collections_out) == (False, True)
        with pytest.raises(UsageError, match="declare 2 outputs"):
            noted(MTuple[int, int], 2)

    def test_codecs_of_elements_are_known(self) -> None:
        """One that is not here is an error before anything runs."""
        assert {name for name, _ in noted(MList[MDict[str, MARKED]]).codecs()} == {"words"}

    def test_the_names_make_plain_containers(self) -> None:
        """To type checkers they are these types, which can be called."""
        made = [MList((1, 2)), MDict(a=1), MSet([1]), MTuple([1])]

        assert made == [[1, 2], {"a": 1}, {1}, (1,)]
        assert [type(each) for each in made] == [list, dict, set, tuple]


@op(name="spread")
def spread(first: MList[int], **more: MTuple[int, MList[int]]) -> MDict[str, MList[int]]:
    """Return lists by name."""
    assert type(first) is list
    return {"first": first, **{name: [pair[0], *pair[1]] for name, pair in more.items()}}


def structural(book: FakeBook, name: str) -> list[CallRecord]:
    """Return the calls of a structural op on record."""
    return [call for call in book.calls.values() if call.op_name == name]


class TestCalls:
    """One call, and what it leaves on record."""

    def test_what_is_on_record(self, entered: FakeBook) -> None:
        """The call, one for each collection that was made, one for each element given."""
        result: Any = spread([1, 2], a=(3, [1, 2]))

        assert [len(structural(entered, name)) for name in ("__make_list__", "__make_tuple__")] == [
            1,
            1,
        ]
        (made,) = structural(entered, "__make_list__")
        assert [slot.name for slot in made.inputs] == ["elts_0", "elts_1"]
        (pair,) = structural(entered, "__make_tuple__")
        assert (pair.inputs[1].history_id, pair.inputs[1].content_id) == (
            made.outputs[0].history_id,
            made.outputs[0].content_id,
        )
        items = structural(entered, "__dict_getitem__")
        assert [slot.history_id for call in items for slot in call.inputs[:1]] == [
            result.history_id
        ] * 2
        assert len(structural(entered, "__list_getitem__")) == 2 + 3
        assert entered.asked["record"] == 1
        (call,) = structural(entered, "spread")
        begun = {record.started_us for record in entered.calls.values()}
        assert begun == {call.started_us}

    def test_refs_of_what_was_made(self, entered: FakeBook) -> None:
        """With values, and the histories that are on record."""
        result: Any = spread([1], a=(2, []))

        assert type(result) is DictRef
        assert result.value == {"first": [1], "a": [2]}
        inner: Any = result["a"]
        assert (type(inner), inner.value, inner[0].value) == (ListRef, [2], 2)
        outputs = {slot.history_id for call in entered.calls.values() for slot in call.outputs}
        assert {result.history_id, inner.history_id, inner[0].history_id} <= outputs

    def test_a_hit_gives_the_same_refs(self, entered: FakeBook) -> None:
        """Of their classes, without values, and with nothing new on record."""
        first: Any = spread([1], a=(2, []))
        count = len(entered.calls)

        again: Any = spread([1], a=(2, []))

        assert (type(again), again, again.in_memory) == (DictRef, first, False)
        assert len(entered.calls) == count
        assert entered.asked["load"] == 0

    def test_a_hit_by_content_has_elements_of_its_own(self, entered: FakeBook) -> None:
        """With the histories of the call that asked."""
        number: Any = spread([5])

        first: Any = spread([5, 6])
        items = len(structural(entered, "__list_getitem__"))
        again: Any = spread([number["first"][0], 6])

        assert (again.cid, again.hid != first.hid) == (first.cid, True)
        assert len(structural(entered, "__list_getitem__")) == items + 2
        assert len(structural(entered, "__make_list__")) == 3

    def test_a_body_makes_plain_calls(self, entered: FakeBook) -> None:
        """It is given plain containers by other ops, loaded or just made."""

        @op(name="outer")
        def outer(number: int) -> int:
            given = spread([number])
            assert given == {"first": [number]}
            assert type(given["first"]) is list
            return len(given)

        spread([1])
        outer(1)
        outer(2)
        assert len(structural(entered, "outer")) == 2

    def test_sets_and_tuples(self, entered: FakeBook) -> None:
        """A set takes each content once, and every ref that it was given."""

        @op(name="grouped")
        def grouped(items: MSet[int]) -> MTuple[int, ...]:
            return tuple(sorted(items))

        two: Any = spread([2, 2])
        refs: Any = {two["first"][0], two["first"][1], *range(3, 12)}
        result: Any = grouped(refs)

        assert (type(result), result.value) == (TupleRef, tuple(range(2, 12)))
        (made,) = structural(entered, "__make_set__")
        assert len(made.inputs) == 11
        assert [s.content_id for s in made.inputs] == sorted(s.content_id for s in made.inputs)

        @op(name="ungrouped")
        def ungrouped() -> MSet[int]:
            return {3, 1, 2}

        given: Any = ungrouped()
        assert type(given) is SetRef
        assert [ref.value for ref in given] == sorted([1, 2, 3], key=entered.content_id)

    def test_one_output_is_one_output(self, entered: FakeBook) -> None:
        """An annotation with a collection keeps a tuple whole, or refuses it."""

        @op(name="paired")
        def paired() -> MTuple[int, int]:
            return 1, 2

        @op(name="confused")
        def confused() -> MList[int]:
            return (1, 2)  # type: ignore[return-value]  # (that is the mistake)

        assert type(as_any(paired())) is TupleRef
        with pytest.raises(UsageError, match=r"output 'output_0': .* is annotated with MList"):
            confused()
        assert structural(entered, "confused") == []

    def test_none_and_other_members_of_a_union(self, entered: FakeBook) -> None:
        """Are values as ever."""

        @op(name="either")
        def either(x: MList[int] | int | None) -> MList[int] | int | None:
            return x

        assert [type(as_any(either(x))) for x in (None, 7, [7])] == [AtomRef, AtomRef, ListRef]
        assert [type(as_any(either(x))) for x in (None, 7, [7])] == [AtomRef, AtomRef, ListRef]
        assert len(structural(entered, "either")) == 3

    def test_a_new_argument_at_its_default(self, entered: FakeBook) -> None:
        """Is no input, also where it is given as a list."""

        @op(name="grown")
        def grown(x: int, extra: MList[int] = NewArgDefault([1])) -> int:
            return x + sum(extra)

        refs = [grown(1), grown(1, [1]), grown(1, [2])]

        assert refs[0] == refs[1] != refs[2]
        assert [call.inputs[0].name for call in structural(entered, "grown")] == ["x", "x"]

    def test_markers_of_elements_are_followed(self, entered: FakeBook) -> None:
        """The codec, and what decides ids."""

        @op(name="marked")
        def marked(
            words: MList[Annotated[str, Codec("words")]],
            names: MSet[Annotated[str, Hash(str.lower)]],
        ) -> MList[Annotated[str, Hash(str.lower), Codec("words")]]:
            return [*words, *names]

        first: Any = marked(["a"], {"B"})
        second: Any = marked(["a"], {"b"})

        assert first == second
        assert [part for part in entered.codecs_used if part[1] == "words"] == [
            ("a", "words"),
            ("a", "words"),
            ("B", "words"),
        ]

    def test_too_many_elements_are_refused(
        self, entered: FakeBook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A log has no place for them, and it is said before the op runs."""
        monkeypatch.setattr(constructing, "ELEMENTS_MAX", 5)

        spread([1, 2, 3])
        with pytest.raises(UsageError, match=r"has 6 elements.* may have 5"):
            spread([1] * 6)
        with pytest.raises(UsageError, match=r"has 6 elements.* may have 5"):
            spread([], a=(1, [1, 2, 3, 4]))
        assert len(structural(entered, "spread")) == 1

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: spread(as_any({1})), "argument 'first': first is annotated with MList"),
            (
                lambda: spread([1], a=as_any((1, 5))),
                r"argument 'a': a\[1\] is annotated with MList",
            ),
            (lambda: spread([1], a=as_any((1,))), "tuple of 2, and has 1 elements"),
            (lambda: spread(as_any([iter(())])), r"first\[0\]"),
        ],
    )
    def test_errors_say_where(
        self, entered: FakeBook, call: Callable[[], Any], message: str
    ) -> None:
        """And nothing is on record."""
        with pytest.raises(UsageError, match=message):
            call()
        assert entered.calls == {}

    def test_what_cannot_be_stored_of_an_output(self, entered: FakeBook) -> None:
        """Is named by its path, and nothing is on record."""

        @op(name="odd")
        def odd() -> MDict[str, MList[Any]]:
            return {"a": [1, iter(())]}

        with pytest.raises(UsageError, match=r"output_0\['a'\]\[1\]"):
            odd()
        assert entered.calls == {}

    def test_a_ref_of_a_list_is_its_ids(self, entered: FakeBook) -> None:
        """It goes into another call as it is; so does an element of it."""
        given: Any = spread([1, 2])
        before = len(structural(entered, "__make_list__"))

        spread(given["first"])
        again: Any = spread([given["first"][1]])

        assert len(structural(entered, "__make_list__")) == before + 1
        assert again.value == {"first": [2]}

    def test_a_call_that_runs_again_is_given_refs(self, entered: FakeBook) -> None:
        """What is stored of its collection stays that, and is no list."""

        @op(name="counted")
        def counted(items: MList[int]) -> int:
            return len(items) + 1000

        ref: Any = counted([1, 2])
        (made,) = structural(entered, "__make_list__")
        entered.lost.add(ref.content_id)

        assert recovery.load([ref.detached()], entered) == [1002]
        assert isinstance(entered.values[made.outputs[0].content_id], Collection)

    def test_names_of_structural_calls_are_taken(self) -> None:
        """An op of such a name would be taken for what it is not."""
        with pytest.raises(UsageError, match="give the op another name"):
            op(name="__make_list__")(len)

    def test_outside_every_storage_annotations_are_left_alone(self) -> None:
        """Where they show no collection: they may name what is defined further down."""
        read: list[str] = []

        class Noticed(Annotations):
            """Tells when it is read."""

            def _read(self, output_count: int | None) -> Notes:
                read.append("read")
                return super()._read(output_count)

        def plain(x: list[Undefined]) -> int:  # type: ignore[name-defined]  # noqa: F821 (below)
            return len(x)

        def marked(x: MList[int]) -> int:
            return len(x)

        for function, expected in ((plain, []), (marked, ["read"])):
            made: Any = op(function)
            object.__setattr__(
                made._definition, "annotations", Noticed(function, function.__name__)
            )
            assert made([1, 2]) == 2
            assert read == expected

    def test_outside_every_storage(self, book: FakeBook) -> None:
        """The plain function, with refs replaced wherever the annotation allows them."""
        five: Any = AtomRef(constant_history_id(FIVE), FIVE, 5)
        six: Any = ListRef(constant_history_id(FIVE), FIVE, [6])

        assert spread([five, 1], a=(five, six)) == {"first": [5, 1], "a": [5, 6]}
        with pytest.raises(UsageError, match="first is annotated with MList"):
            spread(as_any({five}))
        assert spread([1], a=(2, [3])) == {"first": [1], "a": [2, 3]}
        assert book.calls == {}


def as_any(value: Any) -> Any:
    """Return a ref as what it is."""
    return value
