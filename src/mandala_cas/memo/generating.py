"""Generator ops: what they yield is stored as it comes, and is one list to the storage.

The items are not kept: only their ids are, and the bytes of small ones until the call is on record,
so that an op may yield more than fits into memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mandala_cas.memo.book import CallBook
from mandala_cas.memo.context import run_in_body
from mandala_cas.memo.destructing import Leaf, Taken, list_of, take_item
from mandala_cas.memo.outputs import Outputs, declared_outputs, name_outputs
from mandala_cas.memo.places import Place
from mandala_cas.memo.request import Request
from mandala_cas.model.refs import Ref

# So many items are fetched together: fewer would be a request each on a bucket, and of more it
# would take long until the first.
_LOADED_AT_ONCE: Final = 16


def output_of(op_name: str, outputs: Outputs) -> str:
    """Return the name of the one output that a generator op has."""
    one = outputs if outputs.names is not None else declared_outputs(op_name, None, 1)
    ((name, _),) = name_outputs(op_name, one, None)
    return name


def run_generator(request: Request, args: list[Any], kwargs: dict[str, Any]) -> Taken:
    """Run the body to its end; return the list of what it yields, taken item by item.

    It runs as a body whenever an item is asked for, and at no other time: the calls that it makes
    are linked to this one, and what happens between two items is not its work.

    Raises:
        UsageError: an item cannot be stored or had.
    """
    definition, session = request.definition, request.session
    place = Place(definition.name, "output", output_of(definition.name, definition.outputs))
    notes = definition.notes()
    assert notes is not None, "the annotations of a generator say that it gives a list"
    (shape,) = notes.whole.shapes

    def in_body(function: Any, *given: Any, **named: Any) -> Any:
        """Call a function as the body of this call."""
        return run_in_body(session, request.call_id, function, given, named)

    items = in_body(definition.body, *args, **kwargs)
    parts: list[Leaf | Taken] = []
    try:
        while True:
            try:
                item = in_body(next, items)
            except StopIteration:
                break
            note = shape.of_element(len(parts))
            parts.append(take_item(item, note, session.book, place, len(parts)))
    finally:
        # Where an item could not be stored, the body gets to clean up.
        in_body(items.close)
    return list_of(parts, session.book)


def iterated(items: Ref, book: CallBook) -> Iterator[Any]:
    """Yield the values of what a generator op gave, some at a time, as the function would."""
    refs = list(book.loader.load_elements(items).refs)
    for start in range(0, len(refs), _LOADED_AT_ONCE):
        yield from book.load(refs[start : start + _LOADED_AT_ONCE])
