"""Whole files: written under one name, then given the one that counts, in one step."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from io import BufferedWriter
from pathlib import Path
from typing import Final

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import Buffer
from mandala_cas.objectstore.buffers import flat
from mandala_cas.objectstore.locks import locked
from mandala_cas.objectstore.platforms import NoLinksError, Platform

_BUFFER_SIZE: Final = 64 * 1024
_COMPARED_AT_ONCE: Final = 1 << 20
# Whoever may write to the store may create in it.
_SHARED: Final = 0o666


def write_file(platform: Platform, path: Path, parts: Iterable[Buffer]) -> None:
    """Write ``parts`` to the new file ``path`` and sync it; on an error, leave no file.

    A sync that failed is never tried again, see ``Platform.sync_file``: the caller writes a new
    file instead.
    """
    try:
        with BufferedWriter(platform.new_file(path), _BUFFER_SIZE) as file:
            for part in parts:
                file.write(flat(part))
            file.flush()
            platform.sync_file(file.fileno())
    except BaseException:
        with suppress(OSError):
            platform.unlink(path)
        raise


def begin_writeback(descriptor: int, offset: int, size: int) -> None:
    """Have the disk begin with what was just written to a file, and do not wait for it.

    A sync that comes later has the less to do. Where the system cannot be told, nothing is done.
    """
    advise = getattr(os, "posix_fadvise", None)
    if advise is not None:
        # Linux drops what is on the disk already, and begins to write what is not: here all of it.
        with suppress(OSError):
            advise(descriptor, offset, size, os.POSIX_FADV_DONTNEED)


def publish(platform: Platform, temporary: Path, path: Path) -> None:
    """Give a file that was synced the name ``path``; what has that name gives way if it differs.

    A crash right after may undo that, until the directory is synced. The name ``temporary`` may
    stay.
    """
    try:
        platform.place(temporary, path)
    except (FileExistsError, NoLinksError):
        # Mostly the very same bytes: content names content, and a reader may have them open. A
        # loose blob may have been encoded otherwise, though, and what is there may be damaged
        # and being repaired.
        if same_bytes(temporary, path):
            return
        try:
            platform.replace(temporary, path)
        except OSError:
            # Refused on Windows as somebody has it open: perhaps who has just put the same.
            if not same_bytes(temporary, path):
                raise


def publish_once(platform: Platform, temporary: Path, path: Path, lock: Path) -> bool:
    """Give a file that was synced the name ``path`` unless something has it; tell whether it did.

    Of racing callers one is told True. Where a file system has neither links nor locks that reach
    from one host to the other, more may be, and a file is whole all the same.
    """
    try:
        platform.place(temporary, path)
    except FileExistsError:
        return False
    except NoLinksError:
        data = temporary.read_bytes()
        with ExitStack() as stack:
            # No other step is atomic here, so those who create take turns. A put in between is
            # not kept out, but nobody puts what others create.
            with suppress(UsageError):
                stack.enter_context(locked(lock, mode=_SHARED, locks=platform.locks))
            if path.exists():
                return False
            platform.replace(temporary, path)
            # Another host, which sees no lock of ours, may have come in between.
            return path.read_bytes() == data
    return True


def same_bytes(left: Path, right: Path) -> bool:
    """Tell whether two files hold the same; False where one of them is gone."""
    try:
        with left.open("rb", buffering=0) as one, right.open("rb", buffering=0) as other:
            if one.seek(0, 2) != other.seek(0, 2):
                return False
            one.seek(0)
            other.seek(0)
            while piece := one.read(_COMPARED_AT_ONCE):
                if piece != other.read(len(piece)):
                    return False
            return True
    except FileNotFoundError:
        return False
