"""The rows of a kept index as a part of the log: what was hidden when it was made has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import Final

import numpy as np

from mandala_cas.envelope.signatures import Signature
from mandala_cas.index.kept_schema import (
    CALL_DOTS,
    DURATIONS,
    SEGMENTS,
    TAG_DOTS,
)
from mandala_cas.index.mapped import (
    KEPT_NAME,
    MappedTextColumn,
    check_below,
    check_offsets,
    checked_row,
    damaged,
)
from mandala_cas.index.origins import Origins
from mandala_cas.index.stored import StoredCall
from mandala_cas.log.graves import Graves
from mandala_cas.log.part import Dots
from mandala_cas.log.rows import CALLS, SLOTS, TAGS, TOMBS, UNTAGS, VALUES, read_tag, read_value
from mandala_cas.log.tables import Table
from mandala_cas.model.entries import (
    CallRecord,
    TagRecord,
    TagTarget,
    Tier,
    Tombstone,
    TombstoneReason,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import Dot, KeyId, SegmentId, WriterId

BASE_NAME: Final = "base:0"


class KeptRows:
    """The calls and slots of a kept index, read row by row: nothing is checked that is not used."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        """Give the rows of ``tables``."""
        self.name = KEPT_NAME
        self.calls = tables[CALLS]
        self.slots = tables[SLOTS]


class KeptPart:
    """A ``LogPart`` that lies in a file.

    Asking for a whole table checks it, once, as far as a reader's safety needs it; asking for one
    row checks that row.

    Raises:
        CorruptionError: at any question, where the file is damaged.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        """Give the rows of ``tables``, which are those of ``KEPT_SCHEMA``."""
        self._tables = tables
        self.rows = KeptRows(tables)
        self.origins = Origins(tables)
        self.call_count = tables[CALLS].row_count
        self.value_count = tables[VALUES].row_count

    @property
    def name(self) -> str:
        """The name that a view gives the rows of its base."""
        return BASE_NAME

    @cached_property
    def calls(self) -> Table:
        """The calls."""
        calls = self._tables[CALLS]
        _check_texts(calls)
        starts = calls.numbers("slot_start")
        if len(starts) and (int(starts[0]) or bool((starts[1:] < starts[:-1]).any())):
            raise damaged("has calls whose slots are not one behind the other")
        if bool((starts > self._tables[SLOTS].row_count).any()):
            raise damaged("has calls whose slots are not there")
        return calls

    @cached_property
    def slots(self) -> Table:
        """The inputs and outputs of the calls."""
        slots = self._tables[SLOTS]
        _check_texts(slots)
        check_below(slots.numbers("is_output"), 2)
        return slots

    @cached_property
    def values(self) -> Table:
        """Where values are."""
        values = self._tables[VALUES]
        _check_texts(values)
        check_below(values.numbers("tier"), len(Tier))
        for column in ("codec_header", "inline"):
            offsets = values.bytes(column)
            check_offsets(offsets.offsets, len(offsets.data))
        return values

    @cached_property
    def tags(self) -> Table:
        """The tags."""
        tags = self._tables[TAGS]
        _check_texts(tags)
        check_below(tags.numbers("target"), len(TagTarget))
        return tags

    @cached_property
    def tombstones(self) -> tuple[Tombstone, ...]:
        """What hides calls of any other part."""
        reasons = self._tables[TOMBS].numbers("reason")
        check_below(reasons, len(TombstoneReason))
        return tuple(
            Tombstone(*dots, TombstoneReason(reason))
            for dots, reason in zip(_ranges(self._tables[TOMBS]), reasons.tolist(), strict=True)
        )

    @cached_property
    def untags(self) -> tuple[Untag, ...]:
        """What hides tags, here or in any other part."""
        return tuple(Untag(*dots) for dots in _ranges(self._tables[UNTAGS]))

    @cached_property
    def graves(self) -> Graves:
        """What ``tombstones`` hide, as columns."""
        tombs = self._tables[TOMBS]
        return Graves.merged(
            np.asarray(tombs.numbers("writer"), np.uint64),
            *(np.asarray(tombs.numbers(column), np.uint32) for column in ("seq", "first", "last")),
        )

    @property
    def signature(self) -> Signature | None:
        """Nobody vouches for all rows as one; see ``origins``."""
        return None

    @cached_property
    def segment_ids(self) -> frozenset[SegmentId]:
        """The segments whose rows are here."""
        rows = self._tables[SEGMENTS].fixed("segment_id").rows()
        # Their size is that of the column: no need to look at each of 100,000.
        return frozenset(map(partial(bytes.__new__, SegmentId), rows))

    @cached_property
    def durations(self) -> dict[str, tuple[int, int]]:
        """How many calls of each op were computed, and the sum of their microseconds."""
        table = self._tables[DURATIONS]
        sums = zip(table.numbers("count").tolist(), table.numbers("total_us").tolist(), strict=True)
        return dict(zip(table.text("op").rows(), sums, strict=True))

    def call_record(self, row: int) -> CallRecord:
        """Return one row of ``calls`` with its slots."""
        return StoredCall.at(self.rows, checked_row(row, self.call_count))

    def value_record(self, row: int) -> ValueRecord:
        """Return one row of ``values``."""
        try:
            return read_value(self._tables[VALUES], checked_row(row, self.value_count))
        except ValueError as error:
            raise damaged("has a value of no tier") from error

    def value_codec(self, row: int) -> tuple[str, bytes]:
        """Return the codec that wrote the value in one row, and its header."""
        # Not by `values`, which checks all rows.
        values, at = self._tables[VALUES], checked_row(row, self.value_count)
        return values.text("codec_name")[at], values.bytes("codec_header")[at]

    def value_created_us(self, row: int) -> int:
        """Return when the segment that placed a value was written."""
        return self.origins.created_us(row)

    def value_key(self, row: int) -> KeyId | None:
        """Return who signed the segment that placed a value, on the word of its source."""
        return self.origins.source(row)[2]

    def tag_record(self, row: int) -> TagRecord:
        """Return one row of ``tags``."""
        return read_tag(self.tags, checked_row(row, self.tags.row_count))

    def call_dots(self) -> Dots:
        """Return the dots of all rows of ``calls``."""
        return _dots(self._tables[CALL_DOTS])

    def dot(self, row: int) -> Dot:
        """Return what names the record in one row of ``calls``."""
        return _dot(self.call_dots(), checked_row(row, self.call_count))

    def tag_dots(self) -> Dots:
        """Return the dots of all rows of ``tags``."""
        return _dots(self._tables[TAG_DOTS])

    def tag_dot(self, row: int) -> Dot:
        """Return what names the record in one row of ``tags``."""
        return _dot(self.tag_dots(), checked_row(row, self.tags.row_count))

    def rows_named_by(self, tombstone: Tombstone) -> range:
        """Return the rows of ``calls`` that a tombstone hides."""
        return _named(self.call_dots(), tombstone)

    def tag_rows_named_by(self, untag: Untag) -> range:
        """Return the rows of ``tags`` that are hidden."""
        return _named(self.tag_dots(), untag)


