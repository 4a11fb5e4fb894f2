"""A new call of a function that does next to nothing."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.workloads.base import Job, Measure, Step, Stopwatch, Workload, values
from benchmarks.workloads.scalars import add, arguments


def _run(job: Job) -> None:
    """Make new calls, leave the store, and find the calls in it again."""
    count = job.sizes["calls"]
    pairs = arguments(count)
    wanted = [first + second for first, second in pairs]
    tool = job.open_tool()
    memoized = tool.memoize(add)

    watch = Stopwatch()

    with job.executions(count, "new calls"), ExitStack() as stack:
        with watch:
            stack.enter_context(tool.block())
            results = [memoized(first, second) for first, second in pairs]
        job.measured["call"] = watch.ns / count
        found = values(tool, results)
        with watch:
            stack.close()
            tool.close()
        job.measured["kept"] = watch.ns / count
    job.checks.equal_all(found, wanted, "new calls")

    again = job.open_tool()
    memoized = again.memoize(add)
    sample = pairs[:: max(1, count // job.sizes["looked_up"])]
    with job.executions(0, "looking the calls up"), again.block():
        found = values(again, [memoized(first, second) for first, second in sample])
    again.close()
    job.checks.equal_all(found, [first + second for first, second in sample], "calls looked up")


WORKLOAD = Workload(
    name="new-calls",
    title="New calls of f(int, int) -> int",
    note=(
        "An empty store in each round. *In the block* is what a caller waits for; "
        "*until kept* adds leaving the block and closing the store, shared out among the calls."
    ),
    sizes={
        "small": {"calls": 40, "looked_up": 20},
        "full": {"calls": 1000, "looked_up": 100},
    },
    measures=(
        Measure("call", "new call, in the block", headline=True),
        Measure("kept", "new call, until kept", headline=True),
    ),
    steps=(Step("run", _run),),
)
