"""The codecs that a process of the fuzzer has, and the classes that samples name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.codec import nested_values

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.testing.decode_worker import own_registry


def registry_of_tests(folder: Path) -> CodecRegistry:
    """Return the codecs of mandala-cas, where the classes of tests are imported."""
    # A store can name only classes of modules that the process has.
    assert nested_values.Point is not None
    return own_registry(folder)


class UsingRegistry(CodecRegistry):
    """Codecs whose values are used as soon as they are there."""

    def __init__(self, inner: CodecRegistry) -> None:
        """Decode with ``inner``."""
        super().__init__()
        self._inner = inner

    def decode(self, *what: Any) -> Any:
        """Return a value after its content id was taken."""
        value = self._inner.decode(*what)
        content_id(value)
        return value


def using_registry(folder: Path) -> CodecRegistry:
    """Return codecs that use what they decode."""
    return UsingRegistry(registry_of_tests(folder))
