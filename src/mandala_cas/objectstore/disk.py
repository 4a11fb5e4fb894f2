"""What it takes to get bytes onto a disk for good, and to say so when it fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mandala_cas.errors import MandalaError, NotFoundError, StoreUnavailableError, UsageError
from mandala_cas.objectstore.api import Buffer
from mandala_cas.objectstore.buffers import flat

try:
    import fcntl
except ImportError:  # Windows has neither flock nor F_FULLFSYNC
    fcntl = None  # type: ignore[assignment] # the name of a module that is not there

# What link(2) says where the file system has no hard links, or has run out of them.
NO_LINKS: Final = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}
)

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
_FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_MISPLACED: Final = frozenset(
    {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV}
)
# What fsync says of a directory on file systems that have nothing to sync there.
_NO_DIRECTORY_SYNC: Final = frozenset({errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS})

_BUFFER_SIZE: Final = 64 * 1024
_COMPARED_AT_ONCE: Final = 1 << 20


def write_file(path: Path, parts: Iterable[Buffer]) -> None:
    """Write ``parts`` to the new file ``path`` and sync it; on an error, leave no file.

    A sync that failed is never tried again: the kernel may have dropped the dirty pages, and would
    call the second try a success. The caller writes a new file instead.
    """
    try:
        with path.open("xb", buffering=_BUFFER_SIZE) as file:
            for part in parts:
                file.write(flat(part))
            file.flush()
            sync_file(file.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def sync_file(descriptor: int) -> None:
    """Have the disk itself confirm the file, also where fsync stops at the drive's cache."""
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:
        # Network file systems of macOS refuse it; fsync is the best they have.
        with suppress(OSError):
            fcntl.fcntl(descriptor, full_sync)
            return
    os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Have the disk confirm the names in a directory."""
    if os.name == "nt":
        return  # NTFS journals names, and a directory cannot be opened
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise
    finally:
        os.close(descriptor)


def same_bytes(left: Path, right: Path) -> bool:
    """Tell whether two files hold the same; False where one of them is gone."""
    try:
        with left.open("rb", buffering=0) as one, right.open("rb", buffering=0) as other:
            if os.fstat(one.fileno()).st_size != os.fstat(other.fileno()).st_size:
                return False
            while piece := one.read(_COMPARED_AT_ONCE):
                if piece != other.read(len(piece)):
                    return False
            return True
    except FileNotFoundError:
        return False


@contextmanager
def reading(name: str, root: Path) -> Iterator[None]:
    """Translate what goes wrong while an object, or a directory, is read."""
    try:
        yield
    except MandalaError:
        raise
    except OSError as error:
        if error.errno in _ABSENT:
            raise NotFoundError(
                f"no object {name} in {root}; fetch it from where it was made", name=name
            ) from error
        raise _translate(error, f"cannot read {name}", name, root) from error


@contextmanager
def writing(name: str, root: Path) -> Iterator[None]:
    """Translate what goes wrong while an object is written or removed."""
    try:
        yield
    except MandalaError:
        raise
    except OSError as error:
        raise _translate(error, f"cannot write {name}", name, root) from error


def _translate(error: OSError, failed: str, name: str, root: Path) -> MandalaError:
    """Return the error of ours that says what to do about ``error``."""
    # The place that the system names, where it names one, is where to look.
    place = error.filename or root
    reason = (error.strerror or str(error)).lower()
    details = {"name": name, "root": str(root), "errno": error.errno}
    if error.errno in _FULL:
        return StoreUnavailableError(
            f"{failed}: the disk or quota of {root} is full; nothing of it was written, what was "
            "there is kept, so free some space and try again",
            **details,
        )
    if error.errno in _DENIED:
        return UsageError(
            f"{failed}: {reason} at {place}; check who owns it and whether it is mounted "
            "read-only, or use another store",
            **details,
        )
    if error.errno in _MISPLACED:
        return UsageError(
            f"{failed}: {reason} at {place}; something other than a store is in the way there",
            **details,
        )
    return StoreUnavailableError(
        f"{failed}: {reason} at {place}; nothing was lost, try again", **details
    )
