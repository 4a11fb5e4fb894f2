"""Journals whose writers are dead: found, locked, read, and removed when they are of no more use.

Architecture invariant: what does not prove to be this user's own, and whole, is neither recorded
nor removed. It is reported.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mandala_cas.errors import CorruptionError, MandalaError
from mandala_cas.log.forks import ForkAware
from mandala_cas.log.frames import FrameKey, Frames, State, read_frames
from mandala_cas.log.groups import JournalGroup
from mandala_cas.log.journal import (
    JOURNAL_FOLDER,
    SPOOL_FOLDER,
    batch_file_name,
    is_lock_name,
    parse_batch_file_name,
    writer_of_file,
)
from mandala_cas.log.journal_entries import Adopted, Begun, pack_adopted, unpack_body
from mandala_cas.log.writer import Position
from mandala_cas.model.ids import WriterId
from mandala_cas.objectstore.disk import reading, writing
from mandala_cas.objectstore.locks import HeldLock, try_lock

_LOGGER: Final = logging.getLogger("mandala_cas")

_LEFT_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where journals are looked for.

    ``key`` proves which are this user's. Where ``is_shared``, other hosts may write below
    ``directory``, and a lock that is free here does not say that nobody holds it there: then only
    journals of this ``host`` are touched.
    """

    directory: Path
    key: bytes = field(repr=False)
    host: str = platform.node()
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class OrphanBatch:
    """One batch of a dead writer. ``adopted`` are the segments that it was recorded again in.

    Of several, one at most is in the store: who recorded it first died before that, or was told
    that it is there and died before it could remove the file.
    """

    position: Position
    groups: tuple[JournalGroup, ...]
    adopted: tuple[Position, ...]
    frame_count: int
    size: int


class Orphan(ForkAware):
    """The journal of a dead writer, locked. ``left`` says of each file that stays why it does."""

    def __init__(self, writer: WriterId, place: Place, lock: HeldLock) -> None:
        """Own the lock; nothing was read yet."""
        self.writer = writer
        self.place = place
        self.batches: list[OrphanBatch] = []
        self.left: dict[Path, str] = {}
        self._lock: HeldLock | None = lock
        super().__init__()

    def mark(self, batch: OrphanBatch, position: Position) -> None:
        """Write down that a batch is about to be recorded again, before anything else is done.

        Raises:
            StoreUnavailableError: the disk is full or does not answer.
        """
        path = self._path(batch)
        key = FrameKey(self.place.key, path.name)
        frame = key.frame(batch.frame_count, pack_adopted(Adopted(position)))
        with writing(path.name, path.parent), path.open("r+b", buffering=0) as file:
            # Whatever is torn there goes first, or nobody could read what stands behind it.
            file.truncate(batch.size)
            file.seek(batch.size)
            file.write(frame)

    def leave(self, batch: OrphanBatch, reason: str) -> None:
        """Let the file of a batch stay."""
        self.batches.remove(batch)
        self.left[self._path(batch)] = reason

    def remove(self, batch: OrphanBatch) -> None:
        """Remove the file of a batch: what it says is in the store."""
        with suppress(OSError):
            self._path(batch).unlink(missing_ok=True)
        self.batches.remove(batch)

    def close_if_done(self) -> None:
        """Let go, once no batch is waiting to be committed.

        The last file to be removed is the lock, unless something stays.
        """
        if self.batches or self._lock is None:
            return
        lock, self._lock = self._lock, None
        if not self.left and not self.place.is_shared:
            for path in _files(self.place.directory / SPOOL_FOLDER):
                if writer_of_file(path.name) == self.writer:
                    with suppress(OSError):
                        path.unlink(missing_ok=True)
            # Before the lock is free, or somebody could lock a file that is about to go.
            with suppress(OSError):
                lock.path.unlink(missing_ok=True)
        lock.release()

    def renew(self) -> None:
        """In a forked child: the parent has the lock."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.abandon()

    def _path(self, batch: OrphanBatch) -> Path:
        """Return the file of a batch."""
        return self.place.directory / JOURNAL_FOLDER / batch_file_name(batch.position)


def find_orphans(place: Place, *, clock: Callable[[], float] = time.time) -> Iterator[Orphan]:
    """Yield the journal of each dead writer; the caller closes each.

    Of two processes that look at once, the lock decides. A writer takes its lock before it writes
    anything else, so one that has nothing but a lock may be about to take it: to try it then would
    keep the lock from its owner. Only what has been left for a day is cleared away.
    """
    directory = place.directory
    paths = [*_files(directory / JOURNAL_FOLDER), *_files(directory / SPOOL_FOLDER)]
    found = {
        writer
        for path in paths
        if (writer := writer_of_file(path.name)) is not None
        and not (is_lock_name(path.name) and _age_s(path, clock) < _LEFT_S)
    }
    for writer in sorted(found):
        try:
            lock = try_lock(directory / JOURNAL_FOLDER / writer.hex())
        except MandalaError as error:
            # Somebody else's, who lets nobody else open it.
            _LOGGER.info("the journal of writer %s was left as it is: %s", writer.hex(), error)
            continue
        if lock is None:
            continue
        try:
            orphan = _read(place, writer, lock)
        except BaseException:
            lock.release()
            raise
        yield orphan


def _age_s(path: Path, clock: Callable[[], float]) -> float:
    """Return how long ago a file was made; none at all where it is gone."""
    try:
        return clock() - path.stat().st_mtime
    except OSError:
        return 0.0


def _read(place: Place, writer: WriterId, lock: HeldLock) -> Orphan:
    """Read the files of a dead writer, now that its lock is taken: before, another may have."""
    orphan = Orphan(writer, place, lock)
    for path in _files(place.directory / JOURNAL_FOLDER):
        position = parse_batch_file_name(path.name)
        if position is None or position.writer != writer:
            continue
        frames = _frames(path, place.key)
        if frames.state is not State.WHOLE:
            orphan.left[path] = frames.state.value
            continue
        try:
            bodies = [unpack_body(body, path.name) for body in frames.bodies]
        except CorruptionError as error:
            orphan.left[path] = str(error)
            continue
        hosts = {body.host for body in bodies if isinstance(body, Begun)}
        if place.is_shared and hosts != {place.host}:
            orphan.left[path] = f"of host {', '.join(sorted(hosts)) or 'nobody knows which'}"
            continue
        groups = tuple(body for body in bodies if isinstance(body, JournalGroup))
        adopted = tuple(body.position for body in bodies if isinstance(body, Adopted))
        orphan.batches.append(OrphanBatch(position, groups, adopted, len(bodies), frames.size))
    return orphan


def _frames(path: Path, key: bytes) -> Frames:
    """Return what is in a file."""
    with reading(path.name, path.parent):
        return read_frames(path.read_bytes(), FrameKey(key, path.name))


def _files(folder: Path) -> list[Path]:
    """Return the files in a folder, in the order of their names; none if it is not there."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return []
