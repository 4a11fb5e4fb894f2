"""Parts of runs that somebody crafted: typed errors, and nothing that reaches out of its bounds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log.entry_strategies import call_record, inline_record
from tests.unit.log.sample_runs import made_of, nonce, read_back, segment_of

from mandala_cas.envelope.seal import Kind, seal, unseal
from mandala_cas.errors import CorruptionError, NotFoundError, UnsupportedFormatError
from mandala_cas.log.checks import PACKED_SIZE_MAX, SEQ_MAX, SIZE_MAX, TIME_MAX_US, TIME_MIN_US
from mandala_cas.log.columns import (
    Column,
    FixedColumn,
    NumberColumn,
    RawColumn,
    bytes_column,
    text_column,
)
from mandala_cas.log.run_part import (
    PART_RAW_MAX,
    RunPart,
    SealedPart,
    decode_inline_part,
    decode_run_part,
    encode_inline_part,
    encode_run_part,
)
from mandala_cas.log.tables import Table, encode_tables
from mandala_cas.model.entries import Entry, TagRecord, TagTarget, Tier, Tombstone, Untag
from mandala_cas.model.ids import ContentId, PayloadHash, WriterId
from mandala_cas.objectstore.layout import blob_name, pack_name, run_part_name

ZERO = PayloadHash(bytes(32))


def entries_of(number: int) -> list[Entry]:
    """Return entries of every kind that has rows in a part."""
    content = ContentId(bytes([number]) * 32)
    inline = replace(inline_record(b"payload"), content_id=content)
    packed = replace(
        inline, tier=Tier.PACK, location=pack_name(ZERO), offset=64, stored_size=9, inline=b""
    )
    loose = replace(packed, tier=Tier.LOOSE, location=blob_name(ZERO), offset=0)
    return [
        inline,
        packed,
        loose,
        call_record(number),
        call_record(number),
        TagRecord("a", TagTarget.REF, bytes(16), content, 5),
        TagRecord("b", TagTarget.CALL, bytes(16), ContentId(bytes(32)), 6),
    ]


LATER = Table("marks", 1, {"mark": RawColumn("later", (b"abc",))})
MADE = made_of(
    [
        segment_of(entries_of(1), writer=1, other=[LATER]),
        segment_of(entries_of(2), writer=2),
    ]
)
OBJECTS = {name: sealed.to_bytes() for name, sealed in MADE.parts.items()}
(PART,) = read_back(MADE).parts.values()
assert PART.payloads.name is not None
INLINE_PART = OBJECTS[PART.payloads.name]


def fetch(name: str) -> bytes:
    """Return an object that was made, or say that there is none."""
    if name not in OBJECTS:
        raise NotFoundError(f"no {name}", name=name)
    return OBJECTS[name]


def resealed(payload: bytes, **changes: Any) -> tuple[str, bytes]:
    """Return a part with any payload and header, whose hashes all fit."""
    envelope = unseal(OBJECTS[PART.name], kind=Kind.RUN_PART, name="n", raw_size_max=PART_RAW_MAX)
    fields = {**envelope.header, **changes}
    data = seal(
        Kind.RUN_PART, {k: v for k, v in fields.items() if v is not None}, [payload], level=None
    ).to_bytes()
    return run_part_name(blake3(data).digest()), data


PAYLOAD = b"".join(bytes(piece) for piece in encode_tables(list(PART.tables.values())))


def read_everything(name: str, data: bytes) -> None:
    """Use a part in every way, as far as it goes; only typed errors may come out."""
    try:
        part = decode_run_part(name, data, fetch)
    except (CorruptionError, UnsupportedFormatError):
        return
    for row in range(part.calls.row_count):
        part.call_record(row)
        part.dot(row)
    for row in range(part.tags.row_count):
        part.tag_record(row)
        part.tag_dot(row)
    part.slots.fixed("history_id")
    part.rows_named_by(Tombstone(WriterId(bytes(8)), 0, 0, 2**32 - 1))
    part.tag_rows_named_by(Untag(WriterId(bytes(8)), 0, 0, 2**32 - 1))
    part.without(set(part.ordered_segment_ids[:1])).call_dots()
    try:
        for row in range(part.values.row_count):
            part.value_record(row)
            part.value_created_us(row)
        for column in part.values.columns:
            assert part.values.columns[column] is not None
    except (CorruptionError, NotFoundError):
        pass


def test_the_sample_has_rows_in_every_table() -> None:
    """Else the tests below would prove less than they say."""
    assert all(table.row_count for table in PART.tables.values())
    read_everything(*resealed(PAYLOAD))
    assert decode_run_part(*resealed(PAYLOAD), fetch).call_record(1) == PART.call_record(1)


@given(st.lists(st.integers(0, len(PAYLOAD) * 8 - 1), min_size=1, max_size=4))
def test_flipped_bits_behind_hashes_that_fit_give_typed_errors(bits: list[int]) -> None:
    """Whoever names a part can put anything into it."""
    payload = bytearray(PAYLOAD)
    for bit in bits:
        payload[bit // 8] ^= 1 << bit % 8

    read_everything(*resealed(bytes(payload)))


@given(
    st.integers(0, 7 + int.from_bytes(PAYLOAD[:4], "little")),
    st.sampled_from([0x00, 0x7F, 0x80, 0x90, 0xC0, 0xCF, 0xDD, 0xFF]),
)
def test_a_directory_with_an_extreme_byte_gives_typed_errors(position: int, byte: int) -> None:
    """Counts, sizes, types and names."""
    payload = bytearray(PAYLOAD)
    payload[position] = byte

    read_everything(*resealed(bytes(payload)))


@given(st.data())
def test_cut_short_or_flipped_it_is_corrupt(draw: st.DataObject) -> None:
    """In every byte of the object, head and trailer too; and never "newer"."""
    name = draw.draw(st.sampled_from(sorted(OBJECTS)))
    data = bytearray(OBJECTS[name])
    size = draw.draw(st.integers(0, len(data)))
    if size == len(data):
        data[draw.draw(st.integers(0, size - 1))] ^= 1 << draw.draw(st.integers(0, 7))

    with pytest.raises(CorruptionError):
        decode_run_part(name, bytes(data[:size]), fetch)
    with pytest.raises(CorruptionError):
        decode_inline_part(name, bytes(data[:size]))


def with_column(table: str, column: str, changed: Column) -> SealedPart:
    """Return the sample with one column exchanged."""
    old = PART.tables[table]
    tables = {**PART.tables, table: replace(old, columns={**old.columns, column: changed})}
    inline = SealedPart("", bytes.fromhex(str(PART.payloads.name)[-64:]), MADE.run.sealed)
    return encode_run_part(tables, inline, PART.payloads.count, nonce=nonce(16))


def with_numbers(table: str, column: str, rows: Sequence[int]) -> SealedPart:
    """Return the sample with other numbers in one column."""
    old = PART.tables[table].columns[column]
    assert isinstance(old, NumberColumn)
    return with_column(table, column, type(old)(np.array(rows, old.array.dtype)))


def decoded(part: SealedPart) -> RunPart:
    """Return a part as a reader sees it."""
    return decode_run_part(part.name, part.sealed.to_bytes(), fetch)


HUGE = 2**32 - 1


@pytest.mark.parametrize(
    ("table", "column", "rows"),
    [
        ("calls", "segment", [0, 0, 1, 2]),
        ("calls", "segment", [0, 0, 1, HUGE]),
        ("calls", "segment", [1, 1, 0, 0]),
        ("calls", "row", [0, 0, 0, 1]),
        ("calls", "row", [1, 0, 0, 1]),
        ("calls", "slot_start", [0, 2, 4, 9]),
        ("calls", "slot_start", [1, 2, 4, 6]),
        ("calls", "slot_start", [0, 4, 2, 6]),
        ("calls", "slot_start", [0, 2, 4, HUGE]),
        ("calls", "started_us", [0, 0, 0, TIME_MAX_US + 1]),
        ("calls", "started_us", [TIME_MIN_US - 1, 0, 0, 0]),
        ("calls", "duration_us", [0, 0, 0, -1]),
        ("slots", "content", [0, 0, 0, 0, 0, 0, 0, 3]),
        ("slots", "content", [0, 0, 0, 0, 0, 0, 0, HUGE]),
        ("slots", "is_output", [0, 1, 0, 1, 0, 1, 0, 2]),
        ("slots", "is_output", [1, 0, 0, 1, 0, 1, 0, 1]),
        ("slots", "history", [2, 2, 2, 2, 2, 2, 2, 4]),
        ("slots", "history", [2, 2, 2, 2, 2, 2, 2, HUGE]),
        ("slots", "history", [1, 2, 2, 2, 2, 2, 2, 2]),
        ("values", "segment", [0, 0, 0, 0, 0, 2]),
        ("values", "content", [0, 0, 0, 0, 0, 3]),
        ("values", "is_own", [0, 0, 0, 0, 0, 2]),
        ("values", "tier", [0, 1, 2, 0, 1, 3]),
        ("values", "tier", [1, 1, 2, 0, 1, 2]),
        ("values", "tier", [0, 0, 2, 0, 1, 2]),
        ("values", "codec", [0, 0, 0, 0, 0, 1]),
        ("values", "codec", [0, 0, 0, 0, 0, HUGE]),
        ("values", "hash", [1, 1, 1, 1, 1, 2]),
        ("values", "hash", [1, 1, 1, 1, 1, HUGE]),
        ("values", "hash", [1, 0, 1, 1, 1, 1]),
        ("values", "hash", [1, 1, 0, 1, 1, 1]),
        ("values", "inline", [0, 0, 0, 1, 0, 0]),
        ("values", "inline", [1, 1, 0, 1, 0, 0]),
        ("values", "inline", [2, 0, 0, 1, 0, 0]),
        ("values", "inline", [HUGE, 0, 0, 1, 0, 0]),
        ("values", "offset", [1, 64, 0, 0, 64, 0]),
        ("values", "offset", [0, 64, 1, 0, 64, 0]),
        ("values", "offset", [0, SIZE_MAX + 1, 0, 0, 64, 0]),
        ("values", "stored_size", [1, 9, 9, 0, 9, 9]),
        ("values", "stored_size", [0, PACKED_SIZE_MAX + 1, 9, 0, 9, 9]),
        ("values", "stored_size", [0, 9, SIZE_MAX + 1, 0, 9, 9]),
        ("values", "raw_size", [7, SIZE_MAX + 1, 7, 7, 7, 7]),
        ("tags", "segment", [0, 0, 1, 2]),
        ("tags", "segment", [1, 0, 1, 1]),
        ("tags", "row", [0, 0, 0, 1]),
        ("tags", "row", [1, 0, 0, 1]),
        ("tags", "target", [0, 1, 0, 2]),
        ("tags", "content", [0, 0, 0, 3]),
        ("tags", "created_us", [0, 0, 0, TIME_MAX_US + 1]),
        ("segments", "seq", [0, SEQ_MAX + 1]),
        ("segments", "created_us", [0, TIME_MAX_US + 1]),
        ("others", "segment", [2]),
    ],
)
def test_numbers_that_break_a_rule_are_corrupt(table: str, column: str, rows: list[int]) -> None:
    """Codes beyond their table, rows out of order, dots twice, sizes and times that cannot be."""
    old = PART.tables[table].numbers(column).tolist()
    assert len(rows) == len(old)
    assert decoded(with_numbers(table, column, old)).tables[table].row_count == len(old)

    with pytest.raises(CorruptionError):
        decoded(with_numbers(table, column, rows))


@pytest.mark.parametrize(
    ("table", "column", "changed"),
    [
        ("segments", "writer", FixedColumn(8, bytes(16))),
        ("segments", "writer", FixedColumn(8, b"\2" * 8 + b"\1" * 8)),
        ("segments", "writer", FixedColumn(8, bytes(8))),
        ("segments", "digest", FixedColumn(16, bytes(32))),
        ("contents", "content_id", FixedColumn(32, bytes(64))),
        ("histories", "history_id", FixedColumn(16, bytes(17))),
        ("hashes", "payload_hash", FixedColumn(32, b"")),
        ("calls", "call_id", FixedColumn(16, bytes(63))),
        ("calls", "segment", RawColumn("d4", (bytes(15),))),
        ("calls", "segment", RawColumn("d4", (bytes(16), b""))),
        ("calls", "segment", RawColumn("d8", (bytes(32),))),
        ("calls", "started_us", RawColumn("d8", (bytes(33),))),
        ("calls", "started_us", RawColumn("i8", (bytes(32),))),
        ("tags", "name", text_column(["a", "b", "a", ""])),
        ("tags", "name", text_column(["a", "b", "a", "x" * 201])),
        ("codecs", "header", bytes_column([b"", b""])),
        ("values", "location", text_column(["", "../x", "", "", pack_name(ZERO), ""])),
        ("values", "location", text_column(["", "", "", "", pack_name(ZERO), ""])),
        ("values", "location", text_column([blob_name(ZERO), pack_name(ZERO), *[""] * 4])),
        ("others", "data", RawColumn("bytes", (b"\xff\xff\xff\xff", b"abc"))),
    ],
)
def test_columns_that_break_a_rule_are_corrupt(table: str, column: str, changed: Column) -> None:
    """Wrong sizes and types, segments out of order, names that are none, places outside."""
    with pytest.raises(CorruptionError):
        decoded(with_column(table, column, changed))


def test_a_part_without_segments_is_corrupt() -> None:
    """Its rows would be nobody's."""
    payload = b"".join(bytes(piece) for piece in encode_tables([]))

    with pytest.raises(CorruptionError, match="segments"):
        decode_run_part(*resealed(payload), fetch)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": 1},
        {"kind": "0"},
        {"kind": None},
        {"nonce": b"x"},
        {"nonce": None},
        {"min_reader": None},
        {"inline": None},
        {"inline": b"x"},
        {"inline": b""},
        {"inline_count": 0},
        {"inline_count": -1},
        {"inline_count": True},
        {"inline_count": 2**32},
        {"inline_count": None},
    ],
)
def test_a_header_that_is_not_a_parts_is_corrupt(changes: dict[str, Any]) -> None:
    """Each field is checked before it is used."""
    with pytest.raises(CorruptionError):
        decode_run_part(*resealed(PAYLOAD, **changes), fetch)


