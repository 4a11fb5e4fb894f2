"""The frame around every object: round trips, near misses, and what it refuses to write."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import zstandard
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mandala_cas.envelope.seal import (
    ALIGNMENT,
    HEADER_MAX,
    MAGIC,
    Compression,
    Envelope,
    Kind,
    seal,
    unseal,
)
from mandala_cas.envelope.signatures import SigningKey
from mandala_cas.errors import CorruptionError, UnsupportedFormatError, UsageError

SIGNER = SigningKey(bytes(range(32)))
RAW_MAX = 1 << 20
TYPED_ERRORS = (CorruptionError, UnsupportedFormatError)

headers = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key != "key"),
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    max_size=5,
)
payloads = st.lists(st.binary(max_size=300) | st.just(b"shrinks" * 100), max_size=4)
sealed_objects = st.builds(
    lambda header, payload, level, signer: seal(
        Kind.VALUE, header, payload, level=level, signer=signer
    ).to_bytes(),
    headers,
    payloads,
    st.sampled_from([None, 1, 3]),
    st.sampled_from([None, SIGNER]),
)


def opened(data: bytes | bytearray, **limits: Any) -> Envelope:
    """Unseal a value."""
    return unseal(data, kind=Kind.VALUE, name="an object", **{"raw_size_max": RAW_MAX, **limits})


def rewritten(data: bytes, change: Callable[[bytearray], None]) -> bytes:
    """Return an unsigned object after ``change``, with a check sum that fits again."""
    changed = bytearray(data)
    change(changed)
    end = 16 + int.from_bytes(changed[12:16], "little")
    changed[-8:] = blake3(bytes(changed[:end]) + bytes(changed[-56:-8])).digest(8)
    return bytes(changed)


def handmade(
    header: bytes, payload: bytes, raw_size: int, compression: int = 0, stored_more: int = 0
) -> bytes:
    """Return an object that only ``struct`` and this test made."""
    size = -(-(16 + len(header)) // 64) * 64 - 16
    head = MAGIC + struct.pack("<BBBBI", 1, 1, compression, 0, size) + header.ljust(size, b"\0")
    trailer = struct.pack("<QQ", raw_size, len(payload) + stored_more) + blake3(payload).digest()
    return head + payload + trailer + blake3(head + trailer).digest(8)


@given(headers, payloads, st.sampled_from([None, 1, 3]), st.sampled_from([None, SIGNER]))
def test_unseal_inverts_seal(
    header: Mapping[str, Any], payload: list[bytes], level: int | None, signer: SigningKey | None
) -> None:
    """Whatever can be sealed comes back unchanged."""
    sealed = seal(Kind.VALUE, header, payload, level=level, signer=signer)

    envelope = opened(sealed.to_bytes())

    fields = dict(envelope.header)
    key = fields.pop("key", None)
    assert (fields, bytes(envelope.payload)) == (header, b"".join(payload))
    assert sealed.size == envelope.stored_size == len(sealed.to_bytes())
    assert (key is None) == (signer is None)
    if envelope.signature is not None:
        envelope.signature.verified_key()


# Random bytes never start with the magic, so they only test the first check.
@given(
    st.binary()
    | sealed_objects.flatmap(
        lambda data: st.integers(0, len(data) - 1).map(lambda size: data[:size])
    )
)
def test_an_object_cut_short_is_noticed(data: bytes) -> None:
    """A torn write, or a truncated answer, must not read as an object."""
    with pytest.raises(CorruptionError):
        opened(data)


@given(sealed_objects, st.data())
def test_a_flipped_bit_is_noticed(data: bytes, draw: st.DataObject) -> None:
    """Wherever the bit is: no silent corruption."""
    changed = bytearray(data)
    changed[draw.draw(st.integers(0, len(data) - 1))] ^= 1 << draw.draw(st.integers(0, 7))

    with pytest.raises(TYPED_ERRORS):
        opened(changed)


@pytest.mark.parametrize("signer", [None, SIGNER])
@pytest.mark.parametrize("kind", list(Kind))
def test_every_flipped_byte_of_every_kind_is_noticed(kind: Kind, signer: SigningKey | None) -> None:
    """All byte classes, one after the other: magic, lengths, header, payload, trailer."""
    data = seal(kind, {"a": 1}, [b"payload"], signer=signer).to_bytes()
    noticed = 0
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0xFF
        with pytest.raises(TYPED_ERRORS):
            unseal(changed, kind=kind, name="an object", raw_size_max=RAW_MAX)
        noticed += 1

    assert noticed == len(data)


@given(sealed_objects, st.binary(min_size=1, max_size=70))
def test_bytes_behind_an_object_are_noticed(data: bytes, more: bytes) -> None:
    """An object ends where its trailer does."""
    with pytest.raises(CorruptionError):
        opened(data + more)


@given(sealed_objects, sealed_objects)
def test_two_objects_are_not_mixed(first: bytes, second: bytes) -> None:
    """The head of one and the rest of another belong together only if they are equal."""
    mixed = first[:64] + second[64:]
    if mixed in {first, second}:
        return
    with pytest.raises(TYPED_ERRORS):
        opened(mixed)


@pytest.mark.parametrize(
    ("position", "value"), [(8, 2), (9, 7), (10, 2), (11, 1), (11, 2), (11, 8)]
)
def test_a_newer_format_asks_for_an_upgrade(position: int, value: int) -> None:
    """A future version, kind, compression or flag is not corruption, and must not read so."""
    whole = seal(Kind.VALUE, {}, [b"x"]).to_bytes()
    data = rewritten(whole, lambda d: d.__setitem__(position, value))

    with pytest.raises(UnsupportedFormatError, match="upgrade it"):
        opened(data)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("position", [8, 9, 10, 11])
def test_a_bit_that_flipped_is_not_taken_for_a_newer_format(position: int, *, signed: bool) -> None:
    """Who is told to upgrade, and has the newest, gives up; a damaged value can be had again."""
    signer = SigningKey(bytes(32)) if signed else None
    data = bytearray(seal(Kind.VALUE, {}, [b"x" * 500], signer=signer).to_bytes())

    for bit in range(8):
        data[position] ^= 1 << bit
        with pytest.raises(CorruptionError):
            opened(data)
        data[position] ^= 1 << bit


def test_a_version_that_never_was_is_corruption() -> None:
    """Upgrading would not help."""
    data = rewritten(seal(Kind.VALUE, {}, [b"x"]).to_bytes(), lambda d: d.__setitem__(8, 0))

    with pytest.raises(CorruptionError, match="never was"):
        opened(data)


def test_another_kind_is_not_taken_for_this_one() -> None:
    """A pack under the name of a blob is not a value."""
    data = seal(Kind.PACK, {}, [b"x"]).to_bytes()

    with pytest.raises(CorruptionError, match="of kind 2, expected value"):
        opened(data)


def test_the_size_that_a_record_states_binds() -> None:
    """A record and its object must agree before anything is unpacked."""
    data = seal(Kind.VALUE, {}, [b"x" * 1000]).to_bytes()

    assert len(opened(data, raw_size=1000).payload) == 1000
    with pytest.raises(CorruptionError, match="unpacks to 1000 bytes, expected 999"):
        opened(data, raw_size=999)
    with pytest.raises(CorruptionError, match="at most 999"):
        opened(data, raw_size_max=999)


@pytest.mark.parametrize("claimed", [1 << 62, 100 * 32768 + 1])
def test_a_bomb_is_refused_before_it_is_unpacked(claimed: int) -> None:
    """A size that zstd cannot reach from so few bytes is not allocated."""
    data = handmade(b"\x80", b"z" * 100, claimed, compression=1)

    with pytest.raises(CorruptionError, match="claims that 100 bytes unpack"):
        opened(data, raw_size_max=1 << 63)


@pytest.mark.parametrize(
    ("header", "payload", "raw_size", "compression"),
    [
        (b"\x80", b"no zstd", 7, 1),
        (b"\x80", zstandard.ZstdCompressor().compress(b"x" * 9), 8, 1),
        (b"\x80", zstandard.ZstdCompressor(write_content_size=False).compress(b"x"), 1, 1),
        (b"\x80", zstandard.ZstdCompressor().compress(b"x") + b"behind", 1, 1),
        (b"\x80", b"raw", 4, 0),
        (b"\x90", b"raw", 3, 0),
        (b"\x81\x01\x02", b"raw", 3, 0),
        (b"\xdf\xff\xff\xff\xff", b"raw", 3, 0),
        (b"\x80\x80", b"raw", 3, 0),
        (b"\x81\xa1k\xc7\x00\x05", b"raw", 3, 0),
        (b"\x81\xa1k\xd6\xff\x00\x00\x00\x00", b"raw", 3, 0),
        (b"\x81\xa1k\xa1\xff", b"raw", 3, 0),
        (b"\x81\xa1k" + b"\x91" * 2000 + b"\xc0", b"raw", 3, 0),
        (b"\x81\xa1k" + b"\x91" * 40 + b"\xc0", b"raw", 3, 0),
    ],
)
def test_what_nobody_sealed_is_refused(
    header: bytes, payload: bytes, raw_size: int, compression: int
) -> None:
    """Check sums that fit prove nothing about a hostile writer."""
    with pytest.raises(CorruptionError):
        opened(handmade(header, payload, raw_size, compression))


def test_a_stored_size_that_is_not_that_of_the_payload_is_refused() -> None:
    """A reader that went by it would read past the payload, or less than it."""
    for stored_more in (-1, 1, 1 << 40):
        with pytest.raises(CorruptionError, match="not what its trailer says"):
            opened(handmade(b"\x80", b"raw", 3, stored_more=stored_more))


def test_what_this_test_makes_by_hand_can_be_read() -> None:
    """The tests above would prove nothing if it could not."""
    packed = zstandard.ZstdCompressor().compress(b"x" * 9)

    assert bytes(opened(handmade(b"\x80", packed, 9, compression=1)).payload) == b"x" * 9
    assert bytes(opened(handmade(b"\x81\xa1k\x01", b"raw", 3)).payload) == b"raw"


@pytest.mark.parametrize("size", [0, 47, 49, HEADER_MAX + 64 - 16, (1 << 32) - 16])
def test_a_header_size_that_cannot_be_is_refused(size: int) -> None:
    """Sizes are checked before they are used."""
    data = bytearray(seal(Kind.VALUE, {"a": bytes(100)}, [b"x"]).to_bytes())
    data[12:16] = size.to_bytes(4, "little")

    with pytest.raises(CorruptionError):
        opened(data)


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 1000])
def test_the_payload_begins_at_a_multiple_of_64(size: int) -> None:
    """Arrays are mapped from there."""
    sealed = seal(Kind.VALUE, {"a": bytes(size)}, [b"x"], level=None)

    assert len(next(iter(sealed.parts))) % ALIGNMENT == 0


def test_equal_headers_are_equal_bytes() -> None:
    """Whatever order they were built in, also inside."""
    first = seal(Kind.VALUE, {"a": {"x": 1, "y": 2}, "b": 0}, [])
    second = seal(Kind.VALUE, {"b": 0, "a": {"y": 2, "x": 1}}, [])

    assert first.to_bytes() == second.to_bytes()


def test_a_known_digest_spares_hashing_and_changes_nothing() -> None:
    """Three digests of the same bytes would cost as much as writing them."""
    payload = bytes(range(256))

    plain = seal(Kind.VALUE, {}, [payload])
    spared = seal(Kind.VALUE, {}, [payload], payload_digest=blake3(payload).digest())

    assert plain.to_bytes() == spared.to_bytes()


def test_a_known_digest_is_not_taken_for_that_of_compressed_bytes() -> None:
    """It is of the payload; the trailer has that of what is stored."""
    payload = b"shrinks" * 1000

    sealed = seal(Kind.VALUE, {}, [payload], payload_digest=blake3(payload).digest())

    assert sealed.to_bytes()[10] == Compression.ZSTD
    assert bytes(opened(sealed.to_bytes()).payload) == payload


def test_parts_of_any_shape_are_their_bytes() -> None:
    """Codecs hand in views of arrays, also of empty ones."""
    array = memoryview(b"01234567").cast("B", (2, 4))
    empty = memoryview(b"").cast("I")

    sealed = seal(Kind.VALUE, {}, [array, empty, bytearray(b"89")], level=None)

    assert bytes(opened(sealed.to_bytes()).payload) == b"0123456789"


@pytest.mark.parametrize(
    "header",
    [
        {"key": b"taken"},
        {"a": object()},
        {"a": 1 << 64},
        {"a": "\ud800"},
        {"a": {1: 2}},
        {"a": bytes(HEADER_MAX)},
        {"a": [0] * 20_000},
    ],
)
def test_what_could_not_be_read_is_not_written(header: dict[str, object]) -> None:
    """The writer is told, and not the reader."""
    with pytest.raises(UsageError):
        seal(Kind.VALUE, header, [])


def test_a_header_at_the_limit_of_depth_can_be_read() -> None:
    """The two limits are one."""
    deep: object = 1
    for _ in range(31):
        deep = [deep]

    assert opened(seal(Kind.VALUE, {"a": deep}, []).to_bytes()).header["a"] == deep
    with pytest.raises(UsageError):
        seal(Kind.VALUE, {"a": [deep]}, [])


@pytest.mark.parametrize("shrinking", [True, False])
def test_the_beginning_decides_about_compression(*, shrinking: bool) -> None:
    """A large payload that does not shrink is not put through zstd for nothing."""
    noise = blake3(b"").digest(130 * 1024)
    beginning = bytes(130 * 1024) if shrinking else noise

    data = seal(Kind.VALUE, {}, [beginning, noise]).to_bytes()

    assert data[10] == (Compression.ZSTD if shrinking else Compression.RAW)
    assert bytes(opened(data).payload) == beginning + noise
