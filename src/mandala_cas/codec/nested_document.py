"""The document of a container: that of plain values, with leaves, classes, and more containers.

It is an array of two: the classes, each an array of module, qualified name and names of parts; and
the value. In the value, extension 6 is the number of a leaf, and further names of markers are
those of ``nested_forms`` and ``object_arrays``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.classes import find_class, name_of_class
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.leaf_table import StoredLeaf
from mandala_cas.codec.leaves import Leaf, LeafCodecs
from mandala_cas.codec.plain import (
    Lowering,
    Raising,
    extension,
    marker,
    pack_document,
    read_extension,
    unpack_document,
)
from mandala_cas.model.files import Dir, File

_LEAF: Final = 6


@dataclass(frozen=True, slots=True)
class Form:
    """A container that plain values do not have: its name, what it is made of, what makes it."""

    name: bytes
    lower: Callable[[NestedLowering, Any, int], Sequence[Any]]
    restore: Callable[[NestedRaising, list[Any], int], Any]


class NestedLowering(Lowering):
    """Turns one value into a document, and takes the leaves out of it."""

    def __init__(self, codecs: LeafCodecs, find_form: Callable[[Any], Form | None]) -> None:
        """Have met nothing yet."""
        super().__init__()
        self._codecs = codecs
        self._find_form = find_form
        self._classes: dict[tuple[type, tuple[str, ...]], int] = {}
        self._names: list[list[Any]] = []
        # Values are kept here, so that no other gets the id of one of them.
        self._leaves: list[tuple[Any, Leaf | None]] = []
        self._leaf_numbers: dict[Hashable, int] = {}
        self._kept: list[Any] = []

    def document(self, value: Any) -> bytes:
        """Return the document of a value."""
        form = self.lower(value, 0)
        return pack_document([self._names, form])

    def leaves(self, digests: Digests) -> list[Leaf]:
        """Return the leaves in the document; ``digests`` notes what files held that are copied.

        They are encoded only now: many a value is declined for what stands last in it.

        Raises:
            DeclinedError: no safe codec takes one of them.
        """
        waiting = [value for value, leaf in self._leaves if leaf is None]
        encoded = iter(self._codecs.encode_each(waiting, digests))
        return [next(encoded) if leaf is None else leaf for _, leaf in self._leaves]

    def lower_large(self, value: bytes) -> Any:
        """Return the form of large bytes: a leaf."""
        number = self._leaf_numbers.get(id(value))
        if number is not None:
            return extension(_LEAF, number)
        leaf = self._codecs.preferred(value)
        return value if leaf is None else self._add_leaf(value, leaf)

    def lower_other(self, value: Any, depth: int) -> Any:
        """Return the form of what is not plain: a leaf, or a container of this document."""
        number = self._leaf_numbers.get(_key(value))
        if number is not None:
            return extension(_LEAF, number)
        leaf = self._codecs.preferred(value)
        if leaf is not None:
            return self._add_leaf(value, leaf)
        form = self._find_form(value)
        if form is not None:
            return self.lower_once(
                value,
                depth,
                lambda value, depth: [marker(form.name), *form.lower(self, value, depth)],
            )
        if self._codecs.takes(value):
            return self._add_leaf(value, None)
        kind = type(value)
        raise DeclinedError(f"a {kind.__qualname__} in a container has no safe codec", found=kind)

    def class_number(self, kind: type, names: Sequence[str] = ()) -> int:
        """Return the number of a class whose instance has these parts.

        Raises:
            DeclinedError: the name of the class does not lead back to it.
        """
        key = (kind, tuple(names))
        number = self._classes.get(key)
        if number is None:
            self._names.append([*name_of_class(kind), list(names)])
            number = self._classes[key] = len(self._classes)
        return number

    def each_kept(self, parts: Sequence[Any], depth: int) -> list[Any]:
        """Return the forms of parts that were made to be lowered, and would die too soon."""
        self._kept.append(parts)
        return self.each(parts, depth)

    def _add_leaf(self, value: Any, leaf: Leaf | None) -> Any:
        """Return the form of a leaf that is met for the first time."""
        number = self._leaf_numbers[_key(value)] = len(self._leaves)
        self._leaves.append((value, leaf))
        return extension(_LEAF, number)


def _key(value: Any) -> Hashable:
    """Return by what a leaf is met again: a file by its path, so that it is copied once."""
    return value if isinstance(value, File | Dir) else id(value)


class NestedRaising(Raising):
    """Turns a document, and the leaves beside it, back into the value."""

    def __init__(
        self, codecs: LeafCodecs, forms: Mapping[bytes, Form], leaves: Sequence[StoredLeaf]
    ) -> None:
        """Have the leaves at hand; each is decoded where it is met first."""
        super().__init__(())
        self._codecs = codecs
        self._forms = forms
        self._stored = iter(leaves)
        self._leaves: list[Any] = []
        self._names: list[tuple[str, str, tuple[str, ...]]] = []
        self._classes: dict[int, type] = {}

    def value(self, document: memoryview) -> Any:
        """Return the value of a whole document."""
        names, form = unpack_document(document, _read_extension)
        self._names = [_checked_name(*name) for name in names]
        value = self.restore(form, 0)
        if next(self._stored, None) is not None:
            raise ValueError("there are leaves that the document does not mention")
        return value

    def restore_other(self, form: Any) -> Any:
        """Return the value of a leaf."""
        if type(form) is not _LeafNumber:
            return super().restore_other(form)
        if form.number == len(self._leaves):
            leaf = next(self._stored, None)
            if leaf is None:
                raise ValueError(f"there is no leaf {form.number}")
            self._leaves.append(
                self._codecs.decode(leaf.codec_name, leaf.codec_version, leaf.header, leaf.payload)
            )
        return self._leaves[form.number]

    def restore_parts(self, name: bytes, parts: list[Any], depth: int) -> Any:
        """Return the container of an array with a marker."""
        form = self._forms.get(name)
        if form is None:
            return super().restore_parts(name, parts, depth)
        return form.restore(self, parts, depth)

    def class_of(self, number: Any) -> tuple[type, tuple[str, ...]]:
        """Return a class, and the names of the parts of its instance.

        Raises:
            UsageError: it is not here.
        """
        if type(number) is not int or number < 0:
            raise ValueError(f"{number!r} is no number of a class")
        module_name, qualname, names = self._names[number]
        kind = self._classes.get(number)
        if kind is None:
            kind = self._classes[number] = find_class(module_name, qualname)
        return kind, names


class _LeafNumber:
    """The number of a leaf."""

    __slots__ = ("number",)

    def __init__(self, data: bytes) -> None:
        """Read the number."""
        self.number = int.from_bytes(data, "little")


def _read_extension(code: int, data: bytes) -> Any:
    """Return what an extension of the document stands for."""
    return _LeafNumber(data) if code == _LEAF else read_extension(code, data)


def _checked_name(module_name: Any, qualname: Any, names: Any) -> tuple[str, str, tuple[str, ...]]:
    """Return the names of a class and its parts, if that is what they are."""
    if not all(type(name) is str for name in (module_name, qualname, *names)):
        raise ValueError("a class has a name that is none")
    if len(set(names)) != len(names):
        raise ValueError("a class has two parts of one name")
    return module_name, qualname, tuple(names)


def pairs_of(mapping: Mapping[Any, Any]) -> Iterator[Any]:
    """Yield keys and values in turn."""
    for key, value in mapping.items():
        yield key
        yield value
