"""Signatures: whose they are, and what they cover."""

from __future__ import annotations

import pytest
from blake3 import blake3

from mandala_cas.envelope.seal import Kind, seal, unseal
from mandala_cas.envelope.signatures import Signature, SigningKey, key_id_of
from mandala_cas.errors import CorruptionError, UsageError

SECRET = bytes(range(32))
OTHER_SECRET = bytes(32)
SIGNED_FROM = 8 + 64 + 16


def signature_of(data: bytes) -> Signature:
    """Return the signature in an object."""
    envelope = unseal(data, kind=Kind.SEGMENT, name="an object", raw_size_max=1000)
    assert envelope.signature is not None
    return envelope.signature


def signed(payload: bytes = b"payload", secret: bytes = SECRET) -> bytes:
    """Return a signed object."""
    return seal(Kind.SEGMENT, {"a": 1}, [payload], signer=SigningKey(secret)).to_bytes()


def with_fitting_check_sum(data: bytes) -> bytes:
    """Return an object whose last eight bytes fit the others, as a forger would make it."""
    end = 16 + int.from_bytes(data[12:16], "little")
    return data[:-8] + blake3(data[:end] + data[-136:-8]).digest(8)


def test_a_signature_names_its_key() -> None:
    """Trust is given to keys."""
    key = SigningKey(SECRET)

    assert signature_of(signed()).verified_key() == key_id_of(key.public_key)


def test_the_answer_is_kept() -> None:
    """A signature is checked once, however many values rely on it."""
    signature = signature_of(signed())
    signature.verified_key()
    signature.message = b"no longer looked at"

    assert signature.verified_key() == key_id_of(signature.public_key)


def test_a_signature_of_another_object_is_refused() -> None:
    """Moving a signature to other bytes must not make them trusted."""
    mine, other = signed(), signed(b"another")
    forged = with_fitting_check_sum(other[:-72] + mine[-72:-8] + bytes(8))

    with pytest.raises(CorruptionError, match="does not fit"):
        signature_of(forged).verified_key()


def test_every_signed_byte_counts() -> None:
    """Head, sizes, payload hash, key id: a forger can change none of them."""
    data = signed()
    end = len(data) - 72
    survived = []
    for position in range(12, end):
        changed = bytearray(data)
        changed[position] ^= 1
        try:
            signature_of(with_fitting_check_sum(bytes(changed))).verified_key()
        except CorruptionError:
            continue
        survived.append(position)

    assert survived == []


def test_a_signed_object_must_name_its_key() -> None:
    """Otherwise there is nothing to check it with."""
    data = bytearray(signed())
    at = data.index(b"\xa3key")
    data[at : at + 4] = b"\xa3kez"

    with pytest.raises(CorruptionError, match="names no key"):
        signature_of(with_fitting_check_sum(bytes(data)))


def test_a_signature_by_another_key_than_named_is_refused() -> None:
    """The key id in the trailer is that of the key in the header."""
    data = bytearray(signed())
    data[-SIGNED_FROM : -SIGNED_FROM + 16] = key_id_of(SigningKey(OTHER_SECRET).public_key)

    with pytest.raises(CorruptionError, match="another key than it names"):
        signature_of(with_fitting_check_sum(bytes(data)))


def test_a_key_that_is_none_is_refused() -> None:
    """Not every 32 bytes are a point on the curve; the error is ours all the same."""
    public_key = b"\x02" + bytes(31)
    signature = Signature("an object", public_key, b"message", bytes(64))

    with pytest.raises(CorruptionError, match="does not fit"):
        signature.verified_key()


def test_a_secret_never_prints() -> None:
    """Not in a log line, not in an error."""
    key = SigningKey(SECRET)

    with pytest.raises(UsageError) as error:
        SigningKey(SECRET[:31])

    for text in (repr(key), str(key), str(error.value), repr(error.value)):
        assert SECRET[:31].hex() not in text
        assert repr(SECRET[:31])[2:-1] not in text
    assert repr(key_id_of(key.public_key))[6:-4] in repr(key)
