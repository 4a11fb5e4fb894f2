"""A call on record that reads its fields from the columns when somebody asks for them.

A hit needs the outputs and nothing else, and making the rest would take most of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from mandala_cas.envelope.packing import corruption
from mandala_cas.log.tables import Table
from mandala_cas.model.entries import CallRecord, Slot
from mandala_cas.model.ids import CallContentId, CallId, ContentId, HistoryId, SourceHash

_NONE: Final = bytes(CallId.SIZE)


class CallRows(Protocol):
    """Where the fields of calls are: a part of the log, or what looks like one."""

    @property
    def name(self) -> str:
        """Where this is, for messages."""
        ...

    @property
    def calls(self) -> Table:
        """The calls."""
        ...

    @property
    def slots(self) -> Table:
        """Their inputs and outputs."""
        ...


class StoredCall(CallRecord):
    """A ``CallRecord`` whose fields are still columns; equal to one that has the same fields."""

    __slots__ = ("_part", "_row")

    _part: CallRows
    _row: int

    @classmethod
    def at(cls, part: CallRows, row: int) -> StoredCall:
        """Return the record in one row, nothing of it read yet."""
        call = object.__new__(cls)
        object.__setattr__(call, "_part", part)
        object.__setattr__(call, "_row", row)
        return call

    def __getattr__(self, name: str) -> Any:
        """Read a field that is asked for the first time; it is an ordinary field from then on."""
        read = _FIELDS.get(name)
        if read is None:
            raise AttributeError(f"a call record has no {name!r}")
        value = read(self._part, self._row)
        object.__setattr__(self, name, value)
        return value

    def is_of(self, source_hash: SourceHash, module: str) -> bool:
        """Compare with what the columns have: every hit asks, and needs none of it afterwards."""
        calls, row = self._part.calls, self._row
        is_same: bool = calls.fixed("source_hash")[row] == source_hash
        return is_same and calls.text("module")[row] == module

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the fields: the columns stay here."""
        return CallRecord, tuple(getattr(self, name) for name in _FIELDS)

    def __eq__(self, other: object) -> bool:
        """Compare fields with any call record's."""
        if not isinstance(other, CallRecord):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _FIELDS)

    def __hash__(self) -> int:
        """Hash as an equal record that has all its fields does."""
        return hash(tuple(getattr(self, name) for name in _FIELDS))


def _slots(part: CallRows, row: int, *, outputs: bool) -> tuple[Slot, ...]:
    """Return the inputs or the outputs of a call; inputs stand before outputs."""
    slots = part.slots
    starts = part.calls.numbers("slot_start")
    begin = int(starts[row])
    end = int(starts[row + 1]) if row + 1 < len(starts) else slots.row_count
    if not begin <= end <= slots.row_count:
        raise corruption(part.name, f"has the slots of call {row} nowhere")
    middle = begin + slots.numbers("is_output")[begin:end].tobytes().count(0)
    if outputs:
        begin = middle
    else:
        end = middle
    names, histories = slots.text("name"), slots.fixed("history_id")
    contents = slots.fixed("content_id")
    return tuple(
        [
            Slot(names[at], HistoryId(histories[at]), ContentId(contents[at]))
            for at in range(begin, end)
        ]
    )


def _other_call(column: str) -> Callable[[CallRows, int], CallId | None]:
    """Return what reads the id of another call, or None where there is none."""

    def read(part: CallRows, row: int) -> CallId | None:
        raw = part.calls.fixed(column)[row]
        return None if raw == _NONE else CallId(raw)

    return read


_FIELDS: Final[Mapping[str, Callable[[CallRows, int], Any]]] = {
    "call_id": lambda part, row: CallId(part.calls.fixed("call_id")[row]),
    "content_id": lambda part, row: CallContentId(part.calls.fixed("content_id")[row]),
    "op_name": lambda part, row: part.calls.text("op")[row],
    "op_version": lambda part, row: part.calls.text("op_version")[row],
    "module": lambda part, row: part.calls.text("module")[row],
    "source_hash": lambda part, row: SourceHash(part.calls.fixed("source_hash")[row]),
    "started_us": lambda part, row: int(part.calls.numbers("started_us")[row]),
    "duration_us": lambda part, row: int(part.calls.numbers("duration_us")[row]),
    "inputs": lambda part, row: _slots(part, row, outputs=False),
    "outputs": lambda part, row: _slots(part, row, outputs=True),
    "reused_from": _other_call("reused_from"),
    "parent": _other_call("parent"),
}
