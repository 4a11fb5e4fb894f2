"""Collections among the arguments of a call: found by the annotations, and given ids.

An element that is a ref keeps its history, any other is a constant, and a collection in a
collection is one as well, where the annotation says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mandala_cas.codec.collections import NAME as COLLECTION_CODEC
from mandala_cas.errors import UsageError
from mandala_cas.memo.book import CallBook, Prepared
from mandala_cas.memo.collection_types import NAMES, PLAIN_TYPES
from mandala_cas.memo.notes import Note, Shape
from mandala_cas.memo.places import Place
from mandala_cas.memo.structural import Ids, MakeCall, make_call
from mandala_cas.memo.unwrapping import unwrap
from mandala_cas.model.collection_refs import CollectionRef
from mandala_cas.model.collections import ELEMENTS_MAX, Collection, CollectionKind, plain_container
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallId, ContentId, constant_history_id
from mandala_cas.model.refs import Ref

_KEYS_SIZE_MAX: Final = 4 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """An element that is not taken apart: a ref, or a value; ``path`` leads to it."""

    value: Any
    ids: Ids
    note: Note
    path: str


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A collection that was given as a plain container: its parts, and the call that makes it."""

    collection: Collection
    parts: Sequence[Atom | Made]
    call: MakeCall
    ids: Ids

    def within(self) -> Iterator[Made]:
        """Yield this collection and those in it, the innermost first."""
        for part in self.parts:
            if isinstance(part, Made):
                yield from part.within()
        yield self

    def atoms(self) -> Iterator[Atom]:
        """Yield the elements that are not taken apart, at any depth."""
        for part in self.parts:
            if isinstance(part, Atom):
                yield part
            else:
                yield from part.atoms()


def construct(value: Any, note: Note, book: CallBook, place: Place) -> Made | None:
    """Return the collection that an argument is; None if it is to be taken as it is.

    Raises:
        UsageError: it is not what the annotation allows, or an element cannot be hashed.
    """
    made = _construct(value, note, book, place, "")
    if made is not None:
        check_count(sum(len(inner.parts) for inner in made.within()), place)
    return made


def shape_for(value: Any, note: Note, place: Place, path: str) -> Shape | None:
    """Return what an annotation says of a value that is taken apart; None if it is not.

    Raises:
        UsageError: it is not what the annotation allows.
    """
    if not note.shapes or value is None:
        return None
    kind = value.KIND if isinstance(value, CollectionRef) else PLAIN_TYPES.get(type(value))
    shape = None if kind is None else note.shape_of(kind)
    is_atom = isinstance(value, Ref) and not isinstance(value, CollectionRef)
    # A ref says what it is by its ids, and what its value is need not be known here.
    if shape is None and note.is_strict and not is_atom:
        names = " or ".join(f"a {s.kind.value}" for s in note.shapes)
        marks = " | ".join(NAMES[shape.kind] for shape in note.shapes)
        raise UsageError(
            f"{place}: {place.name}{path} is annotated with {marks}, so it is {names}, and a "
            f"{type(value).__qualname__} was given; make it {names}, or change the annotation",
            **place.details,
            found=type(value),
        )
    return None if isinstance(value, Ref) else shape


def parts_of(
    value: Any, shape: Shape, place: Place, path: str
) -> Iterator[tuple[str, Any, Note, str]]:
    """Yield the elements of a plain container: key, value, what is said of it, and the path to it.

    Raises:
        UsageError: a key is not a str, or a tuple has another length than the annotation.
    """
    if shape.kind is CollectionKind.DICT:
        for key, element in value.items():
            _check_key(key, place, path)
            yield key, element, shape.of_element(0), f"{path}[{key!r}]"
        if sum(len(key) for key in value) > _KEYS_SIZE_MAX:
            raise UsageError(
                f"{place}: the keys of {place.name}{path} have more than {_KEYS_SIZE_MAX} "
                "characters together; annotate it as a plain dict, which is stored as one value",
                **place.details,
            )
        return
    if shape.is_fixed and len(value) != len(shape.elements):
        raise UsageError(
            f"{place}: {place.name}{path} is annotated as a tuple of {len(shape.elements)}, and "
            f"has {len(value)} elements; change one of them, or write MTuple[type, ...]",
            **place.details,
        )
    check_count(len(value), place)
    is_set = shape.kind is CollectionKind.SET
    for position, element in enumerate(value):
        step = "{...}" if is_set else f"[{position}]"
        yield "", element, shape.of_element(position), f"{path}{step}"


