"""Segments: every entry comes back, and no byte that nobody wrote does."""

from __future__ import annotations

import struct
import tracemalloc
from dataclasses import replace

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.log.entry_strategies import (
    WRITER,
    call_record,
    entries,
    header_of,
    inline_record,
    sealed,
)
from tests.unit.log.sealed_segments import BATCH, PAYLOAD, decoded, resealed

from mandala_cas.envelope.signatures import SigningKey, key_id_of
from mandala_cas.errors import CorruptionError, UnsupportedFormatError, UsageError
from mandala_cas.log.checks import PACKED_SIZE_MAX, SIZE_MAX
from mandala_cas.log.columns import NumberColumn, RawColumn, fixed_column, number_column
from mandala_cas.log.rows import build_tables
from mandala_cas.log.segment import (
    Segment,
    decode_segment,
    encode_segment,
    seal_tables,
)
from mandala_cas.log.tables import Table
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    TagRecord,
    Tier,
    Tombstone,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import Dot, WriterId
from mandala_cas.objectstore.layout import pack_name, segment_name


@given(st.lists(entries, max_size=8), st.sampled_from([None, 3]))
def test_decode_inverts_encode(batch: list[Entry], level: int | None) -> None:
    """Every entry, of every kind, in its order."""
    segment = decoded(batch, level=level)

    calls = [segment.call_record(row) for row in range(segment.calls.row_count)]
    values = [segment.value_record(row) for row in range(segment.values.row_count)]
    tags = [segment.tag_record(row) for row in range(segment.tags.row_count)]
    assert calls == [entry for entry in batch if isinstance(entry, CallRecord)]
    assert values == [entry for entry in batch if isinstance(entry, ValueRecord)]
    assert tags == [entry for entry in batch if isinstance(entry, TagRecord)]
    assert list(segment.tombstones) == [e for e in batch if isinstance(e, Tombstone)]
    assert list(segment.untags) == [e for e in batch if isinstance(e, Untag)]
    assert segment.header == header_of(batch)
    assert (segment.other, segment.signature) == ((), None)


def test_a_call_is_named_by_its_row() -> None:
    """Values between the calls do not count."""
    segment = decoded(BATCH)

    assert [segment.dot(0), segment.dot(1)] == [Dot(WRITER, 0, 0), Dot(WRITER, 0, 1)]
    assert segment.call_record(1).op_name == "eval"


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_that_is_not_there_is_the_callers_mistake(row: int) -> None:
    """A negative row must not name one from the end."""
    segment = decoded(BATCH)

    for read in (segment.call_record, segment.dot, segment.value_record):
        with pytest.raises(UsageError, match="was asked for"):
            read(row)


def test_a_signer_is_verified_when_asked() -> None:
    """Who wrote it, for those who decide whether to trust."""
    key = SigningKey(bytes(range(32)))
    segment = encode_segment(BATCH, header_of(BATCH), key)

    signature = decode_segment(segment.name, segment.sealed.to_bytes()).signature

    assert signature is not None
    assert signature.verified_key() == key_id_of(key.public_key)


@given(st.data())
def test_cut_short_or_flipped_it_is_corrupt(draw: st.DataObject) -> None:
    """And never "newer": an upgrade would not help."""
    segment = sealed(BATCH)
    data = bytearray(segment.sealed.to_bytes())
    size = draw.draw(st.integers(0, len(data)))
    if size == len(data):
        data[draw.draw(st.integers(0, size - 1))] ^= 1 << draw.draw(st.integers(0, 7))

    with pytest.raises(CorruptionError):
        decode_segment(segment.name, bytes(data[:size]))


@pytest.mark.parametrize("position", range(8, 12))
def test_damage_is_never_taken_for_a_newer_format(position: int) -> None:
    """A flipped version byte must cost one segment, and not the whole store."""
    segment = sealed(BATCH)
    data = bytearray(segment.sealed.to_bytes())
    data[position] ^= 0x40

    with pytest.raises(CorruptionError):
        decode_segment(segment.name, bytes(data))


