"""Whether a payload is worth compressing, and zstd piece by piece in both directions.

Neither direction holds the whole of its result beside the whole of its input.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, Literal

import zstandard
from blake3 import blake3

from mandala_cas.envelope.hashing import new_hasher, thread_count
from mandala_cas.envelope.packing import corruption
from mandala_cas.objectstore.api import Buffer, Parts, Pieces
from mandala_cas.objectstore.buffers import flat, new_buffer, size_of

CompressionHint = Literal["sample", "never"]
"""What is known of bytes before anybody looks: a sample decides, or they never shrink."""

# Random doubles shrink by a sixteenth, at the price of writing at half the speed.
SHRUNK_MAX: Final = 0.8
_SAMPLE_SIZE: Final = 32 * 1024
_SAMPLE_COUNT: Final = 8
# A block of zstd gives at most 128 KiB, and takes at least 4 bytes.
_ZSTD_RATIO_MAX: Final = 128 * 1024 // 4
_PIECE_SIZE: Final = 4 << 20
# Below this, threads cost more than they save. Each takes some 5 MiB for what it is at.
_THREADED_MIN: Final = 8 << 20
_THREADS_MAX: Final = 4
# Below this, one call is faster than a stream.
_STREAMED_MIN: Final = 1 << 20
_READ_SIZE: Final = 256 * 1024
# A block that does not shrink takes 3 bytes more than it gives; and one is being read.
_ROOM_BLOCKS: Final = _READ_SIZE + 256 * 1024
_ROOM_SHIFT: Final = 15


def shrinks(payload: Parts) -> bool:
    """Tell whether samples from all over the payload lose a fifth when compressed."""
    samples = _samples(payload)
    compressor = zstandard.ZstdCompressor(level=1)
    # Each by itself: what repeats from one to the next is too far away to be found in the whole.
    packed = sum(len(compressor.compress(sample)) for sample in samples)
    return packed < SHRUNK_MAX * sum(map(len, samples))


def compressed(payload: Parts, raw_size: int, level: int) -> Iterator[bytes]:
    """Yield the payload as one zstd frame that states its own raw size."""
    # How many threads there are changes no byte, so that machines agree on what they make; one is
    # no slower than none. They end with the compressor, so that no forked child waits for them.
    threads = min(thread_count(), _THREADS_MAX) if raw_size >= _THREADED_MIN else 0
    compressor = zstandard.ZstdCompressor(level=level, threads=threads)
    stream = compressor.compressobj(size=raw_size)
    for part in payload:
        view = flat(part)
        for start in range(0, view.nbytes, _PIECE_SIZE):
            if piece := stream.compress(view[start : start + _PIECE_SIZE]):
                yield piece
    yield stream.flush()


def may_unpack_to(stored_size: int, raw_size: int) -> bool:
    """Tell whether so many bytes of zstd can hold so many raw ones."""
    return raw_size <= _ZSTD_RATIO_MAX * stored_size


def room_for(raw_size: int) -> int:
    """Return the size of a buffer in which a frame at the end can be unpacked to the beginning.

    What comes out never overtakes what is still to be read: no block grows by being compressed,
    but for a few bytes.
    """
    return raw_size + (raw_size >> _ROOM_SHIFT) + _ROOM_BLOCKS


def decompressed(
    name: str, stored: memoryview, raw_size: int, room: memoryview | None = None
) -> tuple[memoryview, bytes]:
    """Return the payload and its blake3; refuses before allocating what cannot be in there.

    It is put at the beginning of ``room``, where given; ``stored`` may lie at the end of that,
    and is gone afterwards.

    Raises:
        CorruptionError: it is not a frame of so many bytes.
    """
    if not may_unpack_to(len(stored), raw_size):
        raise corruption(name, f"claims that {len(stored)} bytes unpack to {raw_size}")
    try:
        if zstandard.frame_content_size(stored) != raw_size:
            raise corruption(name, f"does not unpack to the {raw_size} bytes of its trailer")
        if raw_size < _STREAMED_MIN:
            whole = zstandard.ZstdDecompressor().decompress(
                stored, max_output_size=raw_size, allow_extra_data=False
            )
            return memoryview(whole), new_hasher(len(whole)).update(whole).digest()
        target = new_buffer(raw_size) if room is None else room[:raw_size]
        return target, _unpack_into(name, stored, target)
    except zstandard.ZstdError as error:
        raise corruption(name, "has a payload that zstd cannot read") from error


class _Source:
    """A frame, handed out piece by piece; its memory may be overwritten behind what was read."""

    def __init__(self, stored: memoryview, target: memoryview) -> None:
        """Read ``stored``, parts of which may be in ``target``."""
        self._stored = stored
        self._target_size = target.nbytes
        # How far the target may be filled without touching the first byte that was not read.
        self._distance = _distance(target, stored)
        self._place = 0

    def read(self, size: int = -1) -> bytes:
        """Return a copy of the next bytes."""
        end = len(self._stored) if size < 0 else min(self._place + size, len(self._stored))
        piece = bytes(self._stored[self._place : end])
        self._place = end
        return piece

    def limit(self, filled: int) -> int:
        """Return how far a target that is filled so far may be filled next."""
        if self._distance is None:
            return self._target_size
        limit = self._distance + self._place
        if limit > filled:
            return limit
        # No frame of a compressor comes here; one by hand may, and must be read right as well.
        self._stored = memoryview(bytes(self._stored[self._place :]))
        self._place = 0
        self._distance = None
        return self._target_size


def _unpack_into(name: str, stored: memoryview, target: memoryview) -> bytes:
    """Fill ``target`` with what is in the frame, exactly; return blake3 of it."""
    source = _Source(stored, target)
    hasher: blake3 = new_hasher(target.nbytes)
    reader = zstandard.ZstdDecompressor().stream_reader(
        source,  # type: ignore[arg-type] # (all it needs is `read`)
        read_size=_READ_SIZE,
        read_across_frames=True,
    )
    filled = 0
    while filled < target.nbytes:
        end = min(filled + _PIECE_SIZE, target.nbytes, source.limit(filled))
        count = reader.readinto(target[filled:end])
        if not count:
            raise corruption(name, f"unpacks to {filled} bytes, not {target.nbytes}")
        hasher.update(target[filled : filled + count])
        filled += count
    if reader.read(1) or source.read(1):
        raise corruption(name, f"unpacks to more than {target.nbytes} bytes")
    return hasher.digest()


def _distance(target: memoryview, stored: memoryview) -> int | None:
    """Return how far behind the beginning of ``target`` lies ``stored``; None if not within it."""
    import numpy as np  # noqa: PLC0415 (heavy)

    start, other = (
        np.frombuffer(view, np.uint8).__array_interface__["data"][0] for view in (target, stored)
    )
    distance: int = other - start
    return distance if 0 <= distance < target.nbytes else None


def _samples(payload: Parts) -> list[Buffer]:
    """Return some bytes from all over the payload; all of them where they are few."""
    size = size_of(payload)
    count = min(_SAMPLE_COUNT, -(-size // _SAMPLE_SIZE))
    last = max(0, size - _SAMPLE_SIZE)
    offsets = [last * number // max(1, count - 1) for number in range(count)]
    if isinstance(payload, Pieces):
        if payload.sample is not None:
            return [payload.sample(offset, _SAMPLE_SIZE) for offset in offsets]
        # Going through all of it to look at some would cost more than it may save.
        return [flat(part)[:_SAMPLE_SIZE] for part in islice(payload, 1)]
    if count < _SAMPLE_COUNT:
        return [b"".join(flat(part) for part in payload)]
    return [_cut(payload, offset, _SAMPLE_SIZE) for offset in offsets]


def _cut(payload: Parts, offset: int, size: int) -> bytes:
    """Return some bytes of the concatenation."""
    found = bytearray()
    for part in payload:
        view = flat(part)
        if offset < view.nbytes:
            found += view[offset : offset + size - len(found)]
            if len(found) == size:
                break
        offset = max(0, offset - view.nbytes)
    return bytes(found)
