"""Annotations say by which codec a value is stored, and what decides its id."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest
from tests.unit.memo.fake_book import FakeBook, content_id_of

from mandala_cas.errors import MandalaWarning, UsageError
from mandala_cas.memo.annotations import Annotations
from mandala_cas.memo.context import enter, leave
from mandala_cas.memo.notes import NO_NOTE, Codec, Hash, Note
from mandala_cas.memo.op import op
from mandala_cas.memo.special import NewArgDefault

if TYPE_CHECKING:
    from decimal import Decimal as Missing
    from fractions import Fraction as Words

Rounded = Annotated[float, Hash(round)]
InWords = Annotated[str, Codec("words")]


def custom(value: Any) -> Any:
    """Return the id that the book gives where a hasher returned ``value``."""
    return content_id_of(("custom", value))


def notes_of(function: Callable[..., Any], output_count: int | None = None) -> Any:
    """Return what the annotations of a function say."""
    return Annotations(function, "f").notes(output_count)


class TestHash:
    """``Annotated[T, Hash(function)]``."""

    def test_it_decides_the_id_of_an_argument(self, entered: FakeBook) -> None:
        """Equal by the user's word, so the second call is on record."""
        runs = []

        @op(name="f")
        def f(x: Rounded, y: float = 0.5) -> float:
            runs.append((x, y))
            return x + y

        f(1.2)
        f(1.3)
        f(1.3, 0.6)

        assert runs == [(1.2, 0.5), (1.3, 0.6)]
        inputs = {slot.name: slot.content_id for slot in next(iter(entered.calls.values())).inputs}
        assert inputs == {"x": custom(1), "y": content_id_of(0.5)}

    def test_it_decides_the_id_of_an_output(self, entered: FakeBook) -> None:
        """What it was made with counts no more."""

        @op(name="f")
        def f(x: int) -> Annotated[list[int], Hash(len)]:
            return [x, x]

        first, second = f(1), f(2)

        assert first.content_id == second.content_id == custom(2)  # type: ignore[attr-defined]  # (refs)
        assert entered.values[custom(2)] == [2, 2]

    def test_a_ref_has_its_id_already(self, entered: FakeBook) -> None:
        """It is not loaded to be hashed."""

        @op(name="make")
        def make() -> float:
            return 1.2

        @op(name="f")
        def f(x: Rounded) -> float:
            return x

        f(make())

        call = next(call for call in entered.calls.values() if call.op_name == "f")
        assert call.inputs[0].content_id == content_id_of(1.2)

    def test_a_default_that_is_new_is_compared_by_it(self, entered: FakeBook) -> None:
        """One rule for a parameter, whatever is given."""
        runs = []

        @op(name="f")
        def f(x: int, y: Rounded = NewArgDefault(1.0)) -> float:
            runs.append(y)
            return x + y

        f(1)
        f(1, 1.2)
        f(1, 2.2)

        assert runs == [1.0, 2.2]
        assert len(entered.calls) == 2

    @pytest.mark.parametrize("role", ["argument", "output"])
    def test_a_hasher_that_fails_names_the_place(self, role: str, entered: FakeBook) -> None:
        """And nothing is on record."""

        def fail(value: Any) -> Any:
            raise UsageError(f"cannot hash {value}", path="[0]", reason="it is odd")

        def f(x: int) -> int:
            return x

        f.__annotations__ = {"x" if role == "argument" else "return": Annotated[int, Hash(fail)]}
        name = "x" if role == "argument" else "output_0"
        with pytest.raises(
            UsageError, match=rf"^f: {role} '{name}': {name}\[0\] cannot be hashed: it"
        ):
            op(name="f")(f)(1)

        assert entered.calls == {}


