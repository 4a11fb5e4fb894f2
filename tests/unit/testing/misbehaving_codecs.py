"""Codecs that do what no decoder may do, for tests of what watches them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import Buffer

HOLD: list[Any] = []


def use_memory(size: int) -> None:
    """Use memory, and give it back."""
    HOLD.append(b"x" * size)
    HOLD.clear()


DEEDS: Mapping[bytes, Callable[[], None]] = {
    b"refuse": lambda: (_ for _ in ()).throw(UsageError("refused")),
    b"exit": lambda: (_ for _ in ()).throw(SystemExit("gone")),
    b"abort": os.abort,
    b"hang": lambda: os.kill(os.getpid(), signal.SIGPROF),
    b"leave": lambda: os._exit(3),
    b"use": lambda: use_memory(64 << 20),
    b"take": lambda: use_memory(1 << 30),
}


class Misbehaving:
    """A codec of bytes, which does what they say."""

    name = "misbehaving"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Take bytes."""
        return type(value) is bytes

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the bytes."""
        return {"note": "a"}, (value,)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Do what the bytes say, and return them."""
        del header
        DEEDS.get(bytes(payload), lambda: None)()
        return bytes(payload)


def misbehaving_registry(folder: Path) -> CodecRegistry:
    """Return a registry with that codec."""
    del folder
    registry = CodecRegistry()
    registry.register(Misbehaving())
    return registry
