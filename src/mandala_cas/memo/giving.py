"""What a call gives its caller: refs, or plain values where the caller is the body of a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mandala_cas.memo.body import MadeCall
from mandala_cas.memo.book import Prepared
from mandala_cas.memo.destructing import Taken
from mandala_cas.memo.generating import iterated
from mandala_cas.memo.request import Request
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.refs import MISSING, AtomRef, Ref


def give_recorded(request: Request, record: CallRecord) -> Any:
    """Return the outputs of a call on record: lazy, unless a body asks."""
    book = request.session.book
    loader = book.loader
    notes = request.definition.notes()
    refs: list[Ref]
    if notes is None or not notes.has_collections_out:
        refs = [AtomRef(slot.history_id, slot.content_id, loader=loader) for slot in record.outputs]
    else:
        # Which of them are collections is on record, whatever the annotation said then.
        refs = [loader.make_ref(slot.history_id, slot.content_id) for slot in record.outputs]
    if not request.session.in_body:
        return _as_returned(request, refs)
    if request.definition.is_generator:
        return iterated(refs[0], book)
    return _as_returned(request, book.load(refs))


def give_made(request: Request, made: MadeCall) -> Any:
    """Return the outputs of a call that just ran."""
    if request.session.in_body and request.definition.is_generator:
        return give_recorded(request, made.record)
    if request.session.in_body:
        return _as_returned(request, made.outputs)
    book = request.session.book
    return _as_returned(
        request,
        [
            stored.ref(slot.history_id, book)
            if isinstance(stored, Taken)
            else AtomRef(slot.history_id, slot.content_id, _attached(value, stored), book.loader)
            for slot, value, stored in zip(
                made.record.outputs, made.outputs, made.stored, strict=True
            )
        ],
    )


def _attached(value: Any, stored: Prepared) -> Any:
    """Return what a ref holds of the output of a call that just ran.

    Nothing of what has files in it: the next call may write another one under the same path,
    while what the store has of this one never changes.
    """
    return MISSING if stored.may_hold_files else value


def _as_returned(request: Request, outputs: Sequence[Any]) -> Any:
    """Return one output by itself, several as the tuple they were returned as.

    Where the number varies it is always a tuple: a caller must not have to ask how many there are.
    """
    is_alone = len(outputs) == 1 and not request.definition.outputs.varies
    return outputs[0] if is_alone else tuple(outputs)