class TestCodec:
    """``Annotated[T, Codec("name")]``."""

    def test_it_goes_with_the_value_and_changes_no_id(self, entered: FakeBook) -> None:
        """For arguments and outputs alike."""

        @op(name="f")
        def f(
            x: InWords, *rest: InWords, y: int = 5, **more: Annotated[int, Codec("words")]
        ) -> InWords:
            return x if y or rest or more else ""

        f("a", "b", z=6)

        assert entered.codecs_used == [
            ("a", "words"),
            ("b", "words"),
            (5, None),
            (6, "words"),
            ("a", "words"),
        ]
        assert set(entered.values) == {content_id_of(v) for v in ("a", "b", 5, 6)}

    @pytest.mark.parametrize("where", ["argument 'x'", "the result"])
    def test_one_that_is_not_here_is_an_error_of_the_first_call(
        self, where: str, entered: FakeBook
    ) -> None:
        """Not of the day on which the value is new."""
        wrong = Annotated[int, Codec("wrods")]

        def f(x: Any) -> Any:
            return x

        f.__annotations__ = {"x" if where == "argument 'x'" else "return": wrong}
        counted = op(name="f")(f)

        with pytest.raises(
            UsageError, match=f"^f: the annotation of {where} names a codec: there is"
        ):
            counted(1)
        entered.codecs.add("wrods")
        counted(1)

        assert len(entered.calls) == 1

    def test_several_outputs_have_one_each(self, entered: FakeBook) -> None:
        """By position; what is around the whole is for each."""

        @op(name="f")
        def f() -> tuple[InWords, int, Annotated[int, Hash(abs)]]:
            return "a", 1, -2

        @op(name="g")
        def g() -> Annotated[tuple[str, str], Codec("words")]:
            return "a", "b"

        @op(name="h")
        def h() -> tuple[InWords, ...]:
            return "a", "b"

        f()
        g()
        h()

        assert [codec for _, codec in entered.codecs_used] == ["words", None, None, *["words"] * 4]
        assert custom(2) in entered.values

    def test_elements_say_nothing_of_a_result_that_is_one_output(self, entered: FakeBook) -> None:
        """Whatever the annotation says, the function returned no tuple of several."""

        @op(name="f")
        def f(x: Any) -> tuple[InWords, ...]:
            return x  # type: ignore[no-any-return]  # (the body decides)

        f(("a",))
        f("a")
        f(("a", "b", "c"))

        used = [(value, codec) for value, codec in entered.codecs_used if codec]
        assert used == [("a", "words"), ("b", "words"), ("c", "words")]


class TestReading:
    """How annotations are understood."""

    def test_nothing_is_read_before_the_first_call(self) -> None:
        """They may name what is defined further down."""

        def f(x: Any) -> None:
            del x

        f.__annotations__ = {"x": 'Annotated[Later, Codec("words")]'}

        annotations = Annotations(f, "f")
        f.__globals__["Later"] = int
        try:
            notes = annotations.notes(None)
        finally:
            del f.__globals__["Later"]

        assert notes is not None
        assert notes.of_argument("x") == Note("words")
        assert notes.of_argument("other") == NO_NOTE

    def test_most_functions_say_nothing(self) -> None:
        """And cost a lookup."""

        def f(x: int, y: list[Annotated[int, "something else"]], z: Missing) -> Words:
            raise AssertionError((x, y, z))

        assert notes_of(f) is None
        assert notes_of(lambda x: x) is None

    def test_a_text_that_cannot_be_understood_is_a_warning_where_it_has_a_marker(self) -> None:
        """Silence would change ids, and names for type checkers alone are common."""

        def f(x: Annotated[Missing, Hash(abs)], y: Annotated[int, Hash(abs)]) -> Words:
            raise AssertionError((x, y))

        annotations = Annotations(f, "f")
        with pytest.warns(
            MandalaWarning, match=r"f: the annotation of argument 'x' cannot.*Missing"
        ):
            notes = annotations.notes(None)

        assert notes is not None
        assert notes.of_argument("y") == Note(None, abs)
        assert notes.of_argument("x") == NO_NOTE
        assert annotations.notes(None) is notes

    def test_names_of_the_functions_around_are_known_where_the_body_uses_them(self) -> None:
        """More of them Python does not keep."""

        def length(value: str) -> int:
            return len(value)

        def f(x: Annotated[str, Hash(length)]) -> int:
            return length(x)

        assert notes_of(f).of_argument("x") == Note(None, length)

    def test_what_is_wrapped_is_read(self) -> None:
        """Decorators keep annotations, partials do not."""

        def f(x: Annotated[int, Hash(abs)], y: int) -> int:
            return x + y

        @functools.wraps(f)
        def wrapped(*args: Any, **kwargs: Any) -> int:
            return f(*args, **kwargs)

        class Adder:
            """An object that is called, with a field of the same name."""

            x: Annotated[int, Codec("words")]

            def __call__(self, x: Annotated[int, Hash(abs)]) -> int:
                return x

        class Made:
            """A class as an op."""

            x: Annotated[int, Codec("words")]

            def __init__(self, x: Annotated[int, Hash(abs)]) -> None:
                self.y = x

        made = (wrapped, functools.partial(f, y=1), functools.partial(wrapped, y=1), Adder(), Made)
        for function in made:
            assert notes_of(function).of_argument("x") == Note(None, abs)

    @pytest.mark.parametrize(
        ("hint", "message"),
        [
            (Optional[Rounded], "inside its annotation"),  # noqa: UP045 (older code has it)
            (list[InWords], "inside its annotation"),
            (Annotated[list[InWords], 5], "around the whole type"),
            (Annotated[int, Codec], "around the whole type"),
            (Annotated[int, Codec("a"), Codec("b")], "two markers of one kind"),
            (Annotated[int, Hash(abs), Hash(len)], "two markers of one kind"),
        ],
    )
    def test_a_marker_without_a_meaning_is_refused(self, hint: Any, message: str) -> None:
        """Nothing that somebody wrote is passed over in silence."""

        def f(x: Any) -> Any:
            return x

        for name in ("x", "return"):
            f.__annotations__ = {name: hint}
            with pytest.raises(UsageError, match=message):
                notes_of(f)

    def test_both_markers_may_stand_together(self) -> None:
        """They say different things."""

        def f(x: Annotated[int, Codec("words"), "something", Hash(abs)]) -> int:
            return x

        assert notes_of(f).of_argument("x") == Note("words", abs)

    def test_elements_of_a_single_output_are_refused(self) -> None:
        """The tuple is stored as one value."""

        def f() -> tuple[InWords, int]:
            raise AssertionError

        def g() -> tuple[InWords]:
            raise AssertionError

        assert notes_of(f, 2).of_output(0, 2) == Note("words")
        for function, count in ((f, 1), (g, None)):
            with pytest.raises(UsageError, match="the result is one output"):
                notes_of(function, count)

    def test_numbered_arguments_are_those_of_the_star(self) -> None:
        """By the names that they are bound to."""

        def f(*parts: InWords, part: int = 5) -> int:
            del parts
            return part

        notes = notes_of(f)

        assert notes.of_argument("parts_12") == Note("words")
        assert notes.of_argument("parts_x") == notes.of_argument("part") == NO_NOTE

    def test_markers_refuse_what_they_cannot_use(self) -> None:
        """Where it is written."""
        with pytest.raises(UsageError, match="Codec takes the name"):
            Codec("")
        with pytest.raises(UsageError, match="Hash takes a function"):
            Hash(5)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="annotations are never evaluated early")
