"""Entries as the journal has them, with the bytes of their values; and back.

Nobody else reads a journal, so this form may change with every version of the preamble.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgpack

from mandala_cas.envelope.packing import corruption
from mandala_cas.errors import CorruptionError, MandalaError
from mandala_cas.log.checks import entry_size
from mandala_cas.log.writer import Position
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
    HistoryId,
    PayloadHash,
    SourceHash,
    WriterId,
)

_CALL: Final = 0
_TOMBSTONE: Final = 1
_TAG: Final = 2
_UNTAG: Final = 3
_ADOPTED: Final = 0
_GROUP: Final = 1
_BEGUN: Final = 2
# All fields in their order.
_CALL_FIELDS: Final = attrgetter(*CallRecord.__slots__)
_VALUE_FIELDS: Final = attrgetter(*ValueRecord.__slots__)


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


@dataclass(frozen=True, slots=True)
class Begun:
    """The first word in a file: the host whose kernel knows whether the writer lives."""

    host: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """Word that everything before it is being recorded again, in the segment ``position``."""

    position: Position


def pack_group(group: JournalGroup) -> bytes:
    """Return a group as the body of a frame."""
    values = [(_value_fields(v.record), v.sealed, v.spooled) for v in group.values]
    entries = [_entry_fields(entry) for entry in group.entries]
    fields = (_GROUP, group.first_call, group.first_tag, values, entries)
    packed: bytes = msgpack.Packer(autoreset=True).pack(fields)
    return packed


def pack_begun(begun: Begun) -> bytes:
    """Return the first word of a file as the body of a frame."""
    packed: bytes = msgpack.packb((_BEGUN, begun.host))
    return packed


def pack_adopted(adopted: Adopted) -> bytes:
    """Return the word of an adoption as the body of a frame."""
    packed: bytes = msgpack.packb((_ADOPTED, *adopted.position))
    return packed


def unpack_body(body: memoryview, name: str) -> JournalGroup | Adopted | Begun:
    """Return what is in the body of a frame that proved to be this user's own.

    Raises:
        CorruptionError: this version did not write it; ``name`` says where.
    """
    try:
        kind, *fields = msgpack.unpackb(body)
        if kind == _ADOPTED:
            writer, seq = fields
            return Adopted(Position(WriterId(writer), seq))
        if kind == _BEGUN:
            (host,) = fields
            return Begun(str(host))
        first_call, first_tag, values, entries = fields
        group = JournalGroup(
            [_entry(fields) for fields in entries],
            [JournalValue(_value(fields), sealed, spool) for fields, sealed, spool in values],
            int(first_call),
            int(first_tag),
        )
        for entry in group.entries:
            entry_size(entry)
    except CorruptionError:
        raise
    except (ValueError, TypeError, MandalaError, msgpack.exceptions.UnpackException) as error:
        raise corruption(name, f"has a frame that this version did not write ({error})") from error
    return group


def _value_fields(value: ValueRecord) -> tuple[Any, ...]:
    """Return a value as what msgpack holds."""
    fields: tuple[Any, ...] = _VALUE_FIELDS(value)
    return fields


def _value(fields: Sequence[Any]) -> ValueRecord:
    """Return the value."""
    content_id, payload_hash, tier, *rest = fields
    return ValueRecord(ContentId(content_id), PayloadHash(payload_hash), Tier(tier), *rest)


def _entry_fields(entry: Entry) -> tuple[Any, ...]:
    """Return an entry as what msgpack holds."""
    match entry:
        case CallRecord():
            # A slot is a tuple of its three fields, and is written as one.
            return (_CALL, *_CALL_FIELDS(entry))
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


def _entry(fields: Sequence[Any]) -> Entry:
    """Return the entry."""
    kind, *rest = fields
    if kind == _CALL:
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
