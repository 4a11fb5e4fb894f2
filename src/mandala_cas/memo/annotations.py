"""Reading of the annotations of an op: what they say about how its inputs and outputs are kept."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
import typing
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Union, get_args, get_origin

from mandala_cas.errors import MandalaWarning, UsageError
from mandala_cas.memo.collection_types import MARKED_KINDS, MList
from mandala_cas.memo.notes import NO_NOTE, Codec, Hash, Note, Notes, Shape
from mandala_cas.model.collections import CollectionKind

_MARKER_TEXT: Final = re.compile(r"\b(Annotated|Codec|Hash|MList|MDict|MSet|MTuple)\b")


_UNIONS: Final = (Union, types.UnionType)
# What a generator function may be said to return.
_YIELDED: Final = (Generator, Iterable, Iterator)
_NOTHING: Final = Notes()


class Annotations:
    """The annotations of one function, read when its op is first called inside a storage.

    Only then: they may name classes that are defined further down.
    """

    __slots__ = ("_function", "_mentions", "_notes", "_op_name")

    def __init__(self, function: Callable[..., Any], op_name: str) -> None:
        """Read nothing yet."""
        self._function = function
        self._op_name = op_name
        self._notes: Notes | None = None
        self._mentions: bool | None = None

    @property
    def mention_collections(self) -> bool:
        """Whether there may be collections, as far as can be told without reading anything."""
        if self._notes is not None:
            return self._notes is not _NOTHING
        if self._mentions is None:
            hints = _raw(_plain_function(self._function)).values()
            self._mentions = any(map(_mentions_collection, hints))
        return self._mentions

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
        is_generator = inspect.isgeneratorfunction(function)
        if not is_generator and not any(_holds_marker(hint) for hint in hints.values()):
            return _NOTHING
        result = hints.pop("return", None)
        if is_generator:
            result = _list_of_yielded(result)
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
        if whole.shapes and output_count not in {None, 1}:
            raise UsageError(
                f"{self._op_name}: the result is annotated as one collection, {result!r:.100}, and "
                f"nout or output_names declare {output_count} outputs; annotate it as a tuple[...] "
                "of them, or declare one",
                op=self._op_name,
            )
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
        if not _holds_marker(hint):
            return NO_NOTE
        kind = MARKED_KINDS.get(get_origin(hint) or hint)
        if kind is not None:
            return Note(shapes=(self._shape(kind, hint, where),), is_strict=True)
        if get_origin(hint) in _UNIONS:
            return self._union(get_args(hint), where)
        if get_origin(hint) is not Annotated:
            raise UsageError(
                f"{self._op_name}: {where} has a marker inside its annotation, {hint!r:.100}; "
                "put Annotated around the whole of it, and make what is around a collection one "
                "as well, MList, MDict, MSet or MTuple",
                op=self._op_name,
            )
        inner, *metadata = get_args(hint)
        if not any(map(_holds_marker, metadata)) and _may_be_collection(inner):
            return self._note(inner, where)
        if _holds_marker(inner) or any(part is Codec or part is Hash for part in metadata):
            raise UsageError(
                f"{self._op_name}: {where} is annotated with {hint!r:.100}; write "
                'Annotated[type, Codec("name")] or Annotated[type, Hash(function)], around the '
                "whole type, or around that of the elements of a collection",
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

    def _union(self, parts: tuple[Any, ...], where: str) -> Note:
        """Return what a union says: which collections it allows, and whether anything else."""
        notes = [self._note(part, where) for part in parts if part is not type(None)]
        shapes = [shape for note in notes for shape in note.shapes]
        if any(note.codec or note.hasher for note in notes):
            raise UsageError(
                f"{self._op_name}: {where} has a marker inside its annotation, a part of a union; "
                "put Annotated around the whole of it",
                op=self._op_name,
            )
        if len({shape.kind for shape in shapes}) < len(shapes):
            raise UsageError(
                f"{self._op_name}: {where} may be either of two collections of one kind, which "
                "cannot be told apart; annotate one of them",
                op=self._op_name,
            )
        return Note(shapes=tuple(shapes), is_strict=all(note.is_strict for note in notes))

    def _shape(self, kind: CollectionKind, hint: Any, where: str) -> Shape:
        """Return what the annotation of a collection says."""
        parts = get_args(hint)
        if kind is CollectionKind.DICT:
            if parts and self._evaluated(parts[0]) is not str:
                raise UsageError(
                    f"{self._op_name}: {where} is annotated with {hint!r:.100}; the keys of MDict "
                    "are str: write MDict[str, type]",
                    op=self._op_name,
                )
            parts = parts[1:]
        elif kind is CollectionKind.TUPLE and not (len(parts) == 2 and parts[1] is ...):
            notes = tuple(self._note(self._evaluated(part), where) for part in parts)
            return Shape(kind, notes, is_fixed=get_origin(hint) is not None)
        return Shape(kind, tuple(self._note(self._evaluated(part), where) for part in parts[:1]))

    def _evaluated(self, part: Any) -> Any:
        """Return the annotation of an element, which may be a text in one that is none."""
        is_text = isinstance(part, str | typing.ForwardRef)
        return self._resolved("element", part) if is_text else part

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
                where = {"return": "the result", "element": "an element"}.get(
                    name, f"argument '{name}'"
                )
                warnings.warn(
                    f"{self._op_name}: the annotation of {where} cannot be understood here "
                    f"({type(error).__name__}: {error}), so its marker is not used; make the names "
                    f"in it known where the op is defined: {hint:.100}",
                    MandalaWarning,
                    stacklevel=2,
                )
            return None


def _mentions_collection(hint: Any) -> bool:
    """Tell whether an annotation that nobody evaluated shows a collection."""
    if isinstance(hint, typing.ForwardRef):
        hint = hint.__forward_arg__
    return bool(_MARKER_TEXT.search(hint)) if isinstance(hint, str) else _holds_marker(hint)


def _may_be_collection(hint: Any) -> bool:
    """Tell whether an annotation is that of a collection, or of one of several things."""
    return (get_origin(hint) or hint) in MARKED_KINDS or get_origin(hint) in _UNIONS


def _list_of_yielded(hint: Any) -> Any:
    """Return what is said of the list that a generator's items are to a storage."""
    items = get_args(hint)
    is_stated = get_origin(hint) in _YIELDED and bool(items)
    # To a type checker MList is list itself, which takes no values.
    marker: Any = MList
    return marker[items[0] if is_stated else Any]


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
    if any(hint is kind or get_origin(hint) is kind for kind in MARKED_KINDS):
        return True
    return any(map(_holds_marker, get_args(hint)))
