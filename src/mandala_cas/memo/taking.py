"""What a call is given, as the values that its body gets, and as what the book must take in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.memo.book import CallBook, Prepared
from mandala_cas.memo.constructing import Atom, Made, located, prepare_collection
from mandala_cas.memo.notes import NO_NOTE, Note
from mandala_cas.memo.places import Place
from mandala_cas.memo.request import Request
from mandala_cas.memo.special import pointed_at, pointed_to
from mandala_cas.memo.unwrapping import HeldValues, unwrap
from mandala_cas.model.collection_refs import CollectionRef
from mandala_cas.model.collections import Collection, plain_container
from mandala_cas.model.ids import ContentId
from mandala_cas.model.refs import MISSING, Ref


class InputTaker:
    """Takes the arguments of one call: refs that the book holds together, and at most once."""

    def __init__(self, request: Request) -> None:
        """Load what the book holds of them; the rest is taken one by one."""
        self._request = request
        self._book = request.session.book
        self._held = HeldValues(list(_refs_in(request.arguments)), self._book)
        self._prepared: list[Prepared] = []
        self._saves = request.definition.settings.save_inputs

    def take(self) -> tuple[list[tuple[str, Any]], list[Prepared]]:
        """Return all arguments as values, and what the book must take in of them.

        Raises:
            UsageError: one cannot be stored or had.
        """
        request = self._request
        content_ids = {name: content_id for name, _, content_id in request.inputs}
        notes = request.definition.notes()
        values: list[tuple[str, Any]] = []
        for name, argument in request.arguments:
            if isinstance(argument, Ref):
                held = self._held.find(argument)
                if held is not MISSING:
                    values.append((name, held))
                    continue
            place = Place(request.definition.name, "argument", name)
            if isinstance(argument, Made):
                values.append((name, self._made(argument, place)))
                continue
            note = NO_NOTE if notes is None else notes.of_argument(name)
            # What is no input, such as a new argument at its default, nobody will ask for.
            own_id = content_ids.get(name)
            values.append((name, self._value(argument, own_id, place, note)))
        return pointed_at(values, request.definition.name), self._prepared

    def _value(self, argument: Any, own_id: ContentId | None, place: Place, note: Note) -> Any:
        """Return an argument that is not taken apart, and have the book take it."""
        if isinstance(argument, Ref):
            return self._ref(argument, place, note, is_input=own_id is not None)
        # What came as a ref is some call's output, and kept for that one; this is kept for nobody.
        if own_id is not None and self._saves:
            self._prepared.append(prepared_value(self._book, argument, own_id, place, note))
        return argument

    def _ref(self, ref: Ref, place: Place, note: Note, *, is_input: bool = True) -> Any:
        """Return the value of a ref that the book does not hold, and have it take that."""
        value = unwrap(ref, str(place), self._book, **place.details)
        if not is_input:
            return value
        if isinstance(ref, CollectionRef) and _is_plain(ref, value):
            # Its elements have ids that the storage it comes from knows.
            refs, keys = ref.elements
            for element in refs:
                self._ref(element, place, NO_NOTE)
            collection = Collection(ref.KIND, tuple(e.content_id for e in refs), tuple(keys))
            self._prepared.append(prepare_collection(collection, ref.content_id, self._book))
        else:
            own_id = ref.content_id
            self._prepared.append(
                prepared_value(self._book, value, own_id, place, note, is_ref=True)
            )
        return value

    def _made(self, made: Made, place: Place) -> Any:
        """Return a collection as the plain container of values, and have the book take it."""
        parts = [self._part(part, place) for part in made.parts]
        collection = made.collection
        self._prepared.append(prepare_collection(collection, collection.content_id, self._book))
        try:
            return plain_container(collection.kind, collection.keys, parts)
        except TypeError as error:
            raise UsageError(
                f"{place}: no set can hold an element that was given: {error}; make it a list",
                **place.details,
            ) from error

    def _part(self, part: Atom | Made, place: Place) -> Any:
        """Return an element as a value."""
        if isinstance(part, Made):
            return self._made(part, place)
        value = part.value
        if isinstance(value, Ref):
            held = self._held.find(value)
            return self._ref(value, place, part.note) if held is MISSING else held
        own_id = part.ids.content_id
        if not self._saves:
            return pointed_to(value)
        try:
            book = self._book
            self._prepared.append(
                book.prepare(value, own_id, part.note.codec, hasher=part.note.hasher)
            )
        except UsageError as error:
            raise place.cannot("stored", located(error, part.path)) from error
        return pointed_to(value)


def _refs_in(arguments: Sequence[tuple[str, Any]]) -> Iterator[Ref]:
    """Yield the refs among arguments, and in collections among them."""
    for _, argument in arguments:
        if isinstance(argument, Ref):
            yield argument
        elif isinstance(argument, Made):
            yield from (atom.value for atom in argument.atoms() if isinstance(atom.value, Ref))


def _is_plain(ref: CollectionRef, value: Any) -> bool:
    """Tell whether a value is one of the kind that a ref says."""
    return type(value) is type(plain_container(ref.KIND, (), ()))


def prepared_value(
    book: CallBook,
    value: Any,
    content_id: ContentId | None,
    place: Place,
    note: Note,
    *,
    is_ref: bool = False,
) -> Prepared:
    """Take the bytes of ``value``; an error says which value it was, and which part of it."""
    try:
        return book.prepare(value, content_id, note.codec, hasher=note.hasher, is_ref=is_ref)
    except UsageError as error:
        raise place.cannot("stored", error) from error
