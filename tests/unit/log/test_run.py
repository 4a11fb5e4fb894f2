"""Runs: what they say comes back, and what somebody crafted is a typed error."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log.entry_strategies import call_record, inline_record
from tests.unit.log.sample_runs import made_of, read_back, run_of, segment_of

from mandala_cas.envelope.seal import Kind, seal, unseal
from mandala_cas.envelope.signatures import SigningKey, key_id_of
from mandala_cas.errors import CorruptionError, UnsupportedFormatError
from mandala_cas.log.checks import SEQ_MAX, TIME_MAX_US
from mandala_cas.log.columns import (
    Column,
    FixedColumn,
    NumberColumn,
    RawColumn,
    bytes_column,
    encode_column,
)
from mandala_cas.log.conservation import check_conservation
from mandala_cas.log.covered import COVERED, covered_tables
from mandala_cas.log.merge import PartLimits
from mandala_cas.log.packed import keep_segments, select
from mandala_cas.log.rows import TOMBS, UNTAGS, build_tables
from mandala_cas.log.run import (
    PARTS,
    RUN_RAW_MAX,
    PartKind,
    Run,
    decode_run,
    encode_run,
)
from mandala_cas.log.run_making import RunInputs, WholeRun, make_run
from mandala_cas.log.segment import Segment
from mandala_cas.log.tables import Table, decode_tables, encode_tables
from mandala_cas.model.entries import Entry, Tombstone, Untag
from mandala_cas.model.ids import WriterId
from mandala_cas.objectstore.layout import run_name

WRITER = WriterId((1).to_bytes(8, "big"))


def sample_segments() -> list[Segment]:
    """Return a chain of three segments, another writer's that begins in the middle, and drops."""
    chain: list[Segment] = []
    for seq in range(3):
        previous = chain[-1].digest if chain else b""
        batch: list[Entry] = [call_record(seq), call_record(seq + 10), inline_record()]
        chain.append(segment_of(batch, writer=1, seq=seq, previous=previous))
    late = segment_of([call_record(9)], writer=2, seq=7)
    hides: list[Entry] = [
        Tombstone(WRITER, 1, 0, 0),
        Tombstone(WRITER, 9, 0, 5),
        Untag(WRITER, 0, 0, 3),
    ]
    return [*chain, late, segment_of(hides, writer=3)]


SEGMENTS = sample_segments()
MADE = made_of(SEGMENTS, limits=PartLimits(calls_max=4))
WHOLE = read_back(MADE)
RUN = WHOLE.run
DATA = MADE.run.sealed.to_bytes()


def tables_of(data: bytes) -> dict[str, Table]:
    """Return the tables of a run as they are written."""
    envelope = unseal(data, kind=Kind.RUN, name="n", raw_size_max=RUN_RAW_MAX)
    return decode_tables(
        envelope.payload,
        {
            **{table.name: _schema(table) for table in covered_tables(RUN.covered)},
            TOMBS: _schema(build_tables([Tombstone(WRITER, 0, 0, 0)])[TOMBS]),
            UNTAGS: _schema(build_tables([Untag(WRITER, 0, 0, 0)])[UNTAGS]),
            PARTS: {
                "kind": "u1",
                "size": "u8",
                "segment_count": "u4",
                "call_count": "u4",
                "value_count": "u4",
                "tag_count": "u4",
                "digest": "fixed32",
            },
        },
        name="n",
    )


def _schema(table: Table) -> dict[str, str]:
    """Return the types of a table's columns."""
    return {name: encode_column(column)[0] for name, column in table.columns.items()}


TABLES = tables_of(DATA)
PAYLOAD = b"".join(bytes(piece) for piece in encode_tables(list(TABLES.values())))


def resealed(payload: bytes, named_generation: int = 1, **changes: Any) -> tuple[str, bytes]:
    """Return a run with any payload and header, whose hashes all fit."""
    envelope = unseal(DATA, kind=Kind.RUN, name="n", raw_size_max=RUN_RAW_MAX)
    fields = {**envelope.header, **changes}
    kept = {key: value for key, value in fields.items() if value is not None}
    data = seal(Kind.RUN, kept, [payload], level=None).to_bytes()
    return run_name(named_generation, blake3(data).digest()), data


def with_column(table: str, column: str, changed: Column) -> tuple[str, bytes]:
    """Return the sample with one column exchanged."""
    old = TABLES[table]
    tables = {**TABLES, table: replace(old, columns={**old.columns, column: changed})}
    return resealed(b"".join(bytes(piece) for piece in encode_tables(list(tables.values()))))


