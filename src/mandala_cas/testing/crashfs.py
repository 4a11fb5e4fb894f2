"""Every state that a directory may be in after a power cut, from the steps that were taken on it.

The model promises as little as POSIX does. What was written to a file and not synced may be there,
or missing, or torn, or zeros. A name that was given, taken away or moved, and whose directory was
not synced since, may stand as it was at any moment since the last sync, each name for itself. So
the two halves of a rename may come apart, and a directory may be gone with all that is in it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from mandala_cas.testing.platforms import Step

STATES_MAX: Final = 50_000

# What stands under a name: the number of a file, a directory, nothing.
_DIRECTORY: Final = -1
_NOTHING: Final = -2


@dataclass(frozen=True, slots=True)
class CrashState:
    """What may be found after a crash, and what had been promised before it."""

    marks: tuple[str, ...]
    files: Mapping[str, bytes]
    directories: frozenset[str]
    last_step: str

    def write_to(self, root: Path) -> None:
        """Make the files and directories below ``root``."""
        for name in sorted(self.directories):
            (root / name).mkdir(parents=True)
        for name, data in self.files.items():
            (root / name).write_bytes(data)


def crash_states(steps: Sequence[Step], states_max: int = STATES_MAX) -> Iterator[CrashState]:
    """Yield every state that a crash before, between or after ``steps`` may leave, each once.

    Raises:
        ValueError: one moment has more than ``states_max`` states, so that the scenario is too
            long to be looked at whole.
    """
    disk = _Disk()
    seen: set[object] = set()
    marks: tuple[str, ...] = ()
    for number, step in enumerate([None, *steps]):
        if step is not None and step.kind == "mark":
            marks = (*marks, step.path)
        elif step is not None:
            disk.take(step)
        for files, directories in disk.states(states_max):
            key = (marks, frozenset(files.items()), directories)
            if key not in seen:
                seen.add(key)
                yield CrashState(marks, files, directories, f"step {number}: {step}")


class _File:
    """The bytes of a file, and how many of them are on the disk for good."""

    def __init__(self) -> None:
        """Be empty."""
        self.data = b""
        self.synced_size = 0

    def variants(self) -> list[bytes]:
        """Return what may be in it after a crash."""
        synced, rest = self.data[: self.synced_size], self.data[self.synced_size :]
        found = [self.data, synced, synced + rest[: len(rest) // 2], synced + bytes(len(rest))]
        return list(dict.fromkeys(found))


class _Disk:
    """The names and files of a directory, with what each may turn out to be."""

    def __init__(self) -> None:
        """Be empty."""
        self._files: dict[int, _File] = {}
        # All that a name has stood for since its directory was last synced, the latest at the end.
        self._names: dict[str, list[int]] = {}

    def take(self, step: Step) -> None:
        """Take one step."""
        match step.kind:
            case "write":
                self._files[step.file].data += step.data
            case "sync file":
                file = self._files[step.file]
                file.synced_size = len(file.data)
            case "make directory":
                for path in (*_above(step.path)[::-1], step.path):
                    if self._latest(path) != _DIRECTORY:
                        self._set(path, _DIRECTORY)
            case "sync directory":
                for path, held in self._names.items():
                    if _parent(path) == step.path:
                        del held[:-1]
            case _:
                self._rename(step)

    def _rename(self, step: Step) -> None:
        """Take a step that gives a name to a file, or takes one away."""
        match step.kind:
            case "new file":
                self._files[step.file] = _File()
                self._set(step.path, step.file)
            case "place" | "replace":
                self._set(step.target, self._latest(step.path))
        if step.kind in {"replace", "unlink"}:
            self._set(step.path, _NOTHING)

    def states(self, states_max: int) -> Iterator[tuple[dict[str, bytes], frozenset[str]]]:
        """Yield the files and directories of every state, some of them more than once."""
        paths = list(self._names)
        choices = [list(dict.fromkeys(held)) for held in self._names.values()]
        count = math.prod(map(len, choices))
        if count > states_max:
            raise ValueError(
                f"{count} states at one moment, and at most {states_max} are looked at; take "
                "fewer steps"
            )
        for chosen in itertools.product(*choices):
            held = dict(zip(paths, chosen, strict=True))
            there = [
                path
                for path in paths
                if held[path] != _NOTHING
                and all(held.get(above) == _DIRECTORY for above in _above(path))
            ]
            directories = frozenset(path for path in there if held[path] == _DIRECTORY)
            numbers = {path: held[path] for path in there if held[path] != _DIRECTORY}
            yield from ((files, directories) for files in self._contents(numbers))

    def _contents(self, numbers: Mapping[str, int]) -> Iterator[dict[str, bytes]]:
        """Yield what may be in the files that are there."""
        files = list(dict.fromkeys(numbers.values()))
        for data in itertools.product(*(self._files[file].variants() for file in files)):
            found = dict(zip(files, data, strict=True))
            yield {path: found[number] for path, number in numbers.items()}

    def _set(self, path: str, held: int) -> None:
        """Have a name stand for something else, until the next sync perhaps."""
        self._names.setdefault(path, [_NOTHING]).append(held)

    def _latest(self, path: str) -> int:
        """Return what a running program sees under a name."""
        return self._names.get(path, [_NOTHING])[-1]


def _parent(path: str) -> str:
    """Return the directory of a name; a dot for the one that is watched."""
    return PurePosixPath(path).parent.as_posix()


def _above(path: str) -> list[str]:
    """Return the directories above a name, the one that is watched left out, inmost first."""
    return [above.as_posix() for above in PurePosixPath(path).parents][:-1]
