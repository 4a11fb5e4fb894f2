"""A process that saves or loads one large array and tells how much memory that took."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from mandala_cas.imports import Storage, op

_PIECE: Final = 1 << 18
_COLUMN_COUNT: Final = 1000

_arrays: dict[tuple[str, int], Any] = {}


@op
def made(kind: str, size: int) -> Any:
    """Hand over the array that was made before anything was measured."""
    return _arrays[kind, size]


def _noise(size: int) -> Any:
    """Return doubles that do not shrink; made in pieces, so that nothing is left over."""
    array = np.empty(size // 8)
    generator = np.random.default_rng(7)
    for start in range(0, array.size, _PIECE):
        piece = array[start : start + _PIECE]
        generator.random(out=piece)
    return array


def _table(size: int) -> Any:
    """Return noise in rows."""
    row_count = size // 8 // _COLUMN_COUNT
    return _noise(row_count * 8 * _COLUMN_COUNT).reshape(row_count, _COLUMN_COUNT)


def _halves(size: int) -> Any:
    """Return integers of which half of the bytes are zeros."""
    array = _noise(size).view(np.int64)
    array >>= 32
    return array


ARRAYS: Final[Mapping[str, Callable[[int], Any]]] = {
    "contiguous": _noise,
    "fortran": lambda size: _table(size).T,
    "strided": lambda size: _table(2 * size)[:, ::2],
    "compressible": _halves,
}


def memory(field: str) -> int:
    """Return VmRSS (now) or VmHWM (the most so far), in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"the kernel does not tell {field}")


def measured(work: Callable[[], int]) -> dict[str, int]:
    """Return the bytes that ``work`` was about, and the peak of memory above what was there."""
    # What was taken to get here is not the work's: VmHWM begins again.
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    size = work()
    return {"size": size, "peak": memory("VmHWM") - before}


def main(step: str, kind: str, size: int, storage: Storage) -> dict[str, int]:
    """Save an array that is there, or load and use it; see ``measured``."""
    # Imports and connections, of which there are many, come before anything is measured.
    _arrays["warm", 0] = np.zeros(1 << 18)
    with storage:
        storage.unwrap(made("warm", 0))
    if step == "save":
        array = _arrays[kind, size] = ARRAYS[kind](size)

        def save() -> int:
            with storage:
                made(kind, size)
            return int(array.nbytes)

        return measured(save)

    def load() -> int:
        with storage:
            loaded = storage.unwrap(made(kind, size), mmap=step != "read")
        # Changed as well: of a map, each page becomes this process's own.
        loaded += 1
        return int(loaded.nbytes)

    return measured(load)


if __name__ == "__main__":
    _, step_, kind_, size_, where, options = sys.argv
    opened = Storage(where, **json.loads(options))
    sys.stdout.write(json.dumps(main(step_, kind_, int(size_), opened)))
