"""An op as the memoizer sees it: a function, and what the store knows it by."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.memo.annotations import Annotations
from mandala_cas.memo.binding import Binder
from mandala_cas.memo.notes import Notes
from mandala_cas.memo.outputs import Outputs
from mandala_cas.memo.settings import DEFAULTS, OpSettings
from mandala_cas.model.collections import is_structural
from mandala_cas.model.ids import SourceHash
from mandala_cas.versions.source import Source
from mandala_cas.versions.texts import SourceText


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Definition:
    """What ``@op`` was given; ``annotations`` are those of the function, and most say nothing.

    ``function`` is what was decorated; calling an async one gives what is to be awaited, and
    calling a generator what is to be iterated.
    ``settled`` are the sources and modules whose records were looked into and may answer, each with
    what the storage said about staleness.
    """

    name: str
    version: str
    module: str
    function: Callable[..., Any]
    binder: Binder
    outputs: Outputs
    source: Source
    annotations: Annotations
    is_async: bool = False
    is_generator: bool = False
    settings: OpSettings = DEFAULTS
    settled: set[tuple[SourceHash, str, str]] = field(default_factory=set)

    @property
    def body(self) -> Callable[..., Any]:
        """What to call with all arguments, those included that ``function`` brings along."""
        return self.binder.function

    def source_text(self) -> SourceText | None:
        """Return the function as people read it, for the record; None where that is not known."""
        text = self.source.text
        return None if text is None else SourceText(self.name, text, self.binder.parameters)

    def notes(self) -> Notes | None:
        """Return what the annotations say of inputs and outputs, None if nothing.

        Raises:
            UsageError: a marker stands where it has no meaning.
        """
        return self.annotations.notes(self.outputs.count)


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


def module_of(function: Callable[..., Any]) -> str:
    """Return the module that a function is of; that of a partial is the one of its function."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__module__", None) or ""


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
    if inspect.isasyncgenfunction(function):
        raise UsageError(
            f"{name}: an op can be a generator or an async function, and this is both; collect "
            "what it yields in an async function that returns a list",
            op=name,
        )


def check_generator(op_name: str, outputs: Outputs) -> None:
    """Refuse to take what a generator yields for several outputs.

    Raises:
        UsageError: several were declared.
    """
    if outputs.varies or outputs.count not in {None, 1}:
        raise UsageError(
            f"{op_name}: what a generator yields is one output, a list of items, and nout or "
            "output_names declare others; leave them out, or give one name",
            op=op_name,
        )
