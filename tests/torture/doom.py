"""How a process comes to be killed: at a request to the store, or wherever it is just then."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any

from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.remote import RemoteObjectStore

_REQUESTS = (
    "put",
    "put_many",
    "put_file",
    "create",
    "get",
    "get_range",
    "get_into",
    "get_many",
    "get_ranges",
    "list",
    "delete",
)


class _Countdown:
    """Ends this process when it has begun and ended so many requests."""

    def __init__(self, left: int) -> None:
        """Count down from ``left``."""
        self._left = left

    def tick(self) -> None:
        """Count one."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """Return a request that counts before and after."""

        @wraps(request)
        def counting(*args: Any, **options: Any) -> Any:
            self.tick()
            result = request(*args, **options)
            self.tick()
            return result

        return counting


def doom(chance: random.Random, *, requests_max: int, cpu_max_s: float) -> None:
    """Let this process be killed at a moment that is drawn; one in eight may live.

    A time is one that the process itself computes, so that a busy machine does not end it early.
    """
    how = chance.random()
    if how < 0.5:
        countdown = _Countdown(chance.randint(1, requests_max))
        for store in (LocalObjectStore, RemoteObjectStore):
            for name in set(_REQUESTS) & vars(store).keys():
                setattr(store, name, countdown.counted(getattr(store, name)))
    elif how < 0.875:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, chance.uniform(0.002, cpu_max_s))
