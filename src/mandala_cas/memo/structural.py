"""The calls that tie collections to their elements, as records: made with the call they belong to.

They are ordinary calls, so whatever follows the log follows them: frames, garbage collection,
verification. Nobody runs them; all that they say is in their ids.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from mandala_cas.memo.book import CallBook, Prepared
from mandala_cas.model.collections import (
    STRUCTURAL_OPS,
    Collection,
    CollectionKind,
    element_name,
)
from mandala_cas.model.entries import CallRecord, Slot
from mandala_cas.model.ids import (
    CallId,
    ContentId,
    HistoryId,
    SourceHash,
    call_content_id,
    call_history_id,
    constant_history_id,
    output_history_id,
)

# They have no code: what they do is the same for ever.
_NO_SOURCE: Final = SourceHash(bytes(SourceHash.SIZE))


class Ids(NamedTuple):
    """The two ids of a ref."""

    history_id: HistoryId
    content_id: ContentId


@dataclass(frozen=True, slots=True)
class MakeCall:
    """The call that makes a collection out of refs, before it is a record."""

    kind: CollectionKind
    inputs: tuple[Slot, ...]
    content_id: ContentId

    @property
    def call_id(self) -> CallId:
        """The id that the call has by its history."""
        inputs = [(slot.name, slot.history_id) for slot in self.inputs]
        return call_history_id(STRUCTURAL_OPS[self.kind].make, "", inputs)

    @property
    def history_id(self) -> HistoryId:
        """The history of the collection."""
        return output_history_id(self.call_id, STRUCTURAL_OPS[self.kind].made)

    def record(self, started_us: int, parent: CallId | None) -> CallRecord:
        """Return the call as it is written."""
        ops = STRUCTURAL_OPS[self.kind]
        call_id = self.call_id
        made = Slot(ops.made, output_history_id(call_id, ops.made), self.content_id)
        return _record(ops.make, call_id, (self.inputs, made), started_us, parent)


def make_call(collection: Collection, elements: Sequence[Ids]) -> MakeCall:
    """Return the call that makes ``collection`` out of refs; those of a set are in order.

    A set may have several of one content: they are inputs each, and one element.
    """
    names = collection.keys or [element_name(n) for n in range(len(elements))]
    slots = tuple(Slot(name, *ids) for name, ids in zip(names, elements, strict=True))
    return MakeCall(collection.kind, slots, collection.content_id)


def places_of(collection: Collection) -> Sequence[int | str]:
    """Return what names the places of the elements: positions, or the keys of a dict."""
    is_dict = collection.kind is CollectionKind.DICT
    return collection.keys if is_dict else range(len(collection.element_ids))


def item_call_id(kind: CollectionKind, history_id: HistoryId, place_id: ContentId) -> CallId:
    """Return the id of the call that gives the element in a place of a collection."""
    ops = STRUCTURAL_OPS[kind]
    inputs = [(ops.made, history_id), (ops.place, constant_history_id(place_id))]
    return call_history_id(ops.get_item, "", inputs)


def item_history_id(kind: CollectionKind, history_id: HistoryId, place_id: ContentId) -> HistoryId:
    """Return the history of the element in a place of a collection that an op gave."""
    return output_history_id(item_call_id(kind, history_id, place_id), STRUCTURAL_OPS[kind].item)


def take_items(
    of: Ids,
    collections: Mapping[ContentId, Collection],
    book: CallBook,
    *,
    started_us: int,
    parent: CallId | None,
) -> tuple[list[CallRecord], list[Prepared]]:
    """Return the calls that give the elements of a collection, and those of collections in it.

    ``collections`` are what is stored of the one and the others. Outer ones come first. Behind
    the calls is what the book must take in of the places that they name.
    """
    records: list[CallRecord] = []
    places: dict[ContentId, int | str] = {}
    waiting = deque([of])
    while waiting:
        at = waiting.popleft()
        collection = collections[at.content_id]
        ops = STRUCTURAL_OPS[collection.kind]
        for place, element_id in zip(places_of(collection), collection.element_ids, strict=True):
            place_id = book.content_id(place)
            places[place_id] = place
            place_slot = Slot(ops.place, constant_history_id(place_id), place_id)
            call_id = item_call_id(collection.kind, at.history_id, place_id)
            element = Ids(output_history_id(call_id, ops.item), element_id)
            slots = (Slot(ops.made, *at), place_slot), Slot(ops.item, *element)
            record = _record(ops.get_item, call_id, slots, started_us, parent)
            records.append(record)
            if element_id in collections:
                waiting.append(element)
    return records, [book.prepare(place, place_id) for place_id, place in places.items()]


def _record(
    op_name: str,
    call_id: CallId,
    slots: tuple[tuple[Slot, ...], Slot],
    started_us: int,
    parent: CallId | None,
) -> CallRecord:
    """Return a structural call as it is written: begun with the one it belongs to, in no time."""
    inputs, output = slots
    contents = [(slot.name, slot.content_id) for slot in inputs]
    return CallRecord(
        call_id=call_id,
        content_id=call_content_id(op_name, "", contents),
        op_name=op_name,
        op_version="",
        module="",
        source_hash=_NO_SOURCE,
        started_us=started_us,
        duration_us=0,
        inputs=inputs,
        outputs=(output,),
        parent=parent,
    )
