"""Calls that run although they are on record, and what becomes of the record then.

Where the op gives what it gave before, the record stays. Where it gives something else, the new
record and what hides the old ones are one group of the log: a crash leaves the one or the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from mandala_cas.memo.body import MadeCall, put_on_record, run
from mandala_cas.memo.book import Prepared
from mandala_cas.memo.destructing import Taken
from mandala_cas.memo.failures import forget_failure
from mandala_cas.memo.finding import peek_record, reused
from mandala_cas.memo.refusing import check_new_call
from mandala_cas.memo.request import Request
from mandala_cas.model.entries import CallRecord


def made_in_block(request: Request) -> CallRecord | None:
    """Return what this block made of an equal call, None where it made none or makes all anew.

    One of equal content takes the place of what is on record under this history.
    """
    fresh = request.session.fresh
    if fresh is None:
        return None
    record = fresh.by_history.get(request.call_id)
    if record is not None and record.content_id == request.content_id:
        return record
    equal = fresh.by_content.get(request.content_id)
    if equal is None:
        return None
    request.replaces = request.session.book.find(request.call_id)
    reuse = reused(equal, request)
    if reuse is None:
        return None
    _replace(request, reuse)
    fresh.add(reuse.record)
    return reuse.record


def run_afresh(request: Request) -> MadeCall:
    """Run the op, whatever is on record, and put its outcome in the place of that.

    Raises:
        NewCallsNotAllowedError: nothing is on record, and new calls are not allowed.
    """
    check_forced(request)
    made = run(request)
    take_place(request, made)
    return made


def check_forced(request: Request) -> None:
    """Refuse to make a call that is not on record, where new calls are not allowed.

    The request says afterwards what is on record, for its outcome to take the place of that.

    Raises:
        NewCallsNotAllowedError: that is so.
    """
    session = request.session
    if not (session.allows_new and session.book.allows_new_calls) and not peek_record(request):
        check_new_call(request)
    request.replaces = session.book.find(request.call_id)


def take_place(request: Request, made: MadeCall) -> None:
    """Put a call that was made again on record, and have it answer in this block."""
    _replace(request, made)
    if request.session.fresh is not None:
        request.session.fresh.add(made.record)


def _replace(request: Request, made: MadeCall) -> None:
    """Have ``made`` be what is on record of the call, unless that says the same already."""
    old = request.session.book.find(request.call_id)
    if old is None:
        put_on_record(request, made)
    elif not _says_the_same(old, made):
        request.replaces = old
        put_on_record(request, made)
    else:
        # It succeeded, so an earlier failure is over.
        forget_failure(request)


def _says_the_same(old: CallRecord, made: MadeCall) -> bool:
    """Tell whether the call gave what it gave before, and that can still be had."""
    return (
        old.content_id == made.record.content_id
        and old.outputs == made.record.outputs
        and all(stored.record is None for stored in _outputs_of(made))
    )


def _outputs_of(made: MadeCall) -> Iterator[Prepared]:
    """Yield the outputs as the book takes them, and the elements of collections among them."""
    for stored in made.stored:
        if isinstance(stored, Taken):
            yield from stored.all_prepared()
        else:
            yield stored
