"""A storage for tests of frames: calls in a list, values in a dict, tables made afresh."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from blake3 import blake3

from mandala_cas.index.schema import CALLS_SCHEMA, REFS_SCHEMA, SLOTS_SCHEMA, IndexTables
from mandala_cas.model.calls import Call
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
from mandala_cas.model.refs import MISSING, AtomRef, Ref


class RecordedCalls:
    """Remembers calls of ops that exist in name only; it is a ``FrameSource``."""

    def __init__(self) -> None:
        """Start with nothing on record."""
        self.records: dict[CallId, CallRecord] = {}
        self.batches: list[list[ContentId]] = []
        self._values: dict[ContentId, Any] = {}
        self._tables: IndexTables | None = None
        self._clock_us = 0

    def constant(self, value: Any) -> Ref:
        """Return the ref of a value that comes from outside."""
        content_id = self._keep(value)
        return AtomRef(constant_history_id(content_id), content_id)

    def call(
        self,
        op: str,
        inputs: Mapping[str, Any],
        outputs: Sequence[Any] | Mapping[str, Any],
        started_us: int | None = None,
    ) -> list[Ref]:
        """Put a call on record and return its outputs; inputs that are no refs are constants."""
        if not isinstance(outputs, Mapping):
            outputs = {f"output_{i}": value for i, value in enumerate(outputs)}
        refs = {n: v if isinstance(v, Ref) else self.constant(v) for n, v in inputs.items()}
        slots = tuple(Slot(n, r.history_id, r.content_id) for n, r in refs.items())
        call_id = call_history_id(op, "", [(s.name, s.history_id) for s in slots])
        given = tuple(
            Slot(name, value.history_id, value.content_id)
            if isinstance(value, Ref)
            else Slot(name, output_history_id(call_id, name), self._keep(value))
            for name, value in outputs.items()
        )
        self._clock_us += 1
        self._tables = None
        self.records[call_id] = CallRecord(
            call_id=call_id,
            content_id=call_content_id(op, "", [(s.name, s.content_id) for s in slots]),
            op_name=op,
            op_version="",
            module="tests",
            source_hash=SourceHash(bytes(16)),
            started_us=self._clock_us if started_us is None else started_us,
            duration_us=1,
            inputs=slots,
            outputs=given,
        )
        return [AtomRef(s.history_id, s.content_id) for s in given]

    def drop(self, call: Call) -> None:
        """Take a call off the record."""
        del self.records[call.call_id]
        self._tables = None

    def shuffled(self, seed: int) -> RecordedCalls:
        """Return the same calls, arrived in another order."""
        order = list(self.records)
        random.Random(seed).shuffle(order)  # noqa: S311 (a test order, no secret)
        other = RecordedCalls()
        other.records = {call_id: self.records[call_id] for call_id in order}
        other._values = self._values
        return other

    def _keep(self, value: Any) -> ContentId:
        """Remember a value by an id made of its type and text."""
        content_id = ContentId(blake3(f"{type(value).__name__} {value!r}".encode()).digest())
        self._values[content_id] = value
        return content_id

    def tables(self) -> IndexTables:
        """Return the calls as an index would give them."""
        if self._tables is None:
            self._tables = tables_of(list(self.records.values()))
        return self._tables

    def load_values(self, content_ids: Sequence[ContentId]) -> list[Any]:
        """Return the values, and note what was asked for."""
        self.batches.append(list(content_ids))
        return [self._values[content_id] for content_id in content_ids]

    def make_ref(self, history_id: HistoryId, content_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref."""
        return AtomRef(history_id, content_id, value)

    def make_call(self, call_id: CallId) -> Call:
        """Return the call on record."""
        return Call(self.records[call_id])


def tables_of(records: Sequence[CallRecord]) -> IndexTables:
    """Return the tables that hold these calls, in whatever order they come."""
    calls = sorted(records, key=lambda r: (r.started_us, r.call_id))
    every = [slot for r in calls for slot in (*r.inputs, *r.outputs)]
    contents = {slot.history_id: slot.content_id for slot in every}
    ops = tuple(sorted({r.op_name for r in calls}))
    names = tuple(sorted({slot.name for slot in every}))
    op_code = {op: code for code, op in enumerate(ops)}
    name_code = {name: code for code, name in enumerate(names)}
    ref_code = {hid: code for code, hid in enumerate(sorted(contents))}
    call_rows = [
        (
            code,
            op_code[r.op_name],
            bytes(r.call_id),
            bytes(r.content_id),
            r.started_us,
            r.duration_us,
        )
        for code, r in enumerate(calls)
    ]
    slot_rows = [
        (code, is_output, position, name_code[slot.name], ref_code[slot.history_id])
        for code, r in enumerate(calls)
        for is_output, slots in ((False, r.inputs), (True, r.outputs))
        for position, slot in enumerate(slots)
    ]
    ref_rows = [(code, bytes(hid), bytes(contents[hid])) for hid, code in ref_code.items()]
    return IndexTables(
        calls=pl.DataFrame(call_rows, schema=CALLS_SCHEMA, orient="row"),
        slots=pl.DataFrame(slot_rows, schema=SLOTS_SCHEMA, orient="row"),
        refs=pl.DataFrame(ref_rows, schema=REFS_SCHEMA, orient="row"),
        ops=ops,
        names=names,
    )


def chain_of(length: int) -> RecordedCalls:
    """Return ``x = inc(x)``, many times from 0 on."""
    store = RecordedCalls()
    x = store.constant(0)
    for value in range(1, length + 1):
        (x,) = store.call("inc", {"x": x}, [value])
    return store
