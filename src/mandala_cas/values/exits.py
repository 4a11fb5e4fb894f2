"""A last commit when the interpreter exits: what is still held then is written once."""

from __future__ import annotations

import atexit
import logging
from typing import Final, Protocol
from weakref import WeakSet

from mandala_cas.errors import MandalaError

_LOGGER: Final = logging.getLogger("mandala_cas")


class Committing(Protocol):
    """Something that may hold what is not committed; a forked child's holds nothing."""

    def flush(self) -> None:
        """Commit."""
        ...

    def close(self) -> None:
        """Let go of what ends with the process."""
        ...


# Weak: a recorder that nobody uses any more must not be kept, with all that it has read.
_living: WeakSet[Committing] = WeakSet()


def commit_at_exit(recorder: Committing) -> None:
    """Have what ``recorder`` holds committed when the interpreter exits."""
    _living.add(recorder)


def commit_all() -> None:
    """Commit what is held. What the store does not take now stays in the journal."""
    for recorder in list(_living):
        try:
            recorder.flush()
        except MandalaError as error:
            # Nobody is left to hear an exception, and the next one may have better luck.
            _LOGGER.warning("at the exit of the interpreter, calls were not committed: %s", error)
        recorder.close()


atexit.register(commit_all)
