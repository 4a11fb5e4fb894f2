"""The spool: a large value's bytes, written once when it was made, until a flush has placed them.

They are on this machine's disk, not in memory, and a flush into a directory of the same file
system links them into place. Nothing waits for the disk before a flush: the end of the process
does not take back what was written. But the disk is at work by then, or the flush would wait long.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final

from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import CorruptionError
from mandala_cas.log.journal import SPOOL_FOLDER, Journal
from mandala_cas.model.ids import WriterId
from mandala_cas.objectstore.api import Buffer, Pieces
from mandala_cas.objectstore.buffers import fill, flat, new_buffer
from mandala_cas.objectstore.disk import reading, writing
from mandala_cas.objectstore.files import begin_writeback
from mandala_cas.objectstore.maps import map_file
from mandala_cas.objectstore.platforms import running_platform

_RANDOM_SIZE: Final = 16
_PIECE_SIZE: Final = 4 << 20
_BEGUN_AT_ONCE: Final = 16 << 20


class SpooledValue:
    """The file with one sealed value.

    It is removed when nobody refers to it any more, so a value whose call was never recorded
    leaves nothing behind. After ``keep`` only ``remove`` does that: the journal names the file.
    """

    __slots__ = ("__weakref__", "_finalizer", "path", "size")

    def __init__(self, path: Path, size: int, *, is_kept: bool = False) -> None:
        """Own the file ``path`` of ``size`` bytes."""
        self.path = path
        self.size = size
        self._finalizer = weakref.finalize(self, _remove, path, os.getpid())
        self._finalizer.atexit = False
        if is_kept:
            self.keep()

    @property
    def name(self) -> str:
        """What the journal calls it."""
        return self.path.name

    def sealed(self) -> Sealed:
        """Return the bytes as they are on the disk, as memory that may become part of a value.

        Raises:
            NotFoundError: somebody removed the file.
            CorruptionError: it does not have the bytes that were written.
        """
        with self._opened() as file:
            found = map_file(file) if running_platform().keeps_unlinked else None
            if found is not None:
                return Sealed((found.data,), self.size)
            buffer = new_buffer(self.size)
            fill(file, 0, buffer)
        return Sealed((buffer,), self.size)

    def streamed(self) -> Sealed:
        """Return the bytes as pieces that are read when somebody asks for them, to be sent away.

        Raises:
            NotFoundError: somebody removed the file.
            CorruptionError: it does not have the bytes that were written.
        """
        with self._opened():
            return Sealed(Pieces(self.size, self._pieces), self.size)

    def _pieces(self) -> Iterator[Buffer]:
        """Yield the bytes, some at a time."""
        with self._opened() as file:
            while piece := file.read(_PIECE_SIZE):
                yield piece

    @contextmanager
    def _opened(self) -> Iterator[FileIO]:
        """Open the file, which must have the size that was written."""
        with reading(self.name, self.path.parent), self.path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size != self.size:
                raise CorruptionError(
                    f"{self.path} has {size} bytes, {self.size} were written; compute the value "
                    "again",
                    path=str(self.path),
                )
            yield file

    def keep(self) -> None:
        """Leave the file where it is when nobody refers to it."""
        self._finalizer.detach()

    def remove(self) -> None:
        """Remove the file: the value is in the store. A file that stays costs space only."""
        self._finalizer.detach()
        _remove(self.path, os.getpid())


class Spool:
    """Writes large values below ``local/`` of one store. Safe to use from several threads."""

    def __init__(
        self,
        journal: Journal,
        writer: Callable[[], WriterId],
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Write beside ``journal``; ``writer`` tells who this process is at the moment."""
        self._journal = journal
        self._writer = writer
        self._draw = draw

    def write(self, parts: Iterable[Buffer]) -> SpooledValue:
        """Write one sealed value; whatever happens to its object afterwards, these bytes stay.

        Each part is written before the next one is asked for, so they may be made on the way.

        Raises:
            StoreUnavailableError: the disk is full or does not answer; nothing was written.
            UsageError: nothing can be written there at all.
        """
        writer = self._writer()
        # First of all: the file of a writer that does not live is anyone's to remove.
        self._journal.live(writer)
        folder = self._journal.directory / SPOOL_FOLDER
        path = folder / f"{writer.hex()}-{self._draw(_RANDOM_SIZE).hex()}"
        size = begun = 0
        with writing(path.name, folder):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                # Not private: linked into the store it is an object like any other.
                with path.open("xb", buffering=0) as file:
                    for part in _no_larger(parts, _BEGUN_AT_ONCE):
                        size += part.nbytes
                        _write_all(file.write, part)
                        if size - begun >= _BEGUN_AT_ONCE:
                            begin_writeback(file.fileno(), begun, size - begun)
                            begun = size
            except BaseException:
                with suppress(OSError):
                    path.unlink()
                raise
            return SpooledValue(path, size)


def _no_larger(parts: Iterable[Buffer], size: int) -> Iterator[memoryview]:
    """Yield the concatenation in views of ``size`` bytes at most."""
    for part in parts:
        view = flat(part)
        for start in range(0, view.nbytes, size):
            yield view[start : start + size]


def _write_all(write: Callable[[memoryview], int | None], data: memoryview) -> None:
    """Write all of ``data``: one call takes at most 2 GiB."""
    while data.nbytes:
        data = data[write(data) or 0 :]


def _remove(path: Path, process_id: int) -> None:
    """Remove a file that this process made; in a forked child it is the parent's."""
    if process_id == os.getpid():
        # Windows keeps a file that is mapped; whoever adopts this journal removes it.
        with suppress(OSError):
            path.unlink(missing_ok=True)
