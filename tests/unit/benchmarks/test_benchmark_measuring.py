"""Rounds: who takes part, in which order, and what a failure does to the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from benchmarks import measuring
from benchmarks.measuring import Measured, Plan, measure, takes_part, turns
from benchmarks.processes import Answer, Request, WorkerFailedError
from benchmarks.tools.catalogue import BY_NAME, TOOLS
from benchmarks.workloads.base import Job, Measure, Step, Workload

Deed = Callable[[str, Request], Answer]


def nothing(job: Job) -> None:
    """Stand for work that a worker would do."""
    raise AssertionError(job)


def workload_of(*, setup: bool = False, fresh_process: bool = False) -> Workload:
    """Return a workload of one step and one measure."""
    return Workload(
        name="walking",
        title="Walking",
        note="On foot.",
        sizes={"small": {}},
        measures=(Measure("way", "way"), Measure("size", "size"), Measure("import", "import")),
        steps=(Step("walk", nothing, fresh_process=fresh_process),),
        setup=Step("get up", nothing, fresh_process=True) if setup else None,
    )


def answer(way: float, wrong: tuple[str, ...] = ()) -> Answer:
    """Return what a worker might answer."""
    return Answer(
        measured={"way": way},
        process={"import": 9.0},
        checked=2,
        wrong_count=len(wrong),
        wrong=list(wrong),
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return the list that gets every tool and step that a worker was asked for."""
    return have_workers(monkeypatch, lambda _, __: answer(1))


def have_workers(monkeypatch: pytest.MonkeyPatch, deed: Deed) -> list[tuple[str, str]]:
    """Put workers in place that do ``deed`` without a process, and list what was asked."""
    asked: list[tuple[str, str]] = []

    class FakeWorker:
        """Answers at once."""

        def __init__(self, tool: str, _python: Path) -> None:
            """Note the tool."""
            self._tool = tool

        def __enter__(self) -> Self:
            """Return the worker itself."""
            return self

        def __exit__(self, *_: object) -> None:
            """Do nothing."""

        def do(self, request: Request) -> Answer:
            """Note the request and do the deed; its folder has to be there."""
            assert request.folder.is_dir()
            asked.append((self._tool, request.step))
            return deed(self._tool, request)

    monkeypatch.setattr(measuring, "Worker", FakeWorker)
    return asked


def measured_with(workload: Workload, scratch: Path, *, rounds: int = 2) -> Measured:
    """Measure with two tools."""
    names = ["joblib", "raw"]
    plan = Plan(
        tools=[BY_NAME[name] for name in names],
        pythons=dict.fromkeys(names, Path("python")),
        rounds=rounds,
        scale="small",
        scratch=scratch,
        say=lambda _: None,
    )
    return measure(workload, plan)


def test_tools_take_turns_and_the_first_place_moves_on(
    asked: list[tuple[str, str]], tmp_path: Path
) -> None:
    """A tool that always ran after the same one would meet the machine as that one left it."""
    measured_with(workload_of(), tmp_path, rounds=2)

    assert [tool for tool, _ in asked] == ["joblib", "raw", "raw", "joblib"]


def test_every_tool_is_first_once() -> None:
    """After as many rounds as tools, all had the same places."""
    assert {turns(TOOLS, number)[0] for number in range(len(TOOLS))} == set(TOOLS)


def test_a_setup_is_done_once_and_before_any_round(
    asked: list[tuple[str, str]], tmp_path: Path
) -> None:
    """What it leaves behind is there for every round, and gone at the end."""
    found = measured_with(workload_of(setup=True, fresh_process=True), tmp_path, rounds=2)

    assert [step for _, step in asked] == ["get up", "get up", "walk", "walk", "walk", "walk"]
    assert found.checked_count == 12
    assert list((tmp_path / "walking").iterdir()) == []


def test_the_import_of_a_setup_does_not_count(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    """It is the first one, which compiles what later ones find compiled."""
    found = measured_with(workload_of(setup=True, fresh_process=True), tmp_path, rounds=2)

    assert len(asked) == 6
    assert found.figures["import"]["raw"] == [9, 9]


def test_a_failing_tool_leaves_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A peer that cannot do a workload must not cost the run."""

    def deed(tool: str, _request: Request) -> Answer:
        """Let one tool fail."""
        if tool == "joblib":
            raise WorkerFailedError("cannot walk")
        return answer(3)

    asked = have_workers(monkeypatch, deed)

    found = measured_with(workload_of(), tmp_path, rounds=3)

    assert found.failed == {"joblib": "cannot walk"}
    assert found.figures["way"] == {"raw": [3, 3, 3]}
    assert [tool for tool, _ in asked].count("joblib") == 1


def test_wrong_results_are_kept_by_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They decide about the exit code, so none may get lost among the rounds."""
    wrong: dict[str, tuple[str, ...]] = {"joblib": ("lost",), "raw": ()}
    have_workers(monkeypatch, lambda tool, _: answer(1, wrong[tool]))

    found = measured_with(workload_of(), tmp_path, rounds=2)

    assert found.wrong == {"joblib": ["lost", "lost"]}


@pytest.mark.parametrize(
    ("tool", "wanted"), [("mandala-cas", True), ("raw", True), ("joblib", False)]
)
def test_work_on_refs_is_for_tools_with_refs_and_the_raw_limit(tool: str, *, wanted: bool) -> None:
    """A tool without refs would be measured on other work."""
    changes: dict[str, Any] = {"needs_refs": True}
    workload = Workload(name="", title="", note="", sizes={}, measures=(), steps=(), **changes)

    assert takes_part(BY_NAME[tool], workload) is wanted


def test_a_tool_that_is_left_out_takes_no_part() -> None:
    """The report gives the reason instead of a figure."""
    workload = Workload(
        name="", title="", note="", sizes={}, measures=(), steps=(), left_out={"raw": "why"}
    )

    assert not takes_part(BY_NAME["raw"], workload)
