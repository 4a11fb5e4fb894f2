"""Large arrays that are not stored as they lie: copied piece by piece, to the same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mandala_cas.codec import array_pieces, arrays
from mandala_cas.codec.digests import Digests, payload_hash
from mandala_cas.codec.registry import default_registry
from mandala_cas.objectstore.api import Pieces

REGISTRY = default_registry()
PADDED = np.dtype([("a", "i1"), ("b", "f8")], align=True)


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what these tests can afford count as large."""
    monkeypatch.setattr(arrays, "_PIECES_MIN", 1000)
    monkeypatch.setattr(array_pieces, "PIECE_SIZE", 5000)


def padded() -> Any:
    """Return structures with rubbish between their fields."""
    array = np.frombuffer(np.random.default_rng(5).bytes(16 * 3000), PADDED).copy()
    array["a"] = np.arange(3000) % 100
    array["b"] = np.arange(3000)
    return array


PIECEWISE = {
    "strided": np.arange(60_000.0).reshape(300, 200)[:, ::2],
    "reversed": np.arange(60_000, dtype=">i4")[::-1],
    "three sides": np.arange(60_000.0).reshape(30, 50, 40).transpose(1, 0, 2),
    "broad rows": np.arange(60_000.0).reshape(3, 20_000)[:, ::-1],
    "padded": padded(),
    "padded and strided": padded()[::2],
    "padded, as Fortran has it": np.asfortranarray(padded().reshape(50, 60)),
    "80 bits": np.arange(5000, dtype=np.longdouble),
    "repeated": np.broadcast_to(np.arange(300.0), (100, 300)),
}


@pytest.mark.parametrize("array", PIECEWISE.values(), ids=PIECEWISE)
def test_pieces_are_the_bytes_of_a_copy(array: Any) -> None:
    """So the payload hash, and the name of the blob, do not tell how it was made."""
    encoded = REGISTRY.encode(array, Digests())
    if array.dtype == np.longdouble and np.dtype(np.longdouble).itemsize == 8:
        # On systems without 80-bit numbers there is nothing to clear.
        return
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    same = REGISTRY.encode(array.copy(order=order), Digests())

    assert isinstance(encoded.payload, Pieces)
    payload = b"".join(encoded.payload)
    assert payload == b"".join(encoded.payload) == b"".join(same.payload)
    assert len(payload) == encoded.raw_size == array.nbytes
    assert all(memoryview(piece).nbytes <= 5000 for piece in encoded.payload)
    assert encoded.payload_hash == same.payload_hash
    named = (encoded.codec_name, encoded.codec_version, encoded.header)
    assert encoded.payload_hash == payload_hash(*named, [payload], Digests())
    found = REGISTRY.decode(*named, memoryview(bytearray(payload)))
    assert np.array_equal(found, array)


@pytest.mark.parametrize("array", PIECEWISE.values(), ids=PIECEWISE)
def test_a_sample_is_a_part_of_the_payload(array: Any) -> None:
    """Near enough to where it was asked for: at an element."""
    encoded = REGISTRY.encode(array, Digests())
    if not isinstance(encoded.payload, Pieces):
        return
    assert encoded.payload.sample is not None
    payload = b"".join(encoded.payload)
    size = array.itemsize

    for offset in (0, 100 * size, 100 * size + 1, array.nbytes - 50 * size):
        begin = offset // size * size
        sample = encoded.payload.sample(offset, 50 * size)

        assert bytes(sample) == payload[begin : begin + 50 * size]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(60_000.0),
        np.asfortranarray(np.arange(60_000.0).reshape(200, 300)),
        np.arange(100.0)[::2],
    ],
)
def test_what_lies_as_it_is_stored_or_is_small_is_one_buffer(array: Any) -> None:
    """The first kind is not copied at all, and the second at no cost."""
    assert not isinstance(REGISTRY.encode(array, Digests()).payload, Pieces)