def test_what_a_run_says_comes_back() -> None:
    """What is remembered of each segment, its parts and what it hides."""
    ordered = sorted(SEGMENTS, key=lambda segment: segment.segment_id)

    assert [item.segment_id for item in RUN.covered] == [s.segment_id for s in ordered]
    for item, segment in zip(RUN.covered, ordered, strict=True):
        header = segment.header
        assert (item.writer, item.seq, item.digest) == (header.writer, header.seq, segment.digest)
        assert (item.previous, item.created_us) == (header.previous, header.created_us)
        assert (item.library, item.session) == (header.library, header.session)
        assert (item.call_count, item.key_id) == (header.call_count, None)
    assert RUN.covers == {segment.segment_id for segment in SEGMENTS}
    assert RUN.tombstones == (Tombstone(WRITER, 1, 0, 0), Tombstone(WRITER, 9, 0, 5))
    assert RUN.untags == (Untag(WRITER, 0, 0, 3),)
    assert [info.call_count for info in RUN.records] == [3, 3]
    assert [info.kind for info in RUN.parts] == [PartKind.INLINE, PartKind.RECORDS] * 2
    assert RUN.is_known


def test_a_chain_is_written_once() -> None:
    """The digest of the row before is not said again."""
    assert TABLES[COVERED].numbers("link").tolist() == [2, 1, 1, 0, 2]


def test_who_signed_a_segment_is_remembered_and_who_signed_the_run_is_known() -> None:
    """Two keys: the writer's and the compactor's."""
    writer, compactor = SigningKey(b"w" * 32), SigningKey(b"c" * 32)
    segment = segment_of([call_record(1)], signer=writer)
    made = make_run(
        RunInputs([(segment, key_id_of(writer.public_key))]),
        created_us=5,
        draw=bytes,
        signer=compactor,
    )

    run = read_back(made).run

    assert [item.key_id for item in run.covered] == [key_id_of(writer.public_key)]
    assert run.signature is not None
    assert run.signature.verified_key() == key_id_of(compactor.public_key)


