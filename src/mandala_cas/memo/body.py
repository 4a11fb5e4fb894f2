"""The work of a call that has to run: what is stored before its body, and what after.

In three steps, of which the second is done in two ways, by calling the body or by awaiting it: take
the inputs, run the body, take the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.memo.apart import run_apart
from mandala_cas.memo.book import CallBook, Prepared
from mandala_cas.memo.constructing import Made, make_records
from mandala_cas.memo.context import await_in_body, run_in_body
from mandala_cas.memo.destructing import Taken, destruct
from mandala_cas.memo.failures import known_failure, record_failure
from mandala_cas.memo.generating import output_of, run_generator
from mandala_cas.memo.inspection import Inspection
from mandala_cas.memo.notes import NO_NOTE, Note
from mandala_cas.memo.outputs import declared_outputs, name_outputs
from mandala_cas.memo.places import Place
from mandala_cas.memo.registry import register
from mandala_cas.memo.request import Request
from mandala_cas.memo.structural import Ids, take_items
from mandala_cas.memo.taking import InputTaker, prepared_value
from mandala_cas.memo.unwrapping import unwrap
from mandala_cas.model.entries import CallRecord, Slot
from mandala_cas.model.ids import (
    CallId,
    ContentId,
    HistoryId,
    output_history_id,
    remade_history_id,
)
from mandala_cas.model.refs import Ref


# Not frozen at run time: one is made for every call that runs, at a fifth of the price.
@dataclass(slots=True, eq=False)
class Begun:
    """A call whose inputs were taken and whose body is to run with ``args`` and ``kwargs``.

    ``prepared`` is what the book must take in of the inputs. ``inspection`` remembers what they
    were like, where ops are held to leaving them so. ``started_us`` are microseconds since 1970.
    """

    request: Request
    args: list[Any]
    kwargs: dict[str, Any]
    prepared: list[Prepared]
    inspection: Inspection | None
    started_us: int


@dataclass(slots=True, eq=False)
class MadeCall:
    """A call that has run, its outputs, and what a book must take in to put it on record.

    ``stored`` are the outputs as a book takes them, or taken apart; ``prepared`` is all that it
    must take in. ``structural`` are the calls that tie collections to their elements.
    """

    record: CallRecord
    outputs: list[Any]
    prepared: list[Prepared]
    stored: list[Prepared | Taken]
    structural: list[CallRecord]


def run_and_record(request: Request) -> MadeCall:
    """Run the op, and put the call on record with its values; return both.

    Raises:
        UsageError: an input or output cannot be stored or had. Nothing is on record then, as when
            the op itself raises, whose exception passes unchanged.
    """
    made = run(request)
    put_on_record(request, made)
    return made


def put_on_record(request: Request, made: MadeCall) -> None:
    """Put a call that has run on record, in the place of a record that may not answer.

    It succeeded, so an earlier failure of it goes as well.
    """
    replaces = () if request.replaces is None else (request.call_id,)
    failed = known_failure(request)
    if failed is not None:
        replaces = (*replaces, failed)
    book = request.session.book
    book.record(made.record, made.prepared, made.structural, replaces=replaces)


def run(request: Request) -> MadeCall:
    """Run the op, and take the bytes of what it was given and gave; the call is not on record yet.

    Raises:
        UsageError: an input or output cannot be stored or had.
    """
    begun = begin(request)
    try:
        if request.definition.is_async:
            result = run_apart(partial(await_body, begun))
        elif request.definition.is_generator:
            result = run_generator(request, begun.args, begun.kwargs)
        else:
            result = run_in_body(
                request.session,
                request.call_id,
                request.definition.body,
                begun.args,
                begun.kwargs,
            )
    except Exception as error:
        _record_failure(begun, error)
        raise
    return finish(begun, result)


async def run_awaited(request: Request) -> MadeCall:
    """Do what ``run`` does, in the task that awaits this. A body that is cancelled has not failed.

    Raises:
        UsageError: an input or output cannot be stored or had.
    """
    begun = begin(request)
    try:
        result = await await_body(begun)
    except Exception as error:
        _record_failure(begun, error)
        raise
    return finish(begun, result)


def _record_failure(begun: Begun, error: Exception) -> None:
    """Put on record that the body raised ``error``, where that is asked for."""
    structural = structural_inputs(begun.request, begun.started_us)
    record_failure(begun.request, begun.prepared, structural, begun.started_us, error)


async def await_body(begun: Begun) -> Any:
    """Await the body of an ``async def`` op."""
    request = begun.request
    return await await_in_body(
        request.session, request.call_id, request.definition.body, begun.args, begun.kwargs
    )


def begin(request: Request) -> Begun:
    """Take the bytes of the inputs: the body that runs next may change what it is given.

    Raises:
        UsageError: an input cannot be stored or had.
    """
    definition, book = request.definition, request.session.book
    # Of two definitions under one name, the one that is called is the one in use.
    register(definition)
    values, prepared = InputTaker(request).take()
    checks_mutation = definition.settings.check_mutation
    if checks_mutation is None:
        checks_mutation = book.checks_mutation
    inspection = Inspection(definition, values, book) if checks_mutation else None
    args, kwargs = definition.binder.unbind(values, request.positional_count)
    return Begun(request, args, kwargs, prepared, inspection, book.now_us())


def finish(begun: Begun, result: Any) -> MadeCall:
    """Take the bytes of the outputs, once the body has given ``result``.

    Raises:
        UsageError: an output cannot be stored or had, or an input was changed that may not be.
    """
    request = begun.request
    definition, session = request.definition, request.session
    # A clock may be set back while the op runs.
    duration_us = max(0, session.book.now_us() - begun.started_us)
    if begun.inspection is not None:
        begun.inspection.finish()
    outputs, stored = _prepare_outputs(request, result)
    slots = tuple(
        Slot(name, history_of(request, name, stored_output.content_id), stored_output.content_id)
        for (name, _), stored_output in zip(outputs, stored, strict=True)
    )
    session.book.keep_source(definition.source.hash, definition.source_text)
    record = CallRecord(
        call_id=request.call_id,
        content_id=request.content_id,
        op_name=request.op_name,
        op_version=definition.version,
        module=definition.module,
        source_hash=definition.source.hash,
        started_us=begun.started_us,
        duration_us=duration_us,
        inputs=request.slots(),
        outputs=slots,
        parent=session.parent,
    )
    values_of_outputs = [output for _, output in outputs]
    prepared = list(begun.prepared)
    structural = structural_inputs(request, begun.started_us)
    for slot, stored_output in zip(slots, stored, strict=True):
        if not isinstance(stored_output, Taken):
            prepared.append(stored_output)
            continue
        prepared += stored_output.all_prepared()
        records, places = take_items(
            Ids(slot.history_id, slot.content_id),
            stored_output.collections(),
            session.book,
            started_us=begun.started_us,
            parent=session.parent,
        )
        structural += records
        prepared += places
    return MadeCall(record, values_of_outputs, prepared, stored, structural)


def history_of(request: Request, name: str, content_id: ContentId) -> HistoryId:
    """Return the history id of an output.

    Where a call is made again and gives something else, that has a history of its own: whatever
    was computed from what it gave before must not answer for it.
    """
    if request.replaces is not None:
        for slot in request.replaces.outputs:
            if slot.name == name:
                if slot.content_id == content_id:
                    return slot.history_id
                return remade_history_id(request.call_id, name, content_id)
    return output_history_id(request.call_id, name)


def structural_inputs(request: Request, started_us: int) -> list[CallRecord]:
    """Return the calls that make the collections among the arguments, each once."""
    parent = request.session.parent
    if request.definition.notes() is None:
        return []
    found: dict[CallId, CallRecord] = {}
    for _, argument in request.arguments:
        if isinstance(argument, Made):
            for record in make_records(argument, started_us, parent):
                found.setdefault(record.call_id, record)
    return list(found.values())


def _prepare_outputs(
    request: Request, result: Any
) -> tuple[list[tuple[str, Any]], list[Prepared | Taken]]:
    """Return the outputs by name, as values, and as the book takes them."""
    definition, book = request.definition, request.session.book
    if isinstance(result, Taken):
        # A generator's items were taken as they came.
        return [(output_of(definition.name, definition.outputs), result.value)], [result]
    notes = definition.notes()
    declared = definition.outputs
    is_undeclared = declared.names is None and not declared.varies
    if is_undeclared and notes is not None and notes.is_whole:
        declared = declared_outputs(definition.name, None, 1)
    named = name_outputs(definition.name, declared, result)
    # One output of a number that varies is an element of the annotated tuple all the same.
    count = max(2, len(named)) if declared.varies else len(named)
    outputs: list[tuple[str, Any]] = []
    stored: list[Prepared | Taken] = []
    for position, (name, value) in enumerate(named):
        place = Place(definition.name, "output", name)
        note = NO_NOTE if notes is None else notes.of_output(position, count)
        taken = destruct(value, note, book, place) if note.shapes else None
        if taken is not None:
            stored.append(taken)
            outputs.append((name, taken.value))
            continue
        is_ref = isinstance(value, Ref)
        output = unwrap(value, str(place), book, **place.details) if is_ref else value
        stored.append(
            prepared_value(book, output, _noted_id(book, output, note, place), place, note)
        )
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
