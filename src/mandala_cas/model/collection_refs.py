"""Refs of collections: handles that can be indexed and iterated, and give refs of the elements.

Elements are found by the log and by what is stored of the collection itself: no value of an element
is loaded for any of it.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from types import MappingProxyType
from typing import Any, ClassVar, Final, SupportsIndex, TypeVar, overload

from mandala_cas.errors import UsageError
from mandala_cas.model.collections import CollectionKind
from mandala_cas.model.ids import ContentId, HistoryId
from mandala_cas.model.refs import MISSING, Elements, Ref, RefLoader

_SHOWN_MAX: Final = 5

T = TypeVar("T")


class CollectionRef(Ref):
    """A ref whose value has elements that are values of their own. Use one of the subclasses."""

    __slots__ = ("_elements",)
    KIND: ClassVar[CollectionKind]

    def __init__(
        self,
        history_id: HistoryId,
        content_id: ContentId,
        value: Any = MISSING,
        loader: RefLoader | None = None,
        *,
        elements: Elements | None = None,
    ) -> None:
        """Make a handle; ``elements`` are found when they are asked for, if not given."""
        super().__init__(history_id, content_id, value, loader)
        self._elements = elements

    @property
    def elements(self) -> Elements:
        """Refs to the elements, and the keys of a dict. Asked of the storage at first need.

        Raises:
            UsageError: the ref came from no storage, as one that was unpickled.
            NotFoundError: the storage does not have the collection.
        """
        if self._elements is None:
            if self._loader is None:
                raise UsageError(
                    f"the elements of {self!r} are not known here, for it came from no storage; "
                    "storage.load_elements(ref) gives them",
                    ref=self,
                )
            self._elements = self._loader.load_elements(self)
        return self._elements

    def __len__(self) -> int:
        """Return how many elements there are."""
        return len(self.elements.refs)

    def __repr__(self) -> str:
        """Show the elements if the value is here, and the first digits of the history id."""
        if not self.in_memory or self._elements is None:
            return super().__repr__()
        refs, keys = self._elements
        shown = [repr(ref) for ref in refs[:_SHOWN_MAX]]
        if keys:
            shown = [f"{key!r}: {text}" for key, text in zip(keys, shown, strict=False)]
        if len(refs) > _SHOWN_MAX:
            shown.append("...")
        opening, closing = _BRACKETS[self.KIND]
        comma = "," if self.KIND is CollectionKind.TUPLE and len(refs) == 1 else ""
        short = self.hid[:3]
        inner = f"{opening}{', '.join(shown)}{comma}{closing}"
        return f"{type(self).__name__}({inner}, hid={short}...)"


_BRACKETS: Final[Mapping[CollectionKind, tuple[str, str]]] = {
    CollectionKind.LIST: ("[", "]"),
    CollectionKind.TUPLE: ("(", ")"),
    CollectionKind.SET: ("{", "}"),
    CollectionKind.DICT: ("{", "}"),
}


class ListRef(CollectionRef):
    """A ref of a list."""

    __slots__ = ()
    KIND = CollectionKind.LIST

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> Ref: ...
    @overload
    def __getitem__(self, place: slice, /) -> list[Ref]: ...
    def __getitem__(self, place: SupportsIndex | slice, /) -> Ref | list[Ref]:
        """Return the ref of an element, or a plain list of those of several."""
        if isinstance(place, slice):
            return list(self.elements.refs[place])
        return self.elements.refs[place.__index__()]

    def __iter__(self) -> Iterator[Ref]:
        """Yield the refs of the elements."""
        return iter(self.elements.refs)

    def __contains__(self, ref: object) -> bool:
        """Tell whether a ref is that of an element, by its history."""
        return ref in self.elements.refs


class TupleRef(CollectionRef):
    """A ref of a tuple."""

    __slots__ = ()
    KIND = CollectionKind.TUPLE

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> Ref: ...
    @overload
    def __getitem__(self, place: slice, /) -> tuple[Ref, ...]: ...
    def __getitem__(self, place: SupportsIndex | slice, /) -> Ref | tuple[Ref, ...]:
        """Return the ref of an element, or a plain tuple of those of several."""
        if isinstance(place, slice):
            return tuple(self.elements.refs[place])
        return self.elements.refs[place.__index__()]

    def __iter__(self) -> Iterator[Ref]:
        """Yield the refs of the elements."""
        return iter(self.elements.refs)

    def __contains__(self, ref: object) -> bool:
        """Tell whether a ref is that of an element, by its history."""
        return ref in self.elements.refs


class SetRef(CollectionRef):
    """A ref of a set; its elements come in the order of their content ids."""

    __slots__ = ()
    KIND = CollectionKind.SET

    def __iter__(self) -> Iterator[Ref]:
        """Yield the refs of the elements."""
        return iter(self.elements.refs)

    def __contains__(self, ref: object) -> bool:
        """Tell whether a ref is that of an element, by its history."""
        return ref in self.elements.refs


class DictRef(CollectionRef):
    """A ref of a dict: its keys are known, its values are refs."""

    __slots__ = ("_positions",)
    KIND = CollectionKind.DICT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a handle, as any of a collection."""
        super().__init__(*args, **kwargs)
        self._positions: dict[str, int] | None = None

    def __getitem__(self, key: str) -> Ref:
        """Return the ref of what stands under a key."""
        return self.elements.refs[self._places()[key]]

    def __iter__(self) -> Iterator[str]:
        """Yield the keys."""
        return iter(self.elements.keys)

    def __contains__(self, key: object) -> bool:
        """Tell whether something stands under a key."""
        return key in self._places()

    def keys(self) -> KeysView[str]:
        """Return the keys."""
        return self._by_key().keys()

    def values(self) -> ValuesView[Ref]:
        """Return the refs of the elements."""
        return self._by_key().values()

    def items(self) -> ItemsView[str, Ref]:
        """Return keys and refs."""
        return self._by_key().items()

    def get(self, key: Any = MISSING, default: Any = None) -> Any:
        """Return the ref of what stands under a key, or the default.

        Without a key, return the value: the dict of values, as ``get`` of every ref does.
        """
        if key is MISSING:
            return super().get()
        place = self._places().get(key)
        return default if place is None else self.elements.refs[place]

    def _places(self) -> Mapping[str, int]:
        """Return where the refs of keys are."""
        if self._positions is None:
            keys = self.elements.keys
            self._positions = {key: position for position, key in enumerate(keys)}
        return self._positions

    def _by_key(self) -> Mapping[str, Ref]:
        """Return the refs by key."""
        refs, keys = self.elements
        return MappingProxyType(dict(zip(keys, refs, strict=True)))


REF_CLASSES: Final[Mapping[CollectionKind, type[CollectionRef]]] = {
    cls.KIND: cls for cls in (ListRef, TupleRef, SetRef, DictRef)
}
