"""Runs: one object that stands for many segments, and names the parts where their rows are.

::

    envelope (kind 4), signed where there is a key
        header    generation, created_us, min_reader, library, nonce, segment_count,
                  covered_call_count, call_count, covered_tag_count, tag_count
        payload   tables covered, previous, sessions, parts, tombs, untags

A run covers exactly the segments that it names, and no other: never a range of names or times,
for a segment that arrives late would be lost. ``docs/reference/format.md`` is normative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Final

import numpy as np
from blake3 import blake3

from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.seal import HEADER_MAX, Kind, Sealed, seal, unseal
from mandala_cas.envelope.signatures import Signature, Signer
from mandala_cas.log.checks import check_min_reader, check_ranges, is_time
from mandala_cas.log.columns import FixedColumn, fixed_column, number_column
from mandala_cas.log.covered import COVERED_SCHEMA, Covered, covered_tables, read_covered
from mandala_cas.log.rows import (
    SCHEMA,
    TOMBS,
    UNTAGS,
    read_tombstones,
    read_untags,
    tomb_table,
    untag_table,
)
from mandala_cas.log.segment import READER_VERSION
from mandala_cas.log.tables import DIRECTORY_MAX, Schema, Table, decode_tables, encode_tables
from mandala_cas.model.entries import Tombstone, Untag
from mandala_cas.model.ids import KeyId, SegmentId
from mandala_cas.objectstore.layout import NONCE_SIZE, parse_run_name, run_name, run_part_name

PARTS: Final = "parts"
RUN_RAW_MAX: Final = 1 << 28
# What does not shrink is stored raw, and zstd grows nothing by a hundredth.
RUN_SIZE_MAX: Final = RUN_RAW_MAX + RUN_RAW_MAX // 64 + DIRECTORY_MAX + 2 * HEADER_MAX

RUN_SCHEMA: Final[Schema] = {
    **COVERED_SCHEMA,
    PARTS: {
        "kind": "u1",
        "size": "u8",
        "segment_count": "u4",
        "call_count": "u4",
        "value_count": "u4",
        "tag_count": "u4",
        "digest": "fixed32",
    },
    TOMBS: SCHEMA[TOMBS],
    UNTAGS: SCHEMA[UNTAGS],
}

_LEVEL: Final = 3
_COUNTS: Final = (
    "segment_count",
    "covered_call_count",
    "call_count",
    "covered_tag_count",
    "tag_count",
)


class PartKind(IntEnum):
    """What a part of a run holds; the numbers are part of the format."""

    RECORDS = 0
    INLINE = 1


@dataclass(frozen=True, slots=True)
class RunPartInfo:
    """What a run says of one of its parts.

    The rows of ``segment_count`` segments are there, those that follow the ones of the parts
    before, in the order in which the run covers them. ``value_count`` of a part of inline payloads
    is the number of those.
    """

    name: str
    kind: PartKind
    size: int
    segment_count: int
    call_count: int
    value_count: int
    tag_count: int


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What a run says of itself.

    Conservation: of the ``covered_call_count`` calls in the covered segments, ``call_count`` have a
    row in a part, and the run's tombstones name all others. So it is with tags and untags.
    """

    generation: int
    created_us: int
    min_reader: int
    library: str
    nonce: bytes
    segment_count: int
    covered_call_count: int
    call_count: int
    covered_tag_count: int
    tag_count: int


# Whoever signs adds the key.
_FIELDS: Final = frozenset({*RunHeader.__slots__, "key"})


@dataclass(frozen=True, eq=False)
class Run:
    """A run as it was read, everything in it checked; the parts are objects of their own.

    ``size`` is that of the object in bytes. ``is_known`` tells that there is nothing in it that
    this version does not know.
    """

    name: str
    size: int
    header: RunHeader
    covered: Covered
    parts: tuple[RunPartInfo, ...]
    tombstones: tuple[Tombstone, ...]
    untags: tuple[Untag, ...]
    is_known: bool
    signature: Signature | None

    @cached_property
    def covers(self) -> frozenset[SegmentId]:
        """The segments that this run stands for."""
        return frozenset(self.covered.segment_ids)

    @property
    def records(self) -> tuple[RunPartInfo, ...]:
        """The parts that hold rows, in their order."""
        return tuple(part for part in self.parts if part.kind is PartKind.RECORDS)

    def segments_of_parts(self) -> dict[str, tuple[SegmentId, ...]]:
        """Return which segments' rows are in which part, by its name."""
        segments: dict[str, tuple[SegmentId, ...]] = {}
        begin = 0
        for part in self.records:
            segments[part.name] = self.covered.segment_ids[begin : begin + part.segment_count]
            begin += part.segment_count
        return segments

    def keys_of_parts(self) -> dict[str, FixedColumn]:
        """Return who signed the segments whose rows are in each part, in their order."""
        keys: dict[str, FixedColumn] = {}
        data = self.covered.keys.data
        begin = 0
        for part in self.records:
            end = begin + part.segment_count * KeyId.SIZE
            keys[part.name] = FixedColumn(KeyId.SIZE, data[begin:end])
            begin = end
        return keys

    def replaces(self, other: Run) -> bool:
        """Tell whether this run has all that ``other`` has, so that one is enough.

        Of two that cover the same, the name decides: each would else make room for the other.
        """
        return other.covers < self.covers or (
            other.covers == self.covers and other.name < self.name
        )


@dataclass(frozen=True, slots=True)
class SealedRun:
    """A run ready to be put."""

    name: str
    sealed: Sealed


