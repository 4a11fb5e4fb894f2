"""Functions that carry a context to whatever thread or task runs them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ParamSpec, TypeVar, cast

from mandala_cas.errors import UsageError
from mandala_cas.memo.context import Entry, Session, carried

P = ParamSpec("P")
R = TypeVar("R")


def wrapped(
    function: Callable[P, R],
    block: AbstractContextManager[object],
    entry: Entry | None,
    commit_after: Callable[[BaseException | None], None],
) -> Callable[P, R]:
    """Return a function that does what ``function`` does, as in ``entry``; else within ``block``.

    Raises:
        UsageError: it is a generator function.
    """
    name = getattr(function, "__qualname__", repr(function))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(
            f"{name} yields, and what it does it does after it has returned; wrap the function "
            "that goes through what it yields"
        )

    def doing() -> AbstractContextManager[object]:
        """Return what one call happens in."""
        return block if entry is None else _carrying(entry, commit_after)

    if inspect.iscoroutinefunction(function):

        async def carry_awaited(*args: Any, **kwargs: Any) -> Any:
            """Await it in the context."""
            with doing():
                return await function(*args, **kwargs)

        return cast("Callable[P, R]", functools.wraps(function)(carry_awaited))

    @functools.wraps(function)
    def carry(*args: P.args, **kwargs: P.kwargs) -> R:
        """Call it in the context."""
        with doing():
            return function(*args, **kwargs)

    return carry


@contextmanager
def _carrying(entry: Entry, commit_after: Callable[[BaseException | None], None]) -> Iterator[None]:
    """Do what follows in ``entry``.

    While its block is open nothing is committed here: its end does that for all. A block says that
    it is left before it commits, so what was made by then is committed by one of the two.
    """
    failed: BaseException | None = None
    try:
        with carried(entry):
            yield
    except BaseException as error:
        failed = error
        raise
    finally:
        if isinstance(entry, Session) and entry.block.is_left:
            commit_after(failed)