def _check_texts(table: Table) -> None:
    """Check the columns of text of a table."""
    for column in table.columns.values():
        if isinstance(column, MappedTextColumn):
            column.check()


def _dots(table: Table) -> Dots:
    """Return dots that lie in a file."""
    return Dots(
        np.asarray(table.numbers("writer"), np.uint64),
        np.asarray(table.numbers("seq"), np.uint32),
        np.asarray(table.numbers("row"), np.uint32),
    )


def _dot(dots: Dots, row: int) -> Dot:
    """Return one dot."""
    writer = WriterId(int(dots.writers[row]).to_bytes(WriterId.SIZE, "big"))
    return Dot(writer, int(dots.seqs[row]), int(dots.rows[row]))


def _named(dots: Dots, entry: Tombstone | Untag) -> range:
    """Return the rows whose dots lie in a range: three searches, each within the one before."""
    begin, end = 0, len(dots.rows)
    writer = np.uint64(int.from_bytes(entry.writer, "big"))
    for column, first, last in (
        (dots.writers, writer, writer),
        (dots.seqs, np.uint32(entry.seq), np.uint32(entry.seq)),
        (dots.rows, np.uint32(entry.first), np.uint32(entry.last)),
    ):
        part = column[begin:end]
        end = begin + int(np.searchsorted(part, last, "right"))
        begin += int(np.searchsorted(part, first, "left"))
    return range(begin, max(begin, end))


def _ranges(table: Table) -> Iterator[tuple[WriterId, int, int, int]]:
    """Yield ranges of dots that lie in a file."""
    columns = [table.numbers(column).tolist() for column in ("writer", "seq", "first", "last")]
    for writer, seq, first, last in zip(*columns, strict=True):
        yield WriterId(writer.to_bytes(WriterId.SIZE, "big")), seq, first, last
