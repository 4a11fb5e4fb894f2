"""Segments: a batch of entries of one writer, as one immutable object.

::

    envelope (kind 3), signed where there is a key
        header    writer, seq, previous, created_us, call_count, tombstone_count, min_reader,
                  library, session
        payload   tables calls, slots, values, tombs, tags, untags; see ``mandala_cas.log.tables``

``docs/reference/format.md`` is normative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from blake3 import blake3

from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.seal import HEADER_MAX, Kind, Sealed, seal, unseal
from mandala_cas.envelope.signatures import Signature, Signer
from mandala_cas.errors import UsageError
from mandala_cas.log.checks import SEQ_MAX, check_min_reader, check_tables, is_time
from mandala_cas.log.part import Dots
from mandala_cas.log.rows import (
    CALLS,
    SCHEMA,
    SLOTS,
    TAGS,
    TOMBS,
    UNTAGS,
    VALUES,
    build_tables,
    read_call,
    read_tag,
    read_tombstones,
    read_untags,
    read_value,
)
from mandala_cas.log.tables import Table, decode_tables, encode_tables
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    TagRecord,
    Tombstone,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import Dot, SegmentId, WriterId
from mandala_cas.objectstore.layout import parse_segment_name, segment_name

READER_VERSION: Final = 1
DIGEST_SIZE: Final = 32
NO_PREVIOUS: Final = bytes(DIGEST_SIZE)
SEGMENT_RAW_MAX: Final = 1 << 28
# What does not shrink is stored raw, and zstd grows nothing by a hundredth.
SEGMENT_SIZE_MAX: Final = SEGMENT_RAW_MAX + SEGMENT_RAW_MAX // 64 + 2 * HEADER_MAX

_LEVEL: Final = 3


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself; ``session`` describes the writing process to people."""

    writer: WriterId
    seq: int
    previous: bytes
    created_us: int
    call_count: int
    tombstone_count: int
    min_reader: int
    library: str
    session: Mapping[str, Any]


