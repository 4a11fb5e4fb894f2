"""How NumPy's sources of random numbers are encoded: by the state that they are in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from mandala_cas.codec.encoder import Encoder, Rule


def find_random_rule(kind: type) -> Rule | None:
    """Return how to encode sources of random numbers of NumPy's own; None for all else."""
    name = kind.__name__
    is_its_own = getattr(sys.modules.get("numpy.random"), name, None) is kind
    return _RULES.get(name) if is_its_own else None


def _encode_seed_sequence(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of what seeds are made from."""
    return encoder.record(
        "numpy.random.SeedSequence",
        value.entropy,
        tuple(value.spawn_key),
        value.pool_size,
        value.n_children_spawned,
    )


def _encode_bit_generator(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of a bit generator.

    Its seed sequence counts: two that are in the same state may still spawn different ones.
    """
    name, state = _named_state(value.state)
    return encoder.record("numpy.random.BitGenerator", name, state, value.seed_seq)


def _encode_generator(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of a generator, which is nothing but its bit generator."""
    return encoder.record("numpy.random.Generator", value.bit_generator)


def _encode_random_state(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of a generator of the old kind."""
    name, state = _named_state(value.get_state(legacy=False))
    return encoder.record("numpy.random.RandomState", name, state)


def _named_state(state: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the name of a bit generator, and the rest of its state."""
    return state["bit_generator"], {k: part for k, part in state.items() if k != "bit_generator"}


_RULES: Final[Mapping[str, Callable[[Encoder, Any], bytes]]] = {
    "SeedSequence": _encode_seed_sequence,
    "Generator": _encode_generator,
    "RandomState": _encode_random_state,
    **dict.fromkeys(("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"), _encode_bit_generator),
}
