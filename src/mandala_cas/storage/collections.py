"""Collections on record: which refs are theirs, and what is in them, without loading an element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.collections import NAME as COLLECTION_CODEC
from mandala_cas.codec.collections import kind_in
from mandala_cas.errors import MandalaError, UsageError
from mandala_cas.index.lookup import CallLookup
from mandala_cas.memo.structural import item_call_id, item_history_id, places_of
from mandala_cas.model.collection_refs import REF_CLASSES
from mandala_cas.model.collections import Collection, CollectionKind, made_of
from mandala_cas.model.ids import ContentId, HistoryId
from mandala_cas.model.outcomes import Loaded
from mandala_cas.model.refs import MISSING, AtomRef, Elements, LazyRefs, Ref, RefLoader
from mandala_cas.values.creators import Creators
from mandala_cas.values.load import ValueLoader
from mandala_cas.values.resolving import load_stored


class StoredCollections:
    """Tells collections from other values by the index, and finds their elements."""

    def __init__(
        self, lookup: CallLookup, values: ValueLoader, creators: Creators, loader: RefLoader
    ) -> None:
        """Look in these; ``loader`` is what the refs handed out carry."""
        self._lookup = lookup
        self._values = values
        self._creators = creators
        self._loader = loader

    def kind_of(self, value_id: ContentId) -> CollectionKind | None:
        """Return which kind of collection a value is; None if it is none, or not on record."""
        codec = self._lookup.codec_of(value_id)
        if codec is None or codec[0] != COLLECTION_CODEC:
            return None
        try:
            return kind_in(codec[1])
        except (MandalaError, ValueError):
            # Whoever asks for the value is told what is wrong with it.
            return None

    def make_ref(self, history_id: HistoryId, value_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref of what is stored under these ids."""
        kind = self.kind_of(value_id)
        make = AtomRef if kind is None else REF_CLASSES[kind]
        return make(history_id, value_id, value, self._loader)

    def below(self, value_ids: Sequence[ContentId]) -> dict[ContentId, Collection]:
        """Return what is stored of the collections among some values, and of those in them.

        Raises:
            MandalaError: what is stored of one cannot be had.
        """
        found: dict[ContentId, Collection] = {}
        level = [id_ for id_ in dict.fromkeys(value_ids) if self.kind_of(id_) is not None]
        while level:
            loaded = dict(zip(level, self._load(level), strict=True))
            found.update(loaded)
            inner = dict.fromkeys(id_ for one in loaded.values() for id_ in one.element_ids)
            level = [i for i in inner if i not in found and self.kind_of(i) is not None]
        return found

    def elements(self, ref: Ref) -> Elements:
        """Return refs of the elements of a collection, with the histories that they have.

        Raises:
            UsageError: it is no collection.
            MandalaError: what is stored of it cannot be had.
        """
        (collection,) = self._load([ref.content_id])
        history_of = self._histories(ref.history_id, collection)

        def element(position: int) -> Ref:
            """Return the ref of one element."""
            return self.make_ref(history_of(position), collection.element_ids[position])

        refs = LazyRefs(len(collection.element_ids), element)
        return Elements(refs, collection.keys)

    def _load(self, value_ids: Sequence[ContentId]) -> list[Collection]:
        """Return what is stored of collections."""
        found: list[Collection] = []
        for value_id, outcome in zip(value_ids, load_stored(self._values, value_ids), strict=True):
            if not isinstance(outcome, Loaded):
                raise outcome
            if not isinstance(outcome.value, Collection):
                raise UsageError(
                    f"value {value_id.short} is stored as one value, and has no elements of its "
                    "own; annotate what gives it with MList, MDict, MSet or MTuple",
                    content_id=value_id,
                )
            found.append(outcome.value)
        return found

    def _histories(
        self, history_id: HistoryId, collection: Collection
    ) -> Callable[[int], HistoryId]:
        """Return what tells how the element at a position came about.

        Of one that an op gave, each is that of the call which gives the element. Of one that was
        made of refs, as an argument, they are those of the refs.
        """
        kind = collection.kind
        places = places_of(collection)
        first = item_call_id(kind, history_id, content_id(places[0])) if places else None
        if first is not None and self._lookup.find(first) is None:
            for _, call in self._creators.by_history(history_id):
                if made_of(call.op_name) is kind:
                    found = _as_made(call.inputs, collection)
                    if found is not None:
                        return found.__getitem__
        return lambda position: item_history_id(kind, history_id, content_id(places[position]))


def _as_made(inputs: Sequence[Any], collection: Collection) -> list[HistoryId] | None:
    """Return the histories that the elements had when a collection was made of them."""
    if collection.kind is CollectionKind.SET:
        by_content: dict[ContentId, HistoryId] = {}
        for slot in inputs:
            by_content.setdefault(slot.content_id, slot.history_id)
        found = [by_content.get(id_) for id_ in collection.element_ids]
    else:
        by_name = {slot.name: slot for slot in inputs}
        names = collection.keys or [slot.name for slot in inputs]
        slots = [by_name.get(name) for name in names]
        if [slot and slot.content_id for slot in slots] != list(collection.element_ids):
            return None
        found = [slot and slot.history_id for slot in slots]
    return None if None in found else [id_ for id_ in found if id_ is not None]
