"""``MList`` and its like: annotations that make the elements of a collection values of their own.

To type checkers they are ``list``, ``dict``, ``set`` and ``tuple``, so callers pass those and get
those. At run time they are classes that only the annotations of ops know what to do with; called,
they make the plain container.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Final

from mandala_cas.model.collections import CollectionKind

# What type checkers import from elsewhere they take for an affair of this module.
__all__ = ["MARKED_KINDS", "NAMES", "PLAIN_TYPES", "MDict", "MList", "MSet", "MTuple"]

if TYPE_CHECKING:
    # Imported, not assigned: an alias of tuple would take no arguments.
    from builtins import dict as MDict  # noqa: N812 (mandala's name)
    from builtins import list as MList  # noqa: N812 (mandala's name)
    from builtins import set as MSet  # noqa: N812 (mandala's name)
    from builtins import tuple as MTuple  # noqa: N812 (mandala's name)
else:

    class MList:
        """A list whose elements are values of their own; ``MList[T]``."""

        __class_getitem__ = classmethod(GenericAlias)

        def __new__(cls, *args: Any) -> list[Any]:
            """Return a plain list."""
            return list(*args)

    class MDict:
        """A dict of str to values that are values of their own; ``MDict[str, T]``."""

        __class_getitem__ = classmethod(GenericAlias)

        def __new__(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            """Return a plain dict."""
            return dict(*args, **kwargs)

    class MSet:
        """A set whose elements are values of their own; ``MSet[T]``."""

        __class_getitem__ = classmethod(GenericAlias)

        def __new__(cls, *args: Any) -> set[Any]:
            """Return a plain set."""
            return set(*args)

    class MTuple:
        """A tuple whose elements are values of their own; ``MTuple[T, U]``, ``MTuple[T, ...]``."""

        __class_getitem__ = classmethod(GenericAlias)

        def __new__(cls, *args: Any) -> tuple[Any, ...]:
            """Return a plain tuple."""
            return tuple(*args)


MARKED_KINDS: Final[Mapping[Any, CollectionKind]] = {
    MList: CollectionKind.LIST,
    MDict: CollectionKind.DICT,
    MSet: CollectionKind.SET,
    MTuple: CollectionKind.TUPLE,
}
NAMES: Final[Mapping[CollectionKind, str]] = {
    CollectionKind.LIST: "MList",
    CollectionKind.DICT: "MDict",
    CollectionKind.SET: "MSet",
    CollectionKind.TUPLE: "MTuple",
}
PLAIN_TYPES: Final[Mapping[type, CollectionKind]] = {
    list: CollectionKind.LIST,
    dict: CollectionKind.DICT,
    set: CollectionKind.SET,
    tuple: CollectionKind.TUPLE,
}
