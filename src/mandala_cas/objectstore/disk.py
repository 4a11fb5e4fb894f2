"""What is said when a disk does not do what it was asked."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mandala_cas.errors import MandalaError, NotFoundError, StoreUnavailableError, UsageError

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
_FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_MISPLACED: Final = frozenset(
    {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV}
)


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
