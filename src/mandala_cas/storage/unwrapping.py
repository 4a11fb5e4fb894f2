"""Refs inside a user's containers: replaced by their values, or given them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mandala_cas.memo.book import CallBook
from mandala_cas.memo.unwrapping import unwrap
from mandala_cas.model.ids import ContentId, HistoryId
from mandala_cas.model.refs import Ref

# Refs are equal when their histories are; of a call with records that do not agree, two equal
# refs have different values.
_Key = tuple[HistoryId, ContentId]


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
    refs = refs_in(obj)
    return _replace_refs(obj, _values_of(refs, "storage.unwrap", book, has_value, mmap=mmap))


def attach_all(
    obj: Any, book: CallBook, has_value: Callable[[ContentId], bool], *, mmap: bool = True
) -> None:
    """Give every ref in ``obj`` its value, loaded in one batch; see ``unwrap_all``."""
    refs = refs_in(obj)
    values = _values_of(refs, "storage.attach", book, has_value, mmap=mmap)
    for ref in refs:
        if not ref.in_memory:
            ref.attach(values[_key(ref)])


def refs_in(obj: Any) -> list[Ref]:
    """Return every ref inside ``obj``, in order, also those that are equal."""
    refs: list[Ref] = []
    _collect_refs(obj, refs)
    return refs


def _values_of(
    refs: Sequence[Ref],
    what: str,
    book: CallBook,
    has_value: Callable[[ContentId], bool],
    *,
    mmap: bool,
) -> dict[_Key, Any]:
    """Return the value of each ref; ``what`` says in errors who asked."""
    values = {_key(ref): ref.value for ref in refs if ref.in_memory}
    missing = {_key(ref): ref for ref in refs if not ref.in_memory and _key(ref) not in values}
    own = {key: ref for key, ref in missing.items() if has_value(ref.content_id)}
    values.update(zip(own, book.load(list(own.values()), mmap=mmap), strict=True))
    for key, ref in missing.items():
        if key not in values:
            values[key] = unwrap(ref, what, book)
    return values


def _key(ref: Ref) -> _Key:
    """Return what tells refs apart whose values may differ."""
    return ref.history_id, ref.content_id


def _collect_refs(obj: Any, refs: list[Ref]) -> None:
    """Add every ref inside ``obj`` to ``refs``."""
    match obj:
        case Ref():
            refs.append(obj)
        case list() | tuple() | set() | frozenset():
            for item in obj:
                _collect_refs(item, refs)
        case dict():
            for key, item in obj.items():
                _collect_refs(key, refs)
                _collect_refs(item, refs)


def _replace_refs(obj: Any, values: Mapping[_Key, Any]) -> Any:
    """Return ``obj`` with its refs replaced."""
    match obj:
        case Ref():
            return values[_key(obj)]
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