def identified(value: Any, note: Note, book: CallBook, place: Place, path: str) -> ContentId:
    """Return the content id of an element.

    Raises:
        UsageError: it cannot be hashed; the message has the path to what cannot.
    """
    try:
        return book.content_id(value, note.hasher)
    except UsageError as error:
        raise place.cannot("hashed", located(error, path)) from error


def located(error: UsageError, path: str) -> UsageError:
    """Return an error of an element as one of the argument that it is in."""
    reason = error.details.get("reason", str(error))
    inner = error.details.get("path") or ""
    return UsageError(str(error), **{**error.details, "reason": reason, "path": path + inner})


def check_count(count: int, place: Place) -> None:
    """Refuse more elements than a log can say of one call.

    Raises:
        UsageError: there are more.
    """
    if count > ELEMENTS_MAX:
        raise UsageError(
            f"{place} has {count} elements, those of collections in it included, and may have "
            f"{ELEMENTS_MAX}; annotate it without MList and the like, then it is stored as one "
            "value",
            **place.details,
        )


def make_records(made: Made, started_us: int, parent: CallId | None) -> Iterator[CallRecord]:
    """Yield the calls that make a collection, and those in it first."""
    for inner in made.within():
        yield inner.call.record(started_us, parent)


def prepare_collection(collection: Collection, content_id: ContentId, book: CallBook) -> Prepared:
    """Have the book take what is stored of a collection."""
    return book.prepare(collection, content_id, COLLECTION_CODEC)


def unwrap_within(value: Any, note: Note, place: Place) -> Any:
    """Return an argument outside every storage: a collection with its refs replaced by values.

    Raises:
        UsageError: it is not what the annotation allows, or a ref's value cannot be had.
    """
    return _unwrap_within(value, note, place, "")


def _unwrap_within(value: Any, note: Note, place: Place, path: str) -> Any:
    """Return a value with the refs in it replaced."""
    if isinstance(value, Ref):
        return unwrap(value, str(place), None, **place.details)
    shape = shape_for(value, note, place, path)
    if shape is None:
        return value
    keys: list[str] = []
    values: list[Any] = []
    for key, element, element_note, step in parts_of(value, shape, place, path):
        values.append(_unwrap_within(element, element_note, place, step))
        keys.append(key)
    return plain_container(shape.kind, keys, values)


def _construct(value: Any, note: Note, book: CallBook, place: Place, path: str) -> Made | None:
    """Return the collection that a value is; None if it is to be taken as it is."""
    shape = shape_for(value, note, place, path)
    if shape is None:
        return None
    keys: list[str] = []
    parts: list[Atom | Made] = []
    for key, element, element_note, step in parts_of(value, shape, place, path):
        part = _construct(element, element_note, book, place, step)
        parts.append(part or _atom(element, element_note, book, place, step))
        keys.append(key)
    if shape.kind is CollectionKind.SET:
        parts.sort(key=lambda part: (part.ids.content_id, part.ids.history_id))
        ids = tuple(dict.fromkeys(part.ids.content_id for part in parts))
    else:
        ids = tuple(part.ids.content_id for part in parts)
    is_dict = shape.kind is CollectionKind.DICT
    collection = Collection(shape.kind, ids, tuple(keys) if is_dict else ())
    call = make_call(collection, [part.ids for part in parts])
    return Made(collection, parts, call, Ids(call.history_id, call.content_id))


def _atom(value: Any, note: Note, book: CallBook, place: Place, path: str) -> Atom:
    """Return an element that is not taken apart."""
    if isinstance(value, Ref):
        return Atom(value, Ids(value.history_id, value.content_id), note, path)
    content_id = identified(value, note, book, place, path)
    return Atom(value, Ids(constant_history_id(content_id), content_id), note, path)


def _check_key(key: Any, place: Place, path: str) -> None:
    """Refuse a key that could not be the name of an input."""
    try:
        is_name = type(key) is str and key.encode() is not None
    except UnicodeEncodeError:
        is_name = False
    if not is_name:
        raise UsageError(
            f"{place}: {place.name}{path} has the key {key!r:.80}, and the keys of MDict are str "
            "that UTF-8 can hold; annotate it as a plain dict, or use such keys",
            **place.details,
            found=key,
        )
