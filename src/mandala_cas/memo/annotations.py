"""What the annotations of an op say about how its inputs and outputs are kept.

``Annotated[T, Codec("parquet")]`` names the codec, ``Annotated[T, Hash(function)]`` what decides
the id.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, get_args, get_origin

from mandala_cas.errors import MandalaWarning, UsageError

_MARKER_TEXT: Final = re.compile(r"\b(Annotated|Codec|Hash)\b")


@dataclass(frozen=True, slots=True)
class Codec:
    """Store what is annotated with the codec of this name, where it is not stored already.

    Its id stays what it is.
    """

    name: str

    def __post_init__(self) -> None:
        """Refuse what is no name."""
        if type(self.name) is not str or not self.name:
            raise UsageError(f"Codec takes the name of a codec, got {self.name!r:.80}")


@dataclass(frozen=True, slots=True)
class Hash:
    """Take the id of what is annotated from what this function returns for it."""

    function: Callable[[Any], Any]

    def __post_init__(self) -> None:
        """Refuse what cannot be called."""
        if not callable(self.function):
            raise UsageError(f"Hash takes a function, got {self.function!r:.80}")


@dataclass(frozen=True, slots=True)
class Note:
    """What one annotation says."""

    codec: str | None = None
    hasher: Callable[[Any], Any] | None = None


NO_NOTE: Final = Note()


@dataclass(frozen=True, slots=True)
class Notes:
    """What all annotations of a function say.

    All parameters are among ``arguments``. ``excess`` is for what ``*args`` and ``**kwargs`` take,
    by the prefix of the names. ``elements`` are for the outputs by position; where ``repeats``,
    the one is for all.
    """

    arguments: Mapping[str, Note] = field(default_factory=dict)
    excess: tuple[tuple[str, Note], ...] = ()
    whole: Note = NO_NOTE
    elements: tuple[Note, ...] = ()
    repeats: bool = False

    def of_argument(self, name: str) -> Note:
        """Return what is said of an argument."""
        note = self.arguments.get(name)
        if note is not None:
            return note
        for prefix, excess in self.excess:
            rest = name.removeprefix(prefix)
            if not prefix or (rest != name and rest.isdecimal()):
                return excess
        return NO_NOTE

    def of_output(self, position: int, count: int) -> Note:
        """Return what is said of one of ``count`` outputs; around the whole, it is said of each."""
        if not self.elements:
            return self.whole
        position = 0 if self.repeats else position
        is_there = count > 1 and position < len(self.elements)
        return self.elements[position] if is_there else NO_NOTE

    def codecs(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each codec, and which annotation names it."""
        for name, note in (*self.arguments.items(), *self.excess):
            if note.codec is not None:
                yield note.codec, f"argument '{name}'"
        for note in (self.whole, *self.elements):
            if note.codec is not None:
                yield note.codec, "the result"


_NOTHING: Final = Notes()


