"""A small project whose ops give files: started as a process by the tests.

    python file_project.py STORE

Prints one JSON object: which ops ran, where the directory lies, and what is in it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from blake3 import blake3

from mandala_cas.imports import Dir, File, Storage, op

executed: list[str] = []


@op
def make_report(seed: int) -> Dir:
    """Write a directory of several files, small and large, where every call writes its own."""
    executed.append("make_report")
    root = Path("report")
    (root / "plots" / "none").mkdir(parents=True, exist_ok=True)
    (root / "summary.txt").write_text(f"seed {seed}\n")
    (root / "plots" / "a.bin").write_bytes(bytes([seed]) * 3_000_000)
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    return Dir(root)


@op
def make_table(seed: int) -> File:
    """Write one file, where every call writes its own."""
    executed.append("make_table")
    Path("table.csv").write_text(f"a,b\n{seed},2\n")
    return File("table.csv")


@op
def measure(report: Any, table: Any) -> int:
    """Return how many bytes are in both."""
    executed.append("measure")
    sizes = [path.stat().st_size for path in Path(report).rglob("*") if path.is_file()]
    return sum(sizes) + Path(table).stat().st_size


def contents(root: Path) -> dict[str, str]:
    """Return what is in a directory, at every name."""
    return {
        path.relative_to(root).as_posix(): "directory"
        if path.is_dir()
        else f"{path.stat().st_mode & 0o777:o} {blake3(path.read_bytes()).hexdigest()}"
        for path in sorted(root.rglob("*"))
    }


def main() -> None:
    """Make everything, and print it."""
    with Storage(sys.argv[1]) as storage:
        report, table = make_report(1), make_table(1)
        size = storage.unwrap(measure(report, table))
        found = storage.unwrap([report, table])
    result = {
        "executed": executed,
        "report": str(found[0]),
        "contents": contents(found[0].path),
        "table": [str(found[1]), found[1].path.read_text()],
        "size": size,
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
