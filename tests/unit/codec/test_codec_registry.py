"""The registry: which codec takes what, and what its bytes mean."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from tests.unit.codec.plain_strategies import is_same, values
from tests.unit.codec.process_values import Point, model

from mandala_cas.codec.api import ValueCodec
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests, payload_hash
from mandala_cas.codec.registry import HEADER_MAX, CodecRegistry, default_registry
from mandala_cas.errors import CorruptionError, UnsupportedFormatError, UsageError
from mandala_cas.objectstore.api import Buffer

REGISTRY = default_registry()


class PanicException(BaseException):
    """What an extension written in Rust raises where it panics: no ``Exception``."""


class FractionCodec:
    """A codec of a user's, with a header of any size."""

    name = "fractions"
    version = 2
    runs_code = False

    def __init__(self, padding: Any = "") -> None:
        """Put ``padding`` into each header."""
        self._padding = padding

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a fraction."""
        return isinstance(value, Fraction)

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return it in decimal digits."""
        return {"padding": self._padding}, (str(value).encode(),)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the fraction."""
        assert "padding" in header
        if bytes(payload) == b"too much":
            raise MemoryError
        if bytes(payload) == b"panic":
            raise PanicException("index out of bounds")
        if bytes(payload) == b"ctrl-c":
            raise KeyboardInterrupt
        return Fraction(bytes(payload).decode())


def round_trip(registry: CodecRegistry, value: Any) -> tuple[str, Any]:
    """Return the name of the codec, and what came back."""
    found = registry.encode(value, Digests())
    payload = memoryview(b"".join(found.payload))
    decoded = registry.decode(found.codec_name, found.codec_version, found.header, payload)
    return found.codec_name, decoded


@given(values)
def test_plain_values_come_back(value: Any) -> None:
    """To the last bit and type."""
    name, found = round_trip(REGISTRY, value)

    assert is_same(found, value)
    assert content_id(found) == content_id(value)
    assert name == "plain"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "plain"),
        ({"a": (1, 2)}, "plain"),
        (np.arange(3), "ndarray"),
        (np.float64(1), "ndarray"),
        (pd.DataFrame({"a": [1]}), "pandas"),
        ({"a": np.arange(3)}, "nested"),
        (pd.DataFrame({"a": [1, "x"]}), "pandas"),
        (pd.DataFrame({"a": [1, object]}), "pickle"),
        (pd.Timestamp("2024"), "pandas-scalar"),
        (pd.Categorical(["a"]), "pandas"),
        (pl.DataFrame({"a": [1]}), "polars"),
        (pa.table({"a": [1]}), "arrow"),
        (pa.int64(), "arrow"),
        (Point(1.5), "nested"),
        ({"a": model()}, "pickle"),
        (model(), "pickle"),
        (NotImplemented, "plain"),
    ],
)
def test_each_value_goes_to_the_first_codec_that_keeps_it(value: Any, name: str) -> None:
    """Pickle is the last: it runs code."""
    found_name, found = round_trip(REGISTRY, value)

    assert found_name == name
    assert content_id(found) == content_id(value)
    assert REGISTRY.runs_code(name) == (name == "pickle")
    assert REGISTRY.is_fragile(name) == (name in {"pandas", "polars", "arrow"})


def test_codecs_of_users_come_first() -> None:
    """They know their types better."""
    registry = default_registry()
    registry.register(FractionCodec())

    assert round_trip(REGISTRY, Fraction(1, 3))[0] == "plain"
    assert round_trip(registry, Fraction(1, 3)) == ("fractions", Fraction(1, 3))


def test_a_name_is_given_once() -> None:
    """It stands in stores, where it must mean one thing."""
    registry = default_registry()

    with pytest.raises(UsageError, match="choose another"):
        registry.register(type("Plain", (FractionCodec,), {"name": "plain"})())


@pytest.mark.parametrize("padding", ["x" * HEADER_MAX, object(), [0] * 20_000, 2**70])
def test_a_header_that_is_too_much_passes_the_value_on(padding: Any) -> None:
    """Headers travel in the log, where no size and no type is free."""
    registry = default_registry()
    registry.register(FractionCodec(padding))

    assert round_trip(registry, Fraction(1, 3)) == ("plain", Fraction(1, 3))


def test_what_no_codec_takes_is_an_error_with_a_reason() -> None:
    """The value, and what stands in the way."""
    with pytest.raises(UsageError, match=r"cannot store a value of type builtins.dict: .*lock"):
        REGISTRY.encode({"a": threading.Lock()}, Digests())
    with pytest.raises(UsageError, match="no codec takes it"):
        CodecRegistry().encode(1, Digests())


def test_what_every_codec_declined_is_an_error_with_the_last_reason() -> None:
    """It says more than that nothing took the value."""
    registry = CodecRegistry()
    registry.register(FractionCodec(object()))

    with pytest.raises(UsageError, match="no codec takes it") as caught:
        registry.encode(Fraction(1, 3), Digests())

    assert "no form" in str(caught.value.__cause__)


def test_an_unknown_codec_asks_for_an_upgrade() -> None:
    """Or for the codec of whoever wrote the value."""
    with pytest.raises(UnsupportedFormatError, match="'tensor', which is not here"):
        REGISTRY.decode("tensor", 1, b"\x80", memoryview(b""))
    with pytest.raises(UnsupportedFormatError, match="register"):
        REGISTRY.runs_code("tensor")


@pytest.mark.parametrize("version", [0, 2, 2**40])
def test_a_version_that_is_not_known_asks_for_an_upgrade(version: int) -> None:
    """Guessing would give a wrong value."""
    with pytest.raises(UnsupportedFormatError, match="upgrade"):
        REGISTRY.decode("plain", version, b"\x80", memoryview(b"\x01"))


def test_older_versions_are_read() -> None:
    """For ever."""
    registry = CodecRegistry()
    registry.register(FractionCodec())

    found = registry.decode("fractions", 1, b"\x81\xa7padding\xa0", memoryview(b"1/3"))

    assert found == Fraction(1, 3)


def test_foreign_errors_become_corruption_and_running_out_of_memory_does_not() -> None:
    """The bytes are to blame for the first, this machine for the second."""
    registry = CodecRegistry()
    registry.register(FractionCodec())

    with pytest.raises(CorruptionError, match="do not rely on it") as caught:
        registry.decode("fractions", 2, b"\x81\xa7padding\xa0", memoryview(b"1/0"))
    with pytest.raises(MemoryError):
        registry.decode("fractions", 2, b"\x81\xa7padding\xa0", memoryview(b"too much"))

    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_panic_is_corruption_and_an_interruption_is_not() -> None:
    """Damaged bytes make extensions panic; the user's Ctrl-C must end the program."""
    registry = CodecRegistry()
    registry.register(FractionCodec())

    with pytest.raises(CorruptionError, match="PanicException: index out of bounds"):
        registry.decode("fractions", 2, b"\x81\xa7padding\xa0", memoryview(b"panic"))
    with pytest.raises(KeyboardInterrupt):
        registry.decode("fractions", 2, b"\x81\xa7padding\xa0", memoryview(b"ctrl-c"))


