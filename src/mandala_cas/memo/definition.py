"""An op as the memoizer sees it: a function, and what the store knows it by."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.memo.annotations import Annotations
from mandala_cas.memo.binding import Binder
from mandala_cas.memo.notes import Notes
from mandala_cas.model.collections import is_structural
from mandala_cas.versions.source import Source


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Definition:
    """What ``@op`` was given. ``outputs`` are the declared names, None where undeclared.

    ``annotations`` are those of the function; most say nothing. Calling an async function gives
    what is to be awaited. ``record_failures`` is None where the storage decides.
    """

    name: str
    version: str
    module: str
    function: Callable[..., Any]
    binder: Binder
    outputs: tuple[str, ...] | None
    source: Source
    annotations: Annotations
    is_async: bool = False
    record_failures: bool | None = None

    def notes(self) -> Notes | None:
        """Return what the annotations say of inputs and outputs, None if nothing.

        Raises:
            UsageError: a marker stands where it has no meaning.
        """
        return self.annotations.notes(None if self.outputs is None else len(self.outputs))


def name_of(function: Callable[..., Any]) -> str:
    """Return the name that an op has by itself: the qualified name, without ``<locals>``.

    Raises:
        UsageError: there is none, or a lambda's, which all lambdas share.
    """
    qualified = getattr(function, "__qualname__", None)
    if not isinstance(qualified, str) or "<lambda>" in qualified:
        raise UsageError(
            f"{function!r} has no name of its own to record its calls under; give it one: "
            "op(function, name=...)"
        )
    return qualified.replace("<locals>.", "")


def check_texts(name: object, version: object) -> None:
    """Refuse a name or version that is no text, such as ``@op(version=2)``.

    Raises:
        UsageError: saying what was given.
    """
    if not isinstance(name, str) or not name:
        raise UsageError(f"the name of an op is a text that is not empty, got {name!r}")
    if is_structural(name):
        raise UsageError(
            f"{name!r} is what calls are recorded under that tie collections to their elements; "
            "give the op another name: @op(name=...)"
        )
    if not isinstance(version, str):
        raise UsageError(f"the version of an op is a text, got {version!r}")


def check_function(function: object) -> None:
    """Refuse what is not a function that returns its result.

    Raises:
        UsageError: saying what to do instead.
    """
    name = getattr(function, "__qualname__", repr(function))
    if isinstance(function, staticmethod | classmethod):
        kind = type(function).__name__
        raise UsageError(f"{name}: @op is above @{kind}; put @{kind} first, and @op below it")
    if not callable(function):
        raise UsageError(f"@op takes a function, got {name}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(
            f"{name}: @op remembers what a function returns, and this one yields; return a list",
            op=name,
        )
