"""Writers, collectors and tags on one store, switched at every call to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from tests.concurrency.actors import (
    PACKED_MAX,
    Ledger,
    Process,
    Wanted,
    again,
    collecting,
    follow,
    inline,
    loose,
    packed,
    packed_too,
    loose_too,
    writing,
)
from tests.concurrency.promises import Scenario, new_store

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.testing import PriorityChange, RandomWalk, explore



def prep(store, ledger):
    p = Process(store, "before", ledger)
    for w in (Wanted(packed,1), Wanted(loose,1), Wanted(packed,2)): p.make(w)
    p.commit()
    p.drop(Wanted(packed,1)); p.drop(Wanted(loose,1))

def actors(ledger):
    return {"writer": writing("writer", ledger, ("make", Wanted(packed,1)), ("make", Wanted(loose_too,1)), "commit", ("make", Wanted(follow, Wanted(loose,1)))),
     "gc": collecting("gc", 2)}

def test_x():
    import time
    for strategy in (RandomWalk(), PriorityChange(steps=60)):
        sc = Scenario(prep, actors)
        t=time.process_time()
        e = sc.explore(60,strategy)
        print(e, sc.run_count, sc.acknowledged_count, sc.forgone_count, (time.process_time()-t)/60)
