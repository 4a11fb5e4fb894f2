"""Messages between two processes: each is one map of canonical msgpack, behind its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from mandala_cas.envelope.packing import pack, unpack


def send(pipe: IO[bytes], message: Mapping[str, Any]) -> None:
    """Write a message to a pipe."""
    packed = pack(message)
    pipe.write(len(packed).to_bytes(4, "little") + packed)
    pipe.flush()


def receive(pipe: IO[bytes]) -> dict[str, Any] | None:
    """Return the next message of a pipe; None if its other end is closed."""
    size = int.from_bytes(pipe.read(4), "little")
    packed = pipe.read(size)
    if not size or len(packed) < size:
        return None
    message, _ = unpack(packed, name="a message", what="body")
    assert isinstance(message, dict), "the other end sends maps"
    return message
