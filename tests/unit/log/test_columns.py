"""Columns are the rows of their table, whichever way they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log.entry_strategies import call_records, inline_record
from tests.unit.log.sealed_segments import BATCH, decoded

from mandala_cas.errors import UsageError
from mandala_cas.log.columns import RawColumn
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