def test_a_part_of_a_newer_version_asks_for_an_upgrade() -> None:
    """Without it results would be missing."""
    with pytest.raises(UnsupportedFormatError, match="upgrade it"):
        decode_run_part(*resealed(PAYLOAD, min_reader=2), fetch)


def test_a_name_that_is_not_the_parts_is_refused() -> None:
    """A run vouches for a part by its name."""
    with pytest.raises(CorruptionError):
        decode_run_part(run_part_name(bytes(32)), OBJECTS[PART.name], fetch)
    with pytest.raises(CorruptionError):
        decode_run_part("run-parts/x", OBJECTS[PART.name], fetch)


@pytest.mark.parametrize(
    "changes", [{"new": 5}, {"table": True}, {"column": True}], ids=["header", "table", "column"]
)
def test_what_is_not_known_is_seen(changes: dict[str, Any]) -> None:
    """Whoever merges such a part would drop it, so it is left alone."""
    tables = dict(PART.tables)
    extra = RawColumn("later", (b"abc",))
    if changes.get("table"):
        tables["new"] = Table("new", 1, {"x": extra})
    if changes.get("column"):
        calls = tables["calls"]
        tables["calls"] = replace(calls, columns={**calls.columns, "x": extra})
    payload = b"".join(bytes(piece) for piece in encode_tables(list(tables.values())))
    fields = {key: value for key, value in changes.items() if key == "new"}

    part = decode_run_part(*resealed(payload, **fields), fetch)

    assert not part.is_known
    assert part.call_record(0) == PART.call_record(0)


