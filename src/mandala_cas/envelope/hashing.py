"""Hashers with as many threads as pay, and none that a forked child would wait for."""

from __future__ import annotations

import os
from typing import Final

from blake3 import blake3

# Below this, starting threads costs more than they save.
_THREADED_MIN: Final = 4 << 20
_THREADS_MAX: Final = 16


def new_hasher(size: int) -> blake3:
    """Return a hasher for ``size`` bytes, with threads where they pay.

    The threads are its own. blake3's shared ones (``AUTO``) do not survive a fork: a child
    process that hashes with them waits for ever.
    """
    return blake3(max_threads=thread_count() if size >= _THREADED_MIN else 1)


def thread_count() -> int:
    """Return how many threads may run at the same time here."""
    available = getattr(os, "sched_getaffinity", None)
    count = len(available(0)) if available is not None else os.cpu_count() or 1
    return min(count, _THREADS_MAX)
