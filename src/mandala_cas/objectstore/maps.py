"""Files seen as memory: private, copy-on-write maps."""

from __future__ import annotations

import mmap
import os
import sys
from io import FileIO
from typing import Final
from weakref import WeakSet

from mandala_cas.objectstore.api import FileIdentity, MappedObject

# Until Python 3.13 each map keeps a file descriptor, of which a process may have a thousand or
# so; systems count maps as well. Whoever comes after that many reads.
MAPS_MAX: Final = 256 if sys.version_info < (3, 13) else 16_384

_living: WeakSet[mmap.mmap] = WeakSet()


def map_file(file: FileIO) -> MappedObject | None:
    """Return an open file as memory that may be written to, which never reaches the file.

    None where that cannot be: it is empty, there are too many maps, or the system refuses.
    """
    status = os.fstat(file.fileno())
    if status.st_size == 0 or len(_living) >= MAPS_MAX:
        return None
    try:
        memory = _map(file.fileno(), status.st_size)
    except (OSError, OverflowError):
        # A file system that maps nothing, or a limit on what a process may promise itself.
        return None
    _living.add(memory)
    identity = FileIdentity(
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
    return MappedObject(memoryview(memory), identity)


def _map(descriptor: int, size: int) -> mmap.mmap:
    """Return a private map of so many bytes."""
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY, trackfd=False)
    return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
