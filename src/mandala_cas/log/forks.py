"""What a forked child must not share with its parent: ids, batches, locks that nobody will free.

The hook runs in the child before any of its code does, so there is no moment at which two threads
of the child could both find out, and none at which a lock that another thread of the parent held
could be waited for.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from weakref import WeakSet


class ForkAware(ABC):
    """Something to be renewed in a forked child."""

    def __init__(self) -> None:
        """Take part from now on."""
        _fork_aware.add(self)

    @abstractmethod
    def renew(self) -> None:
        """Let go of what is the parent's: called in the child, before anything else."""


_fork_aware: WeakSet[ForkAware] = WeakSet()


def _renew_all() -> None:
    """Renew everything that is still in use."""
    for thing in list(_fork_aware):
        thing.renew()


# Windows has no fork, and no hook for it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
