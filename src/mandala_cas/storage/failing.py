"""The calls that failed, as people ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mandala_cas.errors import MandalaError
from mandala_cas.model.calls import Call, CallLoader
from mandala_cas.model.entries import FAILURE_SUFFIX, CallRecord
from mandala_cas.model.ids import CallId, call_history_id
from mandala_cas.model.outcomes import Outcome
from mandala_cas.model.refs import Ref
from mandala_cas.storage.assembly import Assembly
from mandala_cas.upkeep.printing import Report, as_duration, as_table

if TYPE_CHECKING:
    from mandala_cas.index.schema import IndexTables

_SHOWN_CHARACTERS = 50
_SHOWN_DIGITS = 8


@dataclass(frozen=True, slots=True, repr=False)
class Failure(Report):
    """One call that failed: which, with what, when, and what the op raised.

    ``hid`` is that of the call, which is not on record; ``type`` the class of the exception.
    """

    op: str
    version: str
    hid: str
    inputs: Mapping[str, Ref]
    type: str
    message: str
    traceback: str
    started: datetime
    duration: timedelta

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data; inputs are given by their content ids."""
        return {
            "op": self.op,
            "version": self.version,
            "hid": self.hid,
            "inputs": {name: ref.cid for name, ref in self.inputs.items()},
            "type": self.type,
            "message": self.message,
            "traceback": self.traceback,
            "started": self.started.isoformat(),
            "duration_s": self.duration.total_seconds(),
        }

    def __str__(self) -> str:
        """Return what failed, and the traceback."""
        return f"{self.op} (call {self.hid[:_SHOWN_DIGITS]}...) failed:\n{self.traceback}"


class Failures(Report, list[Failure]):
    """Calls that failed, as a list that prints as a table."""

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain data."""
        return {"failures": [failure.to_dict() for failure in self]}

    def __str__(self) -> str:
        """Return a line for each."""
        if not self:
            return "no failures on record"
        return as_table(
            ["op", "call", "error", "message", "started (UTC)", "after"],
            [
                [
                    failure.op,
                    f"{failure.hid[:_SHOWN_DIGITS]}...",
                    failure.type,
                    _first_line(failure.message),
                    f"{failure.started:%Y-%m-%d %H:%M:%S}",
                    as_duration(failure.duration.total_seconds()),
                ]
                for failure in self
            ],
        )

    __repr__ = Report.__repr__


def failures_on_record(
    tables: IndexTables, parts: Assembly, op_name: str | None, loader: CallLoader
) -> Failures:
    """Return the failures on record, of one op or all, in the order in which they began.

    ``loader`` is what the calls and refs are of.
    """
    codes = [
        code
        for code, name in enumerate(tables.ops)
        if name.endswith(FAILURE_SUFFIX) and op_name in {None, name.removesuffix(FAILURE_SUFFIX)}
    ]
    hids = tables.calls.filter(tables.calls["op"].is_in(codes)).sort("call")["hid"]
    records = [parts.lookup.find(CallId(hid)) for hid in hids]
    failed = [
        (record, call_id)
        for record in records
        if record is not None
        and not _was_made_since(call_id := _call_that_failed(record), record, parts)
    ]
    calls = [Call(record, loader) for record, _ in failed]
    errors = parts.book.load_each([next(iter(call.outputs.values())) for call in calls])
    return Failures(
        _failure(call, call_id, error)
        for call, (_, call_id), error in zip(calls, failed, errors, strict=True)
    )


def _call_that_failed(record: CallRecord) -> CallId:
    """Return the id of the call that a failure is about."""
    return call_history_id(
        record.op_name.removesuffix(FAILURE_SUFFIX),
        record.op_version,
        [(slot.name, slot.history_id) for slot in record.inputs],
    )


def _was_made_since(call_id: CallId, failure: CallRecord, parts: Assembly) -> bool:
    """Tell whether the call has succeeded later, somewhere else: here that hides the failure."""
    made = parts.lookup.find(call_id)
    return made is not None and made.started_us > failure.started_us


def _failure(call: Call, call_id: CallId, outcome: Outcome) -> Failure:
    """Return one failure; one whose description is lost says so."""
    lost = {"type": "", "message": "", "traceback": ""}
    if isinstance(outcome, MandalaError):
        lost["message"] = lost["traceback"] = f"(lost: {outcome})"
        error = lost
    else:
        # Whatever a stranger put there under the reserved name, these are texts.
        found = outcome.value if isinstance(outcome.value, dict) else {}
        error = {name: str(found.get(name, "")) for name in lost}
    return Failure(
        op=call.op.name.removesuffix(FAILURE_SUFFIX),
        version=call.op.version,
        hid=call_id.hex(),
        inputs=call.inputs,
        type=error["type"],
        message=error["message"],
        traceback=error["traceback"],
        started=call.started,
        duration=call.duration,
    )


def _first_line(text: str) -> str:
    """Return what of a message fits into a table."""
    line = text.partition("\n")[0]
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 3]}..."
