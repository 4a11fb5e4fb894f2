"""Frames: pieces of a file that grows, each of which proves that one person wrote it, whole, here.

::

    0    8    magic 4d 43 53 4a 0d 0a 1a 01; the last byte is the version
    8    8    mark of the key: who can read the rest
    then frames:
    0    4    size of the body
    4    4    the same with every bit turned, so that a flipped bit is not taken for a short file
    8    16   keyed blake3 of the frame's number, 8 bytes, and the body
    24        body

The key is drawn from the writer's and from the name of the file, so a frame is worth nothing in
another file or at another place in its own. What stands behind the last whole frame is what its
writer was about to write when it died.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final

from blake3 import blake3

MAGIC: Final = b"MCSJ\r\n\x1a\x01"
PREAMBLE_SIZE: Final = 16
KEY_SIZE: Final = 32
BODY_SIZE_MAX: Final = 1 << 30

_DIGEST_SIZE: Final = 16
_HEAD: Final = struct.Struct("<II")
_HEAD_SIZE: Final = _HEAD.size + _DIGEST_SIZE
_ALL_BITS: Final = 0xFFFFFFFF
_MARK_CONTEXT: Final = "mandala-cas v1 journal key mark"


class FrameKey:
    """What seals the frames of one file."""

    __slots__ = ("_hasher", "mark")

    def __init__(self, key: bytes, file_name: str) -> None:
        """Take the key of a person, and the name of the file."""
        self.mark: bytes = blake3(key, derive_key_context=_MARK_CONTEXT).digest(8)
        self._hasher = blake3(key=blake3(file_name.encode(), key=key).digest())

    @property
    def preamble(self) -> bytes:
        """What the file begins with."""
        return MAGIC + self.mark

    def frame(self, number: int, body: bytes) -> bytes:
        """Return a body as the frame of that number."""
        size = len(body)
        return _HEAD.pack(size, size ^ _ALL_BITS) + self.digest(number, body) + body

    def digest(self, number: int, body: bytes | memoryview) -> bytes:
        """Return what proves a body."""
        hasher = self._hasher.copy().update(number.to_bytes(8, "little"))
        return hasher.update(body).digest(_DIGEST_SIZE)


class State(Enum):
    """What a file turned out to be."""

    WHOLE = "whole"
    FOREIGN = "another user's"
    NEWER = "a newer version's"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Frames:
    """What is in a file; ``size`` is where its last whole frame ends.

    There are no bodies unless it is whole.
    """

    state: State
    bodies: tuple[memoryview, ...] = ()
    size: int = 0


def read_frames(data: bytes, key: FrameKey) -> Frames:
    """Return the bodies in a file, whatever is in it.

    A file that ends in the middle of a frame is whole up to there: the process died before it
    could promise anything about the rest. Zero bytes behind the last frame are what a power cut
    leaves of the same.
    """
    if len(data) < PREAMBLE_SIZE:
        # The first bytes come with the first frame, in one write.
        is_begun = MAGIC.startswith(data[: len(MAGIC)])
        return Frames(State.WHOLE if is_begun else State.DAMAGED)
    if data[: len(MAGIC) - 1] != MAGIC[:-1]:
        return Frames(State.DAMAGED if any(data) else State.WHOLE)
    if data[len(MAGIC) - 1] != MAGIC[-1]:
        return Frames(State.NEWER)
    if data[len(MAGIC) : PREAMBLE_SIZE] != key.mark:
        return Frames(State.FOREIGN)
    view = memoryview(data)
    bodies: list[memoryview] = []
    offset = PREAMBLE_SIZE
    while len(data) - offset >= _HEAD_SIZE:
        size, turned = _HEAD.unpack_from(data, offset)
        if not size and not turned and not any(view[offset:]):
            break
        if size ^ turned != _ALL_BITS or size > BODY_SIZE_MAX:
            return Frames(State.DAMAGED)
        end = offset + _HEAD_SIZE + size
        if end > len(data):
            break
        body = view[end - size : end]
        if key.digest(len(bodies), body) != data[offset + _HEAD.size : offset + _HEAD_SIZE]:
            return Frames(State.DAMAGED)
        bodies.append(body)
        offset = end
    return Frames(State.WHOLE, tuple(bodies), offset)
