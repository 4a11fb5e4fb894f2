"""Bytes-like things of any shape, seen as a plain row of bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from io import FileIO
from typing import Final

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import Buffer, Parts, Pieces

_ALIGNMENT: Final = 64
# What no machine has; NumPy would say so in other words.
_SIZE_MAX: Final = 1 << 62


def flat(part: Buffer) -> memoryview:
    """Return a view of the bytes of ``part``; a copy only where they do not lie in a row."""
    view = memoryview(part)
    if view.nbytes == 0:
        # A view with a zero in its shape cannot be cast.
        return memoryview(b"")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def joined(parts: Iterable[Buffer]) -> bytes:
    """Return the concatenation of ``parts``; a lone ``bytes`` is returned as it is."""
    if isinstance(parts, Pieces):
        # Not `join`, which would hold all of the pieces beside their sum.
        target = io.BytesIO()
        for part in parts:
            target.write(flat(part))
        return target.getvalue()
    views = [part if isinstance(part, bytes) else flat(part) for part in parts]
    if len(views) == 1 and isinstance(views[0], bytes):
        return views[0]
    return b"".join(views)


def size_of(parts: Parts) -> int:
    """Return how many bytes ``parts`` are together; pieces are not made for that."""
    if isinstance(parts, Pieces):
        return parts.nbytes
    if len(parts) == 1 and type(parts[0]) is bytes:
        # The payload of nearly every small value.
        return len(parts[0])
    return sum(memoryview(part).nbytes for part in parts)


def repeatable(parts: Iterable[Buffer]) -> Parts:
    """Return ``parts`` as something that can be gone through again, without a copy of its bytes."""
    return parts if isinstance(parts, Pieces) else tuple(parts)


class Body(io.BytesIO):
    """What one request carries, as a file: sent little by little, and again where need be.

    A library below copies bytes that it is given at once as often as it likes, up to thrice; of a
    file it has no more in memory than it is sending. Nobody closes one, for its request may have to
    be repeated, and whoever repeats it goes back to the start.
    """

    @property
    def nbytes(self) -> int:
        """How many bytes it has."""
        with self.getbuffer() as view:
            return view.nbytes

    def close(self) -> None:
        """Stay as it is: some versions of aiohttp close what they have sent."""


def cut(parts: Parts, size: int) -> Iterator[Body]:
    """Yield the concatenation in pieces of ``size`` bytes; the last one may have fewer.

    Each is made when it is asked for, from one of the ``parts`` at a time.
    """
    body, left = Body(), 0
    for part in parts:
        view = flat(part)
        while view.nbytes:
            if left == 0:
                body, left = _room(size), size
            taken = view[:left]
            view = view[taken.nbytes :]
            body.write(taken)
            left -= taken.nbytes
            if left == 0:
                body.seek(0)
                yield body
                # Or it would stay beside the next one, while that is made.
                body = Body()
    if left:
        body.truncate()
        body.seek(0)
        yield body


def _room(size: int) -> Body:
    """Return a body that has its memory: to grow little by little would take more."""
    body = Body()
    body.seek(size - 1)
    body.write(b"\0")
    body.seek(0)
    return body


def new_buffer(size: int) -> memoryview:
    """Return memory to be filled, at a multiple of 64; what is in it now is undefined.

    Raises:
        MemoryError: there is not so much.
    """
    import numpy as np  # noqa: PLC0415 (heavy)

    if size > _SIZE_MAX:
        raise MemoryError
    # Neither bytearray, which is cleared first, nor bytes, which cannot be filled.
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % _ALIGNMENT
    return memory[start : start + size].data


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


def fill(file: FileIO, offset: int, target: memoryview) -> int:
    """Read from ``offset`` on until ``target`` is full or the file ends; return how much."""
    file.seek(offset)
    filled = 0
    while filled < target.nbytes:
        count = file.readinto(target[filled:])
        if not count:
            break
        filled += count
    return filled
