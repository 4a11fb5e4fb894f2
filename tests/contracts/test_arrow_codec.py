"""The codec of Arrow keeps the contract, for every type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.contracts.arrow_values import ARRAYS

from mandala_cas.codec.arrow import ArrowCodec
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.errors import UsageError
from mandala_cas.testing.codecs import CodecSuite, decode

Makers = Sequence[Callable[[], Any]]


class Metres(pa.ExtensionType):  # type: ignore[misc]  # (pyarrow is not typed)
    """A type of a user's."""

    def __init__(self) -> None:
        """Store floats."""
        super().__init__(pa.float64(), "tests.metres")

    def __arrow_ext_serialize__(self) -> bytes:
        """Return no parameters."""
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: Any, serialized: bytes) -> Metres:
        """Return the type."""
        del storage_type, serialized
        return cls()


class TestArrow(CodecSuite):
    """Everything that can be a value of Arrow."""

    @pytest.fixture
    def codec(self) -> ArrowCodec:
        """Return the codec."""
        return ArrowCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return arrays of every type, and the other kinds of values."""
        field = pa.field("a", pa.int8(), nullable=False, metadata={"unit": "m"})
        words = pa.array(["a", "b", None])
        return [
            *ARRAYS.values(),
            lambda: pa.table({"a": [1, None], "b": ["x", "y"]}),
            lambda: pa.table({}),
            lambda: pa.table({"a": []}),
            lambda: pa.table({"a": [1]}).select([]),
            lambda: pa.Table.from_pandas(pd.DataFrame({"a": [1]}, index=["x"])),
            lambda: pa.table([[1], [2]], names=["a", "a"]),
            lambda: pa.table([[1]], schema=pa.schema([field], metadata={"made": "here"})),
            lambda: pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2, 3]})]),
            lambda: pa.table({"a": words.dictionary_encode()})[:0],
            lambda: pa.record_batch({"a": [1, 2]}),
            lambda: pa.record_batch({"a": words.dictionary_encode()})[1:],
            lambda: pa.chunked_array([["a"], [], ["b", None]]),
            lambda: pa.chunked_array([], pa.int8()),
            lambda: pa.chunked_array([words.dictionary_encode(), words[1:].dictionary_encode()]),
            lambda: pa.array(range(10))[3:7],
            union_slice,
            lambda: pa.schema([field], metadata={"made": "here"}),
            lambda: field,
            lambda: pa.list_(field),
            lambda: pa.scalar(1.5),
            lambda: pa.scalar(None, pa.string()),
            lambda: pa.scalar([{"a": 1}]),
            lambda: words.dictionary_encode()[1],
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what belongs to others, and rows without columns."""
        return [
            1.5,
            np.arange(3),
            pd.Series([1]),
            pl.Series([1]),
            pa.py_buffer(b"a"),
            pa.record_batch({"a": [1]}).select([]),
        ]


def union_slice() -> Any:
    """Return a part of a union."""
    return ARRAYS["sparse_union"]()[1:]


@pytest.fixture
def registry() -> CodecRegistry:
    """Return a registry with this codec alone."""
    registry = CodecRegistry()
    registry.register(ArrowCodec())
    return registry


def test_a_type_that_is_not_registered_here_is_an_error_that_says_so(
    registry: CodecRegistry,
) -> None:
    """The bytes are fine, and Arrow alone would give the storage without a word."""
    value = pa.ExtensionArray.from_storage(Metres(), pa.array([1.5]))
    pa.register_extension_type(Metres())
    try:
        encoded = registry.encode(value, Digests())
        found = decode(registry, encoded)
    finally:
        pa.unregister_extension_type("tests.metres")

    assert found.type == Metres()
    with pytest.raises(UsageError, match=r"tests\.metres"):
        decode(registry, encoded)
    with pytest.raises(UsageError, match="no codec takes it"):
        registry.encode(value, Digests())


def test_a_large_array_is_not_copied(registry: CodecRegistry) -> None:
    """What is written is the memory of the value."""
    value = pa.array(np.arange(100_000.0))

    payload = registry.encode(value, Digests()).payload

    addresses = [np.frombuffer(part, np.uint8).__array_interface__["data"][0] for part in payload]
    assert value.buffers()[1].address in addresses


def test_loading_does_not_copy_a_payload_that_lies_well(registry: CodecRegistry) -> None:
    """A memory map stays one; a payload at an odd address is moved."""
    encoded = registry.encode(pa.array(np.arange(1000.0)), Digests())
    data = b"".join(encoded.payload)
    place = np.empty(len(data) + 128, np.uint8)
    start = -place.__array_interface__["data"][0] % 64
    place[start : start + len(data)] = np.frombuffer(data, np.uint8)
    aligned = place[start : start + len(data)]
    odd = place[start + 1 : start + 1 + len(data)]

    address = decode(registry, encoded, aligned.data).buffers()[1].address
    first = aligned.__array_interface__["data"][0]
    odd[:] = np.frombuffer(data, np.uint8)
    found = decode(registry, encoded, odd.data)

    assert first < address < first + len(data)
    assert found.to_pylist() == list(range(1000))
    assert found.buffers()[1].address % 8 == 0
