"""How the upkeep that a process does by itself has gone: a failure that repeats must be heard of.

Work that is done in passing fails in passing as well. Once it may be the network; the third time
in a row nobody is keeping the store up, and someone must be told.
"""

from __future__ import annotations

import threading
from typing import Final

from mandala_cas.errors import MandalaError
from mandala_cas.log.forks import ForkAware

FAILURES_UNTIL_WARNING: Final = 3


class UpkeepMonitor(ForkAware):
    """Counts failures in a row. May be used by several threads at once."""

    def __init__(self) -> None:
        """Start with none."""
        self._failure_count = 0
        self._last_error: MandalaError | None = None
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """Keep the count; forget who was counting."""
        self._lock = threading.Lock()

    @property
    def failure_count(self) -> int:
        """How many attempts have failed since the last that did not."""
        return self._failure_count

    @property
    def last_error(self) -> MandalaError | None:
        """Why the last attempt failed; None if it did not."""
        return self._last_error

    def failed(self, error: MandalaError) -> bool:
        """Count a failure; tell whether it is the one to warn of.

        True at the third in a row, and not again before one has succeeded.
        """
        with self._lock:
            self._failure_count += 1
            self._last_error = error
            return self._failure_count == FAILURES_UNTIL_WARNING

    def succeeded(self) -> None:
        """Start anew."""
        with self._lock:
            self._failure_count = 0
            self._last_error = None
