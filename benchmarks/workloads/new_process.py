"""A script that is run again: calls on record, made by a new process."""

from __future__ import annotations

from time import perf_counter_ns

from benchmarks.workloads.base import (
    Job,
    Measure,
    Step,
    Stopwatch,
    Workload,
    folder_size,
    values,
)
from benchmarks.workloads.scalars import add, arguments


def _fill(job: Job) -> None:
    """Make the calls, in as many sessions as asked, each on a store newly opened."""
    count, sessions = job.sizes["calls"], job.sizes["sessions"]
    per_session = count // sessions
    with job.executions(per_session * sessions, "filling the store"):
        for session in range(sessions):
            tool = job.open_tool()
            memoized = tool.memoize(add)
            with tool.block():
                for first, second in arguments(per_session, part=session):
                    memoized(first, second)
            tool.close()
    job.measured["disk"] = folder_size(job.folder) / (per_session * sessions)


def _retrace(job: Job) -> None:
    """Open the store, make one call again, say so, and make the others again."""
    session_count = job.sizes["sessions"]
    per_session = job.sizes["calls"] // session_count
    # One call of each session in turn: a tool that keeps sessions apart has
    # to look into all of them.
    in_sessions = [arguments(per_session, part=session) for session in range(session_count)]
    pairs = [pair for row in zip(*in_sessions, strict=True) for pair in row]
    pairs = pairs[: job.sizes["hits"]]
    wanted = [first + second for first, second in pairs]
    found = []

    with job.executions(0, "hits from a new process"):
        started = perf_counter_ns()
        tool = job.open_tool()
        job.measured["open"] = perf_counter_ns() - started
        memoized = tool.memoize(add)
        with tool.block():
            found.append(tool.value(memoized(*pairs[0])))
            job.measured["open_and_first"] = perf_counter_ns() - started
            job.tell_first()
            with (hit := Stopwatch()):
                results = [memoized(first, second) for first, second in pairs[1:]]
            found += values(tool, results)
        tool.close()
    job.checks.equal_all(found, wanted, "hits from a new process")
    job.measured["hit"] = hit.ns / (len(pairs) - 1)


_STEPS = (Step("retrace", _retrace, fresh_process=True),)
_SETUP = Step("fill", _fill, fresh_process=True)

WORKLOAD = Workload(
    name="new-process",
    title="Hits from a new process",
    note=(
        "*Process to first value* is timed by the parent: from starting the interpreter "
        "until the first value has arrived. It includes the import, which is also given "
        "alone; *open and first value* begins after the import."
    ),
    sizes={
        "small": {"calls": 40, "sessions": 1, "hits": 40},
        "full": {"calls": 500, "sessions": 1, "hits": 500},
    },
    measures=(
        Measure("process_to_first", "process to first value", headline=True),
        Measure("import", "import"),
        Measure("open_and_first", "open and first value", headline=True),
        Measure("hit", "each further hit", headline=True),
    ),
    setup=_SETUP,
    steps=_STEPS,
)

OPEN = Workload(
    name="open",
    title="Opening a larger store in a new process",
    note=(
        "The store was filled by sessions of 500 calls each, every one on a store newly "
        "opened. *Disk per call* counts blocks, as the file system does."
    ),
    sizes={
        "small": {"calls": 200, "sessions": 4, "hits": 20},
        "full": {"calls": 10_000, "sessions": 20, "hits": 100},
    },
    measures=(
        Measure("open", "open"),
        Measure("open_and_first", "open and first value", headline=True),
        Measure("hit", "each further hit"),
        Measure("disk", "disk per call", unit="bytes", headline=True),
    ),
    setup=_SETUP,
    steps=_STEPS,
)
