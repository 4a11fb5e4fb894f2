"""From the arguments of a call to what is asked of the record: bound, named, identified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.memo.binding import Arguments
from mandala_cas.memo.book import CallBook
from mandala_cas.memo.constructing import construct
from mandala_cas.memo.context import Session
from mandala_cas.memo.definition import Definition
from mandala_cas.memo.notes import NO_NOTE, Note, Notes
from mandala_cas.memo.places import Place
from mandala_cas.memo.request import Input, Request
from mandala_cas.memo.special import NewArgument
from mandala_cas.model.ids import ContentId, constant_history_id
from mandala_cas.model.refs import Ref


def ask(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any], session: Session
) -> Request:
    """Return what a call with these arguments asks for.

    Raises:
        TypeError: what Python says to such a call.
        UsageError: an argument cannot be hashed, or an annotation cannot be followed here.
    """
    arguments = definition.binder.bind(args, kwargs)
    notes = definition.notes()
    if notes is not None:
        _check_codecs(definition, notes, session.book)
    inputs = _inputs(definition, arguments, session.book, notes)
    return Request(definition, session, inputs, arguments, len(args))


def _check_codecs(definition: Definition, notes: Notes, book: CallBook) -> None:
    """Refuse annotations that name a codec which is not here, also where the call is on record."""
    for codec_name, where in notes.codecs():
        try:
            book.check_codec(codec_name)
        except UsageError as error:
            raise UsageError(
                f"{definition.name}: the annotation of {where} names a codec: {error}",
                **{**error.details, "op": definition.name},
            ) from error


def _inputs(
    definition: Definition, arguments: Arguments, book: CallBook, notes: Notes | None
) -> list[Input]:
    """Return the ids of the inputs that make up the call.

    A new argument at its default is none of them; in ``arguments`` the default takes its place.
    """
    new_arguments = definition.binder.new_arguments
    inputs: list[Input] = []
    for position, (name, value) in enumerate(arguments):
        new = new_arguments.get(name) if new_arguments else None
        if new is not None and value is new:
            arguments[position] = (name, new.value)
            continue
        note = NO_NOTE if notes is None else notes.of_argument(name)
        hasher = note.hasher
        made = None
        if note.shapes:
            made = construct(value, note, book, Place(definition.name, "argument", name))
        if made is not None:
            history_id, content_id = made.ids
            arguments[position] = (name, made)
        elif isinstance(value, Ref):
            history_id, content_id = value.history_id, value.content_id
        else:
            try:
                content_id = book.content_id(value, hasher)
            except UsageError as error:
                raise _unhashable(definition, name, error) from error
            history_id = constant_history_id(content_id)
        if new is not None and content_id == _default_id(definition, name, new, book, note):
            arguments[position] = (name, new.value)
            continue
        inputs.append((name, history_id, content_id))
    return inputs


def _default_id(
    definition: Definition,
    name: str,
    default: NewArgument,
    book: CallBook,
    note: Note,
) -> ContentId:
    """Return the content id of a new argument's default."""
    if note.shapes:
        made = construct(default.value, note, book, Place(definition.name, "argument", name))
        if made is not None:
            return made.ids.content_id
    try:
        return default.content_id(book, note.hasher)
    except UsageError as error:
        raise _unhashable(definition, name, error, is_default=True) from error


def _unhashable(
    definition: Definition, name: str, error: UsageError, *, is_default: bool = False
) -> UsageError:
    """Return the error that names the op, the argument and the place in it."""
    place = Place(definition.name, "argument", name)
    return place.cannot("hashed", error, is_default=is_default)
