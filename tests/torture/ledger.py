"""What processes that are about to be killed have said, each in a file of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Task:
    """One call: its number, which value it makes, and how many numbers that has."""

    number: int
    content: int
    size: int

    @property
    def is_kept(self) -> bool:
        """Whether nobody ever drops it."""
        return self.number % 8 == 0


class Ledger:
    """A file that one process appends lines to; what stands in it survives a kill."""

    def __init__(self, path: Path) -> None:
        """Begin the file."""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, verb: str, *words: object) -> None:
        """Write a line: the system has it, whatever becomes of this process."""
        os.write(self._descriptor, f"{' '.join(map(str, (verb, *words)))}\n".encode())

    def acknowledge(self, verb: str, *words: object) -> None:
        """Write a line that something was promised, and see to it that the disk has it."""
        self.note(verb, *words)
        os.fsync(self._descriptor)


@dataclass(frozen=True, slots=True)
class Ledgers:
    """All ledgers of a folder, read together."""

    folder: Path

    def lines(self, verb: str) -> Iterator[list[str]]:
        """Yield the words of every whole line with this verb."""
        for path in sorted(self.folder.glob("*.ledger")):
            *lines, _ = path.read_text("ascii").split("\n")
            for line in lines:
                first, *words = line.split(" ")
                if first == verb:
                    yield words

    def tasks(self, verb: str) -> list[Task]:
        """Return the tasks that lines with this verb name, each once, in order."""
        found = {Task(*map(int, words[:3])): None for words in self.lines(verb)}
        return sorted(found, key=lambda task: (task.number, task.size))

    def numbers(self, verb: str) -> set[int]:
        """Return the first number of each line with this verb."""
        return {int(words[0]) for words in self.lines(verb)}