def test_another_name_is_refused() -> None:
    """One object, one name: else its records would be there twice."""
    segment = sealed(BATCH)
    data = segment.sealed.to_bytes()
    digest = segment.digest
    others = [
        "manifest/1-log/stray",
        segment_name(1_700_000_000_001, WRITER, 0, digest),
        segment_name(1_700_000_000_000, WriterId(bytes(8)), 0, digest),
        segment_name(1_700_000_000_000, WRITER, 1, digest),
        segment_name(1_700_000_000_000, WRITER, 0, bytes(32)),
    ]

    for name in others:
        with pytest.raises(CorruptionError):
            decode_segment(name, data)


def read_everything(name: str, data: bytes) -> None:
    """Read an object as far as it goes; only typed errors may come out."""
    try:
        segment = decode_segment(name, data)
    except (CorruptionError, UnsupportedFormatError):
        return
    # What passed every check can be used in every way.
    for row in range(segment.calls.row_count):
        call = segment.call_record(row)
        assert len(call.inputs) + len(call.outputs) <= segment.slots.row_count
    for row in range(segment.values.row_count):
        segment.value_record(row)
    build_tables([segment.call_record(row) for row in range(segment.calls.row_count)])


@given(st.lists(st.integers(0, len(PAYLOAD) * 8 - 1), min_size=1, max_size=4))
def test_flipped_bits_behind_hashes_that_fit_give_typed_errors(bits: list[int]) -> None:
    """A hostile writer signs what it likes."""
    payload = bytearray(PAYLOAD)
    for bit in bits:
        payload[bit // 8] ^= 1 << bit % 8

    read_everything(*resealed(bytes(payload)))


@given(
    st.integers(0, 7 + int.from_bytes(PAYLOAD[:4], "little")),
    st.sampled_from([0x00, 0x7F, 0x80, 0x90, 0xC0, 0xCF, 0xDD, 0xFF]),
)
def test_a_directory_with_an_extreme_byte_gives_typed_errors(position: int, byte: int) -> None:
    """Counts, sizes, types and names: most of a payload is not directory, so aim at it."""
    payload = bytearray(PAYLOAD)
    payload[position] = byte

    read_everything(*resealed(bytes(payload)))


@given(st.integers(0, len(PAYLOAD)), st.binary(max_size=16))
@example(len(PAYLOAD) - 1, b"")
@example(len(PAYLOAD), bytes(8))
def test_a_payload_cut_short_or_longer_is_corrupt(size: int, more: bytes) -> None:
    """The directory speaks of every byte."""
    if size == len(PAYLOAD) and not more:
        return
    name, data = resealed(PAYLOAD[:size] + more)

    if PAYLOAD[:size] + more != PAYLOAD:
        with pytest.raises(CorruptionError):
            decode_segment(name, data)


def with_directory(directory: object, blocks: bytes = b"") -> tuple[str, bytes]:
    """Return an object with a directory of any shape."""
    packed = msgpack.packb(directory)
    head = struct.pack("<II", len(packed), 0) + packed
    payload = head + bytes(-len(head) % 8) + blocks
    return resealed(payload, lambda fields: fields.update(call_count=0, tombstone_count=0))


HUGE = 2**32 - 1


@pytest.mark.parametrize(
    "directory",
    [
        {},
        5,
        [5],
        [["calls", 1]],
        [[1, 1, []]],
        [["calls", "1", []]],
        [["calls", -1, []]],
        [["calls", 0, []]],
        [["calls", 2**32, []]],
        [["calls", 1, []]],
        [["calls", HUGE, [["call_id", "fixed16", [HUGE * 16]]]]],
        [["new", 1, [["a", "u1", [2**63]]]]],
        [["new", 1, [["a", "u1", [-1]]]]],
        [["new", 1, [["a", "u1", ["1"]]]]],
        [["new", 1, [["a", 1, []]]]],
        [["new", 1, [["a", "u1", 5]]]],
        [["new", 1, [["a", "u1", []], ["a", "u1", []]]]],
        [["new", 1, []], ["new", 1, []]],
        [["tombs", 1, [["writer", "fixed16", [0]]]]],
        [["tombs", 1, [["writer", "fixed8", [0, 0]]]]],
        [["tombs", 1, [["writer", "fixed8", [0]]]]],
        [["tombs", 1, [["writer", "fixed8", []]]]],
    ],
)
def test_a_directory_that_nobody_wrote_is_corrupt(directory: object) -> None:
    """Shapes, types and counts, each checked before it is used."""
    with pytest.raises(CorruptionError):
        decode_segment(*with_directory(directory))


GOOD_DIRECTORY = [["new", 7, [["a", "later", [3, 0]], ["b", "later", []]]], ["newer", 1, []]]


def test_a_directory_made_by_hand_can_be_read() -> None:
    """The test above would prove nothing if it could not."""
    segment = decode_segment(*with_directory(GOOD_DIRECTORY, b"abc\0\0\0\0\0"))

    assert [(table.name, table.row_count) for table in segment.other] == [("new", 7), ("newer", 1)]
    assert segment.other[0].columns["a"] == RawColumn("later", (b"abc", b""))


@pytest.mark.parametrize(
    "blocks", [b"abc", b"abc\0\0\0\0\1", b"abc\1\0\0\0\0", b"abc" + bytes(13), b"ab", b""]
)
def test_blocks_end_where_the_directory_says(blocks: bytes) -> None:
    """No byte is without meaning: two objects of one content would have two names."""
    with pytest.raises(CorruptionError):
        decode_segment(*with_directory(GOOD_DIRECTORY, blocks))


def test_a_negative_size_is_refused() -> None:
    """Two columns would lie in the same bytes."""
    directory = [["new", 7, [["a", "later", [8, -8, 8]]]]]

    with pytest.raises(CorruptionError, match="claims a block of -8"):
        decode_segment(*with_directory(directory, bytes(8)))


def test_huge_counts_allocate_little() -> None:
    """A claim of four billion rows must not be believed before the bytes are there."""
    objects = [
        with_directory([["calls", HUGE, [["call_id", "fixed16", [0]]]]]),
        with_directory([["slots", HUGE, [["is_output", "u1", [0]]]]]),
        with_directory([["slots", HUGE, [["name", "text", [0, 0, 0]]]]]),
        with_directory([["values", HUGE, [["inline", "bytes", [0, 0]]]]]),
    ]
    tracemalloc.start()

    for name, data in objects:
        with pytest.raises(CorruptionError):
            decode_segment(name, data)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("prefix", [b"", b"\x00\x00\x00", b"\xff\xff\xff\xff\0\0\0\0", bytes(9)])
def test_a_payload_without_a_directory_is_corrupt(prefix: bytes) -> None:
    """Also the empty one."""
    with pytest.raises(CorruptionError):
        decode_segment(*resealed(prefix))


def with_column(table_index: int, column: str, changed: object) -> tuple[str, bytes]:
    """Return ``BATCH`` with one column exchanged."""
    tables = list(build_tables(BATCH).values())
    table = tables[table_index]
    assert isinstance(changed, NumberColumn | RawColumn)
    tables[table_index] = Table(table.name, table.row_count, {**table.columns, column: changed})
    segment = seal_tables(tables, header_of(BATCH), None)
    return segment.name, segment.sealed.to_bytes()


@pytest.mark.parametrize(
    ("table_index", "column", "type_name", "rows"),
    [
        (0, "slot_start", "u4", [1, 2]),
        (0, "slot_start", "u4", [0, 5]),
        (0, "slot_start", "u4", [0, 2**32 - 1]),
        (0, "slot_start", "u4", [2, 0]),
        (0, "started_us", "i8", [0, 2**63 - 1]),
        (0, "started_us", "i8", [0, -(2**63)]),
        (0, "duration_us", "i8", [-1, 0]),
        (0, "duration_us", "u4", [0, 0]),
        (1, "is_output", "u1", [0, 1, 0, 2]),
        (1, "is_output", "u1", [1, 0, 0, 1]),
        (2, "tier", "u1", [1]),
        (2, "tier", "u1", [3]),
        (2, "offset", "u8", [1]),
        (2, "stored_size", "u8", [1]),
        (2, "raw_size", "u8", [2]),
        (2, "raw_size", "u8", [2**64 - 1]),
        (3, "seq", "u4", [2**24]),
        (3, "first", "u4", [3]),
        (3, "reason", "u1", [2]),
        (4, "target", "u1", [2]),
        (4, "created_us", "i8", [2**63 - 1]),
        (4, "created_us", "i8", [-(2**63)]),
        (4, "created_us", "u4", [0]),
        (5, "seq", "u4", [2**24]),
        (5, "first", "u4", [3]),
        (5, "last", "u4", [0]),
    ],
)
def test_numbers_that_break_a_rule_are_corrupt(
    table_index: int, column: str, type_name: str, rows: list[int]
) -> None:
    """Columns of the right size can still say what cannot be."""
    with pytest.raises(CorruptionError):
        decode_segment(*with_column(table_index, column, number_column(type_name, rows)))


@pytest.mark.parametrize("starts", [[0, 4, 2], [0, 2, 7], [1, 2, 4], [0, 3, 4]])
def test_calls_that_share_slots_are_corrupt(starts: list[int]) -> None:
    """Every slot is one call's, and calls follow one another."""
    batch: list[Entry] = [call_record(number) for number in range(3)]

    def with_starts(rows: list[int]) -> Segment:
        calls, *others = build_tables(batch).values()
        columns = {**calls.columns, "slot_start": number_column("u4", rows)}
        tables = [Table(calls.name, calls.row_count, columns), *others]
        segment = seal_tables(tables, header_of(batch), None)
        return decode_segment(segment.name, segment.sealed.to_bytes())

    assert with_starts([0, 2, 4]).call_record(2) == batch[2]
    with pytest.raises(CorruptionError):
        with_starts(starts)


@pytest.mark.parametrize(
    ("prefix", "behind"), [((1, 0), b"\0"), ((0, 1), b""), ((0, 1 << 24), b"")]
)
def test_a_directory_fills_its_place(prefix: tuple[int, int], behind: bytes) -> None:
    """Nothing hides between it and the blocks."""
    packed = msgpack.packb([])
    more, reserved = prefix
    payload = struct.pack("<II", len(packed) + more, reserved) + packed + behind
    payload += bytes(-len(payload) % 8)

    with pytest.raises(CorruptionError, match="were announced"):
        decode_segment(*resealed(payload))


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_tag_without_a_name_is_corrupt(name: str) -> None:
    """Nor may one be so long that it fills a screen."""
    blocks = (bytes(4), struct.pack("<I", len(name)), name.encode())

    with pytest.raises(CorruptionError, match="tags"):
        decode_segment(*with_column(4, "name", RawColumn("text", blocks)))


@pytest.mark.parametrize("size", [0, 31, 33, 48])
def test_ids_of_another_size_are_corrupt(size: int) -> None:
    """Slicing them would give ids that are too short."""
    with pytest.raises(CorruptionError):
        decode_segment(*with_column(0, "call_id", RawColumn("fixed16", (bytes(size),))))


@pytest.mark.parametrize(
    ("column", "size"),
    [
        ("offset", 1 << 62),
        ("raw_size", 1 << 62),
        ("stored_size", 1 << 62),
        ("stored_size", PACKED_SIZE_MAX + 1),
    ],
)
def test_sizes_that_no_packed_value_has_are_corrupt(column: str, size: int) -> None:
    """A reader asks the store for so many bytes."""
    location = pack_name(bytes(32))
    packed = replace(
        inline_record(b""), tier=Tier.PACK, location=location, offset=64, stored_size=9, raw_size=9
    )

    def with_size(rows: list[int]) -> Segment:
        calls, slots, values, tombs, *_ = build_tables([packed]).values()
        columns = {**values.columns, column: number_column("u8", rows)}
        tables = [calls, slots, Table(values.name, 1, columns), tombs]
        segment = seal_tables(tables, header_of([packed]), None)
        return decode_segment(segment.name, segment.sealed.to_bytes())

    largest = PACKED_SIZE_MAX if column == "stored_size" else SIZE_MAX
    assert with_size([largest]).values.row_count == 1
    with pytest.raises(CorruptionError):
        with_size([size])


TEXT = {"codes": struct.pack("<II", 0, 0), "lengths": struct.pack("<I", 4), "data": b"eval"}


@pytest.mark.parametrize(
    "change",
    [
        {"codes": struct.pack("<II", 0, 1)},
        {"codes": struct.pack("<II", 0, HUGE)},
        {"codes": struct.pack("<I", 0)},
        {"lengths": b""},
        {"lengths": b"\4\0\0"},
        {"lengths": struct.pack("<I", 5)},
        {"lengths": struct.pack("<II", HUGE, 5)},
        {"lengths": struct.pack("<II", 2, 2), "data": b"evev"},
        {"data": b"\xff\xff\xff\xff"},
        {"lengths": struct.pack("<II", 1, 3), "data": "éva".encode()},
    ],
)
def test_text_that_breaks_a_rule_is_corrupt(change: dict[str, bytes]) -> None:
    """Codes beyond the words, lengths beyond the bytes, words twice, bytes that are no text."""
    good = with_column(0, "op", RawColumn("text", tuple(TEXT.values())))
    bad = with_column(0, "op", RawColumn("text", tuple({**TEXT, **change}.values())))

    assert decode_segment(*good).call_record(1).op_name == "eval"
    with pytest.raises(CorruptionError):
        decode_segment(*bad)


def test_a_place_that_is_none_is_corrupt() -> None:
    """A record must not lead a reader out of the payload."""
    location = "../../home/me/.ssh/id_ed25519"
    blocks = (bytes(4), struct.pack("<I", len(location)), location.encode())

    with pytest.raises(CorruptionError, match="values"):
        decode_segment(*with_column(2, "location", RawColumn("text", blocks)))


def test_slots_without_calls_are_corrupt() -> None:
    """Every slot is one call's."""
    tables = tuple(build_tables(BATCH).values())
    header = replace(header_of(BATCH), call_count=0)
    segment = seal_tables(tables[1:], header, None)

    with pytest.raises(CorruptionError, match="slots"):
        decode_segment(segment.name, segment.sealed.to_bytes())


def test_what_is_not_known_is_carried_as_it_is() -> None:
    """A reader of today keeps the tables and columns of tomorrow."""
    calls, slots, values, tombs, *_ = build_tables(BATCH).values()
    extra = RawColumn("decimal128", (b"abc", b"", b"12345678"))
    later = Table("marks", 7, {"tag": extra, "more": fixed_column(8, [b"8 bytes."])})
    calls = Table(calls.name, calls.row_count, {**calls.columns, "code_version": extra})
    header = header_of(BATCH)

    sealed_once = seal_tables([later, calls, slots, values, tombs], header, None)
    segment = decode_segment(sealed_once.name, sealed_once.sealed.to_bytes())
    sealed_again = seal_tables(
        [*segment.other, segment.calls, segment.slots, segment.values, tombs], header, None
    )

    assert not segment.is_known
    assert segment.calls.columns["code_version"] == extra
    assert segment.other[0].columns == {"tag": extra, "more": RawColumn("fixed8", (b"8 bytes.",))}
    assert sealed_again.digest == sealed_once.digest
    assert segment.call_record(0) == BATCH[0]
