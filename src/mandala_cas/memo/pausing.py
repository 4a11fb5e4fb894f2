"""Stretches of a program in which ops are plain functions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mandala_cas.memo.context import leave, pause


@contextlib.contextmanager
def noop() -> Iterator[None]:
    """Have ops be plain functions until the end of the block, in this thread or task.

    Nothing is looked up and nothing recorded. Afterwards everything is as it was. A ``with
    storage:`` inside the block is a storage like any other.
    """
    entry = pause()
    try:
        yield
    finally:
        leave(entry)
