"""A pipeline of three functions on arrays, retraced by a new process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from benchmarks.tools.base import Tool
from benchmarks.workloads.base import TALLY, Job, Measure, Step, Stopwatch, Workload, values

_MODEL_LENGTH: Final = 1000


def generate(seed: int, length: int) -> Any:
    """Return data that depends on the seed alone."""
    import numpy as np  # noqa: PLC0415 (the parent needs no numpy)

    TALLY.add()
    return np.random.default_rng(seed).random(length)


def train(data: Any, setting: int) -> Any:
    """Return a model that depends on the data and the setting."""
    TALLY.add()
    return data[:_MODEL_LENGTH] * setting


def evaluate(model: Any, data: Any) -> float:
    """Return one number that depends on the model and the data."""
    TALLY.add()
    return float(model.max() - data[0])


def _pipeline(functions: list[Callable[..., Any]], job: Job) -> list[Any]:
    """Return what the last function gives for every seed and setting."""
    generate_, train_, evaluate_ = functions
    data_of_seeds = (generate_(seed, job.sizes["length"]) for seed in range(job.sizes["seeds"]))
    return [
        evaluate_(train_(data, setting), data)
        for data in data_of_seeds
        for setting in range(job.sizes["settings"])
    ]


def _memoized(tool: Tool) -> list[Callable[..., Any]]:
    """Return the three functions as the tool has them."""
    return [tool.memoize(function) for function in (generate, train, evaluate)]


def _fill(job: Job) -> None:
    """Run the pipeline for the first time."""
    tool = job.open_tool()
    count = job.sizes["seeds"] * (1 + 2 * job.sizes["settings"])
    with job.executions(count, "the first run"), tool.block():
        _pipeline(_memoized(tool), job)
    tool.close()


def _retrace(job: Job) -> None:
    """Run the pipeline again, without a single execution."""
    retrace, unwrap = Stopwatch(), Stopwatch()
    with job.executions(0, "the retrace"):
        with retrace:
            tool = job.open_tool()
            functions = _memoized(tool)
        with tool.block():
            with retrace:
                scores = _pipeline(functions, job)
            with unwrap:
                found = values(tool, scores)
        tool.close()
    wanted = _pipeline([generate, train, evaluate], job)
    job.checks.equal_all(found, wanted, "scores")
    job.measured["retrace"] = retrace.ns
    job.measured["retrace_and_values"] = retrace.ns + unwrap.ns


WORKLOAD = Workload(
    name="pipeline",
    title="A pipeline generate, train, evaluate, retraced by a new process",
    note=(
        "*Retrace* begins after the import and includes opening the store. Tools without refs "
        "load each array and hash it for every call that takes it."
    ),
    sizes={
        "small": {"seeds": 2, "settings": 3, "length": 10_000},
        "full": {"seeds": 20, "settings": 25, "length": 125_000},
    },
    measures=(
        Measure("retrace", "whole retrace", headline=True),
        Measure("retrace_and_values", "whole retrace, and the value of every score", headline=True),
    ),
    setup=Step("fill", _fill, fresh_process=True),
    steps=(Step("retrace", _retrace, fresh_process=True),),
    left_out={
        "percache": "it keys arrays by their abbreviated `repr`, so different ones are equal to it",
        "diskcache": "it keeps every argument whole as the key, 500 copies of each array",
        "raw": "it has no refs, and hashing whole arrays is what a retrace is meant to avoid",
    },
)
