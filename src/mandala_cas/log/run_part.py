"""Parts of runs: rows of many segments, and their inline payloads as objects of their own.

::

    envelope (kind 6), not signed: the run that names it is
        header    kind, min_reader, nonce, and of records: inline, inline_count
        payload   records: the tables of ``mandala_cas.log.packed``
                  inline payloads: table ``inline``

``docs/reference/format.md`` is normative.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.seal import HEADER_MAX, Envelope, Kind, Sealed, seal, unseal
from mandala_cas.envelope.signatures import Signature
from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.log.checks import check_min_reader
from mandala_cas.log.columns import BytesColumn, FixedColumn
from mandala_cas.log.packed import (
    INLINE,
    INLINE_SCHEMA,
    PACKED_SCHEMA,
    SEGMENTS,
    Tables,
    dots_of,
    keep_segments,
)
from mandala_cas.log.part import Dots
from mandala_cas.log.part_checks import check_part, dot_groups
from mandala_cas.log.rows import CALLS, TAGS, VALUES, read_tag
from mandala_cas.log.run import PartKind
from mandala_cas.log.segment import READER_VERSION
from mandala_cas.log.tables import DIRECTORY_MAX, Table, decode_tables, encode_tables
from mandala_cas.log.taking import take_fixed
from mandala_cas.log.unpacking import (
    unpacked_call,
    unpacked_calls,
    unpacked_slots,
    unpacked_tags,
    unpacked_value,
    unpacked_values,
)
from mandala_cas.model.entries import CallRecord, TagRecord, Tombstone, Untag, ValueRecord
from mandala_cas.model.ids import Dot, KeyId, SegmentId, WriterId
from mandala_cas.objectstore.layout import NONCE_SIZE, is_run_part_name, run_part_name

PART_RAW_MAX: Final = 1 << 29
# What does not shrink is stored raw, and zstd grows nothing by a hundredth.
PART_SIZE_MAX: Final = PART_RAW_MAX + PART_RAW_MAX // 64 + DIRECTORY_MAX + 2 * HEADER_MAX

_LEVEL: Final = 3
_FIELDS: Final = frozenset({"kind", "min_reader", "nonce", "inline", "inline_count"})
_COUNT_MAX: Final = (1 << 32) - 1
_NO_PAYLOADS: Final = BytesColumn(np.zeros(1, np.uint64), b"")
_NO_KEY: Final = KeyId(bytes(KeyId.SIZE))

Fetch = Callable[[str], bytes]


class InlinePayloads:
    """The inline payloads of one part, fetched when somebody asks for one."""

    def __init__(self, name: str | None, count: int, fetch: Fetch) -> None:
        """Be those in the object ``name``, or none. ``fetch`` gives an object by its name."""
        self.name = name
        self.count = count
        # Asked when the object is gone: what took its place may have the same payloads.
        self.recover: Callable[[], BytesColumn] | None = None
        self._fetch = fetch
        self._column: BytesColumn | None = None

    def column(self) -> BytesColumn:
        """Return all of them. Two threads may fetch them twice.

        Raises:
            NotFoundError: they are gone: the run was superseded, long ago.
            CorruptionError: it is not what was written.
        """
        if self.name is None:
            return _NO_PAYLOADS
        if self._column is None:
            column = self._read(self.name)
            if len(column) != self.count:
                raise corruption(self.name, f"has {len(column)} payloads, not {self.count}")
            self._column = column
        return self._column

    def _read(self, name: str) -> BytesColumn:
        """Return the payloads of an object, or of what took its place."""
        try:
            data = self._fetch(name)
        except NotFoundError:
            if self.recover is None:
                raise
            return self.recover()
        return decode_inline_part(name, data)


@dataclass(frozen=True, eq=False)
class RunPart:
    """Rows of a run as they were read, every length and code in them checked; a ``LogPart``.

    ``tables`` are the rows as they were written. Columns that were left out there are made when
    they are asked for, and inline payloads fetched. ``size`` is the object's in bytes. ``is_known``
    tells that there is nothing in it that this version does not know. ``keys`` are those that
    signed the segments whose rows are here, as the run says that names this part.
    """

    name: str
    size: int
    tables: Tables
    payloads: InlinePayloads
    is_known: bool = True
    tombstones: tuple[Tombstone, ...] = ()
    untags: tuple[Untag, ...] = ()
    signature: Signature | None = None
    keys: FixedColumn | None = None

    @cached_property
    def calls(self) -> Table:
        """The calls."""
        return unpacked_calls(self.tables)

    @cached_property
    def slots(self) -> Table:
        """The inputs and outputs of the calls."""
        return unpacked_slots(self.tables)

    @cached_property
    def values(self) -> Table:
        """Where values are."""
        return unpacked_values(self.tables, self.payloads.column, name=self.name)

    @cached_property
    def tags(self) -> Table:
        """The tags."""
        return unpacked_tags(self.tables)

    @cached_property
    def ordered_segment_ids(self) -> tuple[SegmentId, ...]:
        """The segments whose rows are here, in their order."""
        segments = self.tables[SEGMENTS]
        seqs = FixedColumn(4, segments.numbers("seq").astype(">u4").tobytes())
        columns = (segments.fixed("writer"), seqs, segments.fixed("digest"))
        rows = zip(*(column.rows() for column in columns), strict=True)
        return tuple(SegmentId(b"".join(row)) for row in rows)

    @cached_property
    def segment_ids(self) -> frozenset[SegmentId]:
        """The segments whose rows are here."""
        return frozenset(self.ordered_segment_ids)

    def without(self, segment_ids: Collection[SegmentId]) -> RunPart:
        """Return the part without the rows of some segments."""
        keep = np.array([id_ not in segment_ids for id_ in self.ordered_segment_ids], bool)
        if keep.all():
            return self
        keys = None if self.keys is None else take_fixed(self.keys, np.flatnonzero(keep))
        return replace(self, tables=keep_segments(self.tables, keep), keys=keys)

    def call_record(self, row: int) -> CallRecord:
        """Return one row of ``calls`` with its slots."""
        return unpacked_call(self.tables, self._checked(row, CALLS))

    def value_record(self, row: int) -> ValueRecord:
        """Return one row of ``values``; fetches the inline payloads where it is one of them.

        Raises:
            NotFoundError: they are gone.
            CorruptionError: they are not what was written.
        """
        at = self._checked(row, VALUES)
        return unpacked_value(self.tables, self.payloads.column, at, name=self.name)

    def value_created_us(self, row: int) -> int:
        """Return when the segment that placed a value was written."""
        code = self.tables[VALUES].numbers("segment")[self._checked(row, VALUES)]
        return int(self.tables[SEGMENTS].numbers("created_us")[code])

    def value_key(self, row: int) -> KeyId:
        """Return who signed the segment that placed a value."""
        code = self.tables[VALUES].numbers("segment")[self._checked(row, VALUES)]
        return _NO_KEY if self.keys is None else KeyId(self.keys[int(code)])

    def value_origins(
        self,
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64], Sequence[KeyId]]:
        """Return of each row of values the number of its segment, and of each segment two things.

        Those are when it was written, and who signed it: ``value_created_us`` and ``value_key`` of
        a million rows at once.
        """
        segments = self.tables[SEGMENTS]
        codes = self.tables[VALUES].numbers("segment").astype(np.intp)
        created_us = segments.numbers("created_us").astype(np.int64)
        if self.keys is None:
            return codes, created_us, [_NO_KEY] * segments.row_count
        return codes, created_us, [KeyId(key) for key in self.keys.rows()]

    def tag_record(self, row: int) -> TagRecord:
        """Return one row of ``tags``."""
        return read_tag(self.tags, self._checked(row, TAGS))

    def call_dots(self) -> Dots:
        """Return the dots of all rows of ``calls``."""
        return dots_of(self.tables, CALLS)

    def dot(self, row: int) -> Dot:
        """Return what names the record in one row of ``calls``."""
        return self._dot(row, CALLS)

    def tag_dots(self) -> Dots:
        """Return the dots of all rows of ``tags``."""
        return dots_of(self.tables, TAGS)

    def tag_dot(self, row: int) -> Dot:
        """Return what names the record in one row of ``tags``."""
        return self._dot(row, TAGS)

    def rows_named_by(self, tombstone: Tombstone) -> range:
        """Return the rows of ``calls`` that a tombstone hides."""
        return self._named(tombstone, CALLS)

    def tag_rows_named_by(self, untag: Untag) -> range:
        """Return the rows of ``tags`` that are hidden."""
        return self._named(untag, TAGS)

    @cached_property
    def _groups(self) -> dict[tuple[bytes, int], int]:
        """The number that rows of each writer and segment number have."""
        segments = self.tables[SEGMENTS]
        keys = zip(segments.fixed("writer").rows(), segments.numbers("seq").tolist(), strict=True)
        return dict(zip(keys, dot_groups(segments).tolist(), strict=True))

    @cached_property
    def _groups_of_rows(self) -> dict[str, npt.NDArray[np.intp]]:
        """That number for each row of calls and tags."""
        groups = dot_groups(self.tables[SEGMENTS])
        return {name: groups[self.tables[name].numbers("segment")] for name in (CALLS, TAGS)}

    def _named(self, entry: Tombstone | Untag, table: str) -> range:
        """Return the rows that ``entry`` names; it may name more than there are."""
        group = self._groups.get((entry.writer, entry.seq))
        if group is None:
            return range(0)
        groups = self._groups_of_rows[table]
        begin, end = (int(np.searchsorted(groups, group, side)) for side in ("left", "right"))
        rows = self.tables[table].numbers("row")[begin:end]
        first = int(np.searchsorted(rows, np.uint32(entry.first), "left"))
        last = int(np.searchsorted(rows, np.uint32(entry.last), "right"))
        return range(begin + first, begin + last)

    def _dot(self, row: int, table: str) -> Dot:
        """Return the dot of a row of calls or tags."""
        rows, segments = self.tables[table], self.tables[SEGMENTS]
        code = int(rows.numbers("segment")[self._checked(row, table)])
        writer = WriterId(segments.fixed("writer")[code])
        return Dot(writer, int(segments.numbers("seq")[code]), int(rows.numbers("row")[row]))

    def _checked(self, row: int, table: str) -> int:
        """Return ``row`` if the table has it: a negative one would name another row."""
        count = self.tables[table].row_count
        if not 0 <= row < count:
            raise UsageError(f"row {row} of {table} was asked for, there are {count}")
        return row


@dataclass(frozen=True, slots=True)
class SealedPart:
    """A part ready to be put; ``digest`` is blake3 of the whole object."""

    name: str
    digest: bytes
    sealed: Sealed


def encode_run_part(
    tables: Tables,
    inline: SealedPart | None,
    inline_count: int,
    *,
    nonce: bytes,
    level: int | None = _LEVEL,
) -> SealedPart:
    """Return rows as one object; ``inline`` is the part of their payloads, if they have some."""
    fields = {
        **_fields(PartKind.RECORDS, nonce),
        "inline": b"" if inline is None else inline.digest,
        "inline_count": inline_count,
    }
    return _seal([tables[name] for name in PACKED_SCHEMA], fields, level)


def encode_inline_part(
    payloads: BytesColumn, *, nonce: bytes, level: int | None = _LEVEL
) -> SealedPart:
    """Return inline payloads as one object."""
    table = Table(INLINE, len(payloads), {"payload": payloads})
    return _seal([table], _fields(PartKind.INLINE, nonce), level)


def decode_run_part(name: str, data: bytes, fetch: Fetch) -> RunPart:
    """Return the rows in ``data``; ``fetch`` gives the inline payloads, when somebody asks.

    Raises:
        CorruptionError: these are not the bytes that were written under ``name``.
        UnsupportedFormatError: a newer mandala-cas wrote them.
    """
    envelope = _open(name, data, PartKind.RECORDS)
    inline, count = envelope.header.get("inline"), envelope.header.get("inline_count")
    if (
        not isinstance(inline, bytes)
        or len(inline) not in {0, 32}
        or type(count) is not int
        or not 0 <= count <= _COUNT_MAX
        or (count > 0) != (len(inline) > 0)
    ):
        raise corruption(name, "does not say where its inline payloads are")
    tables = decode_tables(envelope.payload, PACKED_SCHEMA, name=name)
    check_part(tables, inline_count=count, name=name)
    return RunPart(
        name=name,
        size=len(data),
        tables={table: tables[table] for table in PACKED_SCHEMA},
        payloads=InlinePayloads(run_part_name(inline) if inline else None, count, fetch),
        is_known=envelope.header.keys() <= _FIELDS
        and all(
            table.columns.keys() == PACKED_SCHEMA.get(key, {}).keys()
            for key, table in tables.items()
        ),
    )


def decode_inline_part(name: str, data: bytes) -> BytesColumn:
    """Return the inline payloads in ``data``.

    Raises:
        CorruptionError: these are not the bytes that were written under ``name``.
        UnsupportedFormatError: a newer mandala-cas wrote them.
    """
    envelope = _open(name, data, PartKind.INLINE)
    return decode_tables(envelope.payload, INLINE_SCHEMA, name=name)[INLINE].bytes("payload")


def _fields(kind: PartKind, nonce: bytes) -> dict[str, Any]:
    """Return the header fields that all parts have."""
    return {"kind": kind.value, "min_reader": READER_VERSION, "nonce": nonce}


def _seal(tables: Sequence[Table], fields: Mapping[str, Any], level: int | None) -> SealedPart:
    """Return tables as one object."""
    sealed = seal(Kind.RUN_PART, fields, encode_tables(tables), level=level)
    hasher = blake3()
    for piece in sealed.parts:
        hasher.update(piece)
    digest = hasher.digest()
    return SealedPart(run_part_name(digest), digest, sealed)


def _open(name: str, data: bytes, kind: PartKind) -> Envelope:
    """Return the envelope, after every check that both kinds have in common."""
    # First of all, so that a flipped bit is never taken for a newer format.
    if not is_run_part_name(name) or run_part_name(blake3(data).digest()) != name:
        raise corruption(name, "does not have the bytes that its name says")
    envelope = unseal(data, kind=Kind.RUN_PART, name=name, raw_size_max=PART_RAW_MAX)
    header = envelope.header
    min_reader, nonce = header.get("min_reader"), header.get("nonce")
    check_min_reader(header, READER_VERSION, name=name)
    if (
        header.get("kind") != kind.value
        or not isinstance(min_reader, int)
        or not isinstance(nonce, bytes)
        or len(nonce) != NONCE_SIZE
    ):
        raise corruption(name, f"has a header that is not that of {kind.name.lower()} of a run")
    return envelope
