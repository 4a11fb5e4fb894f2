"""A store of many calls, end to end: made by an op, compacted, opened, rebuilt, asked.

``python -m benchmarks.million [--calls 1000000] [--block 10000]``. Each call takes a number and
gives one. Opening is measured in new processes, after imports, with the kept index and without.
Figures in seconds are of this machine at this moment; those in bytes and requests are not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mandala_cas.imports import Storage, op

_OPENING = """
import json, sys, time
import mandala_cas.imports
from mandala_cas.imports import Storage
from benchmarks.million import successor
import mandala_cas.storage.assembly
began = time.perf_counter()
storage = Storage(sys.argv[1], cache_dir=sys.argv[2])
opened = time.perf_counter()
with storage:
    ref = successor(12345)
hit = time.perf_counter()
assert not ref.in_memory
print(json.dumps({"open": opened - began, "first hit": hit - opened}))
"""


@op
def successor(x: int) -> float:
    """Return a number that no other call gives."""
    return x + 0.5


def main() -> None:
    """Make the store, and print what it costs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--block", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mandala-cas-million-") as folder:
        place, cache = Path(folder, "store"), Path(folder, "cache")
        make(place, cache, options.calls, options.block)
        report("index rebuilt from the log", open_in_child(place, Path(folder, "none")))
        report("opened with the kept index", *[open_in_child(place, cache) for _ in range(5)])


def make(place: Path, cache: Path, call_count: int, block: int) -> None:
    """Record the calls, and compact them."""
    began = time.perf_counter()
    storage = Storage(place, cache_dir=cache)
    for start in range(0, call_count, block):
        with storage:
            for x in range(start, min(start + block, call_count)):
                successor(x)
    took = time.perf_counter() - began
    print(f"recorded {call_count} calls in {took:.1f} s, {took / call_count * 1e6:.1f} us each")
    print(f"on disk before compaction: {size_of(place) / call_count:.1f} bytes a call")
    began = time.perf_counter()
    storage.compact(full=True, delay=0)
    print(f"compacted in {time.perf_counter() - began:.1f} s")
    print(f"on disk after compaction: {size_of(place) / call_count:.1f} bytes a call")
    storage.close()


def size_of(place: Path) -> int:
    """Return the bytes of all objects, what is this machine's own apart."""
    return sum(
        path.stat().st_size
        for path in place.rglob("*")
        if path.is_file() and path.relative_to(place).parts[0] != "local"
    )


def open_in_child(place: Path, cache: Path) -> dict[str, Any]:
    """Open the store in a new process; return how long that took there."""
    done = subprocess.run(
        [sys.executable, "-c", _OPENING, str(place), str(cache)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def report(what: str, *figures: dict[str, Any]) -> None:
    """Print the median of some openings."""
    for name in figures[0]:
        values = sorted(figure[name] for figure in figures)
        print(f"{what}: {name} {values[len(values) // 2] * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
