"""Run the benchmarks: ``python benchmarks/run.py --help``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

if not __package__:
    # Run as a script, Python looks into this folder; the package is the folder itself.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.environments import EnvironmentNotMadeError, python_of
from benchmarks.machine import describe, without_places
from benchmarks.measuring import Plan, measure
from benchmarks.processes import ROOT, Worker, WorkerFailedError
from benchmarks.report import Report, last_line, to_json, to_markdown
from benchmarks.tools.catalogue import BY_NAME as TOOLS
from benchmarks.tools.catalogue import ToolInfo
from benchmarks.workloads.catalogue import BY_NAME as WORKLOADS

RESULTS: Final = ROOT / "benchmarks" / "results"
ROUNDS: Final = {"small": 3, "full": 5}


@dataclass(frozen=True, slots=True)
class Available:
    """The tools that can be measured, how, and why the others cannot."""

    tools: list[ToolInfo]
    pythons: dict[str, Path]
    versions: dict[str, dict[str, str]]
    unavailable: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 1 if any result is wrong or a tool that was needed failed."""
    options = _parse(arguments)
    started = datetime.now(tz=UTC)
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=options.scratch) as folder:
        scratch = Path(folder)
        available = _prepare(options)
        plan = Plan(
            tools=available.tools,
            pythons=available.pythons,
            rounds=options.rounds or (1 if options.check else ROUNDS[options.scale]),
            scale="small" if options.check else options.scale,
            scratch=scratch,
            say=_say,
        )
        found = [measure(WORKLOADS[name], plan) for name in options.workloads]
        for one in found:
            one.failed = {tool: without_places(why, scratch) for tool, why in one.failed.items()}
        report = Report(
            started=started.isoformat(timespec="seconds"),
            scale=plan.scale,
            rounds=plan.rounds,
            machine=describe(scratch),
            versions=available.versions,
            unavailable={
                tool: without_places(why, scratch) for tool, why in available.unavailable.items()
            },
            measured=found,
        )
    if options.check:
        _print_checks(report)
    else:
        _write(report, Path(options.out), f"{started:%Y-%m-%dT%H%M%SZ}-{plan.scale}")
    needed = [tool for tool in available.unavailable if _is_needed(tool, options.tools)]
    return 1 if needed or any(one.wrong or one.failed for one in found) else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description="Measure mandala-cas, its peers and the raw limit")
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    parser.add_argument("--rounds", type=int, help="default: 3 small, 5 full, 1 with --check")
    parser.add_argument(
        "--tools",
        type=_names_of(TOOLS),
        help="comma-separated; those named must work (default: all, peers if they install)",
    )
    parser.add_argument(
        "--workloads", type=_names_of(WORKLOADS), default=list(WORKLOADS), help="comma-separated"
    )
    parser.add_argument("--out", default=str(RESULTS), help="folder for the Markdown and the JSON")
    parser.add_argument(
        "--check",
        action="store_true",
        help="small sizes, one round: check every result, report no times, write nothing",
    )
    parser.add_argument("--scratch", help="folder to make stores in (default: the temporary one)")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        type=_tool_and_python,
        metavar="TOOL=PATH",
        help="use this Python for the tool, instead of an environment of its own",
    )
    return parser.parse_args(arguments)


def _names_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return what turns a comma-separated option into names, all of them known."""

    def names(text: str) -> list[str]:
        """Return the names in the order given."""
        found = [name.strip() for name in text.split(",") if name.strip()]
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return found

    return names


def _tool_and_python(text: str) -> tuple[str, Path]:
    """Return a tool's name and the Python to use for it."""
    tool, _, path = text.partition("=")
    if tool not in TOOLS or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not TOOL=PATH")
    # Not resolved: a virtual environment's Python is known by the name it is called by.
    return tool, Path(path).absolute()


def _prepare(options: argparse.Namespace) -> Available:
    """Make the environments, and try in each whether the tool can be imported."""
    found = Available(tools=[], pythons=dict(options.python), versions={}, unavailable={})
    for name in options.tools or TOOLS:
        try:
            if name not in found.pythons:
                _say(f"environment of {name}")
                found.pythons[name] = python_of(name)
            with Worker(name, found.pythons[name]) as worker:
                found.versions[name] = worker.versions()
        except (EnvironmentNotMadeError, WorkerFailedError) as error:
            _say(f"{name} is not available: {last_line(str(error))}")
            found.unavailable[name] = str(error)
        else:
            found.tools.append(TOOLS[name])
    return found


def _is_needed(tool: str, named: list[str] | None) -> bool:
    """Tell whether a run without the tool is a failure: peers may be missing unless named."""
    return named is not None or TOOLS[tool].kind != "peer"


def _print_checks(report: Report) -> None:
    """Print what was checked, and what was wrong."""
    for measured in report.measured:
        name = measured.workload.name
        print(f"{name}: {measured.checked_count} results checked")
        for tool, told in measured.wrong.items():
            print(f"{name}: WRONG with {tool}: {'; '.join(told)}")
        for tool, why in measured.failed.items():
            print(f"{name}: {tool} FAILED\n{why}")
    for tool, why in report.unavailable.items():
        print(f"not checked: {tool}: {last_line(why)}")


def _write(report: Report, folder: Path, name: str) -> None:
    """Write the report twice, and print the half that people read."""
    folder.mkdir(parents=True, exist_ok=True)
    page = to_markdown(report)
    (folder / f"{name}.md").write_text(page, encoding="utf-8")
    data = json.dumps(to_json(report), indent=1, ensure_ascii=False)
    (folder / f"{name}.json").write_text(data + "\n", encoding="utf-8")
    print(page)


def _say(text: str) -> None:
    """Tell how far the run has come."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
