"""Writes ``tensor_vectors.json`` from the second implementation; never from the library.

Run it from the root: ``python -m tests.tensors.make_tensor_vectors``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import torch
from tests.tensors import spec_tensors

VECTORS = Path(__file__).with_name("tensor_vectors.json")
_SHOWN_BYTES = 300


def ones(module: torch.nn.Module) -> torch.nn.Module:
    """Return a module of ones."""
    for parameter in module.parameters():
        torch.nn.init.ones_(parameter)
    return module


NAMES: dict[str, Any] = {"torch": torch, "jax": jax, "jnp": jnp, "ones": ones}
VALUES = [
    "torch.ones(2)",
    "torch.ones(2, requires_grad=True)",
    "torch.ones(())",
    "torch.ones(0, 3)",
    "torch.ones(3, 2).t()",
    "torch.arange(6, dtype=torch.uint8)",
    "torch.tensor([True, False])",
    "torch.tensor([1 + 2j])",
    "torch.ones(2, dtype=torch.float16)",
    "torch.tensor([1, float('nan'), -float('nan')], dtype=torch.bfloat16).abs()",
    "torch.tensor([0x3f80, -0x3f], dtype=torch.int16).view(torch.bfloat16)",
    "torch.arange(4, dtype=torch.uint8).view(torch.float8_e4m3fn)",
    "torch.arange(4, dtype=torch.uint8).view(torch.float8_e5m2)",
    "torch.zeros(20000)",
    "torch.nn.Parameter(torch.ones(2))",
    "torch.nn.Parameter(torch.ones(2), requires_grad=False)",
    "torch.Size([1, 2])",
    "torch.float32",
    "torch.bfloat16",
    "torch.device('cpu')",
    "torch.device('cuda:1')",
    "torch.Generator().manual_seed(7)",
    "ones(torch.nn.Linear(2, 3))",
    "ones(torch.nn.Linear(2, 3)).eval()",
    "ones(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)))",
    "jnp.ones(2)",
    "jnp.ones((2, 3), jnp.bfloat16)",
    "jnp.asarray(1.0)",
    "jnp.arange(3, dtype=jnp.int8)",
    "jax.random.key(5)",
    "jax.random.split(jax.random.key(5, impl='rbg'))",
]


def value_of(expression: str) -> Any:
    """Return the value of an expression of this project's own making."""
    return eval(expression, dict(NAMES))  # noqa: S307 (written above, not read from outside)


def vector(expression: str) -> dict[str, str]:
    """Return the vector of one value; long encodings are left out."""
    encoded = spec_tensors.encoding(value_of(expression))
    made = {
        "value": expression,
        "content_id": spec_tensors.content_id(value_of(expression)).hex(),
    }
    return {**made, "encoding": encoded.hex()} if len(encoded) <= _SHOWN_BYTES else made


if __name__ == "__main__":
    VECTORS.write_text(
        json.dumps({"specification": 1, "values": list(map(vector, VALUES))}, indent=1) + "\n",
        "ascii",
    )
