"""Copies of what is in a user's files, taken at one moment and out of everybody's reach."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO, FileIO
from pathlib import Path
from typing import Final

from mandala_cas.codec.file_places import FilePlaces
from mandala_cas.envelope.hashing import new_hasher
from mandala_cas.objectstore.api import Buffer
from mandala_cas.objectstore.disk import writing

# More is mapped from a file: what becomes a blob of its own need not be in memory.
_IN_MEMORY_MAX: Final = 1 << 20
_MOVED_AT_ONCE: Final = 8 << 20

Target = FileIO | BytesIO


def taken(
    places: FilePlaces, size: int, writes: Sequence[Callable[[Target], None]]
) -> list[memoryview]:
    """Return what each of ``writes`` writes, behind what was there, about ``size`` bytes together.

    Mapped from one file where it is much: neither memory nor the number of open files, nor that of
    maps, grows with the number of values.
    """
    if size <= _IN_MEMORY_MAX:
        memory = BytesIO()
        ends = _write_each(memory, writes)
        return _between(memory.getvalue(), ends)
    with places.scratch() as scratch:
        ends = _write_each(scratch, writes)
        size = scratch.seek(0, os.SEEK_END)
        # The map outlives the file's name and descriptor. Nobody else can reach it: a user who
        # cuts the original short does not pull the bytes away from under us.
        mapped = mmap.mmap(scratch.fileno(), size, access=mmap.ACCESS_READ) if size else b""
    return _between(mapped, ends)


def copy(source: FileIO, target: Target, size: int) -> None:
    """Copy at most ``size`` bytes; by the system itself, where it can."""
    left = size
    if isinstance(target, FileIO) and hasattr(os, "copy_file_range"):
        # Another file system, or one that cannot: what was copied so far counts.
        with suppress(OSError):
            while left and (
                count := os.copy_file_range(source.fileno(), target.fileno(), min(left, 1 << 30))
            ):
                left -= count
    while left and (piece := source.read(min(left, _MOVED_AT_ONCE))):
        write_all(target, memoryview(piece))
        left -= len(piece)


def copy_and_hash(source: FileIO, target: Target) -> tuple[int, bytes]:
    """Copy a file as long as it is now; return how many bytes that were, and their digest."""
    left = os.fstat(source.fileno()).st_size
    hasher = new_hasher(left)
    copied = 0
    while left and (piece := source.read(min(left, _MOVED_AT_ONCE))):
        hasher.update(piece)
        write_all(target, memoryview(piece))
        copied += len(piece)
        left -= len(piece)
    return copied, hasher.digest()


def _write_each(target: Target, writes: Sequence[Callable[[Target], None]]) -> list[int]:
    """Let each write what is its own; return where each one ends."""
    ends = []
    for write in writes:
        write(target)
        ends.append(target.tell())
    return ends


def _between(whole: Buffer | mmap.mmap, ends: Sequence[int]) -> list[memoryview]:
    """Return the parts that end there."""
    view = memoryview(whole)
    return [view[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def write_all(target: Target, data: memoryview) -> None:
    """Write all of ``data`` to what is on its way: one call takes at most 2 GiB."""
    with writing("a copy of a file", Path()):
        while data.nbytes:
            data = data[target.write(data) or 0 :]
