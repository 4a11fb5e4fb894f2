"""Packs, and the value envelopes in them and alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mandala_cas.blobs.packs import (
    Pack,
    Placement,
    group_for_packs,
    read_pack_footer,
    seal_pack,
)
from mandala_cas.blobs.tiers import PACK_TARGET
from mandala_cas.blobs.value import seal_value, unseal_value
from mandala_cas.envelope.seal import Compression, Kind, Sealed, seal
from mandala_cas.errors import CorruptionError, MandalaError, UsageError
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import ContentId, PayloadHash
from mandala_cas.objectstore.layout import NONCE_SIZE, pack_name

NONCE = bytes(range(NONCE_SIZE))


def hash_of(payload: bytes) -> PayloadHash:
    """Return some hash of a payload; which one is the codec's business."""
    return PayloadHash(blake3(payload).digest())


def sealed_value(payload: bytes) -> tuple[PayloadHash, Sealed]:
    """Return a payload as a value, ready for a pack."""
    payload_hash = hash_of(payload)
    return payload_hash, seal_value(payload_hash, "plain", 1, b"\x80", [payload])


def packed(*payloads: bytes, nonce: bytes = NONCE) -> Pack:
    """Return a pack of payloads."""
    return seal_pack([sealed_value(payload) for payload in payloads], nonce=nonce)


def record_of(payload: bytes, place: Placement, tier: Tier = Tier.PACK) -> ValueRecord:
    """Return what the log says of a payload."""
    return ValueRecord(
        content_id=ContentId(bytes(32)),
        payload_hash=hash_of(payload),
        tier=tier,
        location=place.name,
        offset=place.offset,
        stored_size=place.size,
        raw_size=len(payload),
        codec_name="plain",
        codec_version=1,
        codec_header=b"\x80",
    )


def cut_out(data: bytes, place: Placement) -> bytes:
    """Return what lies at a place."""
    return data[place.offset : place.offset + place.size]


def renamed(payload: bytes) -> tuple[str, bytes]:
    """Return a pack whose own envelope is fine, with any payload at all."""
    data = seal(Kind.PACK, {"nonce": NONCE}, [payload], level=None).to_bytes()
    return pack_name(blake3(data).digest()), data


@given(st.lists(st.binary(max_size=300) | st.just(b"shrinks" * 500), min_size=1, max_size=8))
def test_every_value_comes_back_from_its_place(payloads: list[bytes]) -> None:
    """Also when two are equal, and when one is empty."""
    pack = packed(*payloads)
    data = pack.sealed.to_bytes()

    opened = [
        bytes(
            unseal_value(
                cut_out(data, place), name=pack.name, record=record_of(payload, place)
            ).payload
        )
        for payload, place in zip(payloads, pack.placements, strict=True)
    ]

    assert opened == payloads


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=8))
def test_places_are_found_again_from_the_pack_alone(payloads: list[bytes]) -> None:
    """The footer says what the log would have said."""
    pack = packed(*payloads)

    rows = read_pack_footer(pack.sealed.to_bytes(), name=pack.name)

    hashes = [hash_of(payload) for payload in payloads]
    assert rows == tuple(zip(hashes, pack.placements, strict=True))


def test_envelopes_and_payloads_begin_at_multiples_of_64() -> None:
    """Whatever the sizes before them are."""
    pack = packed(b"x", b"y" * 65, b"z" * 127)

    assert [place.offset % 64 for place in pack.placements] == [0, 0, 0]


def test_the_nonce_makes_the_name_new() -> None:
    """A pack that was collected must never come back under its name."""
    assert packed(b"x").name != packed(b"x", nonce=bytes(NONCE_SIZE)).name
    assert packed(b"x") == packed(b"x")


@pytest.mark.parametrize(("count", "nonce"), [(0, NONCE), (1, NONCE[:-1]), (1, b"")])
def test_a_pack_needs_values_and_a_nonce(count: int, nonce: bytes) -> None:
    """An empty pack, or one with a name that may recur, is a mistake of the caller."""
    with pytest.raises(UsageError, match="a pack takes values and a nonce"):
        seal_pack([sealed_value(b"x")] * count, nonce=nonce)


def test_a_pack_of_other_bytes_than_its_name_says_is_refused() -> None:
    """Every byte counts, and none is taken for a newer format."""
    pack = packed(b"x", b"y")
    data = pack.sealed.to_bytes()
    noticed = 0
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x80
        with pytest.raises(CorruptionError):
            read_pack_footer(bytes(changed), name=pack.name)
        noticed += 1

    assert noticed == len(data)


