"""Rounds: every tool in turn, again and again, so that all meet the same machine.

Figures drift on machines that others use as well. Tools that take turns drift
together, and a ratio within a round is about the tools alone.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Answer, Request, Worker, WorkerFailedError
from benchmarks.tools.catalogue import ToolInfo
from benchmarks.workloads.base import Step, Workload


@dataclass(slots=True)
class Measured:
    """What a workload gave: figures by measure, tool and round, and what was wrong."""

    workload: Workload
    scale: str
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    checked_count: int = 0
    wrong: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to measure: with what, how often, how large and where."""

    tools: Sequence[ToolInfo]
    pythons: Mapping[str, Path]
    rounds: int
    scale: str
    scratch: Path
    say: Callable[[str], None]


def takes_part(tool: ToolInfo, workload: Workload) -> bool:
    """Tell whether the workload makes sense for the tool."""
    if tool.name in workload.left_out:
        return False
    return tool.has_refs or tool.kind == "raw" or not workload.needs_refs


def turns(tools: Sequence[ToolInfo], round_number: int) -> list[ToolInfo]:
    """Return the tools in the order of a round.

    The first place moves on, so that no tool always follows the same one.
    """
    shift = round_number % len(tools) if tools else 0
    return [*tools[shift:], *tools[:shift]]


def measure(workload: Workload, plan: Plan) -> Measured:
    """Do the workload with every tool that takes part, all rounds of it."""
    return _Rounds(workload, plan).run()


class _Rounds:
    """One workload while it is being measured."""

    def __init__(self, workload: Workload, plan: Plan) -> None:
        """Start with nothing measured."""
        self._workload = workload
        self._plan = plan
        self._workers: dict[str, Worker] = {}
        self._measured = Measured(workload, plan.scale)
        self._figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def run(self) -> Measured:
        """Do the setups, then the rounds."""
        tools = [tool for tool in self._plan.tools if takes_part(tool, self._workload)]
        with ExitStack() as stack:
            for tool in tools:
                self._start(tool, stack)
            if self._workload.setup is not None:
                for tool in tools:
                    self._setup(tool, self._workload.setup)
            for round_number in range(self._plan.rounds):
                self._plan.say(f"{self._workload.name}: round {round_number + 1}")
                for tool in turns(tools, round_number):
                    self._round(tool)
        for tool in tools:
            shutil.rmtree(self._folder(tool), ignore_errors=True)
        self._measured.figures = {name: dict(figures) for name, figures in self._figures.items()}
        return self._measured

    def _start(self, tool: ToolInfo, stack: ExitStack) -> None:
        """Start the process that waits between the rounds, if any step is done in it."""
        if any(not step.fresh_process for step in self._workload.steps):
            worker = Worker(tool.name, self._plan.pythons[tool.name])
            self._workers[tool.name] = stack.enter_context(worker)

    def _setup(self, tool: ToolInfo, step: Step) -> None:
        """Do what a tool does once; what it measures is measured once."""
        self._plan.say(f"{self._workload.name}: {step.name} ({tool.name})")
        self._folder(tool).mkdir(parents=True)
        answer = self._do(tool, step)
        if answer is not None:
            self._keep(tool, answer.measured)

    def _round(self, tool: ToolInfo) -> None:
        """Do one tool's steps of one round; all of its figures count, or none."""
        if tool.name in self._measured.failed:
            return
        folder = self._folder(tool)
        if self._workload.setup is None:
            folder.mkdir(parents=True)
        found: dict[str, float] = {}
        for step in self._workload.steps:
            answer = self._do(tool, step)
            if answer is None:
                break
            found |= answer.measured | answer.process
        else:
            self._keep(tool, found)
        if self._workload.setup is None:
            shutil.rmtree(folder)

    def _do(self, tool: ToolInfo, step: Step) -> Answer | None:
        """Do one step and note what was wrong; None if the tool could not do it."""
        request = Request(
            workload=self._workload.name,
            step=step.name,
            scale=self._plan.scale,
            folder=self._folder(tool),
        )
        try:
            if step.fresh_process:
                with Worker(tool.name, self._plan.pythons[tool.name]) as worker:
                    answer = worker.do(request)
            else:
                answer = self._workers[tool.name].do(request)
        except WorkerFailedError as error:
            self._measured.failed[tool.name] = str(error)
            return None
        self._measured.checked_count += answer.checked
        if answer.wrong_count:
            self._measured.wrong.setdefault(tool.name, []).extend(answer.wrong)
        return answer

    def _keep(self, tool: ToolInfo, found: Mapping[str, float]) -> None:
        """Keep the figures that the workload asks for."""
        for measure_ in self._workload.measures:
            if measure_.name in found:
                self._figures[measure_.name][tool.name].append(found[measure_.name])

    def _folder(self, tool: ToolInfo) -> Path:
        """Return the folder that the tool's store lies in."""
        return self._plan.scratch / self._workload.name / tool.name
