"""What of a log counts: the calls that no tombstone hides, and the values that they need.

Columns only: a log of a million calls is a few arrays here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

import numpy as np

from mandala_cas.log.columns import FixedColumn
from mandala_cas.log.part import LogPart
from mandala_cas.model.entries import TagTarget, Tombstone, Untag
from mandala_cas.model.ids import CallId, ContentId, Dot
from mandala_cas.upkeep.liveness import Graves, Mask, Prefixes, prefixes_of, slot_counts
from mandala_cas.upkeep.verifying.findings import AffectedCalls
from mandala_cas.values.creators import RecordedCall, rows_of

_NAMED_MAX: Final = 3
# Of a segment id, what dots have as well: writer and number.
_KEY_SIZE: Final = 12


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
        self._graves = Graves(chain(tombstones, *(part.tombstones for part in parts.values())))
        self._untags = _by_segment(chain(untags, *(part.untags for part in parts.values())))
        self._alive: dict[str, Mask] = {}
        gave: list[Prefixes] = [np.empty(0, np.uint64)]
        took: list[Prefixes] = [np.empty(0, np.uint64)]
        for name, part in parts.items():
            self._alive[name] = alive = ~self.hidden_in(part)
            is_output = part.slots.numbers("is_output").astype(bool)
            counts = slot_counts(part)
            in_use = np.repeat(alive, counts)
            contents = prefixes_of(part.slots.fixed("content_id"))
            gave.append(contents[in_use & is_output])
            took.append(contents[in_use & ~is_output])
            is_ref = part.tags.numbers("target") == TagTarget.REF
            tagged = prefixes_of(part.tags.fixed("content_id"))
            gave.append(tagged[is_ref & ~self.hidden_tags_in(part)])
        # Each call's own outputs and what a person tagged must be there; inputs may be absent.
        self.needed = np.unique(np.concatenate(gave))
        self.used = np.unique(np.concatenate(took))

    def hidden_in(self, part: LogPart) -> Mask:
        """Tell of each call of a part whether a tombstone of this log names it."""
        return self._graves.mask(part.call_dots())

    def hidden_tags_in(self, part: LogPart) -> Mask:
        """Tell of each tag of a part whether it was taken off."""
        hidden = np.zeros(part.tags.row_count, bool)
        for untag in _of_part(self._untags, part):
            named = part.tag_rows_named_by(untag)
            hidden[named.start : named.stop] = True
        return hidden

    def is_needed(self, content_ids: FixedColumn) -> Mask:
        """Tell of each value whether a live call gave it, or a tag names it."""
        mask: Mask = np.isin(prefixes_of(content_ids), self.needed)
        return mask

    def is_used(self, content_ids: FixedColumn) -> Mask:
        """Tell of each value whether a live call gave or took it, or a tag names it."""
        mask: Mask = self.is_needed(content_ids) | np.isin(prefixes_of(content_ids), self.used)
        return mask

    def calls_giving(self, content_ids: Collection[ContentId]) -> list[RecordedCall]:
        """Return the live records of the calls that gave one of these values, each once."""
        found: dict[Dot, RecordedCall] = {}
        for name, row in self._calls_with(content_ids, outputs_only=True):
            part = self.parts[name]
            dot = part.dot(row)
            found[dot] = RecordedCall(dot, part.call_record(row))
        return [found[dot] for dot in sorted(found)]

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
            if outputs_only:
                slots = slots[part.slots.numbers("is_output")[slots] != 0]
            starts = part.calls.numbers("slot_start")
            rows = np.unique(np.searchsorted(starts, slots, side="right") - 1)
            found += [(name, row) for row in rows[self._alive[name][rows]].tolist()]
        return found


def _by_segment(ranges: Iterable[Untag]) -> Mapping[bytes, Sequence[Untag]]:
    """Return ranges of dots by the segment that they name."""
    found: dict[bytes, list[Untag]] = defaultdict(list)
    for dots in dict.fromkeys(ranges):
        found[dots.writer + dots.seq.to_bytes(4, "big")].append(dots)
    return found


def _of_part(ranges: Mapping[bytes, Sequence[Untag]], part: LogPart) -> list[Untag]:
    """Return those ranges that name rows which may be in a part."""
    keys = {bytes(segment_id[:_KEY_SIZE]) for segment_id in part.segment_ids}
    return [dots for key in keys & ranges.keys() for dots in ranges[key]]