def footer_row(offset: int, size: int) -> bytes:
    """Return a row of a footer."""
    return bytes(32) + offset.to_bytes(8, "little") + size.to_bytes(8, "little")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(7),
        (1).to_bytes(8, "little"),
        bytes(47) + (1).to_bytes(8, "little"),
        (1 << 63).to_bytes(8, "little"),
        bytes(128) + footer_row(64, 1 << 40) + (1).to_bytes(8, "little"),
        bytes(128) + footer_row(1 << 63, 8) + (1).to_bytes(8, "little"),
        bytes(128) + footer_row(65, 8) + (1).to_bytes(8, "little"),
        bytes(128) + footer_row(0, 8) + (1).to_bytes(8, "little"),
        bytes(128) + footer_row(64, 129) + (1).to_bytes(8, "little"),
        bytes(128) + footer_row(64, 65) + footer_row(128, 8) + (2).to_bytes(8, "little"),
    ],
)
def test_a_footer_that_nobody_wrote_is_refused(payload: bytes) -> None:
    """A hostile pack has check sums that fit."""
    name, data = renamed(payload)

    with pytest.raises(CorruptionError):
        read_pack_footer(data, name=name)


def test_a_footer_made_by_hand_can_be_read() -> None:
    """The test above would prove nothing if it could not."""
    rows = footer_row(64, 64) + footer_row(128, 64)
    name, data = renamed(bytes(128) + rows + (2).to_bytes(8, "little"))

    assert read_pack_footer(data, name=name) == (
        (PayloadHash(bytes(32)), Placement(name, 64, 64)),
        (PayloadHash(bytes(32)), Placement(name, 128, 64)),
    )


def test_a_compressed_pack_is_refused() -> None:
    """Places in it would be places in nothing."""
    payload = blake3(b"").digest(200) + bytes(100)
    data = seal(Kind.PACK, {"nonce": NONCE}, [payload]).to_bytes()
    assert data[10] == Compression.ZSTD

    with pytest.raises(CorruptionError, match="no footer"):
        read_pack_footer(data, name=pack_name(blake3(data).digest()))


@pytest.mark.parametrize(
    "change",
    [
        {"payload_hash": PayloadHash(bytes(32))},
        {"codec_name": "pickle"},
        {"codec_version": 2},
        {"codec_header": b"\x81\xa1k\x01"},
        {"raw_size": 2},
        {"stored_size": 10},
    ],
)
def test_a_value_must_be_what_its_record_says(change: dict[str, object]) -> None:
    """Swapping two values of one store, or their codecs, is noticed before decoding."""
    pack = packed(b"x")
    data = cut_out(pack.sealed.to_bytes(), pack.placements[0])
    record = record_of(b"x", pack.placements[0])

    assert bytes(unseal_value(data, name=pack.name, record=record).payload) == b"x"
    with pytest.raises(CorruptionError):
        unseal_value(data, name=pack.name, record=replace(record, **change))  # type: ignore[arg-type] # any field, of its own type


@given(st.data())
def test_a_value_with_a_flipped_bit_or_cut_short_is_noticed(draw: st.DataObject) -> None:
    """Reading verifies."""
    payload_hash, sealed = sealed_value(b"payload" * 100)
    data = bytearray(sealed.to_bytes())
    record = record_of(b"payload" * 100, Placement("blobs", 0, sealed.size), Tier.LOOSE)
    size = draw.draw(st.integers(0, len(data)))
    if size == len(data):
        data[draw.draw(st.integers(0, size - 1))] ^= 1 << draw.draw(st.integers(0, 7))

    with pytest.raises(MandalaError):
        unseal_value(bytes(data[:size]), name=str(payload_hash), record=record)


def test_a_loose_value_may_have_been_stored_in_other_bytes() -> None:
    """Another writer's zstd may compress it otherwise; what counts is the payload."""
    payload = b"shrinks" * 100
    again = seal(
        Kind.VALUE,
        {"hash": hash_of(payload), "codec": "plain", "version": 1, "header": b"\x80"},
        [payload],
        level=None,
    )
    place = Placement("blobs", 0, sealed_value(payload)[1].size)
    data = again.to_bytes()

    assert len(data) != place.size
    opened = unseal_value(data, name="b", record=record_of(payload, place, Tier.LOOSE)).payload
    assert bytes(opened) == payload
    with pytest.raises(CorruptionError, match="of a value of"):
        unseal_value(data, name="b", record=record_of(payload, place))


def test_values_are_grouped_up_to_the_target() -> None:
    """One pack a flush, unless that would be too large; order is kept."""
    sizes = [PACK_TARGET // 2, PACK_TARGET // 2, 1, PACK_TARGET, 1]
    values = [(hash_of(bytes([i])), Sealed((), size)) for i, size in enumerate(sizes)]

    groups = group_for_packs(values)

    assert groups == [values[:2], values[2:3], values[3:4], values[4:]]
    assert group_for_packs([]) == []
