"""What a released version wrote is read, also by a reader written from the page alone.

``docs/reference/format.md`` is normative. The little reader below knows only what stands there, so
that what is expected was not copied from what the encoder happened to do.
"""

from __future__ import annotations

import re
import runpy
import struct
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zstandard
from blake3 import blake3

from mandala_cas.blobs.packs import read_pack_footer
from mandala_cas.blobs.value import open_value
from mandala_cas.envelope.seal import Kind, unseal
from mandala_cas.envelope.signatures import key_id_of
from mandala_cas.log.segment import decode_segment, encode_segment
from mandala_cas.model.entries import CallRecord, Tier, Tombstone, ValueRecord

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "format.md"
ROOT = HERE / "golden" / "format-1"
MAKE = runpy.run_path(str(HERE / "golden" / "make.py"))
GOLDEN = {path.relative_to(ROOT).as_posix(): path for path in ROOT.rglob("*") if path.is_file()}


def golden(prefix: str) -> tuple[str, bytes]:
    """Return the name and the bytes of the golden object below a prefix."""
    (name,) = (name for name in GOLDEN if name.startswith(prefix))
    return name, GOLDEN[name].read_bytes()


# The little reader.


def read_envelope(data: bytes, kind: int) -> tuple[dict[str, Any], bytes]:
    """Return header and payload of an envelope, after the checks of the page."""
    magic, version, found_kind, compression, flags, size = struct.unpack_from("<8s4BI", data)
    assert (magic, version, found_kind) == (bytes.fromhex("894d43530d0a1a0a"), 1, kind)
    assert (16 + size) % 64 == 0
    head = data[: 16 + size]
    trailer_size = 56 + (80 if flags & 4 else 0)
    stored, trailer = data[16 + size : -trailer_size], data[-trailer_size:]
    raw_size, stored_size, digest = struct.unpack_from("<QQ32s", trailer)
    assert stored_size == len(stored)
    assert digest == blake3(stored).digest()
    assert trailer[-8:] == blake3(head + trailer[:-8]).digest()[:8]
    unpacker = msgpack.Unpacker()
    unpacker.feed(head[16:])
    header = unpacker.unpack()
    assert not any(head[16 + unpacker.tell() :])
    payload = zstandard.decompress(stored) if compression else stored
    assert raw_size == len(payload)
    return header, payload


def read_tables(payload: bytes) -> dict[str, dict[str, list[Any]]]:
    """Return the rows of every column of every table."""
    size, zero = struct.unpack_from("<II", payload)
    assert zero == 0
    position = 8 + size
    tables: dict[str, dict[str, list[Any]]] = {}
    for table, row_count, columns in msgpack.unpackb(payload[8:position]):
        tables[table] = {}
        for column, type_name, sizes in columns:
            blocks = []
            for block_size in sizes:
                position += -position % 8
                blocks.append(payload[position : position + block_size])
                position += block_size
            tables[table][column] = read_column(type_name, blocks, row_count)
    assert position + -position % 8 == len(payload)
    return tables


def read_column(type_name: str, blocks: list[bytes], row_count: int) -> list[Any]:
    """Return the rows of a column."""
    if type_name.startswith("fixed"):
        width = int(type_name[5:])
        return [blocks[0][row * width : (row + 1) * width] for row in range(row_count)]
    if type_name == "bytes":
        return cut(blocks[1], blocks[0])
    if type_name == "text":
        words = [word.decode() for word in cut(blocks[2], blocks[1])]
        return [words[code] for code in struct.unpack(f"<{row_count}I", blocks[0])]
    letter = {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "i8": "q", "f8": "d"}[type_name]
    return list(struct.unpack(f"<{row_count}{letter}", blocks[0]))


def cut(data: bytes, lengths: bytes) -> list[bytes]:
    """Return the rows that ``lengths`` cuts ``data`` into."""
    rows, position = [], 0
    for (length,) in struct.iter_unpack("<I", lengths):
        rows.append(data[position : position + length])
        position += length
    assert position == len(data)
    return rows


# What the page says, and what the library does.


