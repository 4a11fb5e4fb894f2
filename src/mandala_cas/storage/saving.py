"""Values and calls that are put on record without running an op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.index.tags import tags_in_effect
from mandala_cas.model.calls import Call
from mandala_cas.model.collection_refs import CollectionRef
from mandala_cas.model.entries import TagRecord, TagTarget
from mandala_cas.model.ids import constant_history_id
from mandala_cas.model.refs import AtomRef, Ref, RefLoader
from mandala_cas.storage.assembly import Assembly, now_us
from mandala_cas.storage.tagging import check_tagged
from mandala_cas.storage.unwrapping import unwrap_all
from mandala_cas.values.save import PreparedValue


def save_ref(parts: Assembly, value_or_ref: Any, tag: str, loader: RefLoader) -> Ref:
    """Put a value on record under a tag, and commit; return its ref, with the value attached.

    A ref keeps its ids. The value and the tag are one segment, after the payload: a crash before
    it leaves payload that nothing names, and nothing is saved.

    Raises:
        UsageError: the value cannot be hashed or stored, or the ref has no value anywhere.
    """
    # Before anything is looked up: what a collector announces from here on counts.
    if isinstance(value_or_ref, CollectionRef):
        raise UsageError(
            f"{value_or_ref!r} is a collection, and its elements belong to the calls that have "
            "them; keep one that is on record here with storage.tag(name, ref), and hand one of "
            "another storage to an op",
            ref=value_or_ref,
        )
    decided_us = now_us()
    is_ref = isinstance(value_or_ref, Ref)
    value = unwrap_all(value_or_ref, parts.book, parts.has_value) if is_ref else value_or_ref
    try:
        content_id = value_or_ref.content_id if is_ref else parts.book.content_id(value)
        prepared = parts.book.prepare(value, content_id, is_ref=is_ref)
    except UsageError as error:
        raise UsageError(f"the value cannot be saved: {error}", found=value) from error
    history_id = value_or_ref.history_id if is_ref else constant_history_id(content_id)
    record = TagRecord(tag, TagTarget.REF, history_id, content_id, decided_us)
    parts.recorder.adopt(
        lambda _: [record],
        [prepared],
        decided_us,
        # No journal has it: this returns when it is in the store, and has saved nothing before.
        before=lambda _: None,
        forget=lambda: None,
    )
    parts.recorder.flush()
    check_tagged([record], tags_in_effect(parts.log.parts()).get(tag, []))
    return AtomRef(history_id, content_id, value, loader)


def save_call(parts: Assembly, call: Call) -> None:
    """Put a call of another storage into the batch, with its values, unless it is on record.

    Raises:
        UsageError: a value can be had nowhere, or not be stored.
    """
    if parts.lookup.find(call.call_id) is not None:
        return
    refs = _refs_of(call)
    collection = next((ref for ref in refs if isinstance(ref, CollectionRef)), None)
    if collection is not None:
        raise UsageError(
            f"{call!r} has a collection, {collection!r}, whose elements belong to calls of their "
            "own; make the call here, with the collection's ref for an argument",
            ref=collection,
        )
    values = unwrap_all(refs, parts.book, parts.has_value)
    prepared: list[PreparedValue] = [
        parts.book.prepare(value, ref.content_id, is_ref=True)
        for ref, value in zip(refs, values, strict=True)
    ]
    parts.recorder.record(call.record, prepared)


def _refs_of(call: Call) -> Sequence[Ref]:
    """Return the refs of a call, each content once."""
    refs = [*call.inputs.values(), *call.outputs.values()]
    return list({ref.content_id: ref for ref in refs}.values())
