"""What a released version wrote is read, also by a reader written from the page alone.

``docs/reference/format.md`` is normative. The little reader knows only what stands there, so that
what is expected was not copied from what the encoder happened to do.
"""

from __future__ import annotations

import re
import runpy
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3
from tests.format.little_reader import read_envelope, read_tables

from mandala_cas.blobs.packs import read_pack_footer
from mandala_cas.blobs.value import unseal_value
from mandala_cas.envelope.seal import Kind, unseal
from mandala_cas.envelope.signatures import key_id_of
from mandala_cas.log.rows import build_tables
from mandala_cas.log.segment import decode_segment, seal_tables
from mandala_cas.model.entries import (
    CallRecord,
    Tier,
    Tombstone,
    TombstoneReason,
    ValueRecord,
)

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "format.md"
ROOT = HERE / "golden" / "format-1"
MAKE = runpy.run_path(str(HERE / "golden" / "make.py"))
GOLDEN = {path.relative_to(ROOT).as_posix(): path for path in ROOT.rglob("*") if path.is_file()}


def golden(prefix: str) -> tuple[str, bytes]:
    """Return the name and the bytes of the golden object below a prefix."""
    (name,) = (name for name in GOLDEN if name.startswith(prefix))
    return name, GOLDEN[name].read_bytes()


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
    """Sealed again from what was read, uncompressed: only zstd may change its mind.

    And but for a column that came later.
    """
    name, data = golden("manifest/")
    then = unseal(data, kind=Kind.SEGMENT, name=name, raw_size_max=1 << 20)
    segment = decode_segment(name, data)
    tables = build_tables(MAKE["golden_entries"]())
    columns = {key: tables["tombs"].columns[key] for key in ("writer", "seq", "first", "last")}
    tables["tombs"] = replace(tables["tombs"], columns=columns)

    again = seal_tables(list(tables.values()), segment.header, MAKE["SIGNER"], level=None)

    now = unseal(again.sealed.to_bytes(), kind=Kind.SEGMENT, name="n", raw_size_max=1 << 20)
    assert bytes(now.payload) == bytes(then.payload)
    assert dict(now.header) == dict(then.header)


def test_a_segment_without_what_came_later_is_read() -> None:
    """Its tombstones are drops, it has no tags, and a run can hold all of it."""
    segment = decode_segment(*golden("manifest/"))

    assert [tombstone.reason for tombstone in segment.tombstones] == [TombstoneReason.DROPPED]
    assert (segment.tags.row_count, segment.untags) == (0, ())
    assert segment.is_known


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
            unseal_value(stored, name=record.location, record=record).payload
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
            "tombs": {
                "writer": [b"\xbb" * 8],
                "seq": [2],
                "first": [3],
                "last": [4],
                "reason": [0],
            }
        }
