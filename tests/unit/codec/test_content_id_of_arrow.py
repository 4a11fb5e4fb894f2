"""Content ids of Arrow's values: by type and values, wherever they lie in memory."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.arrow_values import ARRAYS

from mandala_cas.codec.canonical import content_id
from mandala_cas.errors import UsageError

values = pytest.mark.parametrize("name", ARRAYS)
DAY = dt.datetime(2024, 1, 1)  # noqa: DTZ001 (Arrow takes naive ones)

NEAR_MISSES: list[Callable[[], Any]] = [
    *ARRAYS.values(),
    lambda: pa.array([1, 2]),
    lambda: pa.array([2, 1]),
    lambda: pa.array([1, None]),
    lambda: pa.array([0, None]),
    lambda: pa.array([0, 0]),
    lambda: pa.array([None, 0]),
    lambda: pa.array([1, 2], pa.int32()),
    lambda: pa.array([0.0]),
    lambda: pa.array([-0.0]),
    lambda: pa.chunked_array([[1, 2]]),
    lambda: pa.table({"a": [1, 2]}),
    lambda: pa.record_batch({"a": [1, 2]}),
    lambda: pa.table({"b": [1, 2]}),
    lambda: pa.table({"a": [1], "b": [2]}),
    lambda: pa.table({"b": [2], "a": [1]}),
    lambda: pa.table([[1], [2]], names=["a", "a"]),
    lambda: pa.table([[1]], schema=pa.schema([pa.field("a", pa.int64())])),
    lambda: pa.table([[1]], schema=pa.schema([pa.field("a", pa.int64(), nullable=False)])),
    lambda: pa.table([[1]], schema=pa.schema([pa.field("a", pa.int64(), metadata={"u": "m"})])),
    lambda: pa.table([[1]], schema=pa.schema([("a", pa.int64())], metadata={"u": "m"})),
    lambda: pa.table({}),
    lambda: pa.table({"a": [1]}).select([]),
    lambda: pa.table({"a": pa.array([], pa.int8())}),
    lambda: pa.array(["ab", "c"]),
    lambda: pa.array(["a", "bc"]),
    lambda: pa.array(["a", None]),
    lambda: pa.array(["a", ""]),
    lambda: pa.array([[1], [2]]),
    lambda: pa.array([[1, 2], []]),
    lambda: pa.array([[1, 2], None]),
    lambda: pa.array([[1, 2], [None]]),
    lambda: pa.array([[1]], pa.list_(pa.field("other", pa.int64()))),
    lambda: pa.array([[1, 2]], pa.list_(pa.int64(), 2)),
    lambda: pa.array([{"a": None}]),
    lambda: pa.array([None], pa.struct([("a", pa.null())])),
    lambda: pa.array([{"a": 1}]),
    lambda: pa.array([{"b": 1}]),
    lambda: pa.array([DAY], pa.timestamp("us")),
    lambda: pa.array([DAY], pa.timestamp("ms")),
    lambda: pa.array([DAY], pa.timestamp("us", "UTC")),
    lambda: pa.array([DAY], pa.timestamp("us", "Europe/Berlin")),
    lambda: pa.array([Decimal("1.5")], pa.decimal128(5, 1)),
    lambda: pa.array([Decimal("1.5")], pa.decimal128(5, 2)),
    lambda: pa.array([Decimal("1.5")], pa.decimal128(6, 1)),
    lambda: dictionary([0, 1], ["a", "b"]),
    lambda: dictionary([1, 0], ["b", "a"]),
    lambda: dictionary([0, 1], ["a", "b", "c"]),
    lambda: dictionary([0, 1], ["a", "b"], ordered=True),
    lambda: pa.array(["a", "b"]),
    lambda: pa.scalar(1),
    lambda: pa.scalar(1, pa.int8()),
    lambda: pa.scalar(None, pa.int8()),
    lambda: pa.array([1]),
    pa.int64,
    lambda: pa.field("a", pa.int64()),
    lambda: pa.schema([("a", pa.int64())]),
    lambda: pd.Series([1, 2]),
    lambda: np.array([1, 2]),
]


def dictionary(indices: list[int], values: list[str], *, ordered: bool = False) -> Any:
    """Return an array of numbered values."""
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int8()), values, ordered=ordered)


def test_different_values_have_different_ids() -> None:
    """Each differs from another in one thing."""
    ids = [content_id(make()) for make in NEAR_MISSES]

    assert [i for i, one in enumerate(ids) if one in ids[:i]] == []


@values
def test_where_a_column_was_cut_does_not_count(name: str) -> None:
    """Chunks and slices are of whoever read the file."""
    array = ARRAYS[name]()
    whole = pa.chunked_array([array])
    cut = pa.chunked_array([array[:1], array[1:1], array[1:]])
    longer = pa.concat_arrays([array[:0], array]) if can_be_joined(array) else array

    assert content_id(cut) == content_id(whole)
    assert content_id(longer) == content_id(ARRAYS[name]()) == content_id(array)
    assert content_id(array[1:]) == content_id(through_a_stream(array[1:]))
    assert content_id(array[1:]) != content_id(array)


def can_be_joined(array: Any) -> bool:
    """Tell whether this pyarrow joins arrays of this type."""
    try:
        pa.concat_arrays([array, array])
    except pa.ArrowException:
        return False
    return True


def through_a_stream(array: Any) -> Any:
    """Return an array that was written and read: it has memory of its own."""
    batch = pa.record_batch([array], names=["a"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_stream(sink.getvalue()).read_next_batch().column(0)


@given(st.lists(st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3), max_size=6))
def test_slices_of_nested_columns_are_what_they_show(rows: list[Any]) -> None:
    """Whatever lies before and behind them."""
    kind = pa.list_(pa.string())
    longer = pa.array([["before"], None, *rows, ["behind", None]], kind)
    part = longer[2:-1]

    assert content_id(part) == content_id(pa.array(rows, kind))


def hidden(kind: Any, whole: Any) -> Any:
    """Return an array whose second value is missing, and is still there in memory."""
    buffers = [pa.py_buffer(b"\x05"), *whole.buffers()[1 : 1 + kind.num_buffers]]
    children = [whole.flatten()] if pa.types.is_list(kind) else []
    return pa.Array.from_buffers(kind, 3, buffers[: kind.num_buffers], children=children)


@pytest.mark.parametrize(
    ("whole", "clean"),
    [
        (pa.array([1, 2, 3]), [1, None, 3]),
        (pa.array([1.5, 2.5, 3.5]), [1.5, None, 3.5]),
        (pa.array([True, True, False]), [True, None, False]),
        (pa.array(["a", "bb", "c"]), ["a", None, "c"]),
        (pa.array([b"a", b"bb", b"c"], pa.large_binary()), [b"a", None, b"c"]),
        (pa.array([[1], [2, 3], []]), [[1], None, []]),
    ],
)
def test_what_stands_where_a_value_is_missing_does_not_count(whole: Any, clean: Any) -> None:
    """It is what was in memory before."""
    found = hidden(whole.type, whole)

    assert found.to_pylist() == clean
    assert content_id(found) == content_id(pa.array(clean, whole.type))
    assert content_id(found) != content_id(whole)


def test_structs_hide_what_they_miss() -> None:
    """A field of a struct that is missing is missing too."""
    field = pa.array([1, 2])
    shown = pa.StructArray.from_arrays([field], ["a"], mask=pa.array([False, True]))

    assert content_id(shown) == content_id(pa.array([{"a": 1}, None]))


def test_nans_are_one() -> None:
    """Their bits are those of whoever divided."""
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000], "u8").view("f8")
    large = np.where(np.arange(200_000) % 7 == 0, odd[0], 1.0)

    assert content_id(pa.array(odd)) == content_id(pa.array([np.nan, np.nan]))
    assert content_id(pa.array(large)) == content_id(
        pa.array(np.where(np.isnan(large), np.nan, large))
    )


def test_a_large_column_in_chunks_is_as_one() -> None:
    """Beyond the size from which only a digest enters the id."""
    numbers = np.arange(50_000)

    chunks = pa.chunked_array([numbers[:11], numbers[11:30_000], numbers[30_000:]])

    assert content_id(chunks) == content_id(pa.chunked_array([numbers]))


def test_dictionaries_of_chunks_become_one() -> None:
    """In the order in which entries come up."""
    chunks = pa.chunked_array([dictionary([0, 1], ["a", "b"]), dictionary([1, 0], ["c", "a"])])
    one = pa.chunked_array([dictionary([0, 1, 0, 2], ["a", "b", "c"])])

    assert content_id(chunks) == content_id(one)


def test_maps_forget_what_lies_around_them() -> None:
    """And what a missing one spans."""
    kind = pa.map_(pa.string(), pa.int64())
    whole = pa.array([[("x", 0)], [("a", 1), ("b", 2)], None, [("c", 3)]], kind)

    assert content_id(whole[1:]) == content_id(pa.array(whole[1:].to_pylist(), kind))

    entries = pa.StructArray.from_arrays(
        [pa.array(["a", "b", "c"]), pa.array([1, 2, 3])],
        fields=[kind.key_field, kind.item_field],
    )
    offsets = pa.py_buffer(np.array([0, 1, 2, 3], np.int32))
    odd = pa.Array.from_buffers(kind, 3, [pa.py_buffer(b"\x05"), offsets], children=[entries])

    assert odd.to_pylist() == [[("a", 1)], None, [("c", 3)]]
    assert content_id(odd) == content_id(pa.array(odd.to_pylist(), kind))


def test_the_versions_of_libraries_are_no_part_of_a_table() -> None:
    """Pandas notes its own, and Arrow's, in each table that it makes."""
    table = pa.Table.from_pandas(pd.DataFrame({"a": [1]}))
    note = json.loads(table.schema.metadata[b"pandas"])
    older = {**note, "pandas_version": "1.0", "creator": {"library": "pyarrow", "version": "1"}}
    other = {**note, "index_columns": ["a"]}

    def noted(note: Any) -> Any:
        return table.replace_schema_metadata({"pandas": json.dumps(note)})

    assert content_id(noted(older)) == content_id(table)
    assert content_id(noted(other)) != content_id(table)
    assert content_id(table.replace_schema_metadata({"pandas": "{"})) != content_id(table)
    assert content_id(table.replace_schema_metadata({})) == content_id(
        table.replace_schema_metadata(None)
    )


def test_what_arrow_cannot_look_into_is_refused_with_its_path() -> None:
    """No foreign error reaches a caller."""
    lists = pa.array([[1], [2]])
    codes = pa.array([0, 1], pa.int8())
    one, two = (pa.DictionaryArray.from_arrays(codes, part) for part in (lists, lists[::-1]))
    odd = pa.chunked_array([one, two])

    with pytest.raises(UsageError, match=r'\["a"\].*Arrow cannot look into it'):
        content_id({"a": odd})


def test_a_run_end_encoded_column_is_its_values() -> None:
    """Runs may be cut anywhere."""
    ends = pa.array([1, 2, 3], pa.int32())
    cut = pa.RunEndEncodedArray.from_arrays(ends, pa.array([1, 1, 2]))

    assert content_id(cut) == content_id(pc.run_end_encode(pa.array([1, 1, 2])))
    assert content_id(pc.run_end_encode(pa.array([1, None]))) != content_id(
        pc.run_end_encode(pa.array([1, 0]))
    )
