"""An object store that fails on demand: every way a real one was seen to, and dying in mid-call.

Wrap any store in a ``FaultStore``, give it a plan of rules, and run the code under test on it::

    store = FaultStore(MemoryObjectStore(), [Rule(ErrorAfter(), "put", "manifest/")])

Nothing here sleeps or draws at random: a plan fails at the same calls every time.
"""

from __future__ import annotations

from mandala_cas.testing.faults.kinds import (
    Crash,
    Delay,
    Deny,
    ErrorAfter,
    ErrorBefore,
    FlippedGet,
    Hang,
    OutOfSpace,
    PartialList,
    StaleList,
    TruncatedGet,
    unavailable,
)
from mandala_cas.testing.faults.plan import (
    READS,
    WRITES,
    FailingStore,
    Fault,
    Operation,
    Rule,
    SimulatedCrash,
    StoreCall,
)
from mandala_cas.testing.faults.store import FaultStore

__all__ = [
    "READS",
    "WRITES",
    "Crash",
    "Delay",
    "Deny",
    "ErrorAfter",
    "ErrorBefore",
    "FailingStore",
    "Fault",
    "FaultStore",
    "FlippedGet",
    "Hang",
    "Operation",
    "OutOfSpace",
    "PartialList",
    "Rule",
    "SimulatedCrash",
    "StaleList",
    "StoreCall",
    "TruncatedGet",
    "unavailable",
]
