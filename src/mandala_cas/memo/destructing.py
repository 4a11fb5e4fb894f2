"""Collections among the outputs of a call: taken apart, elements stored as values of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.memo.book import CallBook, Prepared
from mandala_cas.memo.constructing import (
    check_count,
    identified,
    located,
    parts_of,
    prepare_collection,
    shape_for,
)
from mandala_cas.memo.notes import Note
from mandala_cas.memo.places import Place
from mandala_cas.memo.structural import item_history_id, places_of
from mandala_cas.memo.unwrapping import unwrap
from mandala_cas.model.collection_refs import REF_CLASSES, CollectionRef
from mandala_cas.model.collections import Collection, CollectionKind, plain_container
from mandala_cas.model.ids import ContentId, HistoryId
from mandala_cas.model.refs import MISSING, AtomRef, Elements, LazyRefs, Ref


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """An element that is not taken apart, as a value, and as the book takes it."""

    value: Any
    prepared: Prepared


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A collection that a body gave: what is stored of it, and its parts in that order.

    ``value`` is the plain container, with no refs in it.
    """

    collection: Collection
    parts: Sequence[Leaf | Taken]
    value: Any
    prepared: Prepared

    @property
    def content_id(self) -> ContentId:
        """What the collection is."""
        return self.prepared.content_id

    def within(self) -> Iterator[Taken]:
        """Yield this collection and those in it."""
        yield self
        for part in self.parts:
            if isinstance(part, Taken):
                yield from part.within()

    def collections(self) -> dict[ContentId, Collection]:
        """Return what is stored of this collection and of those in it."""
        return {taken.content_id: taken.collection for taken in self.within()}

    def all_prepared(self) -> Iterator[Prepared]:
        """Yield all that the book must take in, elements before what names them."""
        for part in self.parts:
            if isinstance(part, Taken):
                yield from part.all_prepared()
            else:
                yield part.prepared
        yield self.prepared

    @property
    def may_hold_files(self) -> bool:
        """Whether files may be in it, which lie elsewhere once the book has them."""
        return any(
            part.may_hold_files if isinstance(part, Taken) else part.prepared.may_hold_files
            for part in self.parts
        )

    def ref(self, history_id: HistoryId, book: CallBook) -> CollectionRef:
        """Return the ref of this collection, which an op gave, with refs of its elements."""
        kind, places = self.collection.kind, places_of(self.collection)

        def element(position: int) -> Ref:
            """Return the ref of one element."""
            part = self.parts[position]
            item_id = item_history_id(kind, history_id, book.content_id(places[position]))
            if isinstance(part, Taken):
                return part.ref(item_id, book)
            value = MISSING if part.prepared.may_hold_files else part.value
            return AtomRef(item_id, part.prepared.content_id, value, book.loader)

        value = MISSING if self.may_hold_files else self.value
        elements = Elements(LazyRefs(len(self.parts), element), self.collection.keys)
        return REF_CLASSES[kind](history_id, self.content_id, value, book.loader, elements=elements)


def destruct(value: Any, note: Note, book: CallBook, place: Place) -> Taken | None:
    """Return an output taken apart; None if it is to be stored as it is.

    The bytes of the elements are taken; nothing is on record yet.

    Raises:
        UsageError: it is not what the annotation allows, or an element cannot be stored or had.
    """
    taken = _destruct(value, note, book, place, "")
    if taken is not None:
        check_count(sum(len(inner.parts) for inner in taken.within()), place)
    return taken


def take_item(value: Any, note: Note, book: CallBook, place: Place, position: int) -> Leaf | Taken:
    """Return one of many items, with its bytes taken; it is not kept.

    Raises:
        UsageError: it is not what the annotation allows, or cannot be stored or had.
    """
    check_count(position + 1, place)
    path = f"[{position}]"
    part = _destruct(value, note, book, place, path) or _leaf(value, note, book, place, path)
    return _without_value(part)


def list_of(parts: Sequence[Leaf | Taken], book: CallBook) -> Taken:
    """Return the list of items that were taken; there is no plain list of them."""
    collection = Collection(CollectionKind.LIST, tuple(_id_of(part) for part in parts))
    prepared = prepare_collection(collection, collection.content_id, book)
    return Taken(collection, parts, MISSING, prepared)


def _without_value(part: Leaf | Taken) -> Leaf | Taken:
    """Return a part without the objects that it was taken from."""
    if isinstance(part, Leaf):
        return Leaf(MISSING, part.prepared)
    parts = [_without_value(inner) for inner in part.parts]
    return Taken(part.collection, parts, MISSING, part.prepared)


def _destruct(value: Any, note: Note, book: CallBook, place: Place, path: str) -> Taken | None:
    """Return a value taken apart; None if it is to be stored as it is."""
    if isinstance(value, CollectionRef) and note.shapes:
        value = unwrap(value, str(place), book, **place.details)
    shape = shape_for(value, note, place, path)
    if shape is None:
        return None
    keys: list[str] = []
    parts: list[Leaf | Taken] = []
    for key, element, element_note, step in parts_of(value, shape, place, path):
        part = _destruct(element, element_note, book, place, step)
        parts.append(part or _leaf(element, element_note, book, place, step))
        keys.append(key)
    plain = [part.value for part in parts]
    is_dict = shape.kind is CollectionKind.DICT
    if shape.kind is CollectionKind.SET:
        # By the id of the same things: of two values with one id, the set needs one.
        distinct = {_id_of(part): part for part in parts}
        parts = [distinct[id_] for id_ in sorted(distinct)]
    collection = Collection(
        shape.kind, tuple(_id_of(part) for part in parts), tuple(keys) if is_dict else ()
    )
    prepared = prepare_collection(collection, collection.content_id, book)
    return Taken(collection, parts, plain_container(shape.kind, keys, plain), prepared)


def _id_of(part: Leaf | Taken) -> ContentId:
    """Return what a part is."""
    return part.prepared.content_id


def _leaf(value: Any, note: Note, book: CallBook, place: Place, path: str) -> Leaf:
    """Return an element that is not taken apart, with its bytes taken."""
    is_ref = isinstance(value, Ref)
    known_id = None
    if is_ref:
        known_id = value.content_id
        value = unwrap(value, str(place), book, **place.details)
    elif note.hasher is not None:
        known_id = identified(value, note, book, place, path)
    try:
        prepared = book.prepare(value, known_id, note.codec, hasher=note.hasher, is_ref=is_ref)
    except UsageError as error:
        raise place.cannot("stored", located(error, path)) from error
    return Leaf(value, prepared)
