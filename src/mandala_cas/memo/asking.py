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
from mandala_cas.memo.special import Ignored, NewArgument
from mandala_cas.model.ids import ContentId, HistoryId, constant_history_id
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

    What is ignored is none of them, and neither is a new argument at its default, whose place the
    default takes in ``arguments``.
    """
    new_arguments, ignored = definition.binder.new_arguments, definition.binder.ignored
    inputs: list[Input] = []
    for position, (name, value) in enumerate(arguments):
        if ignored and name in ignored:
            if isinstance(value, NewArgument | Ignored):
                arguments[position] = (name, value.value)
            continue
        new = new_arguments.get(name) if new_arguments else None
        if new is not None and value is new:
            arguments[position] = (name, new.value)
            continue
        if type(value) is Ignored:
            arguments[position] = (name, value.value)
            continue
        note = NO_NOTE if notes is None else notes.of_argument(name)
        if isinstance(value, Ref) and not note.shapes:
            history_id, content_id = value.history_id, value.content_id
        else:
            argument, history_id, content_id = _identified(definition, name, value, book, note)
            arguments[position] = (name, argument)
        if new is not None and content_id == _default_id(definition, name, new, book, note):
            arguments[position] = (name, new.value)
            continue
        inputs.append((name, history_id, content_id))
    return inputs


def _identified(
    definition: Definition, name: str, value: Any, book: CallBook, note: Note
) -> tuple[Any, HistoryId, ContentId]:
    """Return an argument with its ids: a collection taken apart, where the annotation says so."""
    if note.shapes:
        made = construct(value, note, book, Place(definition.name, "argument", name))
        if made is not None:
            return made, *made.ids
    if isinstance(value, Ref):
        return value, value.history_id, value.content_id
    try:
        content_id = book.content_id(value, note.hasher)
    except UsageError as error:
        raise _unhashable(definition, name, error) from error
    return value, constant_history_id(content_id), content_id


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