def encode_run(
    header: RunHeader,
    covered: Covered,
    parts: Sequence[RunPartInfo],
    *,
    tombstones: Sequence[Tombstone],
    untags: Sequence[Untag],
    signer: Signer | None,
    level: int | None = _LEVEL,
) -> SealedRun:
    """Return a run as one object; ``level`` is that of zstd, None stores the payload raw."""
    fields = {field: getattr(header, field) for field in RunHeader.__slots__}
    tables = [
        *covered_tables(covered),
        _part_table(parts),
        tomb_table(tombstones),
        untag_table(untags),
    ]
    sealed = seal(Kind.RUN, fields, encode_tables(tables), level=level, signer=signer)
    hasher = blake3()
    for piece in sealed.parts:
        hasher.update(piece)
    return SealedRun(run_name(header.generation, hasher.digest()), sealed)


def decode_run(name: str, data: bytes) -> Run:
    """Return the run in ``data``. The signature is there as a claim.

    Raises:
        CorruptionError: these are not the bytes that were written under ``name``.
        UnsupportedFormatError: a newer mandala-cas wrote them.
    """
    parsed = parse_run_name(name)
    if parsed is None:
        raise corruption(name, "does not have the name of a run")
    # First of all, so that a flipped bit is never taken for a newer format.
    if blake3(data).digest() != parsed.digest:
        raise corruption(name, "does not have the bytes that its name says")
    envelope = unseal(data, kind=Kind.RUN, name=name, raw_size_max=RUN_RAW_MAX)
    header = _read_header(envelope.header, name)
    if header.generation != parsed.generation:
        raise corruption(name, f"is of generation {header.generation}, not what its name says")
    tables = decode_tables(envelope.payload, RUN_SCHEMA, name=name)
    for table in (TOMBS, UNTAGS):
        check_ranges(tables[table], name=name)
    run = Run(
        name=name,
        size=len(data),
        header=header,
        covered=read_covered(tables, name=name),
        parts=_read_parts(tables[PARTS], name),
        tombstones=read_tombstones(tables[TOMBS]),
        untags=read_untags(tables[UNTAGS]),
        is_known=envelope.header.keys() <= _FIELDS
        and all(
            table.columns.keys() == RUN_SCHEMA.get(key, {}).keys() for key, table in tables.items()
        ),
        signature=envelope.signature,
    )
    _check_counts(run)
    return run


def _part_table(parts: Sequence[RunPartInfo]) -> Table:
    """Return the table of parts."""
    return Table(
        PARTS,
        len(parts),
        {
            "kind": number_column("u1", [part.kind for part in parts]),
            "size": number_column("u8", [part.size for part in parts]),
            "segment_count": number_column("u4", [part.segment_count for part in parts]),
            "call_count": number_column("u4", [part.call_count for part in parts]),
            "value_count": number_column("u4", [part.value_count for part in parts]),
            "tag_count": number_column("u4", [part.tag_count for part in parts]),
            "digest": fixed_column(32, [bytes.fromhex(part.name[-64:]) for part in parts]),
        },
    )


def _read_parts(table: Table, name: str) -> tuple[RunPartInfo, ...]:
    """Return what the run says of its parts."""
    kinds = table.numbers("kind")
    if not bool((kinds <= max(PartKind)).all()):
        raise corruption(name, "has a part of no known kind")
    columns = ("size", "segment_count", "call_count", "value_count", "tag_count")
    counts = zip(*(table.numbers(column).tolist() for column in columns), strict=True)
    names = [run_part_name(digest) for digest in table.fixed("digest").rows()]
    if len(set(names)) != len(names):
        raise corruption(name, "names a part twice")
    parts = tuple(
        RunPartInfo(part_name, PartKind(kind), *row)
        for part_name, kind, row in zip(names, kinds.tolist(), counts, strict=True)
    )
    for part in parts:
        if part.kind is PartKind.INLINE and part.segment_count + part.call_count + part.tag_count:
            raise corruption(name, "has a part of inline payloads with records")
    return parts


def _check_counts(run: Run) -> None:
    """Refuse a run whose header, segments and parts do not say the same."""
    header, covered = run.header, run.covered
    said = (
        header.segment_count,
        header.segment_count,
        header.covered_call_count,
        header.covered_tag_count,
        header.call_count,
        header.tag_count,
    )
    found = (
        len(covered),
        sum(part.segment_count for part in run.records),
        int(np.sum(covered.call_counts, dtype=np.uint64)),
        int(np.sum(covered.tag_counts, dtype=np.uint64)),
        sum(part.call_count for part in run.records),
        sum(part.tag_count for part in run.records),
    )
    if said != found or not found[0]:
        raise corruption(run.name, f"covers and holds {found}, and says {said}")
    if header.call_count > header.covered_call_count or header.tag_count > header.covered_tag_count:
        raise corruption(run.name, "holds more than it covers")


def _read_header(fields: Mapping[str, Any], name: str) -> RunHeader:
    """Return the header, every field of the type that it must have."""
    check_min_reader(fields, READER_VERSION, name=name)
    nonce, library = fields.get("nonce"), fields.get("library")
    numbers = [fields.get(key) for key in ("generation", "created_us", "min_reader", *_COUNTS)]
    if (
        all(type(number) is int for number in numbers)
        and is_time(fields["created_us"])
        and isinstance(nonce, bytes)
        and len(nonce) == NONCE_SIZE
        and isinstance(library, str)
    ):
        return RunHeader(**{field: fields[field] for field in RunHeader.__slots__})
    raise corruption(name, "has a header that is not that of a run")
