"""Cells that hold several elements: values, refs or calls, in the order of their history ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Generic, TypeVar, overload

from mandala_cas.model.calls import Call
from mandala_cas.model.refs import Ref

T = TypeVar("T")


class Collection(Sequence[T], Generic[T]):
    """An immutable sequence, which pandas takes for one thing, not for a column."""

    __slots__ = ("_items",)
    what: ClassVar[str]

    def __init__(self, items: Iterable[T]) -> None:
        """Hold ``items`` in their order."""
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        """Return one item, or several as a tuple."""
        return self._items[index]

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        """Give the items in order."""
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        """Compare items with those of a collection of the same kind."""
        return self._items == other._items if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        """Hash the items, if they can be hashed."""
        return hash((self.what, self._items))

    def __repr__(self) -> str:
        """Return the kind and the items."""
        return f"{type(self).__name__}({list(self._items)!r})"


class ValueCollection(Collection[Any]):
    """Values of the refs that one row has in one variable."""

    __slots__ = ()
    what = "values"


class RefCollection(Collection[Ref]):
    """Refs that one row has in one variable."""

    __slots__ = ()
    what = "refs"


class CallCollection(Collection[Call]):
    """Calls that one row has in one function node."""

    __slots__ = ()
    what = "calls"
