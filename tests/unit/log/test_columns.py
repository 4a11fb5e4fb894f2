"""Columns are the rows of their table, whichever way they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log.entry_strategies import call_records, inline_record
from tests.unit.log.sealed_segments import BATCH, decoded

from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.log.columns import DeltaColumn, Numbers, RawColumn, decode_column, encode_column
from mandala_cas.model.entries import CallRecord


@given(st.lists(call_records, min_size=1, max_size=6))
def test_columns_are_the_rows(batch: list[CallRecord]) -> None:
    """What the index reads as columns is what ``call_record`` gives row by row."""
    segment = decoded(list(batch))

    assert segment.calls.fixed("call_id").rows() == [call.call_id for call in batch]
    assert segment.calls.text("op").rows() == [call.op_name for call in batch]
    assert segment.calls.numbers("started_us").tolist() == [call.started_us for call in batch]
    starts = segment.calls.numbers("slot_start").tolist()
    sizes = [len(call.inputs) + len(call.outputs) for call in batch]
    assert np.diff([*starts, segment.slots.row_count]).tolist() == sizes


def test_bytes_columns_are_their_rows() -> None:
    """Also where some are empty."""
    payloads = [b"", b"one", b"", b"three"]
    segment = decoded([inline_record(payload) for payload in payloads])

    inline = segment.values.bytes("inline")

    assert inline.rows() == [inline[row] for row in range(len(inline))] == payloads


def test_asking_a_table_for_what_it_has_not_is_a_mistake() -> None:
    """A column of another type, or none at all."""
    segment = decoded(BATCH)

    for ask in (segment.calls.fixed, segment.calls.bytes, segment.calls.numbers):
        with pytest.raises(UsageError, match="has no"):
            ask("op")
    with pytest.raises(UsageError, match="has no"):
        segment.calls.text("never")


def test_lengths_are_those_of_the_table() -> None:
    """Columns of every type count their rows."""
    segment = decoded(BATCH)

    tables = (segment.calls, segment.slots, segment.values)
    for table in tables:
        for column in table.columns.values():
            assert not isinstance(column, RawColumn)
            assert len(column) == table.row_count


@given(st.lists(st.integers(0, 2**32 - 1)), st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_differences_give_the_numbers_back(small: list[int], large: list[int]) -> None:
    """The largest ones too: sums and differences wrap around."""
    arrays: list[Numbers] = [np.array(small, np.uint32), np.array(large, np.int64)]
    for array, numbers, expected in zip(arrays, (small, large), ("d4", "d8"), strict=True):
        type_name, blocks = encode_column(DeltaColumn(array))
        read = decode_column(type_name, [memoryview(blocks[0])], len(numbers), name="n")

        assert type_name == expected
        assert isinstance(read, DeltaColumn)
        assert read.array.dtype == array.dtype
        assert read.array.tolist() == numbers


def test_differences_are_small_where_numbers_count_upwards() -> None:
    """That is what they are for."""
    _, (block,) = encode_column(DeltaColumn(np.arange(5, 9, dtype=np.uint32)))

    assert np.frombuffer(block, "<u4").tolist() == [5, 1, 1, 1]


@pytest.mark.parametrize(("type_name", "size"), [("d4", 11), ("d4", 13), ("d8", 23), ("d8", 12)])
def test_differences_fill_their_block(type_name: str, size: int) -> None:
    """Three rows, and no byte more or less."""
    with pytest.raises(CorruptionError):
        decode_column(type_name, [memoryview(bytes(size))], 3, name="n")
    with pytest.raises(CorruptionError):
        decode_column(type_name, [memoryview(bytes(24)), memoryview(b"")], 3, name="n")
