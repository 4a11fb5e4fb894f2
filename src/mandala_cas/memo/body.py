"""The work of a call that has to run: what is stored before its body, and what after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.memo.annotations import NO_NOTE, Note
from mandala_cas.memo.book import CallBook, Prepared
from mandala_cas.memo.context import Session, run_in_body
from mandala_cas.memo.definition import Definition
from mandala_cas.memo.inspection import Inspection
from mandala_cas.memo.outputs import name_outputs
from mandala_cas.memo.places import Place
from mandala_cas.memo.registry import register
from mandala_cas.memo.unwrapping import unwrap, unwrap_held
from mandala_cas.model.entries import CallRecord, Slot
from mandala_cas.model.ids import CallContentId, CallId, ContentId, output_history_id
from mandala_cas.model.refs import Ref


@dataclass(frozen=True, slots=True, eq=False)
class NewCall:
    """A call that is not on record under its history.

    ``arguments`` are all of them, with new arguments at their default replaced by it; ``inputs``
    are those that make up the call. ``positional_count`` is how many were given by position.
    """

    definition: Definition
    session: Session
    call_id: CallId
    content_id: CallContentId
    inputs: tuple[Slot, ...]
    arguments: Sequence[tuple[str, Any]]
    positional_count: int


@dataclass(frozen=True, slots=True, eq=False)
class MadeCall:
    """A call that has run, its outputs, and what a book must take in to put it on record.

    ``stored`` are the outputs as a book takes them, and the last of ``prepared``.
    """

    record: CallRecord
    outputs: list[Any]
    prepared: list[Prepared]
    stored: list[Prepared]


def run_and_record(call: NewCall) -> MadeCall:
    """Run the op, and put the call on record with its values; return both.

    Raises:
        UsageError: an input or output cannot be stored or had. Nothing is on record then, as when
            the op itself raises, whose exception passes unchanged.
    """
    made = run(call)
    call.session.book.record(made.record, made.prepared)
    return made


def run(call: NewCall) -> MadeCall:
    """Run the op, and take the bytes of what it was given and gave; nothing is on record yet.

    Raises:
        UsageError: an input or output cannot be stored or had.
    """
    definition, session = call.definition, call.session
    book = session.book
    # Of two definitions under one name, the one that is called is the one in use.
    register(definition)
    values, prepared = _values_of_inputs(call, book)
    inspection = Inspection(definition, values, book) if book.checks_mutation else None
    args, kwargs = definition.binder.unbind(values, call.positional_count)

    started_us = book.now_us()
    result = run_in_body(session, call.call_id, definition.function, args, kwargs)
    # A clock may be set back while the op runs.
    duration_us = max(0, book.now_us() - started_us)

    if inspection is not None:
        inspection.finish()
    outputs, stored = _prepare_outputs(call, result)
    slots = tuple(
        Slot(name, output_history_id(call.call_id, name), prepared_output.content_id)
        for (name, _), prepared_output in zip(outputs, stored, strict=True)
    )
    record = CallRecord(
        call_id=call.call_id,
        content_id=call.content_id,
        op_name=definition.name,
        op_version=definition.version,
        module=definition.module,
        source_hash=definition.source.hash,
        started_us=started_us,
        duration_us=duration_us,
        inputs=call.inputs,
        outputs=slots,
        parent=session.parent,
    )
    values_of_outputs = [output for _, output in outputs]
    return MadeCall(record, values_of_outputs, [*prepared, *stored], stored)


def _prepare_outputs(call: NewCall, result: Any) -> tuple[list[tuple[str, Any]], list[Prepared]]:
    """Return the outputs by name, as values, and what the book must take in of them."""
    definition, book = call.definition, call.session.book
    notes = definition.notes()
    named = name_outputs(definition.name, definition.outputs, result)
    outputs: list[tuple[str, Any]] = []
    stored: list[Prepared] = []
    for position, (name, value) in enumerate(named):
        place = Place(definition.name, "output", name)
        is_ref = isinstance(value, Ref)
        output = unwrap(value, str(place), book, **place.details) if is_ref else value
        note = NO_NOTE if notes is None else notes.of_output(position, len(named))
        stored.append(_prepare(book, output, _noted_id(book, output, note, place), place, note))
        outputs.append((name, output))
    return outputs, stored


def _noted_id(book: CallBook, output: Any, note: Note, place: Place) -> ContentId | None:
    """Return the id of an output where its annotation says what decides it."""
    if note.hasher is None:
        return None
    try:
        return book.content_id(output, note.hasher)
    except UsageError as error:
        raise place.cannot("hashed", error) from error


def _values_of_inputs(
    call: NewCall, book: CallBook
) -> tuple[list[tuple[str, Any]], list[Prepared]]:
    """Return all arguments as values, and what the book must take in of them.

    The bytes are taken here, before the body runs: it may change what it is given.
    """
    content_ids = {slot.name: slot.content_id for slot in call.inputs}
    notes = call.definition.notes()
    held = unwrap_held([value for _, value in call.arguments if isinstance(value, Ref)], book)
    values: list[tuple[str, Any]] = []
    prepared: list[Prepared] = []
    for name, argument in call.arguments:
        is_ref = isinstance(argument, Ref)
        if is_ref and argument in held:
            values.append((name, held[argument]))
            continue
        place = Place(call.definition.name, "argument", name)
        value = argument
        if is_ref:
            value = unwrap(argument, str(place), book, **place.details)
        # A new argument at its default is no input, so nobody will ask for its value.
        if name in content_ids:
            note = NO_NOTE if notes is None else notes.of_argument(name)
            own_id = content_ids[name]
            prepared.append(_prepare(book, value, own_id, place, note, is_ref=is_ref))
        values.append((name, value))
    return values, prepared


def _prepare(
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
