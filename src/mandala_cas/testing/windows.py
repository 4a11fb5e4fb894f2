"""What Windows does differently, acted out here, for those who have no Windows at hand."""

from __future__ import annotations

import errno
import importlib
import os
from collections.abc import Callable
from typing import Final


class FakeMsvcrt:
    """The locks of the module ``msvcrt``: of a region, from where the descriptor stands.

    ``while_waiting`` is called where the real one would sleep; after ten such times it gives up,
    as the real one does.
    """

    LK_LOCK: Final = 1
    LK_NBLCK: Final = 2
    LK_UNLCK: Final = 0

    def __init__(self, while_waiting: Callable[[], None] = lambda: None) -> None:
        """Lock by flock, which is there wherever this is of use."""
        self._fcntl = importlib.import_module("fcntl")
        self._while_waiting = while_waiting

    def locking(self, descriptor: int, mode: int, size: int) -> None:
        """Lock or unlock ``size`` bytes; only the first byte is known here."""
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        assert (place, size) == (0, 1), "unlocking must name the very region that was locked"
        if mode == self.LK_UNLCK:
            self._fcntl.flock(descriptor, self._fcntl.LOCK_UN)
            return
        for _ in range(10 if mode == self.LK_LOCK else 1):
            try:
                self._fcntl.flock(descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)
            except BlockingIOError:
                if mode == self.LK_LOCK:
                    self._while_waiting()
            else:
                return
        number = errno.EDEADLK if mode == self.LK_LOCK else errno.EACCES
        raise OSError(number, os.strerror(number))
