"""What a segment of the log can say: calls, values, tags, and what hides them again.

These are the statements as the program speaks of them. How they become columns and bytes is the
log's business (``docs/reference/format.md``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from mandala_cas.model.frozen import frozen
from mandala_cas.model.ids import (
    CallContentId,
    CallId,
    ContentId,
    HistoryId,
    PayloadHash,
    SourceHash,
    WriterId,
)

# What stands behind the name of an op in the records of its failures; no op has such a name.
FAILURE_SUFFIX: Final = ".__failure__"


class Tier(IntEnum):
    """Where the bytes of a value are; the numbers are part of the format."""

    INLINE = 0
    PACK = 1
    LOOSE = 2


class Slot(NamedTuple):
    """One input or output of a call: its name, and the ids of the ref in it."""

    name: str
    history_id: HistoryId
    content_id: ContentId


@frozen
class CallRecord:
    """One call of an op, as it is written.

    ``inputs`` are in the order of the op's parameters, ``outputs`` in the order of return.
    ``started_us`` are microseconds since 1970 (UTC), ``duration_us`` microseconds. ``reused_from``
    names the call of equal content that answered for this one; ``parent`` the call in whose body
    this one was made.
    """

    call_id: CallId
    content_id: CallContentId
    op_name: str
    op_version: str
    module: str
    source_hash: SourceHash
    started_us: int
    duration_us: int
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    reused_from: CallId | None = None
    parent: CallId | None = None

    def is_of(self, source_hash: SourceHash, module: str) -> bool:
        """Tell whether this code gave the call."""
        return self.source_hash == source_hash and self.module == module


@frozen
class ValueRecord:
    """Where a value is and how to read it.

    ``location`` and ``offset`` name an object and a place in it, except for inline values, whose
    payload is ``inline``. ``stored_size`` is the size of the envelope there, in bytes;
    ``raw_size`` that of the uncompressed payload. ``codec_header`` is canonical msgpack.
    """

    content_id: ContentId
    payload_hash: PayloadHash
    tier: Tier
    location: str
    offset: int
    stored_size: int
    raw_size: int
    codec_name: str
    codec_version: int
    codec_header: bytes
    inline: bytes = b""


class TombstoneReason(IntEnum):
    """Why a record no longer counts; the numbers are part of the format."""

    DROPPED = 0
    LOST = 1


@dataclass(frozen=True, slots=True, order=True)
class Tombstone:
    """Hides the call records ``first`` to ``last`` (both included) of one segment.

    Observed-remove: it names exactly the records that were seen, so one that nobody had seen,
    or one that is made later, lives. ``DROPPED`` is a person's wish; ``LOST`` says that the values
    of these calls can no longer be read, so that they are made again.
    """

    writer: WriterId
    seq: int
    first: int
    last: int
    reason: TombstoneReason = TombstoneReason.DROPPED


class TagTarget(IntEnum):
    """What a tag is put on; the numbers are part of the format."""

    REF = 0
    CALL = 1


@dataclass(frozen=True, slots=True)
class TagRecord:
    """One thing under a name that a person gave; what a tag names is kept.

    ``history_id`` is that of the ref or the call. ``content_id`` is that of the ref, and zero bytes
    for a call. ``created_us`` are microseconds since 1970 (UTC).
    """

    name: str
    target: TagTarget
    history_id: bytes
    content_id: ContentId
    created_us: int


@dataclass(frozen=True, slots=True, order=True)
class Untag:
    """Hides the tag records ``first`` to ``last`` (both included) of one segment.

    Observed-remove, as a tombstone is for calls.
    """

    writer: WriterId
    seq: int
    first: int
    last: int


Entry = CallRecord | ValueRecord | Tombstone | TagRecord | Untag
