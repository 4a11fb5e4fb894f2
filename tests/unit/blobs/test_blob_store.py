"""The blob store: what is put can be read, in batches, and nothing else can."""

from __future__ import annotations

import pytest

from mandala_cas.blobs.packs import Placement, seal_pack
from mandala_cas.blobs.store import BlobStore
from mandala_cas.blobs.value import seal_value
from mandala_cas.envelope.seal import Kind, Sealed, seal
from mandala_cas.errors import CorruptionError
from mandala_cas.model.ids import PayloadHash
from mandala_cas.objectstore.layout import NONCE_SIZE, blob_name
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.faults import FaultStore

HASH = PayloadHash(b"\xab" * 32)


def value(payload: bytes) -> Sealed:
    """Return a sealed value."""
    return seal_value(HASH, "plain", 1, b"\x80", [payload])


@pytest.fixture
def objects() -> FaultStore:
    """Return an empty store that counts, and refuses to overwrite."""
    return FaultStore(MemoryObjectStore(), forbid_overwrite=True)


@pytest.fixture
def blobs(objects: FaultStore) -> BlobStore:
    """Return a blob store in ``objects``."""
    return BlobStore(objects)


def test_a_loose_value_is_named_by_its_payload(objects: FaultStore, blobs: BlobStore) -> None:
    """And putting it twice is as putting it once."""
    sealed = value(b"x")

    places = [blobs.put_loose(HASH, sealed), blobs.put_loose(HASH, sealed)]

    assert places == [Placement(blob_name(HASH), 0, sealed.size)] * 2
    assert objects.inner.get(blob_name(HASH)) == sealed.to_bytes()


def test_a_batch_comes_back_in_its_order(objects: FaultStore, blobs: BlobStore) -> None:
    """From packs and loose blobs, twice the same, and None for what is not there."""
    first, second, third = value(b"1"), value(b"22"), value(b"333")
    pack = seal_pack([(HASH, first), (HASH, second)], nonce=bytes(NONCE_SIZE))
    blobs.put_packs([pack])
    loose = blobs.put_loose(HASH, third)
    lost_blob = Placement(blob_name(PayloadHash(bytes(32))), 0, 5)
    lost_pack = Placement("packs/00/" + "00" * 32, 64, 5)
    asked = [loose, pack.placements[1], lost_blob, pack.placements[0], loose, lost_pack]
    objects.calls.clear()

    found = blobs.get_many(asked)

    one, two, three = (sealed.to_bytes() for sealed in (first, second, third))
    assert found == [three, two, None, one, three, None]
    assert len(objects.calls) == 5


def test_a_loose_blob_is_read_whole(objects: FaultStore, blobs: BlobStore) -> None:
    """Another writer may have put it again in more bytes than a record says."""
    place = blobs.put_loose(HASH, value(b"shrinks" * 100))
    header = {"hash": HASH, "codec": "plain", "version": 1, "header": b"\x80"}
    again = seal(Kind.VALUE, header, [b"shrinks" * 100], level=None).to_bytes()
    objects.inner.put(place.name, [again])

    assert blobs.get_many([place]) == [again]


def test_nothing_asks_the_store_for_nothing(objects: FaultStore, blobs: BlobStore) -> None:
    """A flush of inline values costs no request here."""
    blobs.put_packs([])

    assert blobs.get_many([]) == []
    assert objects.calls == []


@pytest.mark.parametrize(
    "name",
    ["../secret", "config", "blobs/../config", "manifest/1-log/x", "", "blobs/ab/" + "cd" * 32],
)
def test_a_place_outside_of_payload_is_never_read(
    objects: FaultStore, blobs: BlobStore, name: str
) -> None:
    """A segment may be anyone's: its names must not reach other files."""
    with pytest.raises(CorruptionError):
        blobs.get_many([Placement(name, 0, 1)])

    assert objects.calls == []
