"""How the arrays of JAX are encoded, those of random keys included."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from mandala_cas.codec.element_types import ELEMENT_TYPES, ElementType, bits_of, element_data
from mandala_cas.codec.encoder import Encoder, RefusalError, Rule

Array = np.ndarray[Any, Any]


def find_jax_rule(kind: type) -> Rule | None:
    """Return how to encode values of a type of JAX's; None if it is none.

    JAX is not imported for this: who has such a value has imported it.
    """
    jax = sys.modules.get("jax")
    if jax is None or not hasattr(jax, "Array"):
        return None
    if issubclass(kind, jax.core.Tracer):
        return _refuse_tracer
    return _encode_array if is_jax_type(kind) else None


def is_jax_type(kind: type) -> bool:
    """Tell whether values of a type are arrays of JAX; false for what stands for one in a trace."""
    array = getattr(sys.modules.get("jax"), "Array", None)
    return array is not None and array in kind.__mro__


def is_key(value: Any) -> bool:
    """Tell whether an array of JAX holds random keys."""
    jax = sys.modules["jax"]
    return bool(jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key))


def jax_bits(value: Any, kind: ElementType) -> Array:
    """Return the bits of an array of numbers; of complex ones as reals, with one dimension more.

    Raises:
        RuntimeError: the array was given away, or is on machines that this one does not see.
    """
    return bits_of(np.asarray(value), kind)


def _encode_array(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of an array, on whatever devices its parts are."""
    jax = sys.modules["jax"]
    try:
        if is_key(value):
            name = jax.random.key_impl(value)
            if not isinstance(name, str):
                raise RefusalError("its random number generator has no name", value)
            return encoder.record("jax.key", name, jax.random.key_data(value))
        kind = ELEMENT_TYPES.get(value.dtype.name)
        if kind is None:
            raise RefusalError(f"it is of dtype {value.dtype.name}", value, "pass it as another")
        data = element_data(kind, jax_bits(value, kind))
    except RuntimeError as error:
        raise RefusalError(f"its elements cannot be read here ({error})", value) from error
    weak = bool(value.weak_type)
    return encoder.record("jax.Array", kind.name, tuple(value.shape), data, weak)


def _refuse_tracer(encoder: Encoder, value: Any) -> bytes:
    """Refuse what stands for an array while JAX traces a function."""
    del encoder
    raise RefusalError(
        "it stands for an array while JAX traces a function",
        value,
        "call ops outside of jit, grad and vmap",
    )
