"""Coroutines whose result is needed where nobody can await: run to their end in a thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, Final

# Whether a coroutine runs here for somebody who waits for it with the whole thread.
IS_APART: Final[ContextVar[bool]] = ContextVar("mandala_cas_apart", default=False)


def run_apart(make_coroutine: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine to its end in an event loop of its own, and return what it gives.

    In a thread of its own, for this one may be in the middle of an event loop, which cannot be
    entered again; in a copy of this context. This thread waits meanwhile.
    """
    import asyncio  # noqa: PLC0415 (slow to import, and few programs come here)
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 (as above)

    context = copy_context()
    context.run(IS_APART.set, True)
    with ThreadPoolExecutor(1, "mandala_cas-apart") as pool:
        return pool.submit(context.run, lambda: asyncio.run(make_coroutine())).result()
