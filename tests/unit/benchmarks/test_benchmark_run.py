"""The command: its exit code is what CI goes by."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest
from benchmarks import run
from benchmarks.measuring import Measured, Plan
from benchmarks.processes import WorkerFailedError
from benchmarks.tools.catalogue import BY_NAME
from benchmarks.workloads.base import Workload

Run = Callable[..., int]


@pytest.fixture
def run_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return what runs the command without processes: tools missing, results wrong, as told."""

    def run_it(
        *arguments: str,
        missing: tuple[str, ...] = (),
        wrong: dict[str, list[str]] | None = None,
        failed: dict[str, str] | None = None,
    ) -> int:
        """Run it, and return the exit code."""

        class FakeWorker:
            """Has every tool but those that are missing."""

            def __init__(self, tool: str, _python: Path) -> None:
                """Note the tool."""
                self._tool = tool

            def __enter__(self) -> Self:
                """Return the worker itself."""
                return self

            def __exit__(self, *_: object) -> None:
                """Do nothing."""

            def versions(self) -> dict[str, str]:
                """Return the versions, or fail to import."""
                if self._tool in missing:
                    raise WorkerFailedError("no such package")
                return {self._tool: "1.0"}

        def measure(workload: Workload, plan: Plan) -> Measured:
            """Return figures for every tool."""
            found = Measured(workload, plan.scale, checked_count=7)
            found.figures = {
                measure.name: {tool.name: [1.0] * plan.rounds for tool in plan.tools}
                for measure in workload.measures
            }
            found.wrong = wrong or {}
            found.failed = failed or {}
            return found

        monkeypatch.setattr(run, "Worker", FakeWorker)
        monkeypatch.setattr(run, "measure", measure)
        monkeypatch.setattr(run, "python_of", lambda tool: tmp_path / tool)
        out = str(tmp_path / "out")
        return run.main(["--out", out, "--scratch", str(tmp_path), *arguments])

    return run_it


def test_right_results_are_success(run_with: Run) -> None:
    """All tools there, nothing wrong."""
    assert run_with() == 0


def test_a_wrong_result_is_failure(run_with: Run) -> None:
    """Also of a peer: a comparison with wrong results compares nothing."""
    assert run_with("--check", wrong={"joblib": ["lost"]}) == 1


def test_a_tool_that_fails_at_a_workload_is_failure(run_with: Run) -> None:
    """It was there, so it has to work."""
    assert run_with("--check", failed={"joblib": "Oops"}) == 1


def test_a_peer_may_be_missing_unless_it_is_named(run_with: Run) -> None:
    """Peers need a registry and old wheels; our own tests must not hang on them."""
    assert run_with("--check", missing=("percache",)) == 0
    assert run_with("--check", "--tools", "raw,percache", missing=("percache",)) == 1


@pytest.mark.parametrize("tool", ["mandala-cas", "raw"])
def test_we_and_the_raw_limit_may_never_be_missing(run_with: Run, tool: str) -> None:
    """A benchmark of the peers alone must not pass for one of ours."""
    assert run_with("--check", missing=(tool,)) == 1


def test_a_check_reports_no_times_and_writes_nothing(
    run_with: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CI runs on whatever machine there is, so times would say nothing."""
    run_with("--check", "--workloads", "hits")

    assert capsys.readouterr().out == "hits: 7 results checked\n"
    assert list(tmp_path.iterdir()) == []


def test_a_run_writes_the_report_twice(
    run_with: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Markdown for people, JSON for programs, by the same name."""
    run_with("--workloads", "hits,arrays", "--rounds", "4")

    page, data = sorted((tmp_path / "out").iterdir(), key=lambda path: path.suffix, reverse=True)
    assert (page.stem, page.suffix, data.suffix) == (data.stem, ".md", ".json")
    assert page.read_text(encoding="utf-8") + "\n" == capsys.readouterr().out
    found = json.loads(data.read_text(encoding="utf-8"))
    assert found["rounds"] == 4
    assert [one["name"] for one in found["workloads"]] == ["hits", "arrays"]
    assert set(found["versions"]) == set(BY_NAME)


def test_a_python_can_be_given_for_a_tool(run_with: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that has the tool already need not be made a second time."""
    made: list[str] = []

    def make(tool: str) -> Path:
        """Note the tool."""
        made.append(tool)
        return Path(tool)

    assert run_with("--check") == 0
    monkeypatch.setattr(run, "python_of", make)

    run.main(["--check", "--workloads", "hits", "--tools", "raw,joblib", "--python", "raw=python"])

    assert made == ["joblib"]


@pytest.mark.parametrize(
    "arguments", [["--tools", "none"], ["--workloads", "none"], ["--python", "raw"]]
)
def test_names_that_do_not_exist_are_refused(
    run_with: Run, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt tool must not shrink a check to nothing."""
    with pytest.raises(SystemExit) as stopped:
        run_with(*arguments)

    assert stopped.value.code == 2
    assert arguments[1] in capsys.readouterr().err