# Whoever signs adds the key.
_FIELDS: Final = frozenset({*SegmentHeader.__slots__, "key"})


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A segment as it was read, every length and code in it checked; a ``LogPart``.

    ``digest`` is blake3 of the whole object, ``size`` the object's in bytes. ``other`` are the
    tables that this version does not know; ``is_known`` tells that besides these there is nothing
    that it does not know, so that a run can hold all of it.
    """

    name: str
    digest: bytes
    size: int
    header: SegmentHeader
    calls: Table
    slots: Table
    values: Table
    tags: Table
    tombstones: tuple[Tombstone, ...]
    untags: tuple[Untag, ...]
    other: tuple[Table, ...]
    signature: Signature | None
    is_known: bool = True

    @property
    def segment_id(self) -> SegmentId:
        """What the segment is called inside runs."""
        header = self.header
        return SegmentId(
            header.writer + header.seq.to_bytes(4, "big") + self.digest[:8].ljust(8, b"\0")
        )

    @property
    def segment_ids(self) -> frozenset[SegmentId]:
        """This segment."""
        return frozenset((self.segment_id,))

    def call_record(self, row: int) -> CallRecord:
        """Return one row of ``calls`` with its slots."""
        return read_call(self.calls, self.slots, _checked(row, self.calls))

    def value_record(self, row: int) -> ValueRecord:
        """Return one row of ``values``."""
        return read_value(self.values, _checked(row, self.values))

    def value_created_us(self, row: int) -> int:
        """Return when this segment was written."""
        _checked(row, self.values)
        return self.header.created_us

    def value_key(self, row: int) -> None:
        """Return that this is the segment itself, whose signature tells."""
        _checked(row, self.values)

    def tag_record(self, row: int) -> TagRecord:
        """Return one row of ``tags``."""
        return read_tag(self.tags, _checked(row, self.tags))

    def call_dots(self) -> Dots:
        """Return the dots of all rows of ``calls``."""
        return self._dots(self.calls)

    def dot(self, row: int) -> Dot:
        """Return what names the record in one row of ``calls``."""
        return Dot(self.header.writer, self.header.seq, _checked(row, self.calls))

    def tag_dots(self) -> Dots:
        """Return the dots of all rows of ``tags``."""
        return self._dots(self.tags)

    def tag_dot(self, row: int) -> Dot:
        """Return what names the record in one row of ``tags``."""
        return Dot(self.header.writer, self.header.seq, _checked(row, self.tags))

    def rows_named_by(self, tombstone: Tombstone) -> range:
        """Return the rows of ``calls`` that a tombstone hides."""
        return self._named(tombstone, self.calls.row_count)

    def tag_rows_named_by(self, untag: Untag) -> range:
        """Return the rows of ``tags`` that are hidden."""
        return self._named(untag, self.tags.row_count)

    def _dots(self, table: Table) -> Dots:
        """Return the dots of all rows of calls or tags."""
        count = table.row_count
        return Dots(
            np.full(count, int.from_bytes(self.header.writer, "big"), np.uint64),
            np.full(count, self.header.seq, np.uint32),
            np.arange(count, dtype=np.uint32),
        )

    def _named(self, entry: Tombstone | Untag, row_count: int) -> range:
        """Return the rows that ``entry`` names; it may name more than there are."""
        if (entry.writer, entry.seq) != (self.header.writer, self.header.seq):
            return range(0)
        return range(entry.first, min(entry.last + 1, row_count))


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """A segment ready to be put; ``digest`` is blake3 of the whole object."""

    name: str
    digest: bytes
    sealed: Sealed


def segment_header(
    entries: Sequence[Entry],
    *,
    writer: WriterId,
    seq: int,
    previous: bytes,
    created_us: int,
    library: str,
    session: Mapping[str, Any],
) -> SegmentHeader:
    """Return the header of a segment that holds ``entries``."""
    return SegmentHeader(
        writer=writer,
        seq=seq,
        previous=previous,
        created_us=created_us,
        call_count=sum(isinstance(entry, CallRecord) for entry in entries),
        tombstone_count=sum(isinstance(entry, Tombstone) for entry in entries),
        min_reader=READER_VERSION,
        library=library,
        session=session,
    )


def encode_segment(
    entries: Sequence[Entry],
    header: SegmentHeader,
    signer: Signer | None,
    *,
    level: int | None = _LEVEL,
) -> SealedSegment:
    """Return ``entries`` as one object. Rows keep their order; calls are numbered by it.

    ``level`` is that of zstd; None stores the payload raw, for examples that people read.
    """
    return seal_tables(tuple(build_tables(entries).values()), header, signer, level=level)


def seal_tables(
    tables: Sequence[Table],
    header: SegmentHeader,
    signer: Signer | None,
    *,
    level: int | None = _LEVEL,
) -> SealedSegment:
    """Return ``tables`` as one object, also those that this version does not know."""
    fields = {
        "writer": header.writer,
        "seq": header.seq,
        "previous": header.previous,
        "created_us": header.created_us,
        "call_count": header.call_count,
        "tombstone_count": header.tombstone_count,
        "min_reader": header.min_reader,
        "library": header.library,
        "session": header.session,
    }
    sealed = seal(Kind.SEGMENT, fields, encode_tables(tables), level=level, signer=signer)
    hasher = blake3()
    for part in sealed.parts:
        hasher.update(part)
    digest = hasher.digest()
    name = segment_name(header.created_us // 1000, header.writer, header.seq, digest)
    return SealedSegment(name, digest, sealed)


def decode_segment(name: str, data: bytes) -> Segment:
    """Return the segment in ``data``.

    The signature is there as a claim; who relies on it asks ``Segment.signature``.

    Raises:
        CorruptionError: these are not the bytes that were written under ``name``.
        UnsupportedFormatError: a newer mandala-cas wrote them.
    """
    parsed = parse_segment_name(name)
    if parsed is None:
        raise corruption(name, "does not have the name of a segment")
    # First of all, so that a flipped bit is never taken for a newer format.
    digest = blake3(data).digest()
    if digest[: len(parsed.digest_prefix)] != parsed.digest_prefix:
        raise corruption(name, "does not have the bytes that its name says")
    envelope = unseal(data, kind=Kind.SEGMENT, name=name, raw_size_max=SEGMENT_RAW_MAX)
    header = _read_header(envelope.header, name)
    if segment_name(header.created_us // 1000, header.writer, header.seq, digest) != name:
        raise corruption(name, "is another segment than its name says")
    tables = decode_tables(envelope.payload, SCHEMA, name=name)
    check_tables(tables, name=name)
    counts = (header.call_count, header.tombstone_count)
    found = (tables[CALLS].row_count, tables[TOMBS].row_count)
    if counts != found:
        raise corruption(name, f"has {found} calls and tombstones, and says {counts}")
    return Segment(
        name=name,
        digest=digest,
        size=len(data),
        header=header,
        calls=tables[CALLS],
        slots=tables[SLOTS],
        values=tables[VALUES],
        tags=tables[TAGS],
        tombstones=read_tombstones(tables[TOMBS]),
        untags=read_untags(tables[UNTAGS]),
        other=tuple(table for key, table in tables.items() if key not in SCHEMA),
        signature=envelope.signature,
        is_known=envelope.header.keys() <= _FIELDS
        and all(tables[key].columns.keys() == columns.keys() for key, columns in SCHEMA.items()),
    )


def _read_header(fields: Mapping[str, Any], name: str) -> SegmentHeader:
    """Return the header, every field of the type that it must have."""
    min_reader = fields.get("min_reader")
    check_min_reader(fields, READER_VERSION, name=name)
    writer, previous, session = (fields.get(key) for key in ("writer", "previous", "session"))
    seq, created_us, library = (fields.get(key) for key in ("seq", "created_us", "library"))
    if (
        isinstance(writer, bytes)
        and len(writer) == WriterId.SIZE
        and isinstance(previous, bytes)
        and len(previous) == DIGEST_SIZE
        and isinstance(seq, int)
        and 0 <= seq <= SEQ_MAX
        and isinstance(created_us, int)
        and is_time(created_us)
        and isinstance(min_reader, int)
        and isinstance(library, str)
        and isinstance(session, dict)
        # The first segment of a writer has none before it, and any other has one.
        and (previous == NO_PREVIOUS) == (seq == 0)
    ):
        return SegmentHeader(
            writer=WriterId(writer),
            seq=seq,
            previous=previous,
            created_us=created_us,
            call_count=_count(fields, "call_count", name),
            tombstone_count=_count(fields, "tombstone_count", name),
            min_reader=min_reader,
            library=library,
            session=session,
        )
    raise corruption(name, "has a header that is not that of a segment")


def _count(fields: Mapping[str, Any], key: str, name: str) -> int:
    """Return a field that counts rows."""
    count = fields.get(key)
    if not isinstance(count, int):
        raise corruption(name, f"has no {key}")
    return count


def _checked(row: int, table: Table) -> int:
    """Return ``row`` if the table has it: a negative one would name another row."""
    if not 0 <= row < table.row_count:
        raise UsageError(f"row {row} of {table.name} was asked for, there are {table.row_count}")
    return row
