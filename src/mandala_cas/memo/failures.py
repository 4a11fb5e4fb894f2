"""Calls that failed: put on record beside the calls, under a name that no op can have.

A failure is a call record like any other, of an op named ``<op>.__failure__``, with the inputs of
the call that failed and one output, ``error``: a dict of texts. So it is asked for, dropped and
copied as calls are, and answers no call.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mandala_cas.errors import MandalaError, NewCallsNotAllowedError, UsageError
from mandala_cas.memo.book import Prepared
from mandala_cas.memo.request import Request
from mandala_cas.model.entries import FAILURE_SUFFIX, CallRecord, Slot
from mandala_cas.model.ids import CallId, call_content_id, call_history_id, output_history_id

_OUTPUT: Final = "error"
_PACKAGE: Final = str(Path(__file__).parents[1])


def check_not_reserved(name: str) -> None:
    """Refuse the name of an op under which failures of another would be on record.

    Raises:
        UsageError: it is such a name.
    """
    if name.endswith(FAILURE_SUFFIX):
        raise UsageError(
            f"an op cannot be named {name!r}: failures of {name.removesuffix(FAILURE_SUFFIX)!r} "
            "are recorded under that name; give it another with @op(name=...)",
            op=name,
        )


def failure_id(request: Request) -> CallId:
    """Return the id of the record that says of this call that it failed."""
    definition = request.definition
    return call_history_id(
        request.op_name + FAILURE_SUFFIX,
        definition.version,
        [(name, history_id) for name, history_id, _ in request.inputs],
    )


def known_failure(request: Request) -> CallId | None:
    """Return the id of an earlier failure of this call, None if there is none on record."""
    book, name = request.session.book, request.op_name + FAILURE_SUFFIX
    # Asked at every call that runs, and nearly always there is none of the whole op.
    if not book.may_have(name):
        return None
    failed = failure_id(request)
    return None if book.find(failed) is None else failed


def forget_failure(request: Request) -> None:
    """Have an earlier failure of this call count no more."""
    failed = known_failure(request)
    if failed is not None:
        request.session.book.forget((failed,))


def record_failure(
    request: Request,
    prepared: Sequence[Prepared],
    structural: Sequence[CallRecord],
    started_us: int,
    error: Exception,
) -> None:
    """Put on record that the body raised ``error``, where the op or the storage asks for it.

    It takes the place of an earlier failure of the same call. ``prepared`` and ``structural`` are
    its inputs as the book takes them, and the calls that make collections among them. The caller
    raises ``error`` next, whatever becomes of this.
    """
    definition, book = request.definition, request.session.book
    wanted = definition.settings.record_failures
    if not (book.records_failures if wanted is None else wanted):
        return
    # The storage said no to a call within: nothing that the op did.
    if isinstance(error, NewCallsNotAllowedError):
        return
    try:
        stored = book.prepare(_described(error))
        record = _record_of(request, started_us, stored)
        is_known = book.find(record.call_id) is not None
        replaces = (record.call_id,) if is_known else ()
        book.record(record, [*prepared, stored], structural, replaces=replaces)
    except MandalaError as problem:
        error.add_note(f"besides, this failure could not be put on record: {problem}")


def _record_of(request: Request, started_us: int, stored: Prepared) -> CallRecord:
    """Return the record of a failure."""
    definition, book = request.definition, request.session.book
    name, call_id = request.op_name + FAILURE_SUFFIX, failure_id(request)
    return CallRecord(
        call_id=call_id,
        content_id=call_content_id(
            name, definition.version, [(i[0], i[2]) for i in request.inputs]
        ),
        op_name=name,
        op_version=definition.version,
        module=definition.module,
        source_hash=definition.source.hash,
        started_us=started_us,
        duration_us=max(0, book.now_us() - started_us),
        inputs=request.slots(),
        outputs=(Slot(_OUTPUT, output_history_id(call_id, _OUTPUT), stored.content_id),),
        parent=request.session.parent,
    )


def _described(error: Exception) -> dict[str, str]:
    """Return what is kept of an exception: texts, which every reader can have."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    return {
        "type": _encodable(name),
        "message": _encodable(_message(error)),
        "traceback": _encodable(_traceback(error)),
    }


def _message(error: Exception) -> str:
    """Return what an exception says; saying it may fail, and must not hide the exception."""
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001 (the user's own __str__ may raise anything)
        return f"(its message cannot be had: {type(problem).__name__})"


def _traceback(error: Exception) -> str:
    """Return the traceback as Python prints it, from the body on: how it was called is ours."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _encodable(text: str) -> str:
    """Return a text that can be stored: file names may hold what is no Unicode."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
