"""A cooperative scheduler: actors over one store, in an order that a seed decides.

Each actor is a plain function over an ``ObjectStore``. Only the one that holds the baton runs; it
can lose it at every call to the store, and nowhere else. So an interleaving is a list of moves, and
the same moves give the same run::

    def make_actors(store):
        return {"writer": write_one, "collector": collect}

    explore(make_actors, check, seeds=range(500), strategy=RandomWalk())

A failure carries the seed, the moves and every call in its notes; ``Replay(moves)`` runs it again.
"""

from __future__ import annotations

from mandala_cas.testing.scheduler.exploring import Explored, explore
from mandala_cas.testing.scheduler.interleaving import Actor, switch, wait_until
from mandala_cas.testing.scheduler.store import ScheduledStore
from mandala_cas.testing.scheduler.strategies import (
    DepthFirst,
    Options,
    PriorityChange,
    RandomWalk,
    Replay,
    Schedule,
    Strategy,
)

__all__ = [
    "Actor",
    "DepthFirst",
    "Explored",
    "Options",
    "PriorityChange",
    "RandomWalk",
    "Replay",
    "Schedule",
    "ScheduledStore",
    "Strategy",
    "explore",
    "switch",
    "wait_until",
]
