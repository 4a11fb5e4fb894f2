"""What a call costs in stores of a thousand to a million calls, as ratios to the smallest.

``python -m benchmarks.growth`` makes a store of each size, compacts it, and then, in round after
round, has a new process open them all, in another order each time, and make the same calls in each:

* calls on record that the process has not asked for yet (*first hit*);
* the same once more (*warm hit*);
* calls that nobody made before (*new call*), as far as the caller waits for them.

Each takes a ref and two scalars. A ratio is taken within one round, where all sizes met the same
machine; the medians are printed as a Markdown table. ``--write FOLDER`` puts that into
``growth.md``, and a plot beside it.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

if not __package__:
    # Run as a script, Python looks into this folder; the package is the folder itself.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.line_plot import Line, plot
from mandala_cas.imports import Storage, op

MEASURES: Final = {"warm": "warm hit", "first": "first hit", "new": "new call"}
SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)

_BLOCK: Final = 10_000
_WARM_UP: Final = 20
_STEPS_BETWEEN_ROUNDS: Final = 1_000_000

Figures = Mapping[int, Mapping[str, float]]
"""Of each size the microseconds of each measure, and the milliseconds of opening."""


@op
def begin(seed: int) -> int:
    """Return what the calls of ``step`` begin with."""
    return seed


@op
def step(base: int, x: int, y: float) -> float:
    """Return a number that no other call gives."""
    return base + x + y


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the stores, measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=300, help="of each kind in a round")
    parser.add_argument("--write", type=Path, help="the folder for the table and the plot")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # what the child does
    options = parser.parse_args(arguments)
    if options.measure is not None:
        print(json.dumps(measure(**json.loads(options.measure))))
        return 0
    with tempfile.TemporaryDirectory(prefix="mandala-cas-growth-") as folder:
        for size in options.sizes:
            make(Path(folder), size)
        # One round more, which does not count: it is the first to open what was just written.
        rounds = [
            measure_in_child(Path(folder), options.sizes, number, options.calls)
            for number in range(options.rounds + 1)
        ]
    text = report(rounds[1:], options.calls)
    print(text, end="")
    if options.write is not None:
        (options.write / "growth.md").write_text(text, encoding="utf-8")
        (options.write / "growth.svg").write_text(drawing(rounds[1:]), encoding="utf-8")
    return 0


def make(folder: Path, size: int) -> None:
    """Make a store of that many calls, as sessions leave it behind and compaction finds it."""
    storage = Storage(folder / f"{size}", cache_dir=folder / "cache")
    for start in range(0, size, _BLOCK):
        with storage:
            base = begin(0)
            for x in range(start, min(start + _BLOCK, size)):
                step(base, x, 0.5)
    storage.compact(full=True, delay=0)
    storage.close()


def measure_in_child(folder: Path, sizes: Sequence[int], number: int, calls: int) -> Figures:
    """Return the figures of one round, measured by a new process."""
    turn = number % len(sizes)
    work = {
        "folder": str(folder),
        "sizes": [*sizes[turn:], *sizes[:turn]],
        "number": number,
        "calls": calls,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", "--measure", json.dumps(work)],
        cwd=Path(__file__).resolve().parents[1],
        check=True,
        capture_output=True,
        text=True,
    )
    return {int(size): figures for size, figures in json.loads(done.stdout).items()}


def measure(folder: str, sizes: Sequence[int], number: int, calls: int) -> Figures:
    """Return the figures of one round, of one store after the other."""
    # What a process does once, whatever the store, is done in one that is not measured.
    with Storage(Path(folder) / f"unmeasured-{number}", cache_dir=Path(folder) / "cache"):
        step(begin(0), 0, 0.5)
    return {size: _measure(Path(folder), size, number, calls) for size in sizes}


def _measure(folder: Path, size: int, number: int, calls: int) -> dict[str, float]:
    """Return the figures of one store in one round."""
    unasked = random.Random(number).sample(range(_WARM_UP, size), min(calls, size - _WARM_UP))
    fresh = range(size + number * _STEPS_BETWEEN_ROUNDS, sys.maxsize)
    gc.collect()
    began = perf_counter()
    storage = Storage(folder / f"{size}", cache_dir=folder / "cache")
    figures = {"open": (perf_counter() - began) * 1e3}
    with storage:
        base = begin(0)
        for x in range(_WARM_UP):
            step(base, x, 0.5)
            step(base, fresh[x], 0.5)
        first = _microseconds_each(base, unasked)
        # As often as it takes to be as long as the new calls.
        warm = _microseconds_each(base, unasked * 5)
        new = _microseconds_each(base, fresh[_WARM_UP : _WARM_UP + calls])
    storage.close()
    return {**figures, "first": first, "warm": warm, "new": new}


def _microseconds_each(base: int, numbers: Sequence[int]) -> float:
    """Return what a call takes, on average over calls on these numbers."""
    gc.collect()
    began = perf_counter()
    for x in numbers:
        step(base, x, 0.5)
    return (perf_counter() - began) / len(numbers) * 1e6


def ratios(rounds: Sequence[Figures], name: str) -> dict[int, float]:
    """Return of each size how many times what the smallest takes, the median of the rounds."""
    sizes = sorted(rounds[0])
    return {
        size: statistics.median(r[size][name] / r[sizes[0]][name] for r in rounds) for size in sizes
    }


def report(rounds: Sequence[Figures], calls: int) -> str:
    """Return the table, and how it came about."""
    system = f"{platform.system()} {platform.machine()}"
    prose = f"""
# The price of a call as a store grows

What `python -m benchmarks.growth` printed: {len(rounds)} rounds with {calls} calls of each kind, \
CPython {platform.python_version()} on {system}.
Microseconds for each call, and how many times what it takes in the smallest store: medians of the \
rounds.
A ratio is taken within one round; read the ratios, for a machine that others use as well drifts.
New calls are made durable by the journal before they return; committing them, when the block \
ends, is not in the time.
Each process opens all stores, so the first calls of a store read what no other did.
The ref is one that a hit gave: a new call loads its value from the store, which is more than half \
of its time here.

![Ratios to the smallest store](growth.svg)
"""
    titles = " | ".join(f"{title}, µs | ratio" for title in MEASURES.values())
    lines = [
        *prose.strip().splitlines(),
        "",
        f"| calls in the store | {titles} | opening, ms |",
        "| ---: |" + " ---: | ---: |" * len(MEASURES) + " ---: |",
    ]
    found = {name: ratios(rounds, name) for name in MEASURES}
    for size in sorted(rounds[0]):
        median = {
            name: statistics.median(r[size][name] for r in rounds) for name in (*MEASURES, "open")
        }
        cells = [f"{median[name]:.1f} | {found[name][size]:.2f}" for name in MEASURES]
        lines.append(f"| {size:,} | {' | '.join(cells)} | {median['open']:.1f} |")
    return "\n".join(lines) + "\n"


def drawing(rounds: Sequence[Figures]) -> str:
    """Return the plot of the ratios."""
    return plot(
        "Time of a call, as a multiple of that in the smallest store",
        "calls in the store",
        [Line(title, [*ratios(rounds, name).items()]) for name, title in MEASURES.items()],
    )


if __name__ == "__main__":
    sys.exit(main())
