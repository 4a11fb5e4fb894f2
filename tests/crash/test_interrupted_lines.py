"""Ctrl-C at any line of the code that records and commits leaves every promise kept."""

from __future__ import annotations

import linecache
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Self

import numpy as np
import pytest
from tests.crash.dying import Deaths, Disk, files_below, mortal
from tests.unit.values.self_contained import assert_self_contained, segments_of

import mandala_cas
from mandala_cas.imports import Storage, op
from mandala_cas.log.view import LogView
from mandala_cas.memo import context

SIZES = (10, 5_000, 160_000)
THOROUGH = os.environ.get("MANDALA_THOROUGH") == "1"
SAMPLE = 100_000 if THOROUGH else 25
SOURCES = Path(mandala_cas.__file__).parent
FILES = {
    str(path)
    for path in (
        *(SOURCES / "values").glob("*.py"),
        SOURCES / "log" / "writer.py",
        SOURCES / "log" / "journal.py",
    )
}


@op
def noise(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(size)


@op
def total(numbers: Any) -> float:
    """Use a value."""
    return float(numbers.sum())


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return the user's cache directory."""
    return tmp_path / "cache"


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Deaths]:
    """Let processes die."""
    with mortal(monkeypatch, cache) as deaths:
        yield deaths


class CtrlC:
    """Raises KeyboardInterrupt at one line, counted from the first that runs; counts them all."""

    def __init__(self, line: int | None = None) -> None:
        """Choose the line; None counts only."""
        self.count = 0
        self._line = line

    def __enter__(self) -> Self:
        """Begin to count."""
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        sys.settrace(None)

    def _enter(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        """Follow the functions in question."""
        del event, argument
        return self._step if frame.f_code.co_filename in FILES else None

    def _step(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        """Count a line, and strike."""
        del argument
        # Python itself does not look for signals between the end of a `with` and what it calls
        # then, on whose line this would strike; a lock would stay taken as in no real process.
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        if event == "line" and not line.startswith("with "):
            if self.count == self._line:
                self._line = None
                raise KeyboardInterrupt
            self.count += 1
        return self._step


def work(storage: Storage, seed: int) -> None:
    """Compute values of all sizes, and use each."""
    with storage:
        for size in SIZES:
            total(noise(seed, size))


def check_all_there(disk: Disk, seeds: range) -> None:
    """Find every call with its value in a store whose every segment is whole."""
    storage = Storage(disk)
    with storage:
        refs: dict[tuple[int, int], Any] = {(s, z): noise(s, z) for s in seeds for z in SIZES}
        sums: list[Any] = [total(ref) for ref in refs.values()]
    assert not any(ref.in_memory for ref in (*refs.values(), *sums))
    for (seed, size), ref in refs.items():
        assert np.array_equal(storage.unwrap(ref), noise.f(seed, size))
    view = LogView(disk)
    view.refresh()
    assert view.chain_holes() == []
    assert_self_contained(segments_of(disk))
    storage.close()


@pytest.mark.parametrize("ending", ["commit", "kill"])
def test_ctrl_c_at_any_line(deaths: Deaths, cache: Path, ending: str) -> None:
    """Whoever goes on after it, or is killed after it, has every call that had returned."""
    disk = Disk()
    storage = Storage(disk)
    work(storage, 0)
    with CtrlC() as counter:
        work(storage, 1)
    seed = random.randrange(1 << 32)  # noqa: S311 (places in the code, no secrets)
    print(f"seed {seed}")  # noqa: T201 (so that a failure can be had again)
    chance = random.Random(seed)  # noqa: S311 (places in the code, no secrets)
    lines = sorted(chance.sample(range(counter.count), min(SAMPLE, counter.count)))

    for number, line in enumerate(lines, 2):
        with CtrlC(line), pytest.raises(KeyboardInterrupt):
            work(storage, number)
        print(f"interrupted at line {line} of {counter.count}")  # noqa: T201 (the place)
        session = context.enter(storage._parts.book)
        for size in SIZES:
            total(noise(number, size))
        context.leave(session)
        if ending == "kill":
            deaths.strike()
            storage = Storage(disk)
    storage.commit()

    deaths.strike()
    check_all_there(disk, range(len(lines) + 2))
    assert files_below(cache, "spool") == []
