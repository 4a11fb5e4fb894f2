"""A worker in a process of its own: the two sides have to understand each other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks.processes import Request, Worker, WorkerFailedError
from benchmarks.tools.raw import Adapter
from benchmarks.workloads.base import Job, Workload
from benchmarks.workloads.catalogue import WORKLOADS

PYTHON = Path(sys.executable)


def test_a_worker_does_what_it_is_asked_until_it_is_left(tmp_path: Path) -> None:
    """One process answers several requests, as the rounds need it to."""
    with Worker("raw", PYTHON) as worker:
        versions = worker.versions()
        fill = worker.do(Request("new-process", "fill", "small", tmp_path))
        retrace = worker.do(Request("new-process", "retrace", "small", tmp_path))

    assert {"python", "blake3"} <= set(versions)
    assert (fill.wrong, retrace.wrong) == ([], [])
    assert set(retrace.measured) == {"open", "open_and_first", "hit"}
    assert set(retrace.process) == {"import", "process_to_first"}
    assert retrace.process["process_to_first"] > retrace.measured["open_and_first"]


def test_a_step_that_fails_is_told_and_the_worker_lives(tmp_path: Path) -> None:
    """The report has to say why a tool has no figures."""
    with Worker("raw", PYTHON) as worker:
        with pytest.raises(WorkerFailedError, match="NotADirectoryError"):
            worker.do(Request("hits", "run", "small", Path(__file__)))
        answer = worker.do(Request("hits", "run", "small", tmp_path))

    assert answer.wrong_count == 0


def test_a_worker_that_never_starts_leaves_its_last_words() -> None:
    """Nothing is installed for this tool here, and that is what has to be told."""
    with (
        Worker("percache", PYTHON) as worker,
        pytest.raises(WorkerFailedError, match="No module named 'percache'"),
    ):
        worker.versions()


@pytest.mark.parametrize(
    "workload", [one for one in WORKLOADS if "raw" not in one.left_out], ids=lambda one: one.name
)
def test_the_raw_limit_does_the_work(workload: Workload, tmp_path: Path) -> None:
    """The least that does the work still has to do it: what it skips, no tool may be asked for."""
    steps = [*([workload.setup] if workload.setup else []), *workload.steps]
    for step in steps:
        job = Job(
            open_tool=lambda: Adapter(tmp_path),
            sizes=workload.sizes["small"],
            folder=tmp_path,
            tell_first=lambda: None,
        )

        step.work(job)

        assert (job.checks.wrong, job.checks.count > 0) == ([], True)