class Annotations:
    """The annotations of one function, read when its op is first called inside a storage.

    Only then: they may name classes that are defined further down.
    """

    __slots__ = ("_function", "_notes", "_op_name")

    def __init__(self, function: Callable[..., Any], op_name: str) -> None:
        """Read nothing yet."""
        self._function = function
        self._op_name = op_name
        self._notes: Notes | None = None

    def notes(self, output_count: int | None) -> Notes | None:
        """Return what they say, None if nothing; ``output_count`` is None where undeclared.

        Raises:
            UsageError: a marker stands where it has no meaning.
        """
        notes = self._notes
        if notes is None:
            notes = self._notes = self._read(output_count)
        return None if notes is _NOTHING else notes

    def _read(self, output_count: int | None) -> Notes:
        """Read them."""
        function = _plain_function(self._function)
        hints = {name: self._resolved(name, hint) for name, hint in _raw(function).items()}
        if not any(_holds_marker(hint) for hint in hints.values()):
            return _NOTHING
        result = hints.pop("return", None)
        arguments: dict[str, Note] = {}
        excess: list[tuple[str, Note]] = []
        kinds = {p.name: p.kind for p in inspect.signature(function).parameters.values()}
        for name, kind in kinds.items():
            note = self._note(hints.get(name), f"argument '{name}'")
            if kind is inspect.Parameter.VAR_POSITIONAL:
                excess.insert(0, (f"{name}_", note))
            elif kind is inspect.Parameter.VAR_KEYWORD:
                excess.append(("", note))
            else:
                arguments[name] = note
        elements, repeats = self._of_elements(result, output_count)
        whole = NO_NOTE if elements else self._note(result, "the result")
        return Notes(arguments, tuple(excess), whole, elements, repeats)

    def _of_elements(self, hint: Any, output_count: int | None) -> tuple[tuple[Note, ...], bool]:
        """Return what is said of the outputs, where the annotation is a tuple of several."""
        parts = get_args(hint)
        if get_origin(hint) is not tuple or not any(map(_holds_marker, parts)):
            return (), False
        repeats = len(parts) == 2 and parts[1] is ...
        if output_count == 1 or (len(parts) == 1 and output_count is None):
            raise UsageError(
                f"{self._op_name}: the result is one output, and its annotation marks elements of "
                "it; annotate the tuple, or declare several outputs with nout or output_names",
                op=self._op_name,
            )
        parts = parts[:1] if repeats else parts
        return tuple(self._note(part, "the result") for part in parts), repeats

    def _note(self, hint: Any, where: str) -> Note:
        """Return what one annotation says."""
        if get_origin(hint) is not Annotated:
            if _holds_marker(hint):
                raise UsageError(
                    f"{self._op_name}: {where} has a marker inside its annotation, {hint!r:.100}; "
                    "put Annotated around the whole of it",
                    op=self._op_name,
                )
            return NO_NOTE
        inner, *metadata = get_args(hint)
        if _holds_marker(inner) or any(part is Codec or part is Hash for part in metadata):
            raise UsageError(
                f"{self._op_name}: {where} is annotated with {hint!r:.100}; write "
                'Annotated[type, Codec("name")] or Annotated[type, Hash(function)], around the '
                "whole type",
                op=self._op_name,
            )
        codecs = [part.name for part in metadata if isinstance(part, Codec)]
        hashers = [part.function for part in metadata if isinstance(part, Hash)]
        if len(codecs) > 1 or len(hashers) > 1:
            raise UsageError(
                f"{self._op_name}: {where} has two markers of one kind; keep one of them",
                op=self._op_name,
            )
        return Note(codecs[0] if codecs else None, hashers[0] if hashers else None)

    def _resolved(self, name: str, hint: Any) -> Any:
        """Return an annotation; None for one that is a text and cannot be understood here.

        Names that exist only for type checkers are common and hide no marker; where the text
        shows one, silence would change ids.
        """
        if isinstance(hint, typing.ForwardRef):
            hint = hint.__forward_arg__
        if not isinstance(hint, str):
            return hint
        function = _plain_function(self._function)
        shim = types.SimpleNamespace(__annotations__={name: hint})
        spaces = getattr(function, "__globals__", {}), _closure(function)
        try:
            return typing.get_type_hints(shim, *spaces, include_extras=True)[name]
        except Exception as error:  # noqa: BLE001 (evaluating a text of a user's may raise anything)
            if _MARKER_TEXT.search(hint):
                where = "the result" if name == "return" else f"argument '{name}'"
                warnings.warn(
                    f"{self._op_name}: the annotation of {where} cannot be understood here "
                    f"({type(error).__name__}: {error}), so its marker is not used; make the names "
                    f"in it known where the op is defined: {hint:.100}",
                    MandalaWarning,
                    stacklevel=2,
                )
            return None


def _plain_function(function: Any) -> Any:
    """Return what has the annotations: what is wrapped, or the method that calling means."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    if isinstance(function, type):
        return vars(function).get("__init__", function)
    return function if inspect.isroutine(function) else type(function).__call__


def _raw(function: Any) -> Mapping[str, Any]:
    """Return the annotations as they were written."""
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 (not there before)

        return annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF)
    return dict(getattr(function, "__annotations__", {}))


def _closure(function: Any) -> dict[str, Any]:
    """Return the local names around a function that it uses itself."""
    found = {}
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found


def _holds_marker(hint: Any) -> bool:
    """Tell whether there is a marker anywhere in an annotation."""
    if hint is Codec or hint is Hash or isinstance(hint, Codec | Hash):
        return True
    return any(map(_holds_marker, get_args(hint)))
