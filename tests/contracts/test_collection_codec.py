"""What is stored of collections keeps the contract of a codec, and its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mandala_cas.codec.collections import CollectionCodec, kind_in
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import CodecRegistry, default_registry
from mandala_cas.envelope.packing import pack
from mandala_cas.errors import CorruptionError, MandalaError
from mandala_cas.model.collections import ELEMENTS_MAX, Collection, CollectionKind
from mandala_cas.model.ids import ContentId
from mandala_cas.testing.codecs import CodecSuite, Maker

IDS = [ContentId(bytes([n]) * ContentId.SIZE) for n in range(250)]


class TestCollections(CodecSuite):
    """Of every kind, with and without elements."""

    @pytest.fixture
    def codec(self) -> CollectionCodec:
        """Return the codec."""
        return CollectionCodec()

    @pytest.fixture
    def makers(self) -> Sequence[Maker]:
        """Return what is stored of collections."""
        return [
            lambda: Collection(CollectionKind.LIST, ()),
            lambda: Collection(CollectionKind.LIST, (IDS[2], IDS[1], IDS[2])),
            lambda: Collection(CollectionKind.TUPLE, tuple(IDS)),
            lambda: Collection(CollectionKind.SET, (IDS[1], IDS[3])),
            lambda: Collection(CollectionKind.DICT, (), ()),
            lambda: Collection(CollectionKind.DICT, (IDS[1], IDS[1]), ("é", "")),
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return values that users have: none of them is one."""
        return [[1], (1,), {1}, {"a": 1}, CollectionKind.LIST, IDS[0]]


def decode(header: Mapping[str, Any], payload: bytes) -> Any:
    """Decode as a store's reader does."""
    registry = CodecRegistry()
    registry.register(CollectionCodec())
    return registry.decode("collection", 1, pack(header), memoryview(payload))


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        ({"kind": "list", "count": ELEMENTS_MAX}, b""),
        ({"kind": "list", "count": ELEMENTS_MAX + 1}, bytes(32 * (ELEMENTS_MAX + 1))),
        ({"kind": "list", "count": 2**62}, bytes(32)),
        ({"kind": "list", "count": True}, bytes(32)),
        ({"kind": "list", "count": -1}, b""),
        ({"kind": "list", "count": 1}, bytes(33)),
        ({"kind": "heap", "count": 1}, bytes(32)),
        ({"kind": "list", "count": 1, "more": 1}, bytes(32)),
        ({"kind": "list"}, b""),
        ({"kind": "set", "count": 2}, bytes(64)),
        ({"kind": "set", "count": 2}, bytes(IDS[2]) + bytes(IDS[1])),
        ({"kind": "dict", "count": 1}, bytes(32) + b"\xff\xff\xff\xff"),
        ({"kind": "dict", "count": 1}, bytes(32) + b"\x01\0\0\0\xff"),
        ({"kind": "dict", "count": 2}, bytes(64) + b"\x01\0\0\0\x01\0\0\0aa"),
        ({"kind": "dict", "count": 1}, bytes(32) + b"\x01\0\0\0ab"),
    ],
)
def test_what_no_encoder_wrote_is_refused(header: Mapping[str, Any], payload: bytes) -> None:
    """Above all counts, which cost nothing to claim."""
    with pytest.raises(CorruptionError, match="is not what codec 'collection' writes"):
        decode(header, payload)


def test_the_bytes_are_those_of_the_page() -> None:
    """Ids, then the sizes of the keys, then the keys."""
    value = Collection(CollectionKind.DICT, (IDS[7], IDS[1]), ("é", "x"))

    encoded = default_registry().encode(value, Digests(), "collection")

    assert encoded.header == pack({"kind": "dict", "count": 2})
    assert b"".join(encoded.payload) == b"\7" * 32 + b"\1" * 32 + b"\2\0\0\0\1\0\0\0\xc3\xa9x"


def test_the_kind_is_read_off_the_header() -> None:
    """So that an index tells it; what is none is no kind."""
    assert kind_in(pack({"kind": "tuple", "count": 9})) is CollectionKind.TUPLE
    for header in (pack({"kind": "heap"}), pack({}), b"\xff\xff", pack([1])):
        with pytest.raises((ValueError, MandalaError)):
            kind_in(header)


def test_no_value_of_a_user_becomes_one() -> None:
    """The codec is asked by name only."""
    assert "collection" not in {codec.name for codec in default_registry().in_order()}
