"""Refs inside a user's containers, replaced by their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mandala_cas.memo.book import CallBook
from mandala_cas.memo.unwrapping import unwrap
from mandala_cas.model.ids import ContentId
from mandala_cas.model.refs import Ref


def unwrap_all(
    obj: Any, book: CallBook, has_value: Callable[[ContentId], bool], *, mmap: bool = True
) -> Any:
    """Return ``obj`` with every ref in it replaced by its value, loaded in one batch.

    Looks into lists, tuples, dicts and sets. What ``book`` has, as ``has_value`` tells, comes from
    there, whichever storage made the ref; the rest from the storages that did. ``mmap`` is for the
    former.

    Raises:
        UsageError: a ref has no value here nor where it came from.
    """
    refs: dict[Ref, None] = {}
    _collect_refs(obj, refs)
    values = {ref: ref.value for ref in refs if ref.in_memory}
    own = [ref for ref in refs if not ref.in_memory and has_value(ref.content_id)]
    values.update(zip(own, book.load(own, mmap=mmap), strict=True))
    for ref in refs:
        if ref not in values:
            values[ref] = unwrap(ref, "storage.unwrap", book)
    return _replace_refs(obj, values)


def _collect_refs(obj: Any, refs: dict[Ref, None]) -> None:
    """Add every ref inside ``obj`` to ``refs``; of equal ones, one that has its value."""
    match obj:
        case Ref():
            if obj.in_memory:
                refs.pop(obj, None)
            refs.setdefault(obj)
        case list() | tuple() | set() | frozenset():
            for item in obj:
                _collect_refs(item, refs)
        case dict():
            for key, item in obj.items():
                _collect_refs(key, refs)
                _collect_refs(item, refs)


def _replace_refs(obj: Any, values: Mapping[Ref, Any]) -> Any:
    """Return ``obj`` with its refs replaced."""
    match obj:
        case Ref():
            return values[obj]
        case tuple() if hasattr(obj, "_fields"):
            return type(obj)(*(_replace_refs(item, values) for item in obj))
        case list() | tuple() | set() | frozenset():
            return type(obj)(_replace_refs(item, values) for item in obj)
        case dict():
            return {
                _replace_refs(key, values): _replace_refs(item, values) for key, item in obj.items()
            }
        case _:
            return obj
