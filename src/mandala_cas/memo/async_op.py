"""Ops of ``async def`` functions: calling one gives a coroutine, as calling the function does."""

from __future__ import annotations

from functools import partial
from types import CodeType
from typing import Any, ParamSpec, TypeVar, cast

from mandala_cas.memo.awaiting import answer_awaited, force_awaited
from mandala_cas.memo.context import Session, current
from mandala_cas.memo.definition import Definition
from mandala_cas.memo.op import Op
from mandala_cas.memo.run import run_plainly

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class AsyncOp(Op[P, R_co]):
    """An ``async def`` function whose calls are remembered. Made by ``@op``.

    The storage is the one of the task that awaits the call, at that moment.
    """

    def __init__(self, definition: Definition) -> None:
        """Wrap what ``@op`` was given; a partial function lacks what tells functions apart."""
        super().__init__(definition)
        self.__dict__.setdefault("__name__", definition.name)
        self.__dict__.setdefault("__annotations__", {})

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Return what gives, awaited, refs inside a storage, and the result outside."""
        return cast("R_co", self._awaited(args, kwargs))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Return what runs the op when it is awaited, also where the call is on record."""
        return cast("R_co", self._awaited(args, kwargs, is_forced=True))

    # By these Python tells that calling it gives a coroutine: it looks at the flags of the code of
    # whatever has the attributes of a function.
    @property
    def __code__(self) -> CodeType:
        """The code of the function."""
        return cast("CodeType", _innermost(self.f).__code__)

    @property
    def __defaults__(self) -> tuple[Any, ...] | None:
        """The defaults of the function."""
        return cast("tuple[Any, ...] | None", _innermost(self.f).__defaults__)

    @property
    def __kwdefaults__(self) -> dict[str, Any] | None:
        """The defaults of the parameters that only keywords give."""
        return cast("dict[str, Any] | None", _innermost(self.f).__kwdefaults__)

    async def _awaited(self, args: Any, kwargs: Any, *, is_forced: bool = False) -> Any:
        """Make one call, in the task that awaits it."""
        entry = current()
        if isinstance(entry, Session):
            make = force_awaited if is_forced else answer_awaited
            return await make(self._definition, args, kwargs, entry)
        self._notice_thread(entry)
        return await run_plainly(self._definition, args, kwargs)


def _innermost(function: Any) -> Any:
    """Return the function that a partial one calls in the end."""
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__func__", function)
