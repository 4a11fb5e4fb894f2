"""The codec of tensors keeps the contract, and its files are those of safetensors."""

from __future__ import annotations

import collections
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from tests.tensors.tensor_values import NAMES, PAIRS, all_floats, jax_of, model, torch_of

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import default_registry
from mandala_cas.codec.safetensors_layout import read_layout
from mandala_cas.codec.tensors import TensorCodec
from mandala_cas.errors import CorruptionError, UnsupportedFormatError, UsageError
from mandala_cas.testing.codecs import CodecSuite

pytestmark = pytest.mark.tensors

REGISTRY = default_registry()


class OwnTensor(torch.Tensor):  # type: ignore[misc]  # (untyped)
    """A class of a user's."""


def noted(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor with an attribute."""
    tensor.note = "mine"
    return tensor


def payload_of(value: Any) -> bytes:
    """Return the file of a value."""
    encoded = REGISTRY.encode(value, Digests())
    assert encoded.codec_name == "tensors"
    return b"".join(encoded.payload)


def decode(payload: bytes | bytearray) -> Any:
    """Return the value of a file."""
    return REGISTRY.decode("tensors", 1, b"\x80", memoryview(payload))


def with_notes(payload: bytes, **changes: Any) -> bytes:
    """Return a file of which our own notes say something else."""
    size = int.from_bytes(payload[:8], "little")
    header = json.loads(payload[8 : 8 + size])
    notes = {**json.loads(header["__metadata__"]["mandala-cas"]), **changes}
    header["__metadata__"]["mandala-cas"] = json.dumps(notes)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + payload[8 + size :]


class TestTorch(CodecSuite):
    """torch."""

    @pytest.fixture
    def codec(self) -> TensorCodec:
        """Return the codec."""
        return TensorCodec()

    @pytest.fixture
    def makers(self) -> Sequence[Callable[[], Any]]:
        """Return tensors of every dtype, parameters, and dicts of them."""
        return [
            *(partial(torch_of, name) for name in (*NAMES, *PAIRS)),
            *(partial(all_floats, name) for name in NAMES if name.startswith("float8")),
            lambda: torch_of("float32", ()),
            lambda: torch_of("bfloat16", (0, 3)),
            lambda: torch_of("complex64", (3, 2)).t().conj(),
            lambda: torch.arange(60_000.0)[::2],
            lambda: torch.ones(3, requires_grad=True),
            lambda: torch.nn.Parameter(torch.ones(3)),
            lambda: torch.nn.Parameter(torch.ones(3), requires_grad=False),
            lambda: {"z": torch_of("uint8"), "a": torch_of("float64"), "": torch_of("bool", ())},
            lambda: {"a": torch.nn.Parameter(torch.ones(2)), "b": torch_of("complex64")},
            lambda: dict(zip("ab", torch.arange(10).split(5), strict=True)),
            lambda: collections.OrderedDict(a=torch_of("int8")),
            lambda: model().state_dict(),
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what would come back as something else, and what is no tensor."""
        x = torch.arange(6.0)
        named: Any = collections.OrderedDict(a=x)
        named._metadata = {"a": 1}
        return [
            np.zeros(3),
            [x],
            (x,),
            {},
            {"a": x, "b": 1},
            {"a": 1, "b": x},
            {"a": x, "b": jnp.zeros(3)},
            {1: x},
            {"__metadata__": x},
            {"\ud800": x},
            {"[" * 5000: x},
            # Whoever changed one of them would change the other.
            {"a": x, "b": x},
            {"a": x[:4], "b": x[3:]},
            collections.defaultdict(list, a=x),
            named,
            x.as_subclass(OwnTensor),
            noted(torch.ones(2)),
            torch.eye(3).to_sparse(),
            torch.ones(2, device="meta"),
            torch.zeros(2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
            torch.nn.parameter.UninitializedParameter(),
            model(),
        ]


class TestJax(CodecSuite):
    """JAX."""

    @pytest.fixture
    def codec(self) -> TensorCodec:
        """Return the codec."""
        return TensorCodec()

    @pytest.fixture
    def makers(self) -> Sequence[Callable[[], Any]]:
        """Return arrays of every dtype, random keys, and dicts of them."""
        return [
            *(partial(jax_of, name) for name in (*NAMES, *PAIRS)),
            lambda: jax_of("float32", ()),
            lambda: jax_of("bfloat16", (0, 3)),
            lambda: jax.random.key(1),
            lambda: jax.random.split(jax.random.key(1, impl="rbg"), 3),
            lambda: jax.random.PRNGKey(1),
            lambda: {"w": jnp.ones((2, 3)), "key": jax.random.key(1), "c": jax_of("complex64")},
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what would come back as something else."""
        return [
            # Its dtype gives way to that of others.
            jnp.asarray(1.0),
            jax_of("int4"),
            [jnp.ones(2)],
            {"a": jnp.ones(2), "b": np.ones(2)},
        ]


@pytest.mark.parametrize("make", [lambda: model().state_dict(), lambda: {"a": torch_of("bool")}])
def test_others_read_the_file(make: Callable[[], dict[str, torch.Tensor]], tmp_path: Path) -> None:
    """The package safetensors is not needed, but it must understand what is written."""
    value = make()
    path = tmp_path / "a.safetensors"
    path.write_bytes(payload_of(value))

    found = safetensors.torch.load_file(path)

    assert found.keys() == value.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in value.items())


@pytest.mark.parametrize("name", NAMES)
def test_others_know_each_dtype(name: str) -> None:
    """By the name that the format gives it, with the size that it has there."""
    tensor = torch_of(name)
    others: Any = safetensors

    [(_, found)] = others.deserialize(payload_of(tensor))

    assert found["shape"] == [2, 3]
    assert bytes(found["data"]) == bytes(tensor.view(torch.uint8).flatten().tolist())


def test_a_layout_of_others_is_read() -> None:
    """The format is theirs, so this must understand what they write."""
    value = {"a": torch.ones(2, 3), "b": torch.arange(5, dtype=torch.int16)}

    metadata, found = read_layout(memoryview(safetensors.torch.save(value, {"x": "y"})))

    assert metadata == {"x": "y"}
    assert {entry.name: bytes(entry.data) for entry in found} == {
        name: tensor.numpy().tobytes() for name, tensor in value.items()
    }


def test_the_order_of_a_dict_is_kept() -> None:
    """Though the data is sorted by the size of its elements."""
    value = {"z": torch_of("uint8"), "a": torch_of("float64"), "m": torch_of("int16")}

    assert list(decode(payload_of(value))) == ["z", "a", "m"]


def test_a_state_dict_is_loaded_back() -> None:
    """With what torch notes beside it."""
    found = decode(payload_of(model().state_dict()))
    other = model()
    torch.nn.init.zeros_(other[0].weight)

    other.load_state_dict(found)

    assert found._metadata == model().state_dict()._metadata
    assert content_id(other) == content_id(model())


def test_the_data_is_aligned() -> None:
    """So that a map of a file is used as it is."""
    payload = payload_of(torch.ones(1000))
    size = int.from_bytes(payload[:8], "little")

    assert (8 + size) % 64 == 0


def test_a_payload_that_is_given_away_is_not_copied() -> None:
    """A tensor of gigabytes is not held twice."""
    payload = bytearray(payload_of({"a": torch.ones(1000), "b": torch.ones(3, dtype=torch.int8)}))

    found = decode(payload)
    found["a"][0] = 7

    place = int.from_bytes(payload[:8], "little") + 8
    assert np.frombuffer(payload, np.float32, 1, place)[0] == 7


def test_encoding_copies_nothing_of_a_contiguous_tensor() -> None:
    """Nor is it held twice while it is saved."""
    tensor = torch.ones(1000)
    _, buffers = TensorCodec().encode(tensor)

    tensor[0] = 7

    assert np.frombuffer(buffers[1], np.float32)[0] == 7


def test_what_computed_a_tensor_is_left_behind() -> None:
    """It comes back as the beginning of something new that wants a gradient."""
    weights = torch.ones(3, requires_grad=True)

    found = decode(payload_of(weights * 2))

    assert found.is_leaf
    assert found.requires_grad
    assert found.tolist() == [2.0, 2.0, 2.0]


def test_numbers_of_64_bits_come_back_where_jax_has_none() -> None:
    """JAX would make them shorter, with a warning."""
    assert not jax.config.jax_enable_x64

    found = decode(payload_of(jax_of("float64")))

    assert str(found.dtype) == "float64"
    assert content_id(found) == content_id(jax_of("float64"))


@pytest.mark.parametrize(
    "changes",
    [
        {"library": "numpy"},
        {"library": None},
        {"container": "list"},
        {"container": "dict", "parameters": {"other": True}},
        {"complex": {"tensor": "complex128"}},
        {"complex": {"tensor": "int8"}},
        {"parameters": 1},
        {"library": "jax", "keys": {"tensor": "no such generator"}},
        {"library": "jax", "keys": {"tensor": ["rbg"]}},
        {"_metadata": {"a": [1]}},
        {"_metadata": 1},
        {"container": "OrderedDict", "_metadata": {"a": [1]}},
        {"container": "OrderedDict", "_metadata": {"a": {"version": [1]}}},
    ],
)
def test_notes_that_lie_are_corruption(changes: dict[str, Any]) -> None:
    """They come from whoever wrote the file."""
    payload = with_notes(payload_of(torch.ones(2, 2)), **changes)

    with pytest.raises(CorruptionError):
        decode(payload)


def test_a_truth_value_is_zero_or_one() -> None:
    """Both libraries rely on it."""
    payload = bytearray(payload_of(torch_of("bool")))
    payload[-1] = 2

    with pytest.raises(CorruptionError, match="neither 0 nor 1"):
        decode(payload)


@pytest.mark.parametrize(
    ("package", "value"), [("torch", torch.ones(2)), ("jax", jnp.ones(2))], ids=["torch", "jax"]
)
def test_a_missing_library_is_named(
    package: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague's machine need not have it."""
    payload = payload_of(value)
    monkeypatch.setitem(sys.modules, package, None)

    missing = f"the package {package} is not installed"
    with pytest.raises(UnsupportedFormatError, match=missing) as caught:
        decode(payload)
    assert caught.value.package == package


def test_an_array_that_was_given_away_is_an_error() -> None:
    """Of the caller's, and not of the store's."""
    value = jnp.ones(3)
    value.delete()

    with pytest.raises(UsageError, match="cannot be read here"):
        payload_of(value)
