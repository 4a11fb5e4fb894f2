"""A platform that records each step on a directory, or lets a test refuse it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Literal

from mandala_cas.objectstore.locks import KernelLocks
from mandala_cas.objectstore.platforms import Platform, running_platform

StepKind = Literal[
    "new file",
    "write",
    "sync file",
    "make directory",
    "sync directory",
    "place",
    "replace",
    "unlink",
    "mark",
]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its paths are relative to the directory that is watched.

    ``file`` numbers the files in the order in which they were made; ``data`` is what was written.
    """

    kind: StepKind
    path: str = ""
    target: str = ""
    file: int = -1
    data: bytes = b""

    def __str__(self) -> str:
        """Return what a message says of it."""
        return " ".join(filter(None, (self.kind, self.path, self.target)))


class RecordingPlatform:
    """A platform whose steps, once taken, stand in ``steps``.

    ``before`` is called with each step that is about to be taken: what it raises is what the step
    raises, and the step is not taken. A sync that fails so is one that the disk refused.
    """

    def __init__(
        self,
        root: Path,
        platform: Platform | None = None,
        before: Callable[[Step], object] = lambda _: None,
    ) -> None:
        """Watch the directory ``root``, which must be there; ``platform`` takes the steps."""
        self.steps: list[Step] = []
        self._root = root
        self._platform = platform or running_platform()
        self._before = before
        self._files: list[str] = []
        self._open: dict[int, int] = {}

    @property
    def locks(self) -> KernelLocks:
        """Locks of the platform below; they are no steps, since a crash ends them."""
        return self._platform.locks

    @property
    def keeps_unlinked(self) -> bool:
        """As the platform below."""
        return self._platform.keeps_unlinked

    def mark(self, label: str) -> None:
        """Record that something had been promised when this was called."""
        self.steps.append(Step("mark", label))

    def new_file(self, path: Path) -> FileIO:
        """Open a new file that records what is written to it."""
        number = len(self._files)
        step = Step("new file", self._name(path), file=number)
        self._before(step)
        file = _RecordedFile(path, self, number)
        self._files.append(step.path)
        self._open[file.fileno()] = number
        self.steps.append(step)
        return file

    def sync_file(self, descriptor: int) -> None:
        """Sync a file that this platform opened."""
        number = self._open[descriptor]
        self._take(
            Step("sync file", self._files[number], file=number),
            lambda: self._platform.sync_file(descriptor),
        )

    def make_directory(self, path: Path) -> None:
        """Make a directory; that it was there is no step."""
        step = Step("make directory", self._name(path))
        if path.is_dir():
            self._before(step)
            self._platform.make_directory(path)
        else:
            self._take(step, lambda: self._platform.make_directory(path))

    def sync_directory(self, path: Path) -> None:
        """Sync a directory."""
        step = Step("sync directory", self._name(path))
        self._take(step, lambda: self._platform.sync_directory(path))

    def place(self, source: Path, target: Path) -> None:
        """Give a file a name."""
        step = Step("place", self._name(source), self._name(target))
        self._take(step, lambda: self._platform.place(source, target))

    def replace(self, source: Path, target: Path) -> None:
        """Give a file another name."""
        step = Step("replace", self._name(source), self._name(target))
        self._take(step, lambda: self._platform.replace(source, target))

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        self._take(Step("unlink", self._name(path)), lambda: self._platform.unlink(path))

    def write(self, number: int, data: bytes, write: Callable[[], int]) -> int:
        """Record one write of a file that this platform opened; return how much was written."""
        self._before(Step("write", self._files[number], file=number, data=data))
        size = write()
        self.steps.append(Step("write", self._files[number], file=number, data=data[:size]))
        return size

    def _take(self, step: Step, take: Callable[[], None]) -> None:
        """Take a step, and record it if it was taken."""
        self._before(step)
        take()
        self.steps.append(step)

    def _name(self, path: Path) -> str:
        """Return how a path is recorded; a store at the root syncs what is above it, too."""
        return Path(os.path.relpath(path, self._root)).as_posix()


class _RecordedFile(FileIO):
    """A file whose writes are recorded."""

    def __init__(self, path: Path, platform: RecordingPlatform, number: int) -> None:
        """Make the file."""
        super().__init__(path, "xb")
        self._platform = platform
        self._number = number

    def write(self, data: Any, /) -> int:
        """Write, and have it recorded."""
        return self._platform.write(self._number, bytes(data), lambda: FileIO.write(self, data))
