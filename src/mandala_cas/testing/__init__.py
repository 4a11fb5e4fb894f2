"""The public test kit: contract suites, stores that fail, crashes, interleavings, an S3 server.

What needs pytest (the suites) is imported when it is first asked for: the rest serves the tests of
anybody.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from mandala_cas.testing.crashes import CrashPoint, crash_at_every_call
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
from mandala_cas.testing.models import ModelCall, StoreModel
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

if TYPE_CHECKING:
    from mandala_cas.testing.codecs import CodecSuite
    from mandala_cas.testing.object_stores import ObjectStoreSuite

__all__ = [
    "CodecSuite",
    "Crash",
    "CrashPoint",
    "Delay",
    "Deny",
    "DepthFirst",
    "ErrorAfter",
    "ErrorBefore",
    "Explored",
    "Fault",
    "FaultStore",
    "FlippedGet",
    "Hang",
    "ModelCall",
    "ObjectStoreSuite",
    "OutOfSpace",
    "PartialList",
    "PriorityChange",
    "RandomWalk",
    "Replay",
    "Rule",
    "S3Server",
    "ScheduledStore",
    "SimulatedCrash",
    "StaleList",
    "StaleListStore",
    "StoreCall",
    "StoreModel",
    "TruncatedGet",
    "crash_at_every_call",
    "explore",
    "switch",
    "wait_until",
]


_SUITES: Final = {
    "CodecSuite": "mandala_cas.testing.codecs",
    "ObjectStoreSuite": "mandala_cas.testing.object_stores",
}


def __getattr__(name: str) -> object:
    """Import a suite, and with it pytest, when it is asked for."""
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_SUITES[name]), name)
