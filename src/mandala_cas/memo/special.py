"""Arguments that are treated apart: so far, those that an op got later."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from mandala_cas.memo.book import CallBook
from mandala_cas.model.ids import ContentId
from mandala_cas.model.refs import Ref

T = TypeVar("T")


class NewArgument:
    """The default of a parameter that calls on record do not have."""

    __slots__ = ("_content_id", "value")

    def __init__(self, value: Any) -> None:
        """Wrap the default."""
        self.value = value
        self._content_id: ContentId | None = None

    def content_id(self, book: CallBook) -> ContentId:
        """Return what the default is. Asked once: content ids do not depend on the book.

        Values are compared by this, not by ``==``, which for arrays and frames is not a bool.
        """
        if self._content_id is None:
            value = self.value
            known = value.content_id if isinstance(value, Ref) else book.content_id(value)
            self._content_id = known
        return self._content_id

    def __repr__(self) -> str:
        """Return what was written in the signature."""
        return f"NewArgDefault({self.value!r})"


def NewArgDefault(value: T) -> T:  # noqa: N802 (the name that users of mandala know)
    """Make ``value`` the default of a parameter that an op did not have before.

    A call with this parameter at ``value`` is the same call as one from before there was the
    parameter, so old results keep answering. To type checkers this is ``value`` itself.
    """
    return cast("T", NewArgument(value))
