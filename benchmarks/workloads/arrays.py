"""Large arrays: saved by one process, loaded by another."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.workloads.base import TALLY, Job, Measure, Step, Stopwatch, Workload

_BYTES_EACH: Final = 8
_COMPARED_AT_ONCE: Final = 1 << 17

# The array that the next execution of `made` hands over: making it is not the
# tool's work, so it is done before the clock starts.
_prepared: dict[int, Any] = {}


def made(seed: int, length: int) -> Any:
    """Return the array that was prepared for these arguments."""
    TALLY.add()
    array: Any = _prepared.pop(seed)
    if len(array) != length:
        message = f"an array of {length} was asked for, one of {len(array)} was prepared"
        raise ValueError(message)
    return array


def _make(seed: int, length: int) -> Any:
    """Return random doubles: no two arrays share bytes, and none gets smaller by compression."""
    import numpy as np  # noqa: PLC0415 (the parent needs no numpy)

    return np.random.default_rng(seed).random(length)


def _is_as_made(array: Any, seed: int, length: int) -> bool:
    """Tell whether every number is the one that was made, without making them all at once."""
    import numpy as np  # noqa: PLC0415 (the parent needs no numpy)

    if array.dtype != np.float64 or array.shape != (length,):
        return False
    random = np.random.default_rng(seed)
    for begin in range(0, length, _COMPARED_AT_ONCE):
        part = array[begin : begin + _COMPARED_AT_ONCE]
        if not np.array_equal(part, random.random(len(part))):
            return False
    return True


def _save(job: Job) -> None:
    """Save the arrays, then ask the disk for what it has not written yet."""
    _make(0, 1)  # Whoever has arrays has imported numpy, so that is not the tool's to pay.
    length, count = job.sizes["length"], job.sizes["arrays"]
    size = length * _BYTES_EACH * count
    tool = job.open_tool()
    memoized = tool.memoize(made)
    save = Stopwatch()
    resident = _memory("VmRSS")
    with job.executions(count, "saving"), ExitStack() as stack:
        stack.enter_context(tool.block())
        for seed in range(count):
            _prepared[seed] = _make(seed, length)
            with save:
                memoized(seed, length)
        with save:
            stack.close()
            tool.close()
    _note_peak(job, "save_memory", resident)
    with (settle := Stopwatch()):
        _settle(job.folder)
    job.measured["save"] = save.ns / size
    job.measured["save_durable"] = (save.ns + settle.ns) / size


def _load(job: Job) -> None:
    """Load the arrays, use every number once, and compare each with what was made."""
    _make(0, 1)
    length, count = job.sizes["length"], job.sizes["arrays"]
    size = length * _BYTES_EACH * count
    tool = job.open_tool()
    memoized = tool.memoize(made)
    load, use = Stopwatch(), Stopwatch()
    resident = _memory("VmRSS")
    with job.executions(0, "loading"), tool.block():
        for seed in range(count):
            with load:
                array = tool.value(memoized(seed, length))
            with use:
                array.sum()
            job.checks.true(_is_as_made(array, seed, length), f"array {seed} came back changed")
            # The next one must not meet this one in memory.
            del array
    _note_peak(job, "load_memory", resident)
    tool.close()
    job.measured["load"] = load.ns / size
    job.measured["load_and_use"] = (load.ns + use.ns) / size


def _settle(folder: Path) -> None:
    """Wait until every file below ``folder`` is on the disk.

    A file that its writer has synced costs nothing here, so what this takes
    is what a tool without ``fsync`` left to luck.
    """
    if sys.platform == "win32":
        # Windows opens no folders, and syncs only files opened for writing.
        return
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            continue
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _memory(field: str) -> int | None:
    """Return VmRSS (now) or VmHWM (the most so far) in bytes, where there is such a thing."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    for line in status.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None


def _note_peak(job: Job, name: str, before: int | None) -> None:
    """Measure how far above ``before`` memory has gone so far."""
    peak = _memory("VmHWM")
    if before is not None and peak is not None:
        job.measured[name] = peak - before


WORKLOAD = Workload(
    name="arrays",
    title="Arrays of float64, saved by one process and loaded by another",
    note=(
        "Times are per array byte. *Save* ends when the store is closed; *save, on disk* adds "
        "`fsync` of every file, which a tool that has synced gets for free. *Load* gives the "
        "array; *load and use* also sums it, which a memory map needs its pages for. Loading is "
        "from the page cache, for every tool. Memory is the peak of the whole save or load, one "
        "array at a time, above what the process took before: the array itself is in it."
    ),
    sizes={
        "small": {"arrays": 3, "length": 125_000},
        "full": {"arrays": 20, "length": 12_500_000},
    },
    measures=(
        Measure("save", "save", unit="ns_per_byte"),
        Measure("save_durable", "save, on disk", unit="ns_per_byte", headline=True),
        Measure("load", "load", unit="ns_per_byte", headline=True),
        Measure("load_and_use", "load and use", unit="ns_per_byte", headline=True),
        Measure("save_memory", "memory of a save", unit="bytes"),
        Measure("load_memory", "memory of a load", unit="bytes"),
    ),
    steps=(
        Step("save", _save, fresh_process=True),
        Step("load", _load, fresh_process=True),
    ),
)
