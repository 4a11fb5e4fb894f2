"""Arguments that are treated apart: so far, those that an op got later."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from mandala_cas.memo.book import CallBook, Hasher
from mandala_cas.model.ids import ContentId
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
