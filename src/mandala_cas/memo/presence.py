"""Which threads are inside a storage, so that an op that runs outside in another can be noticed.

A thread of a pool does not inherit the context of who hands it work: an op that runs there runs
plainly, and nothing of it is on record. People find that out when their results are missing.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from typing import Final

from mandala_cas.errors import UncapturedThreadWarning

# By thread, how many of its tasks are inside a storage. Each thread writes its own entry only.
INSIDE: Final[dict[int, int]] = {}
_WARNED: Final[set[str]] = set()


def arrive() -> None:
    """Count this thread, or a task of it, as inside a storage."""
    thread = threading.get_ident()
    INSIDE[thread] = INSIDE.get(thread, 0) + 1


def depart() -> None:
    """Count this thread, or the task, as outside again."""
    thread = threading.get_ident()
    count = INSIDE.get(thread, 0)
    if count > 1:
        INSIDE[thread] = count - 1
    elif count:
        del INSIDE[thread]


def warn_if_uncaptured(op_name: str, stacklevel: int) -> None:
    """Warn once for each op that it runs plainly here, while another thread is inside a storage.

    In the main thread no code runs that another thread handed over.
    """
    thread = threading.get_ident()
    if op_name in _WARNED or threading.current_thread() is threading.main_thread():
        return
    # A list is made in one step: other threads come and go meanwhile.
    if all(other == thread for other in list(INSIDE)):
        return
    _WARNED.add(op_name)
    warnings.warn(
        f"{op_name} ran outside every storage in the thread {threading.current_thread().name!r}, "
        "while another thread is inside one: threads of a pool do not inherit `with storage:`, so "
        "nothing was recorded; hand the pool storage.wrap(f) in place of f",
        UncapturedThreadWarning,
        stacklevel=stacklevel + 1,
    )


def forked_children_ask(is_inside: Callable[[], bool]) -> None:
    """Have a forked child, where this is the only thread, ask whether it is inside a storage."""

    def recount() -> None:
        """Forget the threads that the parent has and the child has not."""
        INSIDE.clear()
        if is_inside():
            INSIDE[threading.get_ident()] = 1

    # Windows has no fork, and no hook for it.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=recount)
