"""Collections: values whose elements are values of their own, and the calls that tie the two.

A collection is what its elements are: its content id is taken of theirs, and what is stored of it
names them. ``docs/reference/hashing.md`` and ``docs/reference/format.md`` are normative.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, Final

from mandala_cas.errors import UsageError
from mandala_cas.model.entries import Slot
from mandala_cas.model.ids import ContentId, collection_content_id

# More would not fit into one record of the log, where the call that makes a collection is.
ELEMENTS_MAX: Final = 1 << 17


class CollectionKind(Enum):
    """What a collection is to Python; the texts are part of the format."""

    LIST = "list"
    TUPLE = "tuple"
    SET = "set"
    DICT = "dict"


_TAGS: Final = {
    CollectionKind.LIST: b"l",
    CollectionKind.TUPLE: b"t",
    CollectionKind.SET: b"e",
    CollectionKind.DICT: b"d",
}


@dataclass(frozen=True, slots=True)
class Collection:
    """What is stored of a collection: its kind, and the content ids of its elements.

    Those of a set ascend, and each is there once. ``keys`` are those of a dict, in its order.
    """

    kind: CollectionKind
    element_ids: tuple[ContentId, ...]
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no collection, here, where the mistake is still visible."""
        if self.kind is CollectionKind.DICT:
            if len(self.keys) != len(self.element_ids) or len(set(self.keys)) != len(self.keys):
                raise UsageError("a dict has one element for each of its keys, which differ")
        elif self.keys:
            raise UsageError(f"a {self.kind.value} has no keys")
        if self.kind is CollectionKind.SET:
            ids = self.element_ids
            if any(later <= earlier for earlier, later in pairwise(ids)):
                raise UsageError("the elements of a set ascend by content id")

    @property
    def content_id(self) -> ContentId:
        """What the collection is."""
        ids = self.element_ids
        if self.kind is not CollectionKind.DICT:
            return collection_content_id(_TAGS[self.kind], ids)
        keyed = sorted(zip((key.encode() for key in self.keys), ids, strict=True))
        return collection_content_id(
            _TAGS[self.kind], (id_ for _, id_ in keyed), [key for key, _ in keyed]
        )


def plain_container(kind: CollectionKind, keys: Iterable[str], values: Iterable[Any]) -> Any:
    """Return what a collection is to Python; ``keys`` are those of a dict.

    Raises:
        TypeError: no set can hold one of the values.
    """
    match kind:
        case CollectionKind.LIST:
            return list(values)
        case CollectionKind.TUPLE:
            return tuple(values)
        case CollectionKind.SET:
            return set(values)
        case CollectionKind.DICT:
            return dict(zip(keys, values, strict=True))


@dataclass(frozen=True, slots=True)
class StructuralOps:
    """The names of the calls that tie collections of a kind to their elements.

    The call ``make`` gives the collection as the output ``made``. The call ``get_item`` takes the
    collection as the input ``made`` and where the element stands as ``place``, and gives the
    element as the output ``item``.
    """

    make: str
    get_item: str
    made: str
    place: str
    item: str


STRUCTURAL_OPS: Final[Mapping[CollectionKind, StructuralOps]] = {
    CollectionKind.LIST: StructuralOps(
        "__make_list__", "__list_getitem__", "list", "i", "list_item"
    ),
    CollectionKind.TUPLE: StructuralOps(
        "__make_tuple__", "__tuple_getitem__", "tuple", "i", "tuple_item"
    ),
    CollectionKind.SET: StructuralOps("__make_set__", "__set_getitem__", "set", "i", "set_item"),
    CollectionKind.DICT: StructuralOps(
        "__make_dict__", "__dict_getitem__", "dict", "key", "dict_value"
    ),
}
MAKE_OPS: Final = frozenset(ops.make for ops in STRUCTURAL_OPS.values())
GET_ITEM_OPS: Final = frozenset(ops.get_item for ops in STRUCTURAL_OPS.values())
_ELEMENT: Final = "elts_"


def element_name(position: int) -> str:
    """Return the name of an input of the call that makes a list, a tuple or a set."""
    return f"{_ELEMENT}{position}"


def made_from(kind: CollectionKind, inputs: Sequence[Slot]) -> Collection:
    """Return what is stored of the collection that a call made of these inputs."""
    ids: Iterable[ContentId] = [slot.content_id for slot in inputs]
    if kind is CollectionKind.SET:
        ids = sorted(set(ids))
    keys = [slot.name for slot in inputs] if kind is CollectionKind.DICT else ()
    return Collection(kind, tuple(ids), tuple(keys))


def is_structural(op_name: str) -> bool:
    """Tell whether calls of an op tie collections to their elements."""
    return op_name in MAKE_OPS or op_name in GET_ITEM_OPS


def made_of(op_name: str) -> CollectionKind | None:
    """Return the kind of collection that the call of an op makes, None if it makes none."""
    return next((kind for kind, ops in STRUCTURAL_OPS.items() if ops.make == op_name), None)


def taken_apart_by(op_name: str) -> CollectionKind | None:
    """Return the kind of collection that the call of an op takes an element of."""
    return next((kind for kind, ops in STRUCTURAL_OPS.items() if ops.get_item == op_name), None)
