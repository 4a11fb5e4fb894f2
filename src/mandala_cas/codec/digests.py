"""Digests of large buffers, each taken once, on several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

import numpy as np
from blake3 import blake3

from mandala_cas.codec.file_contents import Contents
from mandala_cas.envelope.hashing import new_hasher
from mandala_cas.model.files import Dir, File
from mandala_cas.model.ids import PayloadHash, id_of_size
from mandala_cas.objectstore.api import Buffer, Parts, Pieces
from mandala_cas.objectstore.buffers import size_of

BIG: Final = 64 * 1024

# What was just hashed is looked at while it is in a processor's cache, at several times the speed.
_LOOKED_AT_ONCE: Final = 4 << 20

_SHORT: Final = 256


_PAYLOAD = blake3(derive_key_context="mandala-cas v1 payload hash")


class Digests:
    """The plain blake3 digests of the large buffers of one value.

    A digest is remembered by the place of its buffer in memory, and the buffer is kept alive as
    long as this object is: so use one for one value that is being saved, then drop it. What is
    in a buffer must not change in between.

    ``files`` is what the files in the value were seen to hold when it was hashed, so that one that
    stands in several places is read once, and is the same everywhere; ``taken`` is what they held
    when they were copied. ``has_custom`` tells that a hasher of the user's decided something.
    """

    __slots__ = ("_known", "files", "has_custom", "taken")

    def __init__(self) -> None:
        """Know no buffer yet."""
        self.files: dict[File | Dir, Contents] = {}
        self.taken: dict[File | Dir, Contents] = {}
        self.has_custom = False
        self._known: dict[tuple[int, int], tuple[memoryview, bytes]] = {}

    def of(self, buffer: Buffer) -> bytes:
        """Return the 32 bytes of the digest of a contiguous buffer."""
        view = memoryview(buffer).cast("B")
        if view.nbytes < BIG:
            return blake3(view).digest()
        key = _key(view)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (view, new_hasher(view.nbytes).update(view).digest())
        return known[1]

    def of_plain(self, buffer: Buffer, is_plain: Callable[[memoryview], bool]) -> bytes | None:
        """Return the digest of a large buffer if each piece of it is plain, else None.

        The pieces are of a multiple of 64 bytes, but for the last.
        """
        view = memoryview(buffer).cast("B")
        key = _key(view)
        hasher = None if key in self._known else new_hasher(view.nbytes)
        for start in range(0, view.nbytes, _LOOKED_AT_ONCE):
            piece = view[start : start + _LOOKED_AT_ONCE]
            if hasher is not None:
                hasher.update(piece)
            if not is_plain(piece):
                return None
        if hasher is not None:
            self._known[key] = (view, hasher.digest())
        return self._known[key][1]


def _key(view: memoryview) -> tuple[int, int]:
    """Return the place of a buffer in memory, and its size."""
    address: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return address, view.nbytes


def payload_hash(
    codec_name: str,
    codec_version: int,
    header: bytes,
    payload: Parts,
    digests: Digests,
) -> PayloadHash:
    """Return the name that a payload has; large buffers are hashed in place."""
    return payload_hash_of_digest(
        codec_name, codec_version, header, payload, payload_digest(payload, digests)
    )


def small_payload_hashes(
    codec_name: str, codec_version: int, header: bytes, payloads: Iterable[bytes]
) -> list[bytes]:
    """Return ``payload_hash`` of each of many payloads, none of them large."""
    fresh = _begun(codec_name, codec_version, header).copy
    return [
        fresh().update(len(payload).to_bytes(8, "little") + payload).digest()
        for payload in payloads
    ]


def payload_digest(payload: Parts, digests: Digests) -> bytes | None:
    """Return plain blake3 of the concatenated payload, or None where it is small."""
    size = size_of(payload)
    if size < BIG:
        return None
    if not isinstance(payload, Pieces) and len(payload) == 1:
        return digests.of(payload[0])
    hasher = new_hasher(size)
    for part in payload:
        hasher.update(part)
    return hasher.digest()


def payload_hash_of_digest(
    codec_name: str,
    codec_version: int,
    header: bytes,
    payload: Parts,
    digest: bytes | None,
) -> PayloadHash:
    """Return the payload hash, given plain blake3 of a payload that is not small."""
    if digest is None or (size := size_of(payload)) < BIG:
        message = sized(b"".join(payload))
    else:
        message = size.to_bytes(8, "little") + digest
    hasher = _begun(codec_name, codec_version, header).copy()
    return id_of_size(PayloadHash, hasher.update(message).digest())


def _begun(codec_name: str, codec_version: int, header: bytes) -> blake3:
    """Return a hasher that has seen everything but the payload; to be copied, never updated."""
    # Values of one kind share a short header more often than not; long ones are not worth keeping.
    make = _begin_once if len(header) <= _SHORT else _begin
    return make(codec_name, codec_version, header)


def _begin(codec_name: str, codec_version: int, header: bytes) -> blake3:
    """Return such a hasher, made now."""
    hasher = _PAYLOAD.copy()
    hasher.update(sized(codec_name.encode()) + codec_version.to_bytes(8, "little") + sized(header))
    return hasher


_begin_once = lru_cache(maxsize=256)(_begin)


def sized(data: bytes | bytearray) -> bytes:
    """Return ``data`` behind its length, or its digest behind its length where it is large."""
    size = len(data).to_bytes(8, "little")
    return size + (data if len(data) < BIG else new_hasher(len(data)).update(data).digest())
