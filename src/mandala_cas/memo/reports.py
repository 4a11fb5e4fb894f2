"""What people are told of a value that is lost: which call gave it, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from mandala_cas.errors import CorruptionError
from mandala_cas.memo.definition import Definition
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import constant_history_id
from mandala_cas.model.refs import Ref

_NEXT = "`mandala-cas fsck` shows what is damaged, `storage.repair()` mends what can be mended"


def explained(
    ref: Ref, error: CorruptionError, creators: Sequence[CallRecord], lost_count: int = 1
) -> CorruptionError:
    """Return ``error`` with the call that gave the value, and what would bring it back."""
    what = f"value {ref.content_id.short}"
    if lost_count > 1:
        what = f"{lost_count} values, among them {what}"
    if creators:
        call = creators[0]
        advice = (
            f"it is {_output_of(call, ref)}; ask for it inside `with storage:`, where "
            f"{call.op_name} runs again"
        )
    elif ref.history_id == constant_history_id(ref.content_id):
        advice = "it was passed in from outside, so no op can give it again; pass it once more"
    else:
        advice = "no call on record gave it"
    return _error(f"{what} cannot be read ({error}): {advice}; {_NEXT}", ref, creators, error)


def unknown_op(ref: Ref, call: CallRecord) -> CorruptionError:
    """Return the error where the op that gave a lost value is not in this process."""
    version = f" in version {call.op_version!r}" if call.op_version else ""
    return _error(
        f"value {ref.content_id.short}, {_output_of(call, ref)}, is lost, and {call.op_name}"
        f"{version} is not defined in this process; import {call.module or 'its module'}, where it "
        "was, and ask again",
        ref,
        (call,),
    )


def from_outside(ref: Ref, needing: CallRecord | None) -> CorruptionError:
    """Return the error where no call on record gave a lost value."""
    if needing is None:
        return _error(
            f"value {ref.content_id.short} is lost, and no call on record gave it: it was passed "
            f"in from outside; pass it once more; {_NEXT}",
            ref,
            (),
        )
    names = [slot.name for slot in needing.inputs if slot.content_id == ref.content_id]
    what = f"its input {', '.join(names)}" if names else "an element of one of its inputs"
    return _error(
        f"{needing.op_name} (call {needing.call_id.short}) would have to run again, and {what} "
        f"is lost, which was passed in from outside; call {needing.op_name} "
        "with the value itself: it counts as not made, and will run",
        ref,
        (needing,),
    )


def not_saved(ref: Ref, needing: CallRecord) -> CorruptionError:
    """Return the error where a call would have to run again whose inputs nobody saved."""
    names = [slot.name for slot in needing.inputs if slot.content_id == ref.content_id]
    return _error(
        f"{needing.op_name} (call {needing.call_id.short}) would have to run again, and with "
        f"save_inputs=False its input {', '.join(names)} was not saved; call {needing.op_name} "
        "with the value itself: it counts as not made, and will run",
        ref,
        (needing,),
    )


def going_in_circles(ref: Ref, call: CallRecord) -> CorruptionError:
    """Return the error where a lost value is needed to compute itself."""
    return _error(
        f"value {ref.content_id.short}, {_output_of(call, ref)}, is lost, and by the record it is "
        f"needed to compute itself; do not rely on this store; {_NEXT}",
        ref,
        (call,),
    )


def other_parameters(ref: Ref, call: CallRecord) -> CorruptionError:
    """Return the error where the op of this process takes other inputs than the call had."""
    names = ", ".join(slot.name for slot in call.inputs)
    return _error(
        f"value {ref.content_id.short}, {_output_of(call, ref)}, is lost, and {call.op_name} does "
        f"not take its inputs ({names}) any more; define the op as it was, under its name and "
        "version, and ask again",
        ref,
        (call,),
    )


def ignored_arguments(ref: Ref, call: CallRecord, names: Sequence[str]) -> CorruptionError:
    """Return the error where a call cannot run again, for what it was given is not on record."""
    return _error(
        f"value {ref.content_id.short}, {_output_of(call, ref)}, is lost, and {call.op_name} "
        f"ignores {', '.join(names)}, which has no default to run it again with; call "
        f"{call.op_name} with it after storage.drop_calls({str(call.call_id)!r}), or give it a "
        "default",
        ref,
        (call,),
    )


def changed(
    ref: Ref, call: CallRecord, record: CallRecord, definition: Definition
) -> CorruptionError:
    """Return the error where a call gave another value the second time."""
    names = {slot.name for slot in call.outputs if slot.content_id == ref.content_id}
    found = next((s.content_id for s in record.outputs if s.name in names), None)
    gave = "no such output" if found is None else f"value {found.short}"
    reason = (
        "its code has changed since: give it a new version"
        if definition.source.hash != call.source_hash
        else "it is not deterministic: seed it, or pass it what varies"
    )
    return _error(
        f"value {ref.content_id.short}, {_output_of(call, ref)}, is lost, and {call.op_name} gave "
        f"{gave} when it ran again; {reason}. What it gave now is on record: call "
        f"{call.op_name} again to go on with that, and drop the calls that rest on the lost value "
        "with storage.drop_calls(..., delete_dependents=True)",
        ref,
        (call,),
        found=found,
    )


def _output_of(call: CallRecord, ref: Ref) -> str:
    """Return which output of which call a value is."""
    names = [slot.name for slot in call.outputs if slot.content_id == ref.content_id]
    return f"{names[0] if names else 'an output'} of {call.op_name} (call {call.call_id.short})"


def _error(
    message: str,
    ref: Ref,
    calls: Sequence[CallRecord],
    cause: CorruptionError | None = None,
    **details: object,
) -> CorruptionError:
    """Return an error that carries what it speaks of."""
    known = dict(cause.details) if cause is not None else {}
    if calls:
        known |= {"op": calls[0].op_name, "module": calls[0].module, "hid": str(calls[0].call_id)}
    return CorruptionError(message, **{**known, "content_id": ref.content_id, **details})
