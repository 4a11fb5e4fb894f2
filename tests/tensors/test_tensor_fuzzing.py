"""No bytes that a store can hold make the decoder of tensors do worse than refuse them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import pytest
import torch
from tests.tensors.tensor_values import NAMES, all_floats, torch_of

from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import default_registry
from mandala_cas.testing.fuzzing import DecodeProcess, Fate, fuzz
from mandala_cas.testing.mutations import Sample, sample_of

pytestmark = pytest.mark.tensors

COUNT = 20_000 if os.environ.get("MANDALA_THOROUGH") == "1" else 1_000
REGISTRY = default_registry()


def samples() -> Sequence[Sample]:
    """Return tensors of both libraries, dicts of them and within each other."""
    values: list[Any] = [
        *(torch_of(name) for name in NAMES if hasattr(torch, name)),
        jnp.arange(6.0).reshape(2, 3),
        jnp.zeros((0, 3)),
        torch.zeros(2, 3).T,
        {"a": torch.zeros(3), "b": {"c": all_floats("float8_e5m2")}},
        {"w": torch.arange(20_000)},
    ]
    encoded = [REGISTRY.encode(value, Digests()) for value in values]
    return [sample_of(part) for part in encoded if part.codec_name == "tensors"]


def test_crafted_tensors_give_a_value_or_a_typed_error() -> None:
    """In time, and in no more than twice the memory that the bytes claim to need."""
    # The threads that torch and JAX start have address space of their own.
    with DecodeProcess(address_slack=4 << 30) as process:
        report = fuzz(process, samples(), count=COUNT, seed=0, slack=32 << 20)

    assert not report.findings, str(report)
    assert report.fates[Fate.VALUE] > COUNT // 100, str(report)
    assert report.fates[Fate.REFUSED] > COUNT // 10, str(report)
