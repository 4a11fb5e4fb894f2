"""The workloads on tools made for the test: an honest one passes, no other does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest
from benchmarks.tools.base import Tool
from benchmarks.workloads import arrays
from benchmarks.workloads.base import Job, Workload, folder_size
from benchmarks.workloads.catalogue import WORKLOADS

SIZES = {
    "calls": 12,
    "looked_up": 3,
    "sessions": 3,
    "hits": 6,
    "arrays": 2,
    "length": 140_000,
    "seeds": 2,
    "settings": 3,
}


class HonestTool:
    """Remembers calls in a dict that stands for the disk."""

    disks: ClassVar[dict[Path, dict[str, Any]]] = {}

    def __init__(self, folder: Path) -> None:
        """Find what an earlier tool left in the folder."""
        self._disk = self.disks.setdefault(folder, {})

    def memoize(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function behind the dict."""

        def remembered(*arguments: Any) -> Any:
            """Look, then compute."""
            key = f"{function.__name__}{[self._name(argument) for argument in arguments]}"
            if key not in self._disk:
                self.keep(key, function(*arguments))
            return self._disk[key]

        return remembered

    def keep(self, key: str, value: Any) -> None:
        """Remember one value."""
        self._disk[key] = value

    @staticmethod
    def _name(argument: Any) -> str:
        """Return the whole of an argument as text."""
        return argument.tobytes().hex() if hasattr(argument, "tobytes") else repr(argument)

    def block(self) -> AbstractContextManager[object]:
        """Return a block that does nothing."""
        return nullcontext()

    def value(self, result: Any) -> Any:
        """Return the result itself."""
        return result

    def close(self) -> None:
        """Do nothing."""

    @staticmethod
    def details() -> dict[str, str]:
        """Return nothing."""
        return {}


class ForgetfulTool(HonestTool):
    """Remembers nothing, so that every call is executed again."""

    def keep(self, key: str, value: Any) -> None:
        """Hand the value over once, for the call that made it."""
        self._disk = {key: value}


class WrongTool(HonestTool):
    """Is off by one, in every value it gives back."""

    def value(self, result: Any) -> Any:
        """Return another value of the same type."""
        return result + type(result)(1) if isinstance(result, int | float) else result + 1


class LooseTool(HonestTool):
    """Gives back equal values of another type."""

    def value(self, result: Any) -> Any:
        """Return a float for an int, complex numbers for real ones."""
        match result:
            case int():
                return float(result)
            case float():
                return complex(result)
            case _:
                return result.astype("c16")


def run(workload: Workload, tool: type[Tool], folder: Path) -> list[Job]:
    """Do the steps of one round, the setup included, and return the jobs."""
    steps = [*([workload.setup] if workload.setup else []), *workload.steps]
    jobs = []
    for step in steps:
        job = Job(
            open_tool=lambda: tool(folder),
            sizes=SIZES,
            folder=folder,
            tell_first=lambda: None,
        )
        step.work(job)
        jobs.append(job)
    return jobs


def names_of(workload: Workload) -> str:
    """Return what to call a workload in the name of a test."""
    return workload.name


@pytest.mark.parametrize("workload", WORKLOADS, ids=names_of)
def test_an_honest_tool_passes_and_everything_is_measured(
    workload: Workload, tmp_path: Path
) -> None:
    """A measure that no step gives would be an empty table."""
    jobs = run(workload, HonestTool, tmp_path)

    assert [job.checks.wrong for job in jobs] == [[]] * len(jobs)
    measured = {name for job in jobs for name in job.measured}
    by_process = {"import", "process_to_first"}
    assert measured >= {measure.name for measure in workload.measures} - by_process


@pytest.mark.parametrize("tool", [ForgetfulTool, WrongTool, LooseTool])
@pytest.mark.parametrize("workload", WORKLOADS, ids=names_of)
def test_no_other_tool_passes(workload: Workload, tool: type[HonestTool], tmp_path: Path) -> None:
    """A cache that computes again, or gives back something else, is fast for nothing."""
    arrays._prepared.clear()
    try:
        jobs = run(workload, tool, tmp_path)
    except KeyError:
        # A forgotten array: nothing was prepared for a second execution.
        assert (workload.name, tool) == ("arrays", ForgetfulTool)
        return

    assert any(job.checks.wrong_count for job in jobs)


def test_no_call_is_made_twice_in_a_filled_store(tmp_path: Path) -> None:
    """Sessions that repeat one another's calls would make the store smaller than it says."""
    workload = next(one for one in WORKLOADS if one.name == "open")
    run(workload, HonestTool, tmp_path)

    assert len(HonestTool.disks[tmp_path]) == SIZES["calls"]


def test_folders_are_counted_in_blocks(tmp_path: Path) -> None:
    """A thousand files of one byte take more than a kilobyte."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "one").write_bytes(b"1")

    assert folder_size(tmp_path) >= 512
    assert folder_size(tmp_path) % 512 == 0
