"""Canonical msgpack: equal values are equal bytes, hostile bytes a typed error."""

from __future__ import annotations

import tracemalloc
from types import MappingProxyType

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandala_cas.envelope.packing import Packable, check_lengths, pack, unpack
from mandala_cas.errors import CorruptionError, UsageError

packables: st.SearchStrategy[Packable] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(packables)
def test_unpack_inverts_pack(value: Packable) -> None:
    """Whatever can be packed comes back, and says how long it was."""
    packed = pack(value)

    assert unpack(packed + b"behind", name="n", what="header") == (value, len(packed))


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), st.integers(0, 9))))
def test_order_does_not_count(value: dict[str, dict[str, int]]) -> None:
    """Not at any level."""
    turned = {key: dict(reversed(value[key].items())) for key in reversed(value)}

    assert pack(value) == pack(turned)


def test_views_of_maps_and_tuples_are_maps_and_arrays() -> None:
    """Callers hold frozen things."""
    assert pack(MappingProxyType({"a": (1, 2)})) == pack({"a": [1, 2]})


@given(st.binary(max_size=40) | packables.map(pack).map(lambda data: data[:-1]))
def test_only_typed_errors_come_out(packed: bytes) -> None:
    """Garbage in, a typed error out."""
    try:
        value, size = unpack(packed, name="n", what="header")
    except CorruptionError:
        return
    assert size <= len(packed)
    pack(value)


def test_nested_lies_about_sizes_allocate_little() -> None:
    """Each announces more items than there are bytes in the world, and all nest."""
    possible = (b"\xdd\x00\x0f\x00\x00" * 100).ljust(1 << 20, b"\xc0")
    huge = b"\xdd\xff\xff\xff\xff" * 1000
    tracemalloc.start()

    for data in (possible, huge):
        with pytest.raises(CorruptionError):
            unpack(data, name="n", what="header")

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_arrays_within_each_other_that_claim_all_there_is_allocate_little() -> None:
    """Each claim could be true, and all of them together are thousands of times the bytes."""
    claims = b"\xdd\x00\x00\x40\x00" * 500
    data = claims.ljust(1 << 14, b"\xc0")
    tracemalloc.start()

    with pytest.raises(CorruptionError):
        unpack(data, name="n", what="header")

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_lengths_are_checked_across_pieces() -> None:
    """What is longer than is read at once is as good as what is shorter."""
    packed = msgpack.packb(["a" * 200_000, list(range(70_000)), {"b": b"c" * 70_000}])

    check_lengths(packed + b"more")

    with pytest.raises(ValueError, match="longer than what is there"):
        check_lengths(packed[:-1])


@pytest.mark.parametrize("value", [object(), 1 << 64, "\ud800", {1: 2}, {"a": {b"b": 1}}])
def test_what_has_no_form_is_the_callers_mistake(value: object) -> None:
    """The error says so, and is one of ours."""
    with pytest.raises(UsageError, match="as msgpack"):
        pack(value)


def test_times_and_extensions_are_not_ours() -> None:
    """Their meaning is not in the format."""
    for foreign in (msgpack.Timestamp(1), msgpack.ExtType(5, b"")):
        with pytest.raises(CorruptionError, match="does not write"):
            unpack(msgpack.packb([foreign]), name="n", what="header")
