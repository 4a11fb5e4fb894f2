"""Groups: what was recorded as one, as the bytes that a journal and an open batch have of it.

A process may make a hundred thousand calls before it commits them. As objects their entries would
be gone through by the garbage collector again and again; as bytes they are nothing to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgpack

from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    Slot,
    TagRecord,
    TagTarget,
    Tier,
    Tombstone,
    TombstoneReason,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import (
    CallContentId,
    CallId,
    ContentId,
    Dot,
    HistoryId,
    PayloadHash,
    SourceHash,
    WriterId,
)

GROUP: Final = 1
CALL: Final = 0
_TOMBSTONE: Final = 1
_TAG: Final = 2
_UNTAG: Final = 3

CALL_FIELDS: Final = tuple(field.name for field in fields(CallRecord))
# All fields in their order. A slot is a tuple of its three fields, and is written as one.
_CALL_FIELDS: Final = attrgetter(*CALL_FIELDS)
_VALUE_FIELDS: Final = attrgetter(*(field.name for field in fields(ValueRecord)))

Fields = tuple[Any, ...]


class JournalValue(NamedTuple):
    """A value that was recorded: where it will be, and its bytes until then.

    ``sealed`` are those of a value for a pack, ``spooled`` names the file of a larger one. An
    inline value has its bytes in ``record``.
    """

    record: ValueRecord
    sealed: bytes | None = None
    spooled: str | None = None


class JournalGroup(NamedTuple):
    """What was recorded as one: entries, and the values that came with them.

    ``first_call`` and ``first_tag`` are the rows that the first call and the first tag had.
    """

    entries: Sequence[Entry]
    values: Sequence[JournalValue] = ()
    first_call: int = 0
    first_tag: int = 0

    def with_dots(self, writer: WriterId, seq: int) -> Iterator[tuple[Entry, Dot | None]]:
        """Yield the entries; calls and tags with the dots they have in that segment."""
        call, tag = self.first_call, self.first_tag
        for entry in self.entries:
            if isinstance(entry, CallRecord):
                yield entry, Dot(writer, seq, call)
                call += 1
            elif isinstance(entry, TagRecord):
                yield entry, Dot(writer, seq, tag)
                tag += 1
            else:
                yield entry, None


def pack_group(group: JournalGroup) -> bytes:
    """Return a group as the body of a frame."""
    values = [(_VALUE_FIELDS(record), sealed, spooled) for record, sealed, spooled in group.values]
    return _pack(values, group.entries, group.first_call, group.first_tag)


def pack_rows(
    rows: Sequence[ValueRecord], entries: Sequence[Entry], first_call: int, first_tag: int
) -> bytes:
    """Return what ``pack_group`` gives for a group whose values are ``rows`` and no more."""
    values = [(_VALUE_FIELDS(record), None, None) for record in rows]
    return _pack(values, entries, first_call, first_tag)


def _pack(
    values: Sequence[Fields], entries: Sequence[Entry], first_call: int, first_tag: int
) -> bytes:
    """Return the fields of values, and the entries, as one message."""
    fields = (GROUP, first_call, first_tag, values, [fields_of(entry) for entry in entries])
    packed: bytes = msgpack.packb(fields)
    return packed


def unpack_group(packed: bytes) -> JournalGroup:
    """Return what ``pack_group`` was given, in this process."""
    return group_of(msgpack.unpackb(packed, use_list=False)[1:])


def group_of(fields: Sequence[Any]) -> JournalGroup:
    """Return the group of the fields behind the kind."""
    first_call, first_tag, values, entries = fields
    return JournalGroup(
        [entry_of(fields) for fields in entries],
        [JournalValue(_value(fields), sealed, spooled) for fields, sealed, spooled in values],
        int(first_call),
        int(first_tag),
    )


def rows_of(packed: bytes) -> tuple[list[Fields], Sequence[Fields]]:
    """Return the fields of values and those of entries, with the kind of each entry in front."""
    _, _, _, values, entries = msgpack.unpackb(packed, use_list=False)
    return [fields for fields, _, _ in values], entries


def value_fields(value: ValueRecord) -> Fields:
    """Return a value as what msgpack holds."""
    fields: Fields = _VALUE_FIELDS(value)
    return fields


def fields_of(entry: Entry) -> Fields:
    """Return an entry as what msgpack holds."""
    if isinstance(entry, CallRecord):
        return (CALL, *_CALL_FIELDS(entry))
    match entry:
        case Tombstone():
            dots = (entry.writer, entry.seq, entry.first, entry.last)
            return (_TOMBSTONE, *dots, entry.reason)
        case TagRecord():
            ids = (entry.target, entry.history_id, entry.content_id)
            return (_TAG, entry.name, *ids, entry.created_us)
        case Untag():
            return (_UNTAG, entry.writer, entry.seq, entry.first, entry.last)
        case ValueRecord():  # pragma: no cover (values are in a list of their own)
            raise AssertionError("a value is no entry of a group")


def _value(fields: Sequence[Any]) -> ValueRecord:
    """Return the value."""
    content_id, payload_hash, tier, *rest = fields
    return ValueRecord(ContentId(content_id), PayloadHash(payload_hash), Tier(tier), *rest)


def entry_of(fields: Sequence[Any]) -> Entry:
    """Return the entry that ``fields_of`` was given."""
    kind, *rest = fields
    if kind == CALL:
        call_id, content_id, name, version, module, source, started, duration, *tail = rest
        inputs, outputs, reused_from, parent = tail
        return CallRecord(
            CallId(call_id),
            CallContentId(content_id),
            name,
            version,
            module,
            SourceHash(source),
            started,
            duration,
            _slots(inputs),
            _slots(outputs),
            None if reused_from is None else CallId(reused_from),
            None if parent is None else CallId(parent),
        )
    if kind == _TAG:
        name, target, history_id, content_id, created_us = rest
        return TagRecord(name, TagTarget(target), history_id, ContentId(content_id), created_us)
    if kind == _TOMBSTONE:
        writer, seq, first, last, reason = rest
        return Tombstone(WriterId(writer), seq, first, last, TombstoneReason(reason))
    writer, seq, first, last = rest
    return Untag(WriterId(writer), seq, first, last)


def _slots(fields: Sequence[Sequence[Any]]) -> tuple[Slot, ...]:
    """Return slots."""
    return tuple(Slot(name, HistoryId(h), ContentId(c)) for name, h, c in fields)