def test_huge_counts_allocate_little() -> None:
    """A claim of four billion rows must not be believed before the bytes are there."""
    objects = []
    for table, column, type_name in [
        ("calls", "segment", "d4"),
        ("calls", "started_us", "d8"),
        ("contents", "content_id", "fixed32"),
        ("others", "data", "bytes"),
    ]:
        blocks = {"bytes": [0, 0]}.get(type_name, [0])
        packed = msgpack.packb([[table, HUGE, [[column, type_name, blocks]]]])
        head = len(packed).to_bytes(4, "little") + bytes(4) + packed
        objects.append(resealed(head + bytes(-len(head) % 8)))
    tracemalloc.start()

    for name, data in objects:
        with pytest.raises(CorruptionError):
            decode_run_part(name, data, fetch)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


# Inline payloads.


def with_inline(data: bytes) -> RunPart:
    """Return the sample with other bytes where its payloads should be."""
    return decode_run_part(PART.name, OBJECTS[PART.name], lambda _name: data)


@pytest.mark.parametrize("payloads", [[], [b"payload", b"x"], [b"payloads"], [b""]])
def test_payloads_are_as_many_and_as_large_as_on_record(payloads: list[bytes]) -> None:
    """An object of another content under the name is found out by its hash; this is the next."""
    other = encode_inline_part(bytes_column(payloads), nonce=nonce(16))
    inline = SealedPart(other.name, other.digest, other.sealed)
    part = encode_run_part(PART.tables, inline, PART.payloads.count, nonce=nonce(16))
    read = decode_run_part(
        part.name, part.sealed.to_bytes(), {other.name: other.sealed.to_bytes()}.__getitem__
    )

    with pytest.raises(CorruptionError):
        read.value_record(0)
    with pytest.raises(CorruptionError):
        read.values.bytes("inline")
    assert read.value_record(1).tier is Tier.PACK


