"""What holds for every nested value."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.codec.nested_strategies import is_same, leaves, values

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import default_registry
from mandala_cas.errors import MandalaError

REGISTRY = default_registry()


@given(values)
def test_nested_values_come_back_without_pickle(value: Any) -> None:
    """Type, order and bits, in the form of a safe codec."""
    encoded = REGISTRY.encode([value], Digests())
    payload = b"".join(encoded.payload)
    found = REGISTRY.decode(
        encoded.codec_name, encoded.codec_version, encoded.header, memoryview(payload)
    )

    assert encoded.codec_name in {"plain", "nested"}
    assert is_same(found, [value])


@given(values)
def test_what_came_back_can_travel_on(value: Any) -> None:
    """However often, it is what it was, and has the id that it had."""
    travelled = value
    for _ in range(2):
        encoded = REGISTRY.encode(travelled, Digests())
        payload = memoryview(bytearray(b"".join(encoded.payload)))
        travelled = REGISTRY.decode(
            encoded.codec_name, encoded.codec_version, encoded.header, payload
        )

    assert is_same(travelled, value)
    assert content_id(travelled) == content_id(value)


@given(values)
def test_a_rebuilt_value_has_the_same_id(value: Any) -> None:
    """Whatever it shares, and however it was built."""
    assert content_id(copy.deepcopy(value)) == content_id(value)


@given(values, leaves, st.randoms(use_true_random=False))
def test_another_leaf_gives_another_id_and_other_bytes(value: Any, leaf: Any, random: Any) -> None:
    """Unless it is the same one."""
    one, other = [value, leaf], [value, random.choice([None, 0, 1, 1.0, "", (leaf,), [leaf]])]
    same = is_same(one, other)

    payloads = {b"".join(REGISTRY.encode(each, Digests()).payload) for each in (one, other)}

    assert (content_id(one) == content_id(other)) == same
    assert (len(payloads) == 1) == same


@given(values, st.data())
def test_damaged_bytes_give_a_value_or_a_typed_error(value: Any, data: st.DataObject) -> None:
    """Never another exception: near misses are what an attacker begins with."""
    encoded = REGISTRY.encode([value], Digests())
    wrong = bytearray(b"".join(encoded.payload))
    for _ in range(data.draw(st.integers(1, 3))):
        wrong[data.draw(st.integers(0, len(wrong) - 1))] = data.draw(st.integers(0, 255))
    try:
        REGISTRY.decode(
            encoded.codec_name, encoded.codec_version, encoded.header, memoryview(wrong)
        )
    except MandalaError:
        return
