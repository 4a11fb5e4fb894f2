"""The part of the second implementation that knows NumPy's sources of random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.format import spec_hashing as spec

BIT_GENERATORS = (
    np.random.MT19937,
    np.random.PCG64,
    np.random.PCG64DXSM,
    np.random.Philox,
    np.random.SFC64,
)


def encode(value: Any) -> bytes | None:
    """Return the encoding of a source of random numbers; None for anything else."""
    if type(value) is np.random.SeedSequence:
        seed: Any = value.state
        return spec.record(
            "numpy.random.SeedSequence",
            seed["entropy"],
            seed["spawn_key"],
            seed["pool_size"],
            seed["n_children_spawned"],
        )
    if type(value) is np.random.Generator:
        return spec.record("numpy.random.Generator", value.bit_generator)
    if type(value) is np.random.RandomState:
        legacy: Any = value.get_state(legacy=False)
        return spec.record("numpy.random.RandomState", legacy.pop("bit_generator"), legacy)
    if type(value) in BIT_GENERATORS:
        state: Any = dict(value.state)
        name = state.pop("bit_generator")
        return spec.record("numpy.random.BitGenerator", name, state, value.seed_seq)
    return None
