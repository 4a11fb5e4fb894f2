"""The parent's side of a worker: start it, ask it, time it, end it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parents[1]
HOME: Final = ROOT / "benchmarks" / ".envs" / "home"

# The longest step takes minutes. A worker that is stuck must not hold up the others for ever.
ANSWER_TIME_MAX_S: Final = 1800.0


class WorkerFailedError(Exception):
    """A tool could not do a step; the message is what the worker said of it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One step of a workload, and the folder to do it in."""

    workload: str
    step: str
    scale: str
    folder: Path

    def to_json(self) -> str:
        """Return the line that a worker reads."""
        return json.dumps(
            {
                "workload": self.workload,
                "step": self.step,
                "scale": self.scale,
                "folder": str(self.folder),
            }
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step gave, and what its process took to get that far."""

    measured: dict[str, float]
    process: dict[str, float]
    checked: int
    wrong_count: int
    wrong: list[str]


class Worker:
    """A process of one tool that waits for requests."""

    def __init__(self, tool: str, python: Path) -> None:
        """Start the process; it imports the tool meanwhile."""
        # A file, for nobody reads it while the worker runs: a pipe would fill up.
        self._complaints = tempfile.TemporaryFile(  # noqa: SIM115 (closed in __exit__)
            "w+", encoding="utf-8", errors="replace"
        )
        HOME.mkdir(parents=True, exist_ok=True)
        self._started_ns = perf_counter_ns()
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.worker", tool],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        self._import_ns: float | None = None

    def __enter__(self) -> Self:
        """Return the worker itself."""
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process, and wait until it has ended."""
        if error_type is not None:
            self._process.kill()
        # Closes the pipes as well; without requests to come, the worker leaves by itself.
        self._process.communicate()
        self._complaints.close()

    def versions(self) -> dict[str, str]:
        """Return the versions of what the tool consists of."""
        self._send('{"versions": true}')
        versions: dict[str, str] = self._read("versions")["versions"]
        return versions

    def do(self, request: Request) -> Answer:
        """Let the worker do a step.

        Raises:
            WorkerFailedError: the tool could not, or the worker is gone.
        """
        self._send(request.to_json())
        message = self._read("first", "done")
        process: dict[str, float] = {}
        if self._import_ns is not None:
            process["import"] = self._import_ns
        if message["event"] == "first":
            process["process_to_first"] = float(perf_counter_ns() - self._started_ns)
            message = self._read("done")
        return Answer(
            measured=message["measured"],
            process=process,
            checked=message["checked"],
            wrong_count=message["wrong_count"],
            wrong=message["wrong"],
        )

    def _send(self, line: str) -> None:
        """Write one line to the worker."""
        pipe = self._process.stdin
        assert pipe is not None
        try:
            pipe.write(line + "\n")
            pipe.flush()
        except BrokenPipeError:
            # The worker is gone. What it said last is told when its answer is asked for.
            return

    def _read(self, *events: str) -> dict[str, Any]:
        """Return the next message, which has to be one of ``events``."""
        pipe = self._process.stdout
        assert pipe is not None
        timer = Timer(ANSWER_TIME_MAX_S, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            while True:
                line = pipe.readline()
                if not line:
                    raise WorkerFailedError(self._last_complaint())
                message: dict[str, Any] = json.loads(line)
                if message["event"] == "ready":
                    self._import_ns = float(message["import_ns"])
                elif message["event"] in events:
                    return message
                else:
                    raise WorkerFailedError(str(message.get("error", line)))
        finally:
            timer.cancel()

    def _last_complaint(self) -> str:
        """Return what the worker wrote before it ended."""
        self._process.wait()
        self._complaints.seek(0)
        said = self._complaints.read().strip()
        return said or f"the worker ended with exit code {self._process.returncode}"


def _environment() -> dict[str, str]:
    """Return this process's environment, with nothing of the user's own in it.

    Neither packages nor settings: a tool that keeps a key, a configuration or
    a cache for its user makes them in a home that is only for the benchmarks.
    """
    passed_on = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
        and not name.startswith(("XDG_", "MANDALA_CAS_"))
    }
    homes = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA")
    return passed_on | dict.fromkeys(homes, str(HOME))
