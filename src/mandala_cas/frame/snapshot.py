"""The index tables as arrays: who created a ref, who consumes it, what a call holds.

Built once for a set of tables and shared by all frames that look at them.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from mandala_cas.frame.arrays import Codes, Grouping, Mask, Rows, group_rows, ranges
from mandala_cas.index.schema import IndexTables

# The elements of a collection enter the op that makes it under one label, whatever their number.
ELEMENTS_LABEL: Final = "elts"
_ELEMENT_NAME: Final = re.compile(r"elts_\d+")
_COLLECTING_OPS: Final = frozenset({"__make_list__", "__make_set__", "__make_tuple__"})


class Snapshot:
    """The live calls of a storage at one moment, as arrays that share no state with others.

    Slot arrays have one entry per input or output of a call, sorted by call, inputs first.
    """

    def __init__(self, tables: IndexTables) -> None:
        """Use ``Snapshot.of``, which shares."""
        self.tables = tables
        self.call_count = tables.calls.height
        self.ref_count = tables.refs.height
        self.ops = tables.ops
        self.op_of_call: Codes = tables.calls["op"].to_numpy()
        slots = tables.slots
        self.slot_call: Codes = slots["call"].to_numpy()
        self.slot_is_output: Mask = slots["is_output"].to_numpy()
        self.slot_position: npt.NDArray[np.uint32] = slots["position"].to_numpy()
        self.slot_ref: Codes = slots["ref"].to_numpy()
        self.slot_label = self._label_codes(slots["name"].to_numpy())
        self.call_offsets: Rows = np.zeros(self.call_count + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.slot_call, minlength=self.call_count), out=self.call_offsets[1:])

    @staticmethod
    def of(tables: IndexTables) -> Snapshot:
        """Return the snapshot of ``tables``: one object for as long as any frame holds it."""
        key = id(tables)
        found = _SNAPSHOTS.get(key)
        # A snapshot keeps its tables alive, so while it is found the id cannot be another's.
        if found is None:
            found = Snapshot(tables)
            _SNAPSHOTS[key] = found
        return found

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The texts of label codes: the names of slots, and the one that elements share."""
        names = self.tables.names
        return names if ELEMENTS_LABEL in names else (*names, ELEMENTS_LABEL)

    def _label_codes(self, names: Codes) -> Codes:
        """Return the label of every slot: its name, except for elements of a collection."""
        collecting = np.array([op in _COLLECTING_OPS for op in self.ops], dtype=bool)
        if not collecting.any():
            return names
        numbered = np.array([bool(_ELEMENT_NAME.fullmatch(n)) for n in self.tables.names])
        shared = collecting[self.op_of_call[self.slot_call]] & numbered[names]
        shared &= ~self.slot_is_output
        label = np.uint32(self.labels.index(ELEMENTS_LABEL))
        return np.where(shared, label, names).astype(np.uint32)

    @cached_property
    def _output_rows(self) -> Rows:
        """The slots that are outputs."""
        return np.flatnonzero(self.slot_is_output)

    @cached_property
    def _input_rows(self) -> Rows:
        """The slots that are inputs."""
        return np.flatnonzero(~self.slot_is_output)

    @cached_property
    def outputs_by_ref(self) -> Grouping:
        """The output slots that hold each ref."""
        return self._by_ref(self._output_rows)

    @cached_property
    def inputs_by_ref(self) -> Grouping:
        """The input slots that hold each ref."""
        return self._by_ref(self._input_rows)

    def _by_ref(self, slot_rows: Rows) -> Grouping:
        """Group the given slots by ref."""
        grouped = group_rows(self.slot_ref[slot_rows], self.ref_count)
        return Grouping(slot_rows[grouped.order], grouped.offsets)

    def slots_of(self, calls: Codes) -> Rows:
        """Return the slots of ``calls``, call by call."""
        return ranges(self.call_offsets, calls)

    def is_created(self, refs: Codes) -> Mask:
        """Tell of each ref whether some live call made it; the others are constants."""
        return self.outputs_by_ref.counts(refs) > 0


_SNAPSHOTS: WeakValueDictionary[int, Snapshot] = WeakValueDictionary()
