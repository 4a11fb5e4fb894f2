"""Whether a record may answer: by its age, and by the code that gave it.

What is met the first time is looked into, and told once.
"""

from __future__ import annotations

import sys
import warnings
from typing import Final

from mandala_cas.errors import MandalaWarning, StaleWarning, UsageError
from mandala_cas.memo.definition import Definition
from mandala_cas.memo.request import Request
from mandala_cas.memo.settings import OnStale
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import SourceHash
from mandala_cas.versions.compatibility import only_has_new_arguments
from mandala_cas.versions.texts import difference

# A script that is also imported, and a notebook, have this for a name: it says nothing.
_MAIN: Final = "__main__"
# What people were told already in this process: the op, its version and its code.
_WARNED: Final[set[tuple[str, str, object]]] = set()


def may_answer(record: CallRecord, request: Request) -> bool:
    """Tell whether a record of the call, or of an equal one, may stand for a new run.

    Raises:
        UsageError: other code gave it, and that is to be an error.
    """
    definition = request.definition
    settings = definition.settings
    if settings.ttl_us is not None:
        age_us = request.session.book.now_us() - record.started_us - record.duration_us
        if age_us > settings.ttl_us:
            return False
    is_same = record.source_hash == definition.source.hash
    if is_same and record.module == definition.module:
        return True
    policy = settings.on_stale or request.session.book.on_stale
    if (record.source_hash, record.module, policy) in definition.settled:
        return True
    return _may_other_code_answer(record, request, policy, is_same=is_same)


def _may_other_code_answer(
    record: CallRecord, request: Request, policy: OnStale, *, is_same: bool
) -> bool:
    """Tell whether what other code gave may answer; say what there is to say, once."""
    definition = request.definition
    if record.module != definition.module:
        _tell_of_module(record, request)
    if not is_same and policy != "keep" and not _is_continued(record, request):
        if _is_in_doubt(record, request):
            # Not settled by this: the next record of the same code may have what this one lacks.
            return True
        if policy == "recompute":
            return False
        if policy == "error":
            raise _error(record, request)
        _tell_of_source(record, request)
    definition.settled.add((record.source_hash, record.module, policy))
    return True


def _is_in_doubt(record: CallRecord, request: Request) -> bool:
    """Tell whether nobody knows the other code, and the op got arguments that the record lacks.

    Then it most likely had not got them yet when the call was made.
    """
    if request.session.book.find_source(record.source_hash) is not None:
        return False
    names = {slot.name for slot in record.inputs}
    return any(name not in names for name in request.definition.binder.new_arguments)


def _is_continued(record: CallRecord, request: Request) -> bool:
    """Tell whether code differs only in what the op declares: new arguments and new names."""
    definition = request.definition
    renamed = definition.settings.renamed_args
    if renamed:
        old_names = {new: old for old, new in renamed.items()}
        if definition.source.hash_with(old_names) == record.source_hash:
            return True
    old = request.session.book.find_source(record.source_hash)
    return old is not None and only_has_new_arguments(
        old.parameters, definition.binder.parameters, definition.binder.new_arguments, renamed
    )


def _tell_of_module(record: CallRecord, request: Request) -> None:
    """Warn that two modules may have two ops of one name."""
    definition = request.definition
    if definition.settings.is_named or _MAIN in {record.module, definition.module}:
        return
    if not record.module or not definition.module or not _is_first(definition, record.module):
        return
    warnings.warn(
        f"{definition.name} of {definition.module} is answered by calls that {definition.name} of "
        f"{record.module} made; if these are one op, say so with "
        f"@op(name={definition.name!r}), and if they are two, give one of them another name",
        MandalaWarning,
        stacklevel=_level(),
    )


def _tell_of_source(record: CallRecord, request: Request) -> None:
    """Warn that other code gave what is on record, and show what changed."""
    definition = request.definition
    if not _is_first(definition, definition.source.hash):
        return
    warnings.warn(
        f"{_message(record, request)}; the old results are given. To compute new ones give it "
        '@op(version="2"), or on_stale="recompute"; if the results are the same, on_stale="keep"'
        f"{_difference(record, request)}",
        StaleWarning,
        stacklevel=_level(),
    )


def _error(record: CallRecord, request: Request) -> UsageError:
    """Return the error where stale records are to be one."""
    return UsageError(
        f"{_message(record, request)}; give it another version with @op(version=...), compute them "
        'anew with on_stale="recompute", or keep them with on_stale="keep"'
        f"{_difference(record, request)}",
        op=request.definition.name,
        hid=str(record.call_id),
    )


def _message(record: CallRecord, request: Request) -> str:
    """Return what was found."""
    version = f" in version {record.op_version!r}" if record.op_version else ""
    return (
        f"{request.definition.name}: its code has changed{version} since the calls on record were "
        f"made (call {record.call_id.short})"
    )


def _difference(record: CallRecord, request: Request) -> str:
    """Return what changed, if the old code is known."""
    old = request.session.book.find_source(record.source_hash)
    new = request.definition.source.text
    return "" if old is None or new is None else f":\n{difference(old.text, new)}"


def _is_first(definition: Definition, what: str | SourceHash) -> bool:
    """Tell whether people were not told yet, and count them as told."""
    key = (definition.name, definition.version, what)
    if key in _WARNED:
        return False
    _WARNED.add(key)
    return True


def _level() -> int:
    """Return how far up the caller is who is not of this package, for a warning to point at."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 (what the warnings module itself does)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(
        "mandala_cas."
    ):
        level, frame = level + 1, frame.f_back
    return level
