"""Blocks in which calls go to a storage, and how: as methods of a storage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Generic, ParamSpec, Self, TypeVar

from mandala_cas.errors import MandalaError, UsageError
from mandala_cas.memo import context
from mandala_cas.memo.context import ContextMode, Pause, Session
from mandala_cas.memo.op import Op
from mandala_cas.storage.base import StorageFace
from mandala_cas.storage.failing import Failures, failures_on_record
from mandala_cas.storage.wrapping import wrapped

P = ParamSpec("P")
R = TypeVar("R")


class StoreContexts(StorageFace):
    """The part of a storage that is entered and left."""

    def __enter__(self) -> Self:
        """Make op calls read and write this storage, in this thread or task, until the exit."""
        self._enter("run", None)
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit what was computed, also when the block failed, and restore the outer storage."""
        entry = context.innermost(self._parts.book)
        context.leave(entry)
        if isinstance(entry, Session):
            self._commit_after(exception)

    def __call__(
        self, mode: ContextMode = "run", *, allow_new_calls: bool | None = None
    ) -> AbstractContextManager[Self]:
        """Return a block like ``with storage:``, in which calls are treated in another way.

        It can be entered any number of times, also within itself.

        Args:
            mode: "run" as ``with storage:`` does; "noop" to have ops be plain functions;
                "recompute" to look nothing up: each call runs once in the block, and where it
                gives something else, that takes the place of what is on record.
            allow_new_calls: whether a call that is not on record may run; by default as in the
                block around this one.

        Raises:
            UsageError: there is no such mode.
        """
        if mode not in {"run", "noop", "recompute"}:
            raise UsageError(
                f"the mode of a block is 'run', 'noop' or 'recompute', got {mode!r}; whether a "
                "store may be written to is said when it is opened: Storage(..., mode='r')"
            )
        return _Block(self, mode, allow_new_calls)

    @property
    def mode(self) -> ContextMode:
        """What is done with calls in this thread or task: "run", "noop" or "recompute"."""
        return context.mode()

    def allow_new_calls(
        self,
        allowed: bool = True,  # noqa: FBT001, FBT002 (mandala's signature)
    ) -> AbstractContextManager[Self]:
        """Say whether a call that is not on record may run, from now on and in every thread.

        A call that may not raises NewCallsNotAllowedError. One of equal contents answers all the
        same. Used as ``with storage.allow_new_calls(False):`` it is as before after the block.
        """
        self._check_open()
        before = self._parts.book.allows_new_calls
        self._parts.book.allows_new_calls = allowed
        return _Allowance(self, before)

    def wrap(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return ``function`` as something to hand to a pool of threads: it runs as if here.

        Its calls go where those of this thread or task go now, if that is this storage, and else
        to this storage as in a block of their own. ``async def`` functions can be wrapped too.
        What it makes is committed with the block that it was wrapped in, or when it returns if
        there is none any more.

        Raises:
            UsageError: it is a generator function, which runs after it has returned.
        """
        self._check_open()
        entry = context.current()
        is_here = isinstance(entry, Pause) or (entry is not None and entry.book is self._parts.book)
        return wrapped(function, self, entry if is_here else None, self._commit_after)

    def failures(self, op: Op[..., object] | str | None = None) -> Failures:
        """Return the calls that failed, of one op or all, the first first.

        On record are those of ops with ``record_failures=True``, and of all ops where the storage
        was opened with it. A call that was made since is not among them.
        """
        self._check_open()
        name = op.name if isinstance(op, Op) else op
        full_name = None if name is None else self._names.full(name)
        return failures_on_record(self.tables(), self._parts, full_name, self)

    def _enter(self, mode: ContextMode, allow_new_calls: bool | None) -> None:  # noqa: FBT001 (handed on)
        """Begin a block."""
        self._check_open()
        if mode != "noop" and self._parts.recorder.lookout.is_stale:
            self.refresh()
        context.enter(self._parts.book, mode, allows_new=allow_new_calls)

    def _commit_after(self, exception: BaseException | None) -> None:
        """Commit at the end of a block, which ``exception`` has ended, if one did."""
        try:
            self.commit()
        except MandalaError as error:
            if exception is None:
                raise
            # The block's own error is what the user must see first; the batch is kept.
            exception.add_note(f"besides, the calls before it could not be committed: {error}")


S = TypeVar("S", bound=StoreContexts)


class _Block(AbstractContextManager[S], Generic[S]):
    """A block with a mode; it keeps nothing of its entries, so there may be many at once."""

    def __init__(self, storage: S, mode: ContextMode, allow_new_calls: bool | None) -> None:  # noqa: FBT001 (handed on)
        """Enter nothing yet."""
        self._storage = storage
        self._mode = mode
        self._allow_new_calls = allow_new_calls

    def __enter__(self) -> S:
        """Begin."""
        self._storage._enter(self._mode, self._allow_new_calls)  # noqa: SLF001 (a part of it)
        return self._storage

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, as any block of the storage does."""
        self._storage.__exit__(exception_type, exception, traceback)


class _Allowance(AbstractContextManager[S], Generic[S]):
    """What ``allow_new_calls`` did, to be undone at the end of a block."""

    def __init__(self, storage: S, before: bool) -> None:  # noqa: FBT001 (a state, no flag)
        """Remember how it was."""
        self._storage = storage
        self._before = before

    def __enter__(self) -> S:
        """It is done already."""
        return self._storage

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore it."""
        self._storage._parts.book.allows_new_calls = self._before  # noqa: SLF001 (a part of it)
