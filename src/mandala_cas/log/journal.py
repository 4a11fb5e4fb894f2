"""The journal: what was recorded and is not committed, on the disk before the call returns.

::

    local/journal/<writer>            locked as long as the writing process lives
    local/journal/<writer>-<number>   the groups of the batch that becomes this segment
    local/spool/<writer>-<random>     the bytes of one large value

A write to a file survives the end of the process, however it ends; only a power cut takes what was
not synced, which is why nobody waits for the disk here. A file is removed when its segment is in
the store and was looked at once more. A crash before that leaves a file whose batch is in the
store, and whoever finds it asks the log first.
"""

from __future__ import annotations

import os
import platform
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.log.forks import ForkAware
from mandala_cas.log.frames import FrameKey
from mandala_cas.log.groups import JournalGroup, pack_group
from mandala_cas.log.journal_entries import Begun, pack_begun
from mandala_cas.log.writer import Position
from mandala_cas.model.ids import WriterId
from mandala_cas.objectstore.disk import writing
from mandala_cas.objectstore.locks import PRIVATE, HeldLock, try_lock

JOURNAL_FOLDER: Final = "journal"
SPOOL_FOLDER: Final = "spool"

_BATCH_NAME: Final = re.compile(r"([0-9a-f]{16})-([0-9a-f]{6})")
_LOCK_NAME: Final = re.compile(r"[0-9a-f]{16}")
_SPOOL_NAME: Final = re.compile(r"([0-9a-f]{16})-[0-9a-f]{32}")


def batch_file_name(position: Position) -> str:
    """Return the name of the file for one batch."""
    return f"{position.writer.hex()}-{position.seq:06x}"


def parse_batch_file_name(name: str) -> Position | None:
    """Return which batch a file is for, or None if it is for none."""
    found = _BATCH_NAME.fullmatch(name)
    return None if found is None else Position(WriterId.from_hex(found[1]), int(found[2], 16))


def writer_of_file(name: str) -> WriterId | None:
    """Return whose file this is, by its name: a lock, a batch or a spooled value."""
    for pattern in (_LOCK_NAME, _BATCH_NAME, _SPOOL_NAME):
        if pattern.fullmatch(name):
            return WriterId.from_hex(name[: 2 * WriterId.SIZE])
    return None


def is_lock_name(name: str) -> bool:
    """Tell whether a file is there to be locked, and says nothing."""
    return _LOCK_NAME.fullmatch(name) is not None


