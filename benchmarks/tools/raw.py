"""The raw limit: the least that anything must do which does this work at all.

A new call is one line appended to a file, a hit is one hash and one look into
a dict, an array is one file written with ``fsync`` and read back with one pass
of hashing. Nothing here can be relied on for anything but a stopwatch: it has
no format, no locks and no care for crashes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """An array that lies in a file of its own."""

    path: str
    dtype: str

    def read(self) -> Any:
        """Read the array into memory of its own, and hash what was read."""
        import numpy as np  # noqa: PLC0415 (the workloads without arrays must not pay for it)

        with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123 (the plainest call there is)
            array = np.empty(os.fstat(file.fileno()).st_size, dtype=np.uint8)
            view = array.data
            read_size = 0
            while read_size < len(view):
                read_size += file.readinto(view[read_size:])
        blake3(view, max_threads=blake3.AUTO).digest()
        return array.view(self.dtype)


class Adapter:
    """A dict, and a file that says what was put into it."""

    def __init__(self, folder: Path) -> None:
        """Read the file back, if it is there."""
        self._folder = folder
        self._found: dict[bytes, Any] = {}
        path = folder / "calls.jsonl"
        if path.exists():
            for line in path.read_bytes().splitlines():
                key, value = json.loads(line)
                self._found[bytes.fromhex(key)] = (
                    ArrayFile(*value) if isinstance(value, list) else value
                )
        self._log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def memoize(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function behind one hash and one look into the dict."""
        found = self._found
        name = function.__name__

        def remembered(*arguments: Any) -> Any:
            """Return what is there, or compute it and append it."""
            key = blake3(f"{name}{arguments}".encode()).digest()
            value = found.get(key)
            if value is None:
                value = function(*arguments)
                self._append(key, value)
                return value
            if type(value) is ArrayFile:
                return value.read()
            return value

        return remembered

    def _append(self, key: bytes, value: Any) -> None:
        """Write the call down; an array first gets a file of its own."""
        kept = value
        if hasattr(value, "nbytes"):
            kept = ArrayFile(str(self._folder / key.hex()), value.dtype.str)
            _write(kept.path, value.data.cast("B"))
        self._found[key] = kept
        said = [kept.path, kept.dtype] if kept is not value else value
        os.write(self._log, f'["{key.hex()}",{json.dumps(said)}]\n'.encode())

    def block(self) -> AbstractContextManager[object]:
        """Return a block that does nothing."""
        return nullcontext()

    def value(self, result: Any) -> Any:
        """Return the result itself."""
        return result

    def close(self) -> None:
        """Make the file stay."""
        os.fsync(self._log)
        os.close(self._log)

    @staticmethod
    def details() -> dict[str, str]:
        """Return nothing: the versions say it all."""
        return {}


def _write(path: str, view: memoryview) -> None:
    """Write the bytes to a new file and wait until they are on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    written_size = 0
    while written_size < len(view):
        written_size += os.write(descriptor, view[written_size:])
    os.fsync(descriptor)
    os.close(descriptor)
