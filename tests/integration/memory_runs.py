"""Processes that save or load a large array, and what that may take of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

WORKER: Final = Path(__file__).parent / "memory_worker.py"
SLACK: Final = 64 << 20
# What sending takes, and a margin: so close to the limit that nobody would notice the next copy, it
# has been before.
SENT_SLACK: Final = 52 << 20
# Only Linux does, and begins again when it is told to.
TELLS_PEAK: Final = Path("/proc/self/clear_refs").exists()


def run(step: str, kind: str, size: int, where: str, **options: Any) -> dict[str, int]:
    """Run the worker in a process of its own; return what it measured."""
    done = subprocess.run(
        [sys.executable, str(WORKER), step, kind, str(size), where, json.dumps(options)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    # Whatever kept the array from being made would make all that follows easy.
    assert found["size"] > 0.99 * size
    return found
