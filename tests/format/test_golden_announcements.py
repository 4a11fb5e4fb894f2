"""Announcements that a released version wrote are read, and the page alone is enough to do so."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest
from blake3 import blake3

from mandala_cas.envelope.signatures import SigningKey, key_id_of
from mandala_cas.log.announcements import (
    decode_condemned,
    decode_done,
    encode_condemned,
    encode_done,
)

ROOT = Path(__file__).parent / "golden" / "format-1-announcements"
SIGNER = SigningKey(bytes(range(32)))
NAMES = ["packs/00/" + "0" * 64, "blobs/11/" + "1" * 64]
LIBRARY = "mandala-cas golden"
NONCES = {"condemned": bytes(range(0x10, 0x20)), "done": bytes(range(0x20, 0x30))}
TIMES = {"condemned": 1_700_000_000_123_456, "done": 1_700_000_000_223_456}


def golden(step: str) -> tuple[str, bytes]:
    """Return the golden announcement of a step: its name and its bytes."""
    (path,) = ROOT.rglob(f"*.{step}")
    return path.relative_to(ROOT).as_posix(), path.read_bytes()


def test_what_is_written_today_is_what_was_written_then() -> None:
    """Nothing in an announcement is compressed, so its bytes never change."""
    name, sealed = encode_condemned(
        NAMES,
        created_us=TIMES["condemned"],
        nonce=NONCES["condemned"],
        signer=SIGNER,
        library=LIBRARY,
    )
    done_name, done = encode_done(
        name,
        2,
        0,
        created_us=TIMES["done"],
        nonce=NONCES["done"],
        signer=SIGNER,
        library=LIBRARY,
    )

    assert (name, sealed.to_bytes()) == golden("condemned")
    assert (done_name, done.to_bytes()) == golden("done")


def test_the_announcements_are_read() -> None:
    """Every field, as it was written."""
    condemned, done = decode_condemned(*golden("condemned")), decode_done(*golden("done"))

    assert all(name in condemned for name in NAMES)
    assert (len(condemned), condemned.created_us) == (2, TIMES["condemned"])
    assert (done.condemned, done.created_us) == (condemned.name, TIMES["done"])
    assert (done.deleted_count, done.spared_count) == (2, 0)
    for found in (condemned, done):
        assert found.signature is not None
        assert found.signature.verified_key() == key_id_of(SIGNER.public_key)


@pytest.mark.parametrize("step", ["condemned", "done"])
def test_the_page_alone_is_enough_for_an_announcement(step: str) -> None:
    """Read by hand, with nothing of the library."""
    name, data = golden(step)
    assert name == f"manifest/3-gc/{blake3(data).hexdigest()}.{step}"
    assert (data[8], data[9], data[10], data[11]) == (1, 5, 0, 4)
    head = 16 + int.from_bytes(data[12:16], "little")
    unpacker = msgpack.Unpacker()
    unpacker.feed(data[16:head])
    header = unpacker.unpack()
    payload = data[head : len(data) - 56 - 80]

    assert header["step"] == step
    assert (header["nonce"], header["created_us"]) == (NONCES[step], TIMES[step])
    assert (header["min_reader"], header["library"]) == (1, LIBRARY)
    if step == "done":
        assert payload == b""
        assert header["condemned"] == golden("condemned")[0]
        assert (header["deleted_count"], header["spared_count"]) == (2, 0)
        return
    assert header["name_count"] == len(NAMES)
    size = int.from_bytes(payload[:4], "little")
    directory = msgpack.unpackb(payload[8 : 8 + size])
    assert directory == [["condemned", 2, [["digest", "fixed8", [16]]]]]
    block = payload[8 + size + -size % 8 :]
    assert [block[:8], block[8:]] == sorted(blake3(n.encode()).digest(8) for n in NAMES)