def test_damaged_payloads_hurt_only_themselves() -> None:
    """Calls, and values elsewhere, are read from the other object."""
    part = with_inline(INLINE_PART[:-1])

    with pytest.raises(CorruptionError):
        part.value_record(0)
    assert part.call_record(0) == PART.call_record(0)
    assert part.value_record(1) == PART.value_record(1)


def test_records_are_no_payloads_and_payloads_no_records() -> None:
    """Each says what it is."""
    assert PART.payloads.name is not None
    with pytest.raises(CorruptionError):
        decode_inline_part(PART.name, OBJECTS[PART.name])
    with pytest.raises(CorruptionError):
        decode_run_part(PART.payloads.name, INLINE_PART, fetch)


def test_payloads_are_fetched_once_and_only_when_asked_for() -> None:
    """Opening reads records; a million small results stay where they are."""
    asked: list[str] = []

    def counted(name: str) -> bytes:
        asked.append(name)
        return OBJECTS[name]

    part = decode_run_part(PART.name, OBJECTS[PART.name], counted)
    part.call_record(0)
    part.value_record(1)
    assert part.values.fixed("content_id").rows()
    before = list(asked)

    assert part.value_record(0).inline == b"payload"
    assert part.values.bytes("inline")[3] == b"payload"

    assert before == []
    assert asked == [PART.payloads.name]