def test_the_golden_objects_are_all_there() -> None:
    """One of each kind; without them the tests below would prove nothing."""
    assert sorted(name.partition("/")[0] for name in GOLDEN) == ["blobs", "manifest", "packs"]


def test_what_is_written_today_is_what_was_written_then() -> None:
    """Byte for byte where nothing is compressed; else header and content."""
    kinds = {"blobs": Kind.VALUE, "manifest": Kind.SEGMENT, "packs": Kind.PACK}
    today = {name.partition("/")[0]: data for name, data in MAKE["golden_objects"]().items()}

    for name, path in GOLDEN.items():
        folder = name.partition("/")[0]
        then, now = (
            unseal(data, kind=kinds[folder], name=name, raw_size_max=1 << 20)
            for data in (path.read_bytes(), today[folder])
        )
        assert dict(now.header) == dict(then.header) or folder == "manifest"
        if folder == "packs":
            assert today[folder] == path.read_bytes()
        if folder == "blobs":
            assert bytes(now.payload) == bytes(then.payload)


def test_the_payload_of_a_segment_is_the_same_byte_for_byte() -> None:
    """Sealed again from what was read, uncompressed: only zstd may change its mind."""
    name, data = golden("manifest/")
    then = unseal(data, kind=Kind.SEGMENT, name=name, raw_size_max=1 << 20)
    segment = decode_segment(name, data)

    again = encode_segment(MAKE["golden_entries"](), segment.header, MAKE["SIGNER"], level=None)

    now = unseal(again.sealed.to_bytes(), kind=Kind.SEGMENT, name="n", raw_size_max=1 << 20)
    assert bytes(now.payload) == bytes(then.payload)
    assert dict(now.header) == dict(then.header)


def test_the_segment_is_read() -> None:
    """Every entry, as it was written."""
    name, data = golden("manifest/")
    expected = MAKE["golden_entries"]()

    segment = decode_segment(name, data)

    calls = [segment.call_record(row) for row in range(segment.calls.row_count)]
    values = [segment.value_record(row) for row in range(segment.values.row_count)]
    assert calls == [entry for entry in expected if isinstance(entry, CallRecord)]
    # The loose blob's size is that of the object, which another zstd might make different.
    assert [v for v in values if v.tier is not Tier.LOOSE] == [
        entry
        for entry in expected
        if isinstance(entry, ValueRecord) and entry.tier is not Tier.LOOSE
    ]
    assert list(segment.tombstones) == [e for e in expected if isinstance(e, Tombstone)]
    assert segment.signature is not None
    assert segment.signature.verified_key() == key_id_of(MAKE["SIGNER"].public_key)


def test_the_values_that_the_segment_places_are_read() -> None:
    """From the golden pack and the golden blob."""
    name, data = golden("manifest/")
    segment = decode_segment(name, data)
    payloads = {}
    for row in range(segment.values.row_count):
        record = segment.value_record(row)
        if record.tier is Tier.INLINE:
            continue
        stored = GOLDEN[record.location].read_bytes()
        if record.tier is Tier.PACK:
            stored = stored[record.offset : record.offset + record.stored_size]
        payloads[record.payload_hash] = bytes(
            open_value(stored, name=record.location, record=record)
        )

    assert list(payloads.values()) == [*MAKE["PACKED"], MAKE["LOOSE"]]
    assert all(blake3(payload).digest() == key for key, payload in payloads.items())


