"""What is on record of a call that is asked for: under its history, or under its content."""

from __future__ import annotations

from mandala_cas.errors import CorruptionError
from mandala_cas.memo.body import MadeCall, put_on_record, structural_inputs
from mandala_cas.memo.book import Prepared
from mandala_cas.memo.request import Request
from mandala_cas.memo.structural import Ids, take_items
from mandala_cas.model.entries import CallRecord, Slot
from mandala_cas.model.ids import output_history_id


def find_record(request: Request) -> CallRecord | None:
    """Return the record that answers, None where the op has to run.

    One of equal content is recorded under this history first.
    """
    book, call_id = request.session.book, request.call_id
    record = book.find(call_id)
    if record is not None:
        return record
    equal = book.find_equal(request.content_id)
    if equal is None and book.look_again(request.definition.name):
        # Somebody else may have made the call since this process looked last.
        record = book.find(call_id)
        if record is not None:
            return record
        equal = book.find_equal(request.content_id)
    reuse = None if equal is None else reused(equal, request)
    if reuse is None:
        return None
    put_on_record(request, reuse)
    return reuse.record


def peek_record(request: Request) -> CallRecord | None:
    """Return the record that would answer, None where the op would run; record nothing."""
    book = request.session.book
    for _ in range(2):
        record = book.find(request.call_id)
        if record is not None:
            return record
        equal = book.find_equal(request.content_id)
        reuse = None if equal is None else reused(equal, request)
        if reuse is not None:
            return reuse.record
        if not book.look_again(request.definition.name):
            break
    return None


def reused(equal: CallRecord, request: Request) -> MadeCall | None:
    """Return what is to be recorded of a call that a call of equal content answers.

    Its outputs get their own history, and so do the elements of collections among them. None where
    it is not known what these are.

    Source and module stay those of the code that computed the outputs: by them a later reader
    tells whether the answer is stale.
    """
    book = request.session.book
    record = CallRecord(
        call_id=request.call_id,
        content_id=request.content_id,
        op_name=equal.op_name,
        op_version=equal.op_version,
        module=equal.module,
        source_hash=equal.source_hash,
        started_us=book.now_us(),
        duration_us=0,
        inputs=request.slots(),
        outputs=tuple(
            Slot(slot.name, output_history_id(request.call_id, slot.name), slot.content_id)
            for slot in equal.outputs
        ),
        reused_from=equal.call_id,
        parent=request.session.parent,
    )
    structural = structural_inputs(request, record.started_us)
    try:
        collections = book.collections_below([slot.content_id for slot in record.outputs])
    except CorruptionError:
        # What is stored of one is lost, and running the op gives it again.
        return None
    places: list[Prepared] = []
    for slot in record.outputs:
        if slot.content_id in collections:
            records, taken = take_items(
                Ids(slot.history_id, slot.content_id),
                collections,
                book,
                started_us=record.started_us,
                parent=record.parent,
            )
            structural += records
            places += taken
    # No values: those of equal content are on record with the call that answers.
    return MadeCall(record, [], places, [], structural)
