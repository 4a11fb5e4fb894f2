"""What a workload is made of: sizes, steps, measures and checks."""

from __future__ import annotations

import gc
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Final, Literal

from benchmarks.tools.base import Tool

# How many of a step's wrong results are told; one is enough to fail a run.
WRONG_TOLD_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure that a workload gives for each tool and round; lower is better."""

    name: str
    title: str
    unit: Literal["ns", "bytes", "ns_per_byte"] = "ns"
    headline: bool = False


@dataclass(slots=True)
class Checks:
    """Compares what was found with what had to be found."""

    count: int = 0
    wrong_count: int = 0
    wrong: list[str] = field(default_factory=list)

    def equal(self, found: object, wanted: object, what: str) -> None:
        """Note whether ``found`` is what was wanted, in value and in type."""
        self.true(
            type(found) is type(wanted) and found == wanted,
            f"{what}: wanted {reprlib.repr(wanted)}, found {reprlib.repr(found)}",
        )

    def equal_all(self, found: Sequence[object], wanted: Sequence[object], what: str) -> None:
        """Note for each of the found whether it is what was wanted."""
        self.equal(len(found), len(wanted), f"number of {what}")
        for number, (one, other) in enumerate(zip(found, wanted, strict=False)):
            self.equal(one, other, f"{what}, number {number}")

    def true(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 (the one thing it is about)
        """Note whether something holds, and what to say if it does not."""
        self.count += 1
        if not holds:
            self.wrong_count += 1
            if len(self.wrong) < WRONG_TOLD_MAX:
                self.wrong.append(otherwise)


@dataclass(slots=True)
class Tally:
    """Counts how often the functions that are remembered really ran."""

    count: int = 0

    def add(self) -> None:
        """Count one more."""
        self.count += 1


# The one that the functions of the workloads call; a worker is one process.
TALLY = Tally()


@dataclass(slots=True)
class Stopwatch:
    """Adds up how long the blocks took that it was the context of."""

    ns: int = 0
    _started: int = 0

    def __enter__(self) -> None:
        """Start, after collecting what earlier work left behind."""
        gc.collect()
        self._started = perf_counter_ns()

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.ns += perf_counter_ns() - self._started


@dataclass(slots=True)
class Job:
    """What a step is given, inside the worker."""

    open_tool: Callable[[], Tool]
    sizes: Mapping[str, int]
    folder: Path
    tell_first: Callable[[], None]
    measured: dict[str, float] = field(default_factory=dict)
    checks: Checks = field(default_factory=Checks)

    @contextmanager
    def executions(self, wanted: int, what: str) -> Iterator[None]:
        """Check that the functions run exactly so many times inside the block."""
        before = TALLY.count
        yield
        self.checks.equal(TALLY.count - before, wanted, f"executions during {what}")


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work, done in the tool's waiting process or in a new one."""

    name: str
    work: Callable[[Job], None]
    fresh_process: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """Work that every tool does in turn, round after round.

    Each round has a folder of its own, unless there is a ``setup``: then what
    that step left behind, once for each tool, is there in every round.
    """

    name: str
    title: str
    note: str
    sizes: Mapping[str, Mapping[str, int]]
    measures: Sequence[Measure]
    steps: Sequence[Step]
    setup: Step | None = None
    needs_refs: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)

    def step(self, name: str) -> Step:
        """Return the step of that name, the setup included."""
        steps = [*self.steps, *([self.setup] if self.setup else [])]
        return next(step for step in steps if step.name == name)


def folder_size(folder: Path) -> int:
    """Return how much disk the files below ``folder`` take, in bytes.

    Counted in blocks, as the file system does: a thousand small files take
    more than the sum of their lengths.
    """
    total = 0
    for path in folder.rglob("*"):
        status = path.lstat()
        # Windows counts no blocks.
        total += getattr(status, "st_blocks", -(-status.st_size // 4096) * 8) * 512
    return total


def values(tool: Tool, results: Sequence[Any]) -> list[Any]:
    """Return the plain value of each result."""
    return [tool.value(result) for result in results]