def test_a_text_in_an_annotation_that_is_none_is_left_alone() -> None:
    """Without the import from the future, only the inner part is a text."""
    source = "def f(x: Annotated['Missing', Hash(abs)], y: 'InWords', z: 'Missing'): pass"
    module = types.ModuleType("example")
    vars(module).update(Annotated=Annotated, Hash=Hash, InWords=InWords)
    exec(compile(source, "example", "exec", dont_inherit=True), vars(module))  # noqa: S102 (ours)

    notes = notes_of(module.f)

    assert notes.of_argument("x") == Note(None, abs)
    assert notes.of_argument("y") == Note("words")
    assert notes.of_argument("z") == NO_NOTE


class TestMutation:
    """A book that checks has its ops leave their inputs alone."""

    def test_an_argument_that_was_changed_is_an_error_and_not_on_record(self) -> None:
        """Answered from the record, the call would not change it."""
        book = FakeBook()
        book.checks_mutation = True

        @op(name="f")
        def f(x: list[int], y: list[int]) -> int:
            y.append(1)
            return len(x)

        session = enter(book)
        with pytest.raises(UsageError, match=r"^f: argument 'y': y was changed by the op") as error:
            f([1], [2])
        leave(session)

        assert (error.value.op, error.value.argument, error.value.path) == ("f", "y", "")
        assert book.calls == {}

    def test_a_value_that_came_as_a_ref_is_checked(self) -> None:
        """The ref would go on with a value that is not its own."""
        book = FakeBook()
        book.checks_mutation = True

        @op(name="make")
        def make() -> Annotated[list[int], Hash(len)]:
            return [1]

        @op(name="f")
        def f(x: list[int]) -> int:
            x.append(1)
            return len(x)

        @op(name="g")
        def g(x: list[int], y: Annotated[list[int], Hash(len)]) -> int:
            y[0] = 5
            return len(x)

        session = enter(book)
        g(make(), [1])
        with pytest.raises(UsageError, match=r"^f: argument 'x'"):
            f(make())
        leave(session)

    def test_what_cannot_be_hashed_by_itself_is_passed_over(self) -> None:
        """Its id came from a hasher where it was made; here there is nothing to compare."""
        book = FakeBook()
        book.checks_mutation = True

        @op(name="f")
        def f(x: Any) -> int:
            return len(x)

        @op(name="make")
        def make() -> Annotated[Any, Hash(len)]:
            return [object()]

        session = enter(book)
        assert f(make()).value == 1  # type: ignore[attr-defined]  # (a ref)
        leave(session)
