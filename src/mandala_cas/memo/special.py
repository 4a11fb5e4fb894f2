"""Arguments that are treated apart: those that an op got later, and those that do not count."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from mandala_cas.errors import UsageError
from mandala_cas.memo.book import CallBook, Hasher
from mandala_cas.memo.places import Place
from mandala_cas.model.ids import ContentId
from mandala_cas.model.pointers import Pointer
from mandala_cas.model.refs import Ref

T = TypeVar("T")


class NewArgument:
    """The default of a parameter that calls on record do not have."""

    __slots__ = ("_content_ids", "value")

    def __init__(self, value: Any) -> None:
        """Wrap the default."""
        self.value = value
        # By the id of a hasher, which lives as long as the annotation that has it.
        self._content_ids: dict[int, ContentId] = {}

    def content_id(self, book: CallBook, hasher: Hasher | None = None) -> ContentId:
        """Return what the default is; ``hasher`` is that of the parameter.

        Asked once: content ids do not depend on the book. Values are compared by this, not by
        ``==``, which for arrays and frames is not a bool.
        """
        known = self._content_ids.get(id(hasher))
        if known is None:
            value = self.value
            is_ref = isinstance(value, Ref)
            known = value.content_id if is_ref else book.content_id(value, hasher)
            self._content_ids[id(hasher)] = known
        return known

    def __repr__(self) -> str:
        """Return what was written in the signature."""
        return f"NewArgDefault({self.value!r})"


def NewArgDefault(value: T) -> T:  # noqa: N802 (the name that users of mandala know)
    """Make ``value`` the default of a parameter that an op did not have before.

    A call with this parameter at ``value`` is the same call as one from before there was the
    parameter, so old results keep answering. To type checkers this is ``value`` itself.
    """
    return cast("T", NewArgument(value))


class Ignored:
    """A value that an op is given and that is no input of its call."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        """Wrap the value."""
        self.value = value

    def __repr__(self) -> str:
        """Return what was written in the call or the signature."""
        return f"Ignore({self.value!r})"


def Ignore(value: T) -> T:  # noqa: N802 (the name that users of mandala know)
    """Give an op ``value`` without making it an input of the call.

    The body gets it, and the record knows nothing of it: two calls that differ in it alone are
    one. As the default of a parameter it stands for calls that do not give the argument; one that
    is given counts. To type checkers this is ``value`` itself.
    """
    return cast("T", Ignored(value))


def given(argument: Any) -> Any:
    """Return what a body gets for an argument, refs apart: without what marks it."""
    return pointed_to(argument.value if isinstance(argument, NewArgument | Ignored) else argument)


def pointed_to(value: Any) -> Any:
    """Return what a pointer points at, and any other value as it is."""
    return value.obj if isinstance(value, Pointer) else value


def pointed_at(values: list[tuple[str, Any]], op_name: str) -> list[tuple[str, Any]]:
    """Return what a body gets for its arguments: in place of pointers what they point at.

    Raises:
        UsageError: one came from a store, which has no more of it than its id.
    """
    if not any(type(value) is Pointer for _, value in values):
        return values
    found = []
    for name, value in values:
        try:
            found.append((name, value.obj if type(value) is Pointer else value))
        except UsageError as error:
            place = Place(op_name, "argument", name)
            raise UsageError(f"{place}: {error}", **error.details, **place.details) from error
    return found