def test_many_covered_segments_are_cheap() -> None:
    """Besides its hash, which does not shrink, a segment takes a few bytes."""
    segments: list[Segment] = []
    for number in range(400):
        seq = number % 50
        previous = segments[-1].digest if seq else b""
        segments.append(
            segment_of([call_record(1)], writer=number // 50, seq=seq, previous=previous)
        )

    made = made_of(segments)

    assert made.run.sealed.size < 400 * (32 + 8) + 1000


@given(st.data())
def test_cut_short_or_flipped_it_is_corrupt(draw: st.DataObject) -> None:
    """In every byte; and never "newer"."""
    data = bytearray(DATA)
    size = draw.draw(st.integers(0, len(data)))
    if size == len(data):
        data[draw.draw(st.integers(0, size - 1))] ^= 1 << draw.draw(st.integers(0, 7))

    with pytest.raises(CorruptionError):
        decode_run(RUN.name, bytes(data[:size]))


def read_everything(name: str, data: bytes) -> None:
    """Use a run in every way, as far as it goes; only typed errors may come out."""
    try:
        run = decode_run(name, data)
    except (CorruptionError, UnsupportedFormatError):
        return
    assert len(list(run.covered)) == len(run.covers) == run.header.segment_count
    assert sum(map(len, run.segments_of_parts().values())) == len(run.covers)
    run.replaces(RUN)
    with suppress(CorruptionError):
        check_conservation(run, WHOLE.parts)


@given(st.lists(st.integers(0, len(PAYLOAD) * 8 - 1), min_size=1, max_size=4))
def test_flipped_bits_behind_hashes_that_fit_give_typed_errors(bits: list[int]) -> None:
    """A run may be anyone's."""
    payload = bytearray(PAYLOAD)
    for bit in bits:
        payload[bit // 8] ^= 1 << bit % 8

    read_everything(*resealed(bytes(payload)))


def test_the_sample_can_be_resealed() -> None:
    """The tests above and below would prove nothing if it could not."""
    assert decode_run(*resealed(PAYLOAD)).covers == RUN.covers
    read_everything(*resealed(PAYLOAD))


@pytest.mark.parametrize(
    ("table", "column", "rows"),
    [
        ("covered", "seq", [0, 1, 2, SEQ_MAX + 1, 0]),
        ("covered", "seq", [0, 2, 1, 7, 0]),
        ("covered", "created_us", [0, 0, 0, 0, TIME_MAX_US + 1]),
        ("covered", "session", [0, 0, 0, 1, 3]),
        ("covered", "session", [0, 0, 0, 1, 2**32 - 1]),
        ("covered", "link", [2, 1, 1, 0, 3]),
        ("covered", "link", [2, 1, 1, 1, 2]),
        ("covered", "link", [2, 1, 1, 2, 2]),
        ("covered", "link", [1, 1, 1, 0, 2]),
        ("covered", "link", [0, 1, 1, 0, 2]),
        ("covered", "link", [2, 0, 1, 0, 2]),
        ("covered", "call_count", [2, 2, 2, 1, 1]),
        ("covered", "call_count", [0, 0, 0, 0, 0]),
        ("covered", "tag_count", [0, 0, 0, 0, 1]),
        ("parts", "kind", [1, 0, 1, 2]),
        ("parts", "kind", [1, 1, 1, 0]),
        ("parts", "segment_count", [0, 2, 0, 2]),
        ("parts", "segment_count", [0, 2, 0, 2**32 - 1]),
        ("parts", "call_count", [0, 3, 0, 4]),
        ("parts", "tag_count", [0, 0, 0, 1]),
        ("tombs", "seq", [0, SEQ_MAX + 1]),
        ("tombs", "first", [1, 0]),
        ("tombs", "reason", [0, 2]),
        ("untags", "first", [4]),
    ],
)
def test_numbers_that_break_a_rule_are_corrupt(table: str, column: str, rows: list[int]) -> None:
    """Order, links, codes, counts that do not add up."""
    old = TABLES[table].columns[column]
    assert isinstance(old, NumberColumn)
    assert len(rows) == len(old)
    changed = type(old)(np.array(rows, old.array.dtype))

    with pytest.raises(CorruptionError):
        decode_run(*with_column(table, column, changed))


@pytest.mark.parametrize(
    ("table", "column", "changed"),
    [
        ("covered", "writer", FixedColumn(8, bytes(40))),
        ("covered", "writer", FixedColumn(8, bytes(39))),
        ("covered", "digest", FixedColumn(32, bytes(159))),
        ("covered", "key", FixedColumn(16, bytes(79))),
        ("previous", "digest", FixedColumn(32, bytes(32))),
        ("sessions", "session", bytes_column([b"\x80", b"\x80", b"\x01"])),
        ("sessions", "session", bytes_column([b"\x80", b"\x80", b"\x80\x80"])),
        ("sessions", "session", bytes_column([b"\x80", b"\x80", b""])),
        ("parts", "digest", FixedColumn(32, bytes(128))),
        ("tombs", "writer", FixedColumn(8, bytes(15))),
        ("covered", "seq", RawColumn("u4", (bytes(20),))),
    ],
)
def test_columns_that_break_a_rule_are_corrupt(table: str, column: str, changed: Column) -> None:
    """Wrong sizes and types, a part named twice, a session that is no map."""
    with pytest.raises(CorruptionError):
        decode_run(*with_column(table, column, changed))


@pytest.mark.parametrize(
    "changes",
    [
        {"generation": "1"},
        {"generation": None},
        {"created_us": 2**63 - 1},
        {"created_us": None},
        {"min_reader": None},
        {"library": 5},
        {"nonce": b"short"},
        {"nonce": None},
        {"segment_count": 4},
        {"covered_call_count": 8},
        {"call_count": 7},
        {"call_count": True},
        {"covered_tag_count": 1},
        {"tag_count": -1},
    ],
)
def test_a_header_that_is_not_a_runs_is_corrupt(changes: Mapping[str, Any]) -> None:
    """Each field is checked, and every count against what is there."""
    with pytest.raises(CorruptionError):
        decode_run(*resealed(PAYLOAD, **changes))


def test_a_run_of_a_newer_version_asks_for_an_upgrade() -> None:
    """Without it results would be missing."""
    with pytest.raises(UnsupportedFormatError, match="upgrade it"):
        decode_run(*resealed(PAYLOAD, min_reader=2))


@pytest.mark.parametrize("name", ["manifest/2-run/x", run_name(1, bytes(32))])
def test_another_name_is_refused(name: str) -> None:
    """One object, one name."""
    with pytest.raises(CorruptionError):
        decode_run(name, DATA)


def test_another_generation_than_the_names_is_refused() -> None:
    """It decides which of two runs makes room."""
    with pytest.raises(CorruptionError, match="generation"):
        decode_run(*resealed(PAYLOAD, named_generation=2))


@pytest.mark.parametrize("what", ["header", "table", "column"])
def test_what_is_not_known_is_seen(what: str) -> None:
    """Whoever merges such a run would drop it, so it is left alone."""
    tables = dict(TABLES)
    extra = RawColumn("later", (b"abc",))
    if what == "table":
        tables["new"] = Table("new", 1, {"x": extra})
    if what == "column":
        tables[PARTS] = replace(tables[PARTS], columns={**tables[PARTS].columns, "x": extra})
    payload = b"".join(bytes(piece) for piece in encode_tables(list(tables.values())))

    run = decode_run(*resealed(payload, **({"new": 5} if what == "header" else {})))

    assert not run.is_known
    assert run.covers == RUN.covers


# Which of two is enough.


def other_run(segments: list[Segment], generation: int = 1) -> Run:
    """Return a run of ``segments``."""
    made = made_of(segments)
    header = replace(made.header, generation=generation)
    run = read_back(made).run
    sealed = encode_run(
        header,
        run.covered,
        run.parts,
        tombstones=run.tombstones,
        untags=run.untags,
        signer=None,
    )
    return decode_run(sealed.name, sealed.sealed.to_bytes())


def test_a_run_replaces_what_it_covers_strictly() -> None:
    """More, or the same under a greater name; never each the other."""
    few, all_ = other_run(SEGMENTS[:2]), other_run(SEGMENTS)
    apart = other_run(SEGMENTS[2:])
    twin = other_run(SEGMENTS)
    later = other_run(SEGMENTS, generation=2)

    assert (all_.replaces(few), few.replaces(all_)) == (True, False)
    assert (few.replaces(apart), apart.replaces(few)) == (False, False)
    assert all_.replaces(twin) != twin.replaces(all_)
    assert (later.replaces(all_), all_.replaces(later)) == (True, False)
    assert not all_.replaces(all_)


# The conservation law.


def broken(change: str) -> tuple[Run, Mapping[str, Any]]:
    """Return the sample with something lost, brought back or exchanged."""
    first, second = RUN.records
    parts = dict(WHOLE.parts)
    part = parts[first.name]
    rows = {
        "calls": np.arange(part.calls.row_count),
        "values": np.arange(part.values.row_count),
        "tags": np.arange(0),
    }
    run = RUN
    match change:
        case "a call is lost":
            rows["calls"] = rows["calls"][1:]
        case "a value is lost":
            rows["values"] = rows["values"][1:]
        case "a tombstone is lost":
            run = replace(RUN, tombstones=())
        case "a tombstone is new":
            run = replace(RUN, tombstones=(Tombstone(WRITER, 0, 0, 0), *RUN.tombstones))
        case "a part is lost":
            del parts[second.name]
        case "parts are exchanged":
            parts = {first.name: parts[second.name], second.name: parts[first.name]}
        case "a segment is lost":
            keep = np.array([False, True])
            parts[first.name] = replace(part, tables=keep_segments(part.tables, keep))
    if change.endswith("is lost") and change.startswith(("a call", "a value")):
        parts[first.name] = replace(part, tables=select(part.tables, **rows))
    return run, parts


@pytest.mark.parametrize(
    "change",
    [
        "a call is lost",
        "a value is lost",
        "a tombstone is lost",
        "a tombstone is new",
        "a part is lost",
        "parts are exchanged",
        "a segment is lost",
    ],
)
def test_the_law_finds_what_is_wrong(change: str) -> None:
    """Whatever a compactor did, in whichever version."""
    check_conservation(RUN, WHOLE.parts)
    run, parts = broken(change)

    with pytest.raises(CorruptionError):
        check_conservation(run, parts)


def test_the_law_finds_an_exchange() -> None:
    """The count may be right: a hidden call in the place of one that lives."""
    lives, hidden = call_record(1), call_record(2)
    segment = segment_of([lives, hidden], writer=1)
    whole = run_of([segment])
    (info,) = whole.run.records
    part = whole.parts[info.name]
    tables = select(part.tables, calls=np.array([1]), values=np.arange(0), tags=np.arange(0))
    run = replace(
        whole.run,
        tombstones=(Tombstone(WRITER, 0, 1, 1),),
        parts=(replace(info, call_count=1),),
    )

    with pytest.raises(CorruptionError, match="hides"):
        check_conservation(run, {info.name: replace(part, tables=tables)})


def test_the_law_finds_rows_that_never_were() -> None:
    """Beyond the end of their segment."""
    whole = run_of([segment_of([call_record(1), call_record(2)], writer=1)])
    covered = replace(whole.run.covered, call_counts=np.array([1], np.uint32))
    (info,) = whole.run.records
    part = whole.parts[info.name]
    tables = select(part.tables, calls=np.array([1]), values=np.arange(0), tags=np.arange(0))
    run = replace(whole.run, covered=covered, parts=(replace(info, call_count=1),))

    with pytest.raises(CorruptionError, match="no covered segment had"):
        check_conservation(run, {info.name: replace(part, tables=tables)})


def test_a_whole_run_keeps_the_law_with_many_parts() -> None:
    """Segments are counted from where the part before ended."""
    whole: WholeRun = run_of(SEGMENTS, limits=PartLimits(calls_max=1))

    check_conservation(whole.run, whole.parts)
    assert len(whole.run.records) >= 4
