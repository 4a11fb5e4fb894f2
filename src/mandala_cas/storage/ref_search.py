"""Refs by their history ids: which call gave one, and what it is a handle for."""

from __future__ import annotations

from collections.abc import Iterator

from mandala_cas.index.tags import tags_in_effect
from mandala_cas.log.part import LogPart
from mandala_cas.model.entries import CallRecord, Slot, TagTarget
from mandala_cas.model.ids import ContentId, HistoryId, constant_history_id
from mandala_cas.storage.assembly import Assembly
from mandala_cas.values.creators import Creators, rows_of


def find_creator(parts: Assembly, history_id: HistoryId) -> CallRecord | None:
    """Return the record that answers for the call which gave a ref, if one is on record."""
    found = Creators(parts.log.parts, parts.lookup.dots).by_history(history_id)
    # A history id is of one call and output, so several are records of one call.
    return parts.lookup.find(found[0].record.call_id) if found else None


def find_content(parts: Assembly, history_id: HistoryId) -> ContentId | None:
    """Return what a ref on record is a handle for; None where nothing that counts has it.

    What the call gave that answers, else what a call took, else what a tag is on.
    """
    creator = find_creator(parts, history_id)
    slots = [] if creator is None else list(creator.outputs)
    for slot in (*slots, *_live_inputs(parts, history_id)):
        if slot.history_id == history_id:
            return slot.content_id
    return _tagged_content(parts, history_id)


def is_known(parts: Assembly, history_id: HistoryId, content_id: ContentId | None) -> bool:
    """Tell whether a ref is a constant, or one that something which counts has."""
    if content_id is not None and constant_history_id(content_id) == history_id:
        return True
    return find_content(parts, history_id) is not None


def _live_inputs(parts: Assembly, history_id: HistoryId) -> Iterator[Slot]:
    """Yield the inputs of live calls that are a ref, in the order of their dots."""
    found = {}
    for part in parts.log.parts():
        rows = rows_of(part.slots.fixed("history_id"), {history_id})
        for row in sorted({_call_row(part, slot_row) for slot_row in rows}):
            record, dot = part.call_record(row), part.dot(row)
            if dot in parts.lookup.dots(record.call_id):
                found[dot] = record
    for dot in sorted(found):
        yield from (slot for slot in found[dot].inputs if slot.history_id == history_id)


def _call_row(part: LogPart, slot_row: int) -> int:
    """Return the row of the call that owns a slot."""
    starts = part.calls.numbers("slot_start")
    # The last call that begins at or before the slot: calls without slots begin there as well.
    return int(starts.searchsorted(slot_row, side="right")) - 1


def _tagged_content(parts: Assembly, history_id: HistoryId) -> ContentId | None:
    """Return what a tagged ref is a handle for, if this one is tagged."""
    for named in tags_in_effect(parts.log.parts()).values():
        for tagged in named:
            record = tagged.record
            if record.target is TagTarget.REF and record.history_id == history_id:
                return record.content_id
    return None
