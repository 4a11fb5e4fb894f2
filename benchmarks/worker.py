"""The process that does the work: one tool, in that tool's own environment.

It reads requests from standard input and answers on standard output, a JSON
object to a line, so that several tools can wait their turn side by side:

    <- {"event": "ready", "import_ns": ...}
    -> {"versions": true}
    <- {"event": "versions", "versions": {...}}
    -> {"workload": ..., "step": ..., "scale": ..., "folder": ...}
    <- {"event": "first"}                      (steps that tell of a first value)
    <- {"event": "done", "measured": {...}, "checked": ..., "wrong_count": ..., "wrong": [...]}
    <- {"event": "failed", "error": ...}       (instead of "done")
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from benchmarks.tools.base import Tool
from benchmarks.tools.catalogue import BY_NAME as TOOLS
from benchmarks.tools.catalogue import ToolInfo
from benchmarks.workloads.base import Job
from benchmarks.workloads.catalogue import BY_NAME as WORKLOADS


def main() -> int:
    """Import the tool, then answer requests until there are no more."""
    tell = _speaker()
    info = TOOLS[sys.argv[1]]
    started = perf_counter_ns()
    adapter: type[Tool] = importlib.import_module(info.module).Adapter
    import_ns = perf_counter_ns() - started
    tell({"event": "ready", "import_ns": import_ns})
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("versions"):
            tell({"event": "versions", "versions": _versions(adapter, info)})
            continue
        try:
            tell(_do(adapter, request, lambda: tell({"event": "first"})))
        except Exception:  # noqa: BLE001 (whatever a tool raises, the report has to say so)
            tell({"event": "failed", "error": traceback.format_exc()})
    return 0


def _speaker() -> Callable[[dict[str, Any]], None]:
    """Return what writes answers, and send the prints of libraries elsewhere."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(answer: dict[str, Any]) -> None:
        """Write one line and wait for nothing."""
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    return tell


def _do(
    adapter: type[Tool], request: dict[str, Any], tell_first: Callable[[], None]
) -> dict[str, Any]:
    """Do one step, and return what was measured and what was wrong."""
    workload = WORKLOADS[request["workload"]]
    folder = Path(request["folder"])
    job = Job(
        open_tool=lambda: adapter(folder),
        sizes=workload.sizes[request["scale"]],
        folder=folder,
        tell_first=tell_first,
    )
    workload.step(request["step"]).work(job)
    return {
        "event": "done",
        "measured": job.measured,
        "checked": job.checks.count,
        "wrong_count": job.checks.wrong_count,
        "wrong": job.checks.wrong,
    }


def _versions(adapter: type[Tool], info: ToolInfo) -> dict[str, str]:
    """Return the versions of Python and of what the tool consists of."""
    found = {"python": sys.version.split()[0]}
    for name in info.distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found | adapter.details()


if __name__ == "__main__":
    sys.exit(main())
