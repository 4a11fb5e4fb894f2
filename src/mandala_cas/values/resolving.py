"""Collections made whole: what is stored of one names its elements, and these are loaded here.

Level by level, all elements of one level together, each once. Nothing here recurses, so what is
nested deeply is no trouble.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from mandala_cas.errors import CorruptionError, MandalaError, UsageError
from mandala_cas.model.collections import Collection, plain_container
from mandala_cas.model.ids import ContentId
from mandala_cas.model.outcomes import Loaded, Outcome

# A value in several places is there several times, so a few records could fill any memory.
PLACES_MAX: Final = 1 << 24
# Python hashes and compares what is nested on the stack of C, which has no guard.
DEPTH_MAX: Final = 20_000
_NEVER_CHANGE: Final = frozenset({type(None), bool, int, float, complex, str, bytes})


class StoredValues(Protocol):
    """Gives what is stored under content ids; of a collection, what it is made of."""

    def load_each(self, content_ids: Sequence[ContentId], *, mmap: bool = True) -> list[Outcome]:
        """Return for each value, in order, itself or what is wrong with it."""
        ...


def load_whole(
    values: StoredValues, content_ids: Sequence[ContentId], *, mmap: bool = True
) -> list[Outcome]:
    """Return for each value, in order, itself or what is wrong with it; collections are whole.

    A value that stands in several places of collections is fetched once, and each place has an
    object of its own, for whoever changes one. What is wrong with elements is wrong with their
    collection, and ``parts`` in the details of its error says of each of them what it is.
    """
    top = load_stored(values, content_ids, mmap=mmap)
    known: dict[ContentId, Outcome] = dict(zip(content_ids, top, strict=True))
    if not any(map(_is_collection, top)):
        return top
    depth = 0
    level = list(known)
    while level := _elements_of(level, known):
        depth += 1
        if depth > DEPTH_MAX:
            # Whatever lies deeper is not looked at, and so the collections above are not whole.
            known.update(dict.fromkeys(level, _too_deep()))
            break
        known.update(zip(level, load_stored(values, level, mmap=mmap), strict=True))
    building = _Building(values, known)
    found: dict[ContentId, Outcome] = {
        id_: building.outcome(id_) for id_ in dict.fromkeys(content_ids)
    }
    return [found[id_] for id_ in content_ids]


def load_stored(
    values: StoredValues, content_ids: Sequence[ContentId], *, mmap: bool = True
) -> list[Outcome]:
    """Return for each value what is stored, which of a collection is what it is made of.

    A record may say of any payload that it is this value. A collection has its content id, so none
    is in itself, and none has other elements than it was made of.
    """
    outcomes = values.load_each(content_ids, mmap=mmap)
    return [_checked(*pair) for pair in zip(content_ids, outcomes, strict=True)]


def _checked(content_id: ContentId, outcome: Outcome) -> Outcome:
    """Return an outcome, unless it is another collection than was asked for."""
    collection = _collection(outcome)
    if collection is None or collection.content_id == content_id:
        return outcome
    return CorruptionError(
        f"value {content_id.short} is on record as a collection of other elements; do not rely on "
        "this store",
        content_id=content_id,
    )


def _is_collection(outcome: Outcome) -> bool:
    """Tell whether this is what is stored of a collection."""
    return isinstance(outcome, Loaded) and type(outcome.value) is Collection


def _elements_of(level: Sequence[ContentId], known: Mapping[ContentId, Outcome]) -> list[ContentId]:
    """Return the elements of collections in a level that are not known yet, each once."""
    found: dict[ContentId, None] = {}
    for content_id in level:
        collection = _collection(known[content_id])
        if collection is not None:
            found.update(dict.fromkeys(id_ for id_ in collection.element_ids if id_ not in known))
    return list(found)


def _collection(outcome: Outcome) -> Collection | None:
    """Return what is stored of a collection, None if this is anything else."""
    if isinstance(outcome, Loaded) and type(outcome.value) is Collection:
        return outcome.value
    return None


@dataclass(slots=True)
class _Open:
    """A collection that is being built, and how deep its parts are nested."""

    content_id: ContentId
    collection: Collection
    parts: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class _Building:
    """Builds collections out of what was loaded; ``used`` are values that stand somewhere."""

    values: StoredValues
    known: Mapping[ContentId, Outcome]
    used: set[ContentId] = field(default_factory=set)

    def outcome(self, content_id: ContentId) -> Outcome:
        """Return a value, whole, or what is wrong with it."""
        whole = self.known[content_id]
        collection = _collection(whole)
        if collection is None:
            if isinstance(whole, Loaded):
                self.used.add(content_id)
            return whole
        wrong = {
            id_: outcome
            for id_ in self._below(content_id)
            if isinstance(outcome := self.known[id_], MandalaError)
        }
        if wrong:
            return _error_of(wrong)
        if self._place_count(content_id) > PLACES_MAX:
            return UsageError(
                f"value {content_id.short} has more than {PLACES_MAX} elements, with those that "
                "are in several places; ask for the elements one by one",
                content_id=content_id,
            )
        try:
            return Loaded(self._build(content_id, collection))
        except MandalaError as error:
            return error

    def _below(self, content_id: ContentId) -> Iterator[ContentId]:
        """Yield all that is in a collection, each once."""
        seen = {content_id}
        waiting = [content_id]
        while waiting:
            collection = _collection(self.known[waiting.pop()])
            if collection is not None:
                new = [i for i in dict.fromkeys(collection.element_ids) if i not in seen]
                seen.update(new)
                waiting += new
                yield from new

    def _place_count(self, content_id: ContentId) -> int:
        """Return how many places there are in a collection, those of nested ones included."""
        counts: dict[ContentId, int] = {}
        waiting = [content_id]
        while waiting:
            at = waiting[-1]
            collection = _collection(self.known[at])
            if collection is None:
                counts[at] = 1
                waiting.pop()
                continue
            missing = [id_ for id_ in set(collection.element_ids) if id_ not in counts]
            if missing:
                waiting += missing
                continue
            counts[at] = 1 + sum(counts[id_] for id_ in collection.element_ids)
            waiting.pop()
        return counts[content_id]

    def _build(self, content_id: ContentId, collection: Collection) -> Any:
        """Return a collection, whole."""
        stack = [_Open(content_id, collection)]
        while True:
            top = stack[-1]
            if len(top.parts) == len(top.collection.element_ids):
                value = _assembled(top)
                stack.pop()
                if not stack:
                    return value
                stack[-1].parts.append(value)
                continue
            id_ = top.collection.element_ids[len(top.parts)]
            outcome = self.known[id_]
            nested = _collection(outcome)
            if nested is not None:
                stack.append(_Open(id_, nested))
            else:
                assert isinstance(outcome, Loaded), "errors were looked for before"
                top.parts.append(self._own(id_, outcome.value))

    def _own(self, content_id: ContentId, value: Any) -> Any:
        """Return a value for one place: itself the first time, then copies."""
        if type(value) in _NEVER_CHANGE:
            return value
        if content_id not in self.used:
            self.used.add(content_id)
            return value
        try:
            return copy.deepcopy(value)
        except Exception:  # noqa: BLE001 (a user's class may refuse in any way)
            (again,) = self.values.load_each([content_id])
            if isinstance(again, MandalaError):
                raise again from None
            return again.value


def _assembled(made: _Open) -> Any:
    """Return the plain container of a collection.

    Raises:
        UsageError: an element of a set cannot be one.
    """
    try:
        return plain_container(made.collection.kind, made.collection.keys, made.parts)
    except TypeError as error:
        raise UsageError(
            f"value {made.content_id.short} is a set, and no set can hold what is in it: {error}; "
            "make it a list, MList",
            content_id=made.content_id,
        ) from error


def _error_of(wrong: Mapping[ContentId, MandalaError]) -> MandalaError:
    """Return what is wrong with a collection, given what is wrong with things in it."""
    first = next(iter(wrong.values()))
    return type(first)(str(first), **{**first.details, "parts": wrong})


def _too_deep() -> UsageError:
    """Return the error of what lies too deep."""
    return UsageError(
        f"a collection is nested more than {DEPTH_MAX} levels deep; ask for its elements instead"
    )
