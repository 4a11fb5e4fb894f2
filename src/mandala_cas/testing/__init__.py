"""The public test kit: contract suites, failing stores, crashes, interleavings, fuzzing, servers.

What needs pytest (the suites) or Hypothesis (the recipes of ``values``) is imported when it is
first asked for: the rest serves the tests of anybody.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from mandala_cas.testing.counting import CountingObjectStore, Requests
from mandala_cas.testing.crashes import CrashPoint, crash_at_every_call
from mandala_cas.testing.crashfs import CrashState, crash_states
from mandala_cas.testing.faults import (
    Crash,
    Delay,
    Deny,
    ErrorAfter,
    ErrorBefore,
    Fault,
    FaultStore,
    FlippedGet,
    Hang,
    OutOfSpace,
    PartialList,
    Rule,
    SimulatedCrash,
    StaleList,
    StoreCall,
    TruncatedGet,
)
from mandala_cas.testing.fuzzing import DecodeProcess, Fate, Finding, FuzzReport, Outcome, fuzz
from mandala_cas.testing.models import ModelCall, StoreModel
from mandala_cas.testing.mutations import Sample, mutations, sample_of
from mandala_cas.testing.platforms import RecordingPlatform, Step
from mandala_cas.testing.scheduler import (
    DepthFirst,
    Explored,
    PriorityChange,
    RandomWalk,
    Replay,
    ScheduledStore,
    explore,
    switch,
    wait_until,
)
from mandala_cas.testing.servers import S3Server
from mandala_cas.testing.stale import StaleListStore
from mandala_cas.testing.windows import FakeMsvcrt, FakeWindows

if TYPE_CHECKING:
    from mandala_cas.testing import values
    from mandala_cas.testing.codecs import CodecSuite
    from mandala_cas.testing.object_stores import ObjectStoreSuite
    from mandala_cas.testing.platform_suite import PlatformSuite

__all__ = [
    "CodecSuite",
    "CountingObjectStore",
    "Crash",
    "CrashPoint",
    "CrashState",
    "DecodeProcess",
    "Delay",
    "Deny",
    "DepthFirst",
    "ErrorAfter",
    "ErrorBefore",
    "Explored",
    "FakeMsvcrt",
    "FakeWindows",
    "Fate",
    "Fault",
    "FaultStore",
    "Finding",
    "FlippedGet",
    "FuzzReport",
    "Hang",
    "ModelCall",
    "ObjectStoreSuite",
    "OutOfSpace",
    "Outcome",
    "PartialList",
    "PlatformSuite",
    "PriorityChange",
    "RandomWalk",
    "RecordingPlatform",
    "Replay",
    "Requests",
    "Rule",
    "S3Server",
    "Sample",
    "ScheduledStore",
    "SimulatedCrash",
    "StaleList",
    "StaleListStore",
    "Step",
    "StoreCall",
    "StoreModel",
    "TruncatedGet",
    "crash_at_every_call",
    "crash_states",
    "explore",
    "fuzz",
    "mutations",
    "sample_of",
    "switch",
    "values",
    "wait_until",
]


_SUITES: Final = {
    "CodecSuite": "mandala_cas.testing.codecs",
    "ObjectStoreSuite": "mandala_cas.testing.object_stores",
    "PlatformSuite": "mandala_cas.testing.platform_suite",
}


def __getattr__(name: str) -> object:
    """Import a suite, and with it pytest, or the recipes of values, when they are asked for."""
    if name == "values":
        return importlib.import_module("mandala_cas.testing.values")
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_SUITES[name]), name)
