"""The arrays of JAX as entries of a safetensors file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.canonical_jax import is_jax_type, is_key, jax_bits
from mandala_cas.codec.element_types import ELEMENT_TYPES, ElementType
from mandala_cas.errors import UnsupportedFormatError, UsageError

Array = np.ndarray[Any, Any]
Notes = dict[str, dict[str, Any]]

_KEYS: Final = "keys"


class JaxTensors:
    """Arrays of JAX, those of random keys included."""

    name = "jax"

    def is_tensor(self, value: Any) -> bool:
        """Tell whether this is an array with elements."""
        return is_jax_type(type(value))

    def write(self, name: str, value: Any, notes: Notes) -> tuple[ElementType, Array]:
        """Return what the elements are, and their bits."""
        jax = sys.modules["jax"]
        try:
            if is_key(value):
                generator = jax.random.key_impl(value)
                if not isinstance(generator, str):
                    raise DeclinedError("random keys whose generator has no name")
                notes.setdefault(_KEYS, {})[name] = generator
                value = jax.random.key_data(value)
            kind = ELEMENT_TYPES.get(value.dtype.name)
            if kind is None:
                raise DeclinedError(f"an array of dtype {value.dtype.name}")
            if value.weak_type:
                raise DeclinedError("an array whose dtype gives way to that of others")
            return kind, jax_bits(value, kind)
        except RuntimeError as error:
            raise UsageError(
                f"cannot store an array of JAX: its elements cannot be read here ({error}); pass "
                "one that was not given away, and that this process has whole"
            ) from error

    def read(
        self, kind: ElementType, shape: tuple[int, ...], data: memoryview, notes: Mapping[str, Any]
    ) -> Any:
        """Return the array with these elements."""
        jax = _import_jax()
        # JAX may take the bytes as they are, for good: its arrays cannot be changed.
        found = np.frombuffer(bytes(data) if data.readonly else data, np.uint8)
        array = found.view(jax.numpy.dtype(kind.name)).reshape(shape)
        # Or numbers of 64 bits would become such of 32.
        with jax.enable_x64(True):
            made = jax.device_put(array)
        generator = notes.get(_KEYS)
        if generator is None:
            return made
        if type(generator) is not str:
            raise ValueError("the name of a random number generator is a str")
        return jax.random.wrap_key_data(made, impl=generator)

    def are_apart(self, values: Sequence[Any]) -> bool:
        """Tell whether no array is there twice; arrays cannot be changed, so nobody would know."""
        del values
        return True


def _import_jax() -> Any:
    """Return JAX.

    Raises:
        UnsupportedFormatError: it is not installed.
    """
    try:
        import jax  # noqa: PLC0415 (heavy)
    except ImportError as error:
        raise UnsupportedFormatError(
            "cannot load an array of JAX: the package jax is not installed here; install it, for "
            "example with pip install 'mandala-cas[jax]'",
            package="jax",
        ) from error
    return jax
