"""Which calls of a batch count as not made, because something that they gave is nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mandala_cas.model.collections import STRUCTURAL_OPS, made_of, taken_apart_by
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallId, ContentId


def broken_calls(calls: Iterable[CallRecord], is_gone: Callable[[ContentId], bool]) -> set[CallId]:
    """Return the calls that gave what is gone, or a collection of which an element is.

    A call that merely used such a value was made. One that makes a collection gives what it uses.
    """
    waiting = list(calls)
    broken: set[CallId] = set()
    # Collections of which an element is gone.
    torn: set[ContentId] = set()
    while True:
        found = [call for call in waiting if _is_broken(call, is_gone, torn)]
        if not found:
            return broken
        ids = {call.call_id for call in found}
        broken |= ids
        waiting = [call for call in waiting if call.call_id not in ids]
        for call in found:
            kind = taken_apart_by(call.op_name)
            if kind is not None:
                made = STRUCTURAL_OPS[kind].made
                torn.update(slot.content_id for slot in call.inputs if slot.name == made)


def _is_broken(
    call: CallRecord, is_gone: Callable[[ContentId], bool], torn: set[ContentId]
) -> bool:
    """Tell whether something that a call gave is gone, or torn."""
    if made_of(call.op_name) is not None:
        return any(is_gone(slot.content_id) for slot in (*call.inputs, *call.outputs))
    return any(is_gone(slot.content_id) or slot.content_id in torn for slot in call.outputs)
