"""The tools that can be measured, and where to find each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

OURS: Final = "mandala-cas"
RAW: Final = "raw"


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """One tool, as the report speaks of it and as a worker finds it."""

    name: str
    kind: Literal["ours", "peer", "raw"]
    module: str
    distributions: tuple[str, ...]
    has_refs: bool = False


TOOLS: Final = (
    ToolInfo(
        name=OURS,
        kind="ours",
        module="benchmarks.tools.ours",
        distributions=("mandala-cas", "blake3", "numpy"),
        has_refs=True,
    ),
    ToolInfo(
        name="pymandala",
        kind="peer",
        module="benchmarks.tools.pymandala",
        distributions=("pymandala", "pandas", "numpy", "joblib"),
        has_refs=True,
    ),
    ToolInfo(
        name="joblib",
        kind="peer",
        module="benchmarks.tools.joblib_memory",
        distributions=("joblib", "numpy"),
    ),
    ToolInfo(
        name="diskcache",
        kind="peer",
        module="benchmarks.tools.disk_cache",
        distributions=("diskcache", "numpy"),
    ),
    ToolInfo(
        name="percache",
        kind="peer",
        module="benchmarks.tools.per_cache",
        distributions=("percache", "numpy"),
    ),
    ToolInfo(
        name=RAW,
        kind="raw",
        module="benchmarks.tools.raw",
        distributions=("blake3", "numpy"),
    ),
)

BY_NAME: Final = {tool.name: tool for tool in TOOLS}
