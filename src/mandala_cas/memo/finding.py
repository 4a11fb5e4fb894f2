"""What is on record of a call that is asked for: under its history, or under its content."""

from __future__ import annotations

from mandala_cas.errors import CorruptionError
from mandala_cas.memo.body import MadeCall, history_of, put_on_record, structural_inputs
from mandala_cas.memo.book import Prepared
from mandala_cas.memo.renames import under_old_names
from mandala_cas.memo.request import Request
from mandala_cas.memo.staleness import may_answer
from mandala_cas.memo.structural import Ids, take_items
from mandala_cas.model.entries import CallRecord, Slot


def find_record(request: Request) -> CallRecord | None:
    """Return the record that answers, None where the op has to run.

    One of equal content is recorded under this history first. Where a record of this call may not
    answer, the request says afterwards that it is to be replaced.

    Raises:
        UsageError: other code gave what is on record, and that is to be an error.
    """
    record = request.session.book.find(request.call_id)
    definition = request.definition
    # Nearly every hit is of the same code, and asks no more than this.
    if (
        record is not None
        and record.is_of(definition.source.hash, definition.module)
        and definition.settings.ttl_us is None
    ):
        return record
    found = _search(request, record)
    if isinstance(found, MadeCall):
        put_on_record(request, found)
        return found.record
    return found


def peek_record(request: Request) -> CallRecord | None:
    """Return the record that would answer, None where the op would run; record nothing.

    Raises:
        UsageError: other code gave what is on record, and that is to be an error.
    """
    found = _search(request, request.session.book.find(request.call_id))
    return found.record if isinstance(found, MadeCall) else found


def _search(request: Request, record: CallRecord | None) -> CallRecord | MadeCall | None:
    """Return the record that answers, or what is to be recorded; ``record`` is the call's."""
    found = _find(request, record)
    # Somebody else may have made the call since this process looked last.
    if found is None and request.session.book.look_again(request.op_name):
        found = _find(request, request.session.book.find(request.call_id))
    return found


def _find(request: Request, record: CallRecord | None) -> CallRecord | MadeCall | None:
    """Return what ``_search`` does, as far as this process knows."""
    request.replaces = None
    book = request.session.book
    if record is not None:
        if may_answer(record, request):
            return record
        request.replaces = record
        return None
    equal = book.find_equal(request.content_id)
    if equal is not None and may_answer(equal, request):
        return reused(equal, request)
    return _find_before(request) if request.definition.settings.is_renamed else None


def _find_before(request: Request) -> CallRecord | MadeCall | None:
    """Return the record that the call has under an old name of the op or of its arguments.

    It answers as it is, so that what was computed from its outputs goes on answering as well.
    """
    book = request.session.book
    for earlier in under_old_names(request):
        record = book.find(earlier.call_id)
        if record is not None and may_answer(record, request):
            return record
        equal = book.find_equal(earlier.content_id)
        if equal is not None and may_answer(equal, request):
            return reused(equal, request)
    return None


def reused(equal: CallRecord, request: Request) -> MadeCall | None:
    """Return what is to be recorded of a call that a call of equal content answers.

    Its outputs get their own history, and so do the elements of collections among them. None where
    it is not known what these are.

    Source and module stay those of the code that computed the outputs: by them a later reader
    tells whether the answer is stale. So does the time, where it decides for how long they answer.
    """
    book, has_end = request.session.book, request.definition.settings.ttl_us is not None
    record = CallRecord(
        call_id=request.call_id,
        content_id=request.content_id,
        op_name=request.op_name,
        op_version=equal.op_version,
        module=equal.module,
        source_hash=equal.source_hash,
        started_us=equal.started_us + equal.duration_us if has_end else book.now_us(),
        duration_us=0,
        inputs=request.slots(),
        outputs=tuple(
            Slot(slot.name, history_of(request, slot.name, slot.content_id), slot.content_id)
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
