"""A second implementation of what ``docs/reference/hashing.md`` says of tensors.

It knows dense tensors, small types and modules without hooks, and shares no code with the library.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import torch
from tests.format import spec_hashing as spec

CONTENT = "mandala-cas v1 content id"


class Encoded(bytes):
    """A field that is encoded already."""

    __slots__ = ()


def content_id(value: Any) -> bytes:
    """Return the content id of a value."""
    return spec.derive(CONTENT, encoding(value))


def record(name: str, *fields: Any) -> Encoded:
    """Return a record, of fields that are tensors, encoded, or plain."""
    parts = [element(field) for field in fields]
    return Encoded(b"r" + spec.text(name) + spec.number(len(parts)) + b"".join(parts))


def element(value: Any) -> bytes:
    """Return ``ELEM`` of the page."""
    encoded = encoding(value)
    return encoded if len(encoded) <= 1024 else b"#" + spec.derive(CONTENT, encoded)


def mapping(parts: dict[str, Any]) -> Encoded:
    """Return a dict of anything."""
    items = [spec.element(name) + element(part) for name, part in parts.items()]
    return Encoded(b"d" + spec.unordered(items))


def encoding(value: Any) -> bytes:
    """Return ``E`` of the page."""
    if isinstance(value, Encoded):
        return value
    if isinstance(value, torch.nn.Parameter):
        return record("torch.Parameter", tensor(value))
    if isinstance(value, torch.Tensor):
        return tensor(value)
    if isinstance(value, torch.nn.Module):
        return module(value)
    if isinstance(value, torch.Size):
        return record("torch.Size", tuple(value))
    if isinstance(value, torch.dtype):
        return record("torch.dtype", str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return record("torch.device", str(value))
    if isinstance(value, torch.Generator):
        return record("torch.Generator", str(value.device), value.get_state())
    if isinstance(value, jax.Array):
        return array(value)
    return spec.encoding(value)


def tensor(value: torch.Tensor) -> Encoded:
    """Return the record of a dense tensor of torch."""
    flat = value.detach().clone(memory_format=torch.contiguous_format).reshape(-1)
    data = bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""
    if value.dtype is torch.bfloat16:
        data = data.replace(b"\xc1\xff", b"\xc0\x7f")
    name = str(value.dtype).removeprefix("torch.")
    return record("torch.Tensor", name, tuple(value.shape), data, value.requires_grad)


def module(value: torch.nn.Module) -> Encoded:
    """Return the record of a module."""
    kind = type(value)
    tables = [value._parameters, value._buffers, value._modules]
    known = {"training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"}
    return record(
        "torch.Module",
        f"{kind.__module__}:{kind.__qualname__}",
        value.training,
        tuple(tuple(table) for table in tables),
        *map(mapping, tables),
        set(value._non_persistent_buffers_set),
        {},
        {
            name: part
            for name, part in vars(value).items()
            if name not in known and not (name.startswith("_") and "hooks" in name)
        },
    )


def array(value: jax.Array) -> Encoded:
    """Return the record of an array of JAX."""
    if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        name = jax.random.key_impl(value)
        return record("jax.key", name, jax.random.key_data(value))
    data = np.asarray(value).tobytes()
    weak: bool = value.weak_type
    return record("jax.Array", str(value.dtype), tuple(value.shape), data, weak)
