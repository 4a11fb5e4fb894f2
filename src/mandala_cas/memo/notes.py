"""What annotations say of inputs and outputs: the markers, and how one finds what they say of each.

``Annotated[T, Codec("parquet")]`` names the codec, ``Annotated[T, Hash(function)]`` what decides
the id, and ``MList[T]`` that the elements are values of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mandala_cas.errors import UsageError
from mandala_cas.model.collections import CollectionKind


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
    """What one annotation says.

    ``shapes`` are those of the collections that it allows. Where ``is_strict``, it allows nothing
    else but None.
    """

    codec: str | None = None
    hasher: Callable[[Any], Any] | None = None
    shapes: tuple[Shape, ...] = ()
    is_strict: bool = False

    def shape_of(self, kind: CollectionKind) -> Shape | None:
        """Return what is said of a collection of some kind, None if nothing."""
        return next((shape for shape in self.shapes if shape.kind is kind), None)

    def within(self) -> Iterator[Note]:
        """Yield this note, and those of elements at any depth."""
        yield self
        for shape in self.shapes:
            for note in shape.elements:
                yield from note.within()


@dataclass(frozen=True, slots=True)
class Shape:
    """What an annotation says of a collection: ``elements`` by position, or the one for all."""

    kind: CollectionKind
    elements: tuple[Note, ...] = ()
    is_fixed: bool = False

    def of_element(self, position: int) -> Note:
        """Return what is said of an element."""
        if not self.elements:
            return NO_NOTE
        return self.elements[position if self.is_fixed else 0]


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

    @property
    def has_collections_out(self) -> bool:
        """Whether the result, or a part of it, may be a collection."""
        return bool(self.whole.shapes) or any(note.shapes for note in self.elements)

    @property
    def is_whole(self) -> bool:
        """Whether the result is one collection, and not as many outputs as a tuple has."""
        return bool(self.whole.shapes)

    def codecs(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each codec, and which annotation names it."""
        for name, noted in (*self.arguments.items(), *self.excess):
            for note in noted.within():
                if note.codec is not None:
                    yield note.codec, f"argument '{name}'"
        for noted in (self.whole, *self.elements):
            for note in noted.within():
                if note.codec is not None:
                    yield note.codec, "the result"
