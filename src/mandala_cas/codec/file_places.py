"""Where the contents of values lie as files: under which key, and whether they still do."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final, Protocol

from blake3 import blake3

from mandala_cas.codec.canonical_files import directory_id, file_id
from mandala_cas.codec.directory_table import unpack_table
from mandala_cas.codec.file_contents import DIGESTS, Entry, read_directory
from mandala_cas.codec.file_names import OWN_PREFIX
from mandala_cas.errors import UsageError
from mandala_cas.model.ids import ContentId

TABLE_NAME: Final = f"{OWN_PREFIX}.table"
_KEY_SIZE: Final = 16
_READ_ONLY: Final = 0o444
_READ_AND_RUN: Final = 0o555


class FilePlaces(Protocol):
    """Where the contents of files lie on this machine, each under a key."""

    def place(
        self, key: str, fill: Callable[[Path], None], is_intact: Callable[[Path], bool]
    ) -> Path:
        """Return the directory ``key``, whole: the one that is there if it is intact.

        Otherwise ``fill`` fills a new one, which takes its place in one step.

        Raises:
            StoreUnavailableError: the disk is full or does not answer.
            UsageError: nothing can be written there at all.
        """
        ...

    def find(self, key: str, is_intact: Callable[[Path], bool]) -> Path | None:
        """Return the directory ``key``, if it is there and intact."""
        ...

    def scratch(self) -> FileIO:
        """Return a new file, open for reading and writing, that is gone when it is closed.

        Raises:
            StoreUnavailableError, UsageError: as for ``place``.
        """
        ...


def place_key(codec_name: str, content_id: ContentId, name: str, runs: bool) -> str:  # noqa: FBT001 (private)
    """Return under what a value is kept: what it is, and as what it comes back."""
    text = f"{codec_name}\0{content_id.hex()}\0{runs}\0{name}"
    return blake3(text.encode()).hexdigest(length=_KEY_SIZE)


def file_check(content_id: ContentId, name: str, runs: bool) -> Callable[[Path], bool]:  # noqa: FBT001 (private)
    """Return what tells whether a place has the file."""

    def is_intact(place: Path) -> bool:
        path = place / name
        try:
            if path.is_symlink() or file_id(*DIGESTS.read(path)) != content_id:
                return False
        except UsageError:
            return False
        _restore_mode(path, is_executable=runs)
        return True

    return is_intact


def directory_check(content_id: ContentId, name: str) -> Callable[[Path], bool]:
    """Return what tells whether a place has the directory."""

    def is_intact(place: Path) -> bool:
        root = place / name
        try:
            entries = unpack_table(memoryview((place / TABLE_NAME).read_bytes()))
            found = read_directory(root)
        except (OSError, ValueError):
            # A usage error is one as well: there is something that was never stored.
            return False
        # Some systems have no executable bit; what it was is in the table.
        if (
            root.is_symlink()
            or directory_id(entries) != content_id
            or _bare(entries) != _bare(found)
        ):
            return False
        for entry in entries:
            if entry.digest is not None:
                _restore_mode(root / entry.name, is_executable=entry.is_executable)
        return True

    return is_intact


def _bare(entries: Iterable[Entry]) -> list[tuple[str, int, bytes | None]]:
    """Return what every system can say of entries."""
    return [(entry.name, entry.size, entry.digest) for entry in entries]


def write_file(path: Path, contents: memoryview, *, is_executable: bool) -> None:
    """Write a file that nobody is to change."""
    with path.open("xb", buffering=0) as file:
        while contents.nbytes:
            contents = contents[file.write(contents) or 0 :]
    path.chmod(_READ_AND_RUN if is_executable else _READ_ONLY)


def _restore_mode(path: Path, *, is_executable: bool) -> None:
    """Make a file read-only again, and executable if it was; where there is such a thing."""
    wanted = _READ_AND_RUN if is_executable else _READ_ONLY
    with suppress(OSError):
        if stat.S_IMODE(path.stat().st_mode) != wanted:
            path.chmod(wanted)
