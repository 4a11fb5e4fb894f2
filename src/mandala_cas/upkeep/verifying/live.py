"""What of a log counts: the calls that no tombstone hides, and the values that they need.

Columns only: a log of a million calls is a few arrays here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

import numpy as np

from mandala_cas.index.prefixes import Prefixes, prefixes_of
from mandala_cas.index.sorting import among
from mandala_cas.log.columns import FixedColumn
from mandala_cas.log.graves import Flags, Graves
from mandala_cas.log.part import LogPart
from mandala_cas.log.rows import slot_counts
from mandala_cas.model.collections import MAKE_OPS, STRUCTURAL_OPS, made_of, taken_apart_by
from mandala_cas.model.entries import CallRecord, TagTarget, Tombstone, Untag
from mandala_cas.model.ids import CallId, ContentId, Dot
from mandala_cas.upkeep.verifying.findings import AffectedCalls
from mandala_cas.values.creators import RecordedCall, rows_of

_NAMED_MAX: Final = 3


class LiveLog:
    """The calls and tags of some parts that count.

    Contents are told apart by the first eight bytes of their ids: they are hashes, and what is at
    stake is what a report says.
    """

    def __init__(
        self,
        parts: Mapping[str, LogPart],
        tombstones: Iterable[Tombstone] = (),
        untags: Iterable[Untag] = (),
    ) -> None:
        """Find out what is hidden, wherever the tombstones came from.

        ``tombstones`` and ``untags`` are those of runs whose parts cannot be read.
        """
        self.parts = parts
        self._graves = Graves.of(chain(tombstones, *(part.tombstones for part in parts.values())))
        self._untags = Graves.of(chain(untags, *(part.untags for part in parts.values())))
        self._alive: dict[str, Flags] = {}
        gave: list[Prefixes] = [np.empty(0, np.uint64)]
        took: list[Prefixes] = [np.empty(0, np.uint64)]
        for name, part in parts.items():
            self._alive[name] = alive = ~self.hidden_in(part)
            is_output = part.slots.numbers("is_output").astype(bool)
            counts = slot_counts(part.calls, part.slots)
            in_use = np.repeat(alive, counts)
            contents = prefixes_of(part.slots.fixed("content_id"))
            # A collection is not there without the elements that it was made of.
            is_output |= np.repeat(_of_ops(part, MAKE_OPS), counts)
            gave.append(contents[in_use & is_output])
            took.append(contents[in_use & ~is_output])
            is_ref = part.tags.numbers("target") == TagTarget.REF
            tagged = prefixes_of(part.tags.fixed("content_id"))
            gave.append(tagged[is_ref & ~self.hidden_tags_in(part)])
        # Each call's own outputs and what a person tagged must be there; inputs may be absent.
        self.needed = np.unique(np.concatenate(gave))
        self.used = np.unique(np.concatenate(took))

    def hidden_in(self, part: LogPart) -> Flags:
        """Tell of each call of a part whether a tombstone of this log names it."""
        return self._graves.hides(part.call_dots())

    def hidden_tags_in(self, part: LogPart) -> Flags:
        """Tell of each tag of a part whether it was taken off."""
        return self._untags.hides(part.tag_dots())

    def is_needed(self, content_ids: FixedColumn) -> Flags:
        """Tell of each value whether a live call gave it, or a tag names it."""
        return among(prefixes_of(content_ids), self.needed)

    def is_used(self, content_ids: FixedColumn) -> Flags:
        """Tell of each value whether a live call gave or took it, or a tag names it."""
        return self.is_needed(content_ids) | among(prefixes_of(content_ids), self.used)

    def calls_giving(self, content_ids: Collection[ContentId]) -> list[RecordedCall]:
        """Return the live records of the calls that gave one of these values, each once.

        Calls that make a collection of such a value count as well, and with those that take one
        out of a collection the calls that gave that.
        """
        found: dict[Dot, RecordedCall] = {}
        wanted, seen = set(content_ids), set[ContentId]()
        while wanted:
            above: set[ContentId] = set()
            for name, row in self._calls_with(wanted, outputs_only=True):
                part = self.parts[name]
                record = part.call_record(row)
                if seen and made_of(record.op_name) is not None:
                    # Made of other things than what is asked about.
                    continue
                found[part.dot(row)] = RecordedCall(part.dot(row), record)
                kind = taken_apart_by(record.op_name)
                if kind is not None:
                    made = STRUCTURAL_OPS[kind].made
                    above |= {slot.content_id for slot in record.inputs if slot.name == made}
            seen |= wanted
            wanted = above - seen
        return [found[dot] for dot in sorted(found)]

    def calls_making(self, content_ids: Collection[ContentId]) -> Iterator[CallRecord]:
        """Yield the live calls that made one of these collections of its elements."""
        for name, row in self._calls_with(content_ids, outputs_only=True):
            record = self.parts[name].call_record(row)
            if made_of(record.op_name) is not None:
                yield record

    def affected(self, content_ids: Collection[ContentId]) -> AffectedCalls:
        """Return the live calls that gave or took one of these values, for people."""
        called: dict[CallId, str] = {}
        for name, row in self._calls_with(content_ids, outputs_only=False):
            calls = self.parts[name].calls
            called[CallId(calls.fixed("call_id")[row])] = calls.text("op")[row]
        first = tuple(f"{op} {call_id.short}" for call_id, op in list(called.items())[:_NAMED_MAX])
        return AffectedCalls(len(called), first)

    def _calls_with(
        self, content_ids: Collection[ContentId], *, outputs_only: bool
    ) -> list[tuple[str, int]]:
        """Return part and row of each live call with a slot that holds one of these values."""
        found: list[tuple[str, int]] = []
        wanted = set(content_ids)
        for name, part in self.parts.items():
            slots = np.asarray(rows_of(part.slots.fixed("content_id"), wanted), np.intp)
            starts = part.calls.numbers("slot_start")
            rows = np.searchsorted(starts, slots, side="right") - 1
            if outputs_only:
                gives = part.slots.numbers("is_output")[slots] != 0
                rows = rows[gives | _of_ops(part, MAKE_OPS)[rows]]
            rows = np.unique(rows)
            found += [(name, row) for row in rows[self._alive[name][rows]].tolist()]
        return found


def _of_ops(part: LogPart, names: Collection[str]) -> Flags:
    """Tell of each call of a part whether its op has one of these names."""
    ops = part.calls.text("op")
    wanted = np.array([word in names for word in ops.words], bool)
    return wanted[ops.codes] if len(ops) else np.empty(0, bool)