def test_nothing_may_follow_a_header() -> None:
    """It would be part of the payload hash and mean nothing."""
    encoded = REGISTRY.encode(1, Digests())

    with pytest.raises(CorruptionError, match="one map"):
        REGISTRY.decode("plain", 1, encoded.header + b"\0", memoryview(b"".join(encoded.payload)))


def test_a_stack_that_is_nearly_used_up_is_not_corruption() -> None:
    """The bytes are fine."""
    nested: list[Any] = []
    for _ in range(90):
        nested = [nested]
    encoded = REGISTRY.encode(nested, Digests())
    payload = memoryview(b"".join(encoded.payload))

    def deep_in(levels: int) -> Any:
        if levels == 0:
            return REGISTRY.decode("plain", 1, encoded.header, payload)
        return deep_in(levels - 1)

    with pytest.raises(UsageError, match="further up"):
        deep_in(sys.getrecursionlimit() - len(inspect.stack()) - 60)


def test_the_payload_hash_is_of_what_was_encoded() -> None:
    """And the digest of a large payload comes with it."""
    encoded = REGISTRY.encode(np.arange(20_000), Digests())
    small = REGISTRY.encode(np.arange(2), Digests())

    assert encoded.payload_hash == payload_hash(
        "ndarray", 1, encoded.header, encoded.payload, Digests()
    )
    assert encoded.payload_digest == Digests().of(next(iter(encoded.payload)))
    assert small.payload_digest is None


def test_a_large_array_is_neither_copied_nor_hashed_twice() -> None:
    """100 MB more, or once more, would show."""
    array = np.arange(20_000.0)
    digests = Digests()
    content_id(array, digests)

    encoded = REGISTRY.encode(array, digests)
    array[0] = 7

    assert np.frombuffer(next(iter(encoded.payload)))[0] == 7
    assert encoded.payload_digest == Digests().of(np.arange(20_000.0).data)


def test_the_codecs_are_codecs() -> None:
    """As the type checker sees them."""
    codecs: list[ValueCodec] = [FractionCodec()]

    assert codecs[0].name == "fractions"
