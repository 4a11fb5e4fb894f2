"""One call of an op: answered from the record where it can be, run where it must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.memo.annotations import Notes
from mandala_cas.memo.binding import Arguments
from mandala_cas.memo.body import MadeCall, NewCall, run_and_record
from mandala_cas.memo.book import CallBook, Hasher, Prepared
from mandala_cas.memo.context import Session
from mandala_cas.memo.definition import Definition
from mandala_cas.memo.places import Place
from mandala_cas.memo.special import NewArgument
from mandala_cas.memo.unwrapping import unwrap
from mandala_cas.model.entries import CallRecord, Slot
from mandala_cas.model.ids import (
    ContentId,
    HistoryId,
    call_content_id,
    call_history_id,
    constant_history_id,
    output_history_id,
)
from mandala_cas.model.refs import MISSING, AtomRef, Ref

_Input = tuple[str, HistoryId, ContentId]


def answer(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any], session: Session
) -> Any:
    """Return what a call gives inside a storage: refs, or plain values inside a body.

    On record under its history: lazy refs, nothing loaded. On record under its content: the same,
    and a record of its own. Else the op runs.
    """
    book = session.book
    arguments = definition.binder.bind(args, kwargs)
    notes = definition.notes()
    if notes is not None:
        _check_codecs(definition, notes, book)
    inputs = _inputs(definition, arguments, book, notes)
    name, version = definition.name, definition.version
    call_id = call_history_id(name, version, [(i[0], i[1]) for i in inputs])
    record = book.find(call_id)
    if record is not None:
        return _recorded(record, session)

    content_id = call_content_id(name, version, [(i[0], i[2]) for i in inputs])
    call = NewCall(
        definition=definition,
        session=session,
        call_id=call_id,
        content_id=content_id,
        inputs=tuple(Slot(*i) for i in inputs),
        arguments=arguments,
        positional_count=len(args),
    )
    record, equal = None, book.find_equal(content_id)
    if equal is None and book.look_again(name):
        # Somebody else may have made the call since this process looked last.
        record = book.find(call_id)
        equal = None if record is not None else book.find_equal(content_id)
    if record is not None:
        return _recorded(record, session)
    if equal is not None:
        return _recorded(_reuse(equal, call), session)

    # Two threads or machines may get here with one call. Both record it under the same id, and
    # either record answers from then on, so there is nothing to lock.
    return _computed(run_and_record(call), session)


def run_plainly(definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return what the plain function returns: a call outside every storage.

    Refs among the arguments are unwrapped, and new arguments get their defaults, so that code
    works the same with the ``with storage:`` line taken away.
    """
    binder = definition.binder
    if not binder.has_special_defaults and not any(
        isinstance(argument, Ref) for argument in (*args, *kwargs.values())
    ):
        return definition.function(*args, **kwargs)
    arguments = binder.bind(args, kwargs)
    values = []
    for name, argument in arguments:
        value = argument.value if isinstance(argument, NewArgument) else argument
        if isinstance(value, Ref):
            place = Place(definition.name, "argument", name)
            value = unwrap(value, str(place), None, **place.details)
        values.append((name, value))
    plain_args, plain_kwargs = binder.unbind(values, len(args))
    return definition.function(*plain_args, **plain_kwargs)


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
) -> list[_Input]:
    """Return the ids of the inputs that make up the call.

    A new argument at its default is none of them; in ``arguments`` the default takes its place.
    """
    new_arguments = definition.binder.new_arguments
    inputs: list[_Input] = []
    for position, (name, value) in enumerate(arguments):
        new = new_arguments.get(name) if new_arguments else None
        if new is not None and value is new:
            arguments[position] = (name, new.value)
            continue
        hasher = None if notes is None else notes.of_argument(name).hasher
        if isinstance(value, Ref):
            history_id, content_id = value.history_id, value.content_id
        else:
            try:
                content_id = book.content_id(value, hasher)
            except UsageError as error:
                raise _unhashable(definition, name, error) from error
            history_id = constant_history_id(content_id)
        if new is not None and content_id == _default_id(definition, name, new, book, hasher):
            arguments[position] = (name, new.value)
            continue
        inputs.append((name, history_id, content_id))
    return inputs


def _default_id(
    definition: Definition,
    name: str,
    default: NewArgument,
    book: CallBook,
    hasher: Hasher | None,
) -> ContentId:
    """Return the content id of a new argument's default."""
    try:
        return default.content_id(book, hasher)
    except UsageError as error:
        raise _unhashable(definition, name, error, is_default=True) from error


def _unhashable(
    definition: Definition, name: str, error: UsageError, *, is_default: bool = False
) -> UsageError:
    """Return the error that names the op, the argument and the place in it."""
    place = Place(definition.name, "argument", name)
    return place.cannot("hashed", error, is_default=is_default)


def _reuse(equal: CallRecord, call: NewCall) -> CallRecord:
    """Record a call that a call of equal content answers; its outputs get their own history.

    Source and module stay those of the code that computed the outputs: by them a later reader
    tells whether the answer is stale.
    """
    record = CallRecord(
        call_id=call.call_id,
        content_id=call.content_id,
        op_name=equal.op_name,
        op_version=equal.op_version,
        module=equal.module,
        source_hash=equal.source_hash,
        started_us=call.session.book.now_us(),
        duration_us=0,
        inputs=call.inputs,
        outputs=tuple(
            Slot(slot.name, output_history_id(call.call_id, slot.name), slot.content_id)
            for slot in equal.outputs
        ),
        reused_from=equal.call_id,
        parent=call.session.parent,
    )
    # No values: those of equal content are on record with the call that answers.
    call.session.book.record(record, ())
    return record


def _recorded(record: CallRecord, session: Session) -> Any:
    """Return the outputs of a call on record: lazy, unless a body asks."""
    book = session.book
    loader = book.loader
    refs = [AtomRef(slot.history_id, slot.content_id, loader=loader) for slot in record.outputs]
    return _as_returned(book.load(refs) if session.in_body else refs)


def _computed(made: MadeCall, session: Session) -> Any:
    """Return the outputs of a call that just ran."""
    if session.in_body:
        return _as_returned(made.outputs)
    loader = session.book.loader
    return _as_returned(
        [
            AtomRef(slot.history_id, slot.content_id, _attached(value, stored), loader)
            for slot, value, stored in zip(
                made.record.outputs, made.outputs, made.stored, strict=True
            )
        ]
    )


def _attached(value: Any, stored: Prepared) -> Any:
    """Return what a ref holds of the output of a call that just ran.

    Nothing of what has files in it: the next call may write another one under the same path,
    while what the store has of this one never changes.
    """
    return MISSING if stored.may_hold_files else value


def _as_returned(outputs: Sequence[Any]) -> Any:
    """Return one output by itself, several as the tuple they were returned as."""
    return outputs[0] if len(outputs) == 1 else tuple(outputs)