def test_the_page_alone_is_enough_for_a_segment() -> None:
    """The little reader finds what was written, spelled out here by hand."""
    name, data = golden("manifest/")

    header, payload = read_envelope(data, kind=3)
    tables = read_tables(payload)

    digest = blake3(data).hexdigest()
    assert name == f"manifest/1-log/{1_700_000_000_123:012x}-{'71' * 8}-000000-{digest[:16]}"
    assert {key: header[key] for key in ("seq", "min_reader", "call_count", "session")} == {
        "seq": 0,
        "min_reader": 1,
        "call_count": 3,
        "session": {"host": "golden", "packages": {"numpy": "2.0.0"}, "pid": 1},
    }
    assert (header["previous"], header["tombstone_count"]) == (bytes(32), 1)
    calls, slots, values = tables["calls"], tables["slots"], tables["values"]
    assert calls["op"] == ["train", "prüfen", "train"]
    assert calls["call_id"] == [b"\x30" * 16, b"\x40" * 16, b"\x44" * 16]
    assert calls["reused_from"] == [bytes(16), b"\x60" * 16, bytes(16)]
    assert calls["parent"] == [bytes(16), b"\x61" * 16, bytes(16)]
    assert calls["started_us"] == [1_700_000_000_000_000 + n for n in (0x30, 0x40, 0x44)]
    assert calls["duration_us"] == [0x30, 0x40, 0x44]
    assert calls["slot_start"] == [0, 3, 5]
    assert slots["name"] == ["x", "seed", "output_0", "output_0", "output_1", "x"]
    assert slots["is_output"] == [0, 0, 1, 1, 1, 0]
    assert slots["history_id"][2] == slots["history_id"][5] == b"\x54" * 16
    assert values["tier"] == [0, 1, 1, 1, 2]
    assert values["raw_size"] == [1, 22, 0, 256, 3000]
    assert values["inline"] == [b"\x2a", b"", b"", b"", b""]
    assert values["codec_version"] == [3] * 5
    assert tables["tombs"] == {"writer": [b"\x70" * 8], "seq": [5], "first": [2], "last": [9]}


def test_the_page_alone_is_enough_for_a_pack() -> None:
    """Footer, places, envelopes and names."""
    name, data = golden("packs/")

    header, payload = read_envelope(data, kind=2)
    (count,) = struct.unpack("<Q", payload[-8:])
    rows = list(struct.iter_unpack("<32sQQ", payload[-8 - 48 * count : -8]))
    values = [read_envelope(data[at : at + size], kind=1) for _, at, size in rows]

    digest = blake3(data).hexdigest()
    assert name == f"packs/{digest[:2]}/{digest}"
    assert header == {"nonce": bytes(range(0x10, 0x20))}
    assert [content for _, content in values] == [
        b"the first packed value",
        b"",
        bytes(range(256)),
    ]
    for (payload_hash, offset, _), (fields, content) in zip(rows, values, strict=True):
        assert offset % 64 == 0
        assert fields["hash"] == payload_hash == blake3(content).digest()
        assert (fields["codec"], fields["version"]) == ("plain", 3)
        assert fields["header"] == b"\x81\xa1k\x01"
    found = [(h, place.offset, place.size) for h, place in read_pack_footer(data, name=name)]
    assert found == rows


def test_the_page_alone_is_enough_for_a_loose_blob() -> None:
    """Compressed, and named by its payload."""
    name, data = golden("blobs/")

    fields, payload = read_envelope(data, kind=1)

    digest = blake3(payload).hexdigest()
    assert payload == b"a loose value, which shrinks; " * 100
    assert (name, fields["hash"].hex()) == (f"blobs/{digest[:2]}/{digest}", digest)


def page_examples() -> dict[str, bytes]:
    """Return the objects that the page spells out, by name."""
    blocks = re.findall(r"```text\n(\S+)\n((?:[0-9a-f]{4}  [0-9a-f ]+\n)+)```", PAGE.read_text())
    return {
        name: bytes.fromhex("".join(line[6:] for line in dump.splitlines()))
        for name, dump in blocks
    }


def test_the_examples_of_the_page_are_what_is_written() -> None:
    """Every byte, and every name."""
    assert page_examples() == MAKE["example_objects"]()


@pytest.mark.parametrize("name", page_examples())
def test_the_examples_of_the_page_are_what_the_page_says(name: str) -> None:
    """The little reader reads them, too."""
    data = page_examples()[name]
    kind = {"blobs": 1, "packs": 2, "manifest": 3}[name.partition("/")[0]]

    _, payload = read_envelope(data, kind)

    if kind == 1:
        assert payload == b"hello"
    elif kind == 2:
        assert payload.startswith(page_examples()[next(iter(page_examples()))])
    else:
        assert read_tables(payload) == {
            "tombs": {"writer": [b"\xbb" * 8], "seq": [2], "first": [3], "last": [4]}
        }
