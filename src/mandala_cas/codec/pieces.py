"""Bytes that lie in pieces: encoded as if they were one buffer, without joining them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from mandala_cas.codec.digests import BIG
from mandala_cas.codec.encoder import RULES, Data, Encoder
from mandala_cas.envelope.hashing import new_hasher

Array = np.ndarray[Any, Any]


class Deferred:
    """A part of a value that is made when its turn comes, and forgotten after it.

    So that of a wide table one column at a time is in memory twice.
    """

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        """Take what makes the part."""
        self.make = make


def _encode_deferred(encoder: Encoder, value: Deferred) -> bytes:
    """Return the encoding of the part."""
    return encoder.stand_in(value.make())


RULES[Deferred] = _encode_deferred


def joined(pieces: Iterable[Any]) -> Data:
    """Return contiguous buffers, one after the other, as one."""
    views = [view for view in (memoryview(piece).cast("B") for piece in pieces) if view.nbytes]
    size = sum(view.nbytes for view in views)
    if size < BIG:
        return Data(b"".join(views))
    hasher = new_hasher(size)
    for view in views:
        hasher.update(view)
    return Data(size, hasher.digest())
