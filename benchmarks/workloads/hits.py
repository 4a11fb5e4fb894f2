"""A call that is on record, made again by the process that made it."""

from __future__ import annotations

from benchmarks.workloads.base import Job, Measure, Step, Stopwatch, Workload, values
from benchmarks.workloads.scalars import add, arguments, combine, start


def _run(job: Job) -> None:
    """Make the calls, then make them again."""
    count = job.sizes["calls"]
    pairs = arguments(count)
    wanted = [first + second for first, second in pairs]
    tool = job.open_tool()
    memoized = tool.memoize(add)
    with tool.block():
        for first, second in pairs:
            memoized(first, second)

    with job.executions(0, "hits"), tool.block():
        with (hit := Stopwatch()):
            results = [memoized(first, second) for first, second in pairs]
        with (hit_and_value := Stopwatch()):
            found = [tool.value(memoized(first, second)) for first, second in pairs]
        job.checks.equal_all(values(tool, results), wanted, "hits")
    tool.close()
    job.checks.equal_all(found, wanted, "values of hits")
    job.measured["hit"] = hit.ns / count
    job.measured["value"] = hit_and_value.ns / count


def _run_with_refs(job: Job) -> None:
    """Make calls on what other calls returned, then make them again."""
    count = job.sizes["calls"]
    pairs = arguments(count)
    wanted = [first + 1 + first + second for first, second in pairs]
    tool = job.open_tool()
    begin, memoized = tool.memoize(start), tool.memoize(combine)
    with tool.block():
        for first, second in pairs:
            memoized(begin(first), first, second)

    with job.executions(0, "hits"), tool.block():
        triples = [(begin(first), first, second) for first, second in pairs]
        with (hit := Stopwatch()):
            results = [memoized(base, first, second) for base, first, second in triples]
        job.checks.equal_all(values(tool, results), wanted, "hits on refs")
    tool.close()
    job.measured["hit"] = hit.ns / count


_SIZES = {"small": {"calls": 40}, "full": {"calls": 1000}}

WORKLOAD = Workload(
    name="hits",
    title="Hits in the process that made the calls, two scalar arguments",
    note=(
        "*Hit* is the call alone, which gives a ref where the tool has refs and the value "
        "elsewhere; *hit and value* goes on to the plain value."
    ),
    sizes=_SIZES,
    measures=(
        Measure("hit", "hit", headline=True),
        Measure("value", "hit and value", headline=True),
    ),
    steps=(Step("run", _run),),
)

WITH_REFS = Workload(
    name="hits-on-refs",
    title="Hits in the process that made the calls, one ref and two scalar arguments",
    note=(
        "The ref is what a call of another op returned. Tools without refs are left out; "
        "the raw limit takes the plain value."
    ),
    sizes=_SIZES,
    measures=(Measure("hit", "hit on a ref", headline=True),),
    steps=(Step("run", _run_with_refs),),
    needs_refs=True,
)
