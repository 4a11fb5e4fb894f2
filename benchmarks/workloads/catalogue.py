"""The workloads that there are, in the order of the report."""

from __future__ import annotations

from typing import Final

from benchmarks.workloads import arrays, hits, new_calls, new_process, pipeline

WORKLOADS: Final = (
    new_calls.WORKLOAD,
    hits.WORKLOAD,
    hits.WITH_REFS,
    new_process.WORKLOAD,
    new_process.OPEN,
    pipeline.WORKLOAD,
    arrays.WORKLOAD,
)

BY_NAME: Final = {workload.name: workload for workload in WORKLOADS}