class Journal(ForkAware):
    """This process's journal below ``local/`` of one store. Safe to use from several threads.

    Nothing is made before something is recorded. A forked child begins its own.
    """

    def __init__(
        self, directory: Path, key: Callable[[], bytes], host: str = platform.node()
    ) -> None:
        """Write below ``directory``; ``key`` gives the 32 bytes that prove who wrote.

        ``host`` is told to whoever finds the journal on a file system that hosts share.
        """
        self.directory = directory
        self._key = key
        self._host = host
        self._locks: dict[WriterId, HeldLock | None] = {}
        self._files: dict[Position, _BatchFile] = {}
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """In a forked child: close what is the parent's, whose locks stay held."""
        self._lock = threading.Lock()
        locks, self._locks = self._locks, {}
        files, self._files = self._files, {}
        for held in locks.values():
            if held is not None:
                held.abandon()
        for file in files.values():
            file.close()

    def append(self, position: Position, group: JournalGroup) -> None:
        """Write a group to the file of its batch; the end of this process does not take it back.

        Raises:
            StoreUnavailableError: the disk is full or does not answer; the file is as it was.
            UsageError: nothing can be written there at all.
        """
        self.append_packed(position, pack_group(group))

    def append_packed(self, position: Position, body: bytes) -> None:
        """Write a group, as ``pack_group`` gives it: one frame, with one write.

        Raises:
            StoreUnavailableError: the disk is full or does not answer; the file is as it was.
            UsageError: nothing can be written there at all.
        """
        with self._lock:
            file = self._files.get(position)
            if file is None:
                file = self._begin(position)
            file.append(body)

    def live(self, writer: WriterId) -> None:
        """See to it that the files of a writer count as those of a living process.

        Raises:
            StoreUnavailableError: the disk is full or does not answer.
            UsageError: nothing can be written there at all, or nothing can be locked.
        """
        if writer not in self._locks:
            with self._lock:
                self._live(writer)

    def remove(self, position: Position) -> None:
        """Forget a batch: it is in the store."""
        with self._lock:
            file = self._files.pop(position, None)
        if file is not None:
            file.remove()

    def close(self) -> None:
        """Let go of the locks; a file that has something to say stays for whoever adopts it."""
        with self._lock:
            files, self._files = self._files, {}
            locks, self._locks = self._locks, {}
        for file in files.values():
            file.close()
        for writer, held in locks.items():
            # Before the lock is free, or somebody could lock a file that is about to go.
            with suppress(OSError):
                (self.directory / JOURNAL_FOLDER / writer.hex()).unlink(missing_ok=True)
            if held is not None:
                held.release()

    def _live(self, writer: WriterId) -> None:
        """Take the lock of a writer."""
        if writer in self._locks:
            return
        folder = self.directory / JOURNAL_FOLDER
        with writing(JOURNAL_FOLDER, self.directory):
            folder.mkdir(parents=True, exist_ok=True)
        # None: the lock is this process's own. Writer ids are random, so nobody else has it, and
        # Ctrl-C right after it was taken leaves it taken with nothing to release it by.
        self._locks[writer] = try_lock(folder / writer.hex())

    def _begin(self, position: Position) -> _BatchFile:
        """Begin the file of a batch; the lock first, or it could be taken for a dead one's."""
        self._live(position.writer)
        name = batch_file_name(position)
        path = self.directory / JOURNAL_FOLDER / name
        file = self._files[position] = _BatchFile(
            path, FrameKey(self._key(), name), pack_begun(Begun(self._host))
        )
        return file


class _BatchFile:
    """The file of one batch, open for appending."""

    __slots__ = ("_descriptor", "_first", "_is_broken", "_key", "_number", "_path", "_size")

    def __init__(self, path: Path, key: FrameKey, first: bytes) -> None:
        """Name the file; the first append makes it, with the frame ``first`` at its head."""
        self._path = path
        self._key = key
        self._first = first
        self._number = 0
        self._size = 0
        self._descriptor: int | None = None
        self._is_broken = False

    def append(self, body: bytes) -> None:
        """Write one frame with one write; where that fails, the file is as it was."""
        if self._is_broken:
            raise StoreUnavailableError(
                f"the journal {self._path} could not be written before, so nothing more is added "
                "to it; commit, which begins another",
                path=str(self._path),
            )
        # Until this has gone well: a frame behind one that is missing would be misunderstood.
        self._is_broken = True
        try:
            if self._descriptor is None:
                data = self._key.preamble + self._key.frame(0, self._first)
                data += self._key.frame(1, body)
                self._number = 1
                self._descriptor = self._open()
            else:
                data = self._key.frame(self._number, body)
            _write(self._descriptor, data, self._size)
        except OSError as error:
            with writing(self._path.name, self._path.parent):
                raise error from None
        self._size += len(data)
        self._number += 1
        self._is_broken = False

    def _open(self) -> int:
        """Make the file."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        return os.open(self._path, flags, PRIVATE)

    def close(self) -> None:
        """Close this process's descriptor."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the file. One that stays is asked about the log by whoever finds it."""
        self.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _write(descriptor: int, data: bytes, size: int) -> None:
    """Append ``data`` to a file of ``size`` bytes; on an error, take back what was written."""
    try:
        written = os.write(descriptor, data)
        # More than one call is needed above 2 GiB, and on a disk that is about to be full.
        while written < len(data):
            written += os.write(descriptor, memoryview(data)[written:])
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise
