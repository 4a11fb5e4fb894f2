"""A row of a kept index that cannot be true is an error, whoever reads that row first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mandala_cas.errors import CorruptionError
from mandala_cas.index.kept import FILE_NAME, KeptIndex
from mandala_cas.index.kept_file import encode_kept
from mandala_cas.index.kept_making import kept_tables
from mandala_cas.index.kept_schema import CALL_DOTS, ORIGINS
from mandala_cas.index.lookup import CallLookup
from mandala_cas.index.replay import build_tables
from mandala_cas.log.columns import BytesColumn, Column, NumberColumn, TextColumn
from mandala_cas.log.rows import CALLS, SLOTS, VALUES
from mandala_cas.log.segment import Segment
from mandala_cas.log.tables import Table
from mandala_cas.model.entries import CallRecord, ValueRecord
from mandala_cas.objectstore.buffers import joined

MakeCall = Callable[..., CallRecord]
Question = Callable[[CallLookup, CallRecord, ValueRecord], object]
Change = Callable[[Column], Column]


@pytest.fixture
def call(make_call: MakeCall) -> CallRecord:
    """Return the call that is on record."""
    return make_call("gen", "seed", ["value"])


@pytest.fixture
def value(make_value: Callable[[str, bytes], ValueRecord]) -> ValueRecord:
    """Return the value that is on record."""
    return make_value("value", b"payload")


@pytest.fixture
def tables(
    call: CallRecord, value: ValueRecord, make_segment: Callable[..., Segment]
) -> dict[str, Table]:
    """Return the tables of an index of the two."""
    return {table.name: table for table in kept_tables([make_segment([call, value])], ["name"])}


@pytest.fixture
def reopen(tmp_path: Path) -> Callable[[dict[str, Table]], KeptIndex | None]:
    """Return a function that writes tables as they are, and opens them."""

    def reopen(tables: dict[str, Table]) -> KeptIndex | None:
        path = tmp_path / FILE_NAME
        path.write_bytes(joined(encode_kept(list(tables.values()))))
        path.chmod(0o600)
        return KeptIndex.open(tmp_path)

    return reopen


def changed(tables: dict[str, Table], table: str, column: str, change: Change) -> dict[str, Table]:
    """Return tables with one column changed."""
    old = tables[table]
    columns = {**old.columns, column: change(old.columns[column])}
    return {**tables, table: replace(old, columns=columns)}


def huge(column: Column) -> Column:
    """Return a column with a huge number in every row."""
    assert isinstance(column, NumberColumn)
    numbers = column.array.copy()
    numbers.view(np.uint8)[:] = 0x7F
    return NumberColumn(numbers)


def wild_codes(column: Column) -> Column:
    """Return a column of text with codes that have no word."""
    assert isinstance(column, TextColumn)
    return TextColumn(np.full_like(column.codes, 2**32 - 1), column.words)


def wild_offsets(column: Column) -> Column:
    """Return a column of bytes whose row begins behind its end."""
    assert isinstance(column, BytesColumn)
    offsets = column.offsets.copy()
    offsets[0] = 2**63
    return BytesColumn(offsets, column.data)


def outputs(lookup: CallLookup, call: CallRecord, _: ValueRecord) -> object:
    """Ask as a hit does."""
    record = lookup.find(call.call_id)
    assert record is not None
    return record.outputs


def op_name(lookup: CallLookup, call: CallRecord, _: ValueRecord) -> object:
    """Ask for text."""
    record = lookup.find(call.call_id)
    assert record is not None
    return record.op_name


def copies(lookup: CallLookup, _: CallRecord, value: ValueRecord) -> object:
    """Ask as a load does."""
    return lookup.copies(value.content_id)


@pytest.mark.parametrize(
    ("table", "column", "change", "question"),
    [
        (CALLS, "slot_start", huge, outputs),
        (SLOTS, "name", wild_codes, outputs),
        (CALLS, "op", wild_codes, op_name),
        (ORIGINS, "source", huge, copies),
    ],
)
def test_a_row_that_cannot_be_true_is_an_error(
    tables: dict[str, Table],
    reopen: Callable[[dict[str, Table]], KeptIndex | None],
    call: CallRecord,
    value: ValueRecord,
    table: str,
    column: str,
    change: Change,
    question: Question,
) -> None:
    """Never a record of something else, nor an error that nobody expects."""
    index = reopen(changed(tables, table, column, change))
    assert index is not None

    with pytest.raises(CorruptionError, match="do not rely on it"):
        question(CallLookup(index), call, value)


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("tier", huge),
        ("codec_name", wild_codes),
        ("codec_header", wild_offsets),
        ("inline", wild_offsets),
    ],
)
def test_a_place_that_cannot_be_told_does_not_hide_the_others(
    tables: dict[str, Table],
    reopen: Callable[[dict[str, Table]], KeptIndex | None],
    value: ValueRecord,
    make_segment: Callable[..., Segment],
    column: str,
    change: Change,
) -> None:
    """A loader asks for all places; one record that is damaged must not cost the value."""
    index = reopen(changed(tables, VALUES, column, change))
    assert index is not None
    lookup = CallLookup(index)
    lookup.add_parts([make_segment([value], writer=9)])

    found = lookup.copies(value.content_id)

    assert [copy.record for copy in found] == [value]


@pytest.mark.parametrize(
    ("table", "column", "change"),
    [
        (CALLS, "slot_start", huge),
        (CALLS, "op", wild_codes),
        (SLOTS, "name", wild_codes),
        (SLOTS, "is_output", huge),
    ],
)
def test_a_table_with_such_a_row_is_an_error(
    tables: dict[str, Table],
    reopen: Callable[[dict[str, Table]], KeptIndex | None],
    table: str,
    column: str,
    change: Change,
) -> None:
    """Code that works on columns does not look at each row."""
    index = reopen(changed(tables, table, column, change))
    assert index is not None

    with pytest.raises(CorruptionError, match="do not rely on it"):
        build_tables(index.parts)


@pytest.mark.parametrize(
    ("table", "column"), [(CALLS, "started_us"), (CALL_DOTS, "seq"), (VALUES, "offset")]
)
def test_a_column_of_other_rows_than_its_table_is_not_used(
    tables: dict[str, Table],
    reopen: Callable[[dict[str, Table]], KeptIndex | None],
    table: str,
    column: str,
) -> None:
    """A row number that is good for one column would be beyond the end of another."""

    def longer(old: Column) -> Column:
        assert isinstance(old, NumberColumn)
        return NumberColumn(np.tile(old.array, 2))

    assert reopen(tables) is not None
    assert reopen(changed(tables, table, column, longer)) is None
