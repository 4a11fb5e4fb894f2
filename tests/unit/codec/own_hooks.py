"""Registrations that end with a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mandala_cas.codec import canonical, hooks


@contextmanager
def own_hooks() -> Iterator[None]:
    """Take back what is registered inside the block: it would hold for the whole process."""
    codecs, hashers = dict(hooks._CODECS), dict(hooks._HASHERS)
    try:
        yield
    finally:
        hooks._CODECS.clear()
        hooks._CODECS.update(codecs)
        hooks._HASHERS.clear()
        hooks._HASHERS.update(hashers)
        canonical._found.clear()
