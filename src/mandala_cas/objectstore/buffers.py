"""Bytes-like things of any shape, seen as a plain row of bytes."""

from __future__ import annotations

from collections.abc import Iterable

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import Buffer


def flat(part: Buffer) -> memoryview:
    """Return a view of the bytes of ``part``; a copy only where they do not lie in a row."""
    view = memoryview(part)
    if view.nbytes == 0:
        # A view with a zero in its shape cannot be cast.
        return memoryview(b"")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def joined(parts: Iterable[Buffer]) -> bytes:
    """Return the concatenation of ``parts``; a lone ``bytes`` is returned as it is."""
    views = [part if isinstance(part, bytes) else flat(part) for part in parts]
    if len(views) == 1 and isinstance(views[0], bytes):
        return views[0]
    return b"".join(views)


def flat_target(buffer: memoryview) -> memoryview:
    """Return a view of ``buffer`` that can be filled byte by byte.

    Raises:
        UsageError: it is read-only, or does not lie in a row, so that a copy would be filled.
    """
    if buffer.readonly or not buffer.c_contiguous:
        raise UsageError(
            "cannot read into this buffer: it is read-only or has gaps; give a writable one"
        )
    return buffer.cast("B") if buffer.nbytes else memoryview(bytearray())
