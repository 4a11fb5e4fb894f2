"""Tensors of every kind, of torch and of JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from mandala_cas.codec.element_types import ELEMENT_TYPES

# Names that both libraries have, but for numbers of half a byte and less, which are JAX's alone.
NAMES = [
    name
    for name, kind in ELEMENT_TYPES.items()
    if kind.layout_name is not None and not name.startswith("complex")
]
PAIRS = {"complex64": "float32", "complex128": "float64"}

Makers = list[Callable[[], Any]]


def torch_of(name: str, shape: tuple[int, ...] = (2, 3)) -> torch.Tensor:
    """Return a tensor of torch, whose bits are 0, 1, 0, 1 ... in each element."""
    dtype = getattr(torch, name)
    if name in PAIRS:
        return torch.complex(torch_of(PAIRS[name], shape), torch_of(PAIRS[name], shape) - 1)
    count = int(np.prod(shape, dtype=int))
    return (torch.arange(count) % 2).to(dtype).reshape(shape)


def jax_of(name: str, shape: tuple[int, ...] = (2, 3)) -> jax.Array:
    """Return an array of JAX; of 64 bits where the name says so."""
    with jax.enable_x64(True):
        count = int(np.prod(shape, dtype=int))
        return (jnp.arange(count) % 2).astype(name).reshape(shape)


def all_floats(name: str) -> torch.Tensor:
    """Return every number of eight bits, NaNs included."""
    return torch.arange(256, dtype=torch.uint8).view(getattr(torch, name))


def model() -> torch.nn.Module:
    """Return a module with parameters, buffers and modules within, the same at each call."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.LSTM(4, 2)
    )
