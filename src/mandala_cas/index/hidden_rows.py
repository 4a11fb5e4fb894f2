"""Which of the calls that are looked up are hidden: tombstones meet rows, whichever came first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from mandala_cas.index.kept_part import KeptPart
from mandala_cas.log.graves import Graves
from mandala_cas.log.part import LogPart
from mandala_cas.model.entries import Tombstone

# The first bytes of a segment's id: its writer and number, which is what tombstones name.
_SEGMENT_KEY_SIZE: Final = 12
# One range costs a search among the rows, all ranges at once cost a pass over the rows; so many
# rows are passed in the time of a search.
_ROWS_PER_SEARCH: Final = 16


class HiddenRows:
    """A flag for each row of the parts, and the tombstones for parts that will come.

    ``flags`` has one byte a row, 1 where a tombstone hides it; it is always the same object.
    """

    def __init__(self, base: KeptPart | None) -> None:
        """Start with no rows; ``base`` will be the first part, if there is one."""
        self.flags = bytearray()
        self._base = base
        self._parts: list[LogPart] = []
        self._begins: list[int] = []
        self._places: dict[bytes, list[int]] = defaultdict(list)
        self._graves: dict[bytes, list[Tombstone]] = defaultdict(list)

    def take(self, part: LogPart, call_count: int) -> None:
        """Make room for the rows of a part; ``settle`` must follow."""
        self._parts.append(part)
        self._begins.append(len(self.flags))
        self.flags.extend(bytes(call_count))

    def settle(self, arrived: int) -> None:
        """Flag what is hidden now that the last ``arrived`` parts have come, all together."""
        first = len(self._parts) - arrived
        tombstones = [item for part in self._parts[first:] for item in part.tombstones]
        # Tombstones of old parts can name new ones and the other way round: a drop may be
        # listed before the call that it drops.
        self.hide(tombstones)
        for at in range(first, len(self._parts)):
            keys = {id_[:_SEGMENT_KEY_SIZE] for id_ in self._parts[at].segment_ids}
            for key in keys:
                self._places[key].append(at)
            if self._base is not None and len(self._base.graves):
                self._flag(at, self._base.graves)
            self._flag_named(
                at, [g for key in keys & self._graves.keys() for g in self._graves[key]]
            )

    def hide(self, tombstones: Iterable[Tombstone]) -> None:
        """Flag what ``tombstones`` name in the parts that are settled, and remember them."""
        graves: dict[int, list[Tombstone]] = defaultdict(list)
        for tombstone in tombstones:
            key = tombstone.writer + tombstone.seq.to_bytes(4, "big")
            self._graves[key].append(tombstone)
            for at in self._places.get(key, ()):
                graves[at].append(tombstone)
            if self._base is not None:
                graves[0].append(tombstone)
        for at, found in graves.items():
            self._flag_named(at, found)

    def _flag_named(self, at: int, tombstones: Sequence[Tombstone]) -> None:
        """Flag the rows of one part that ``tombstones`` name."""
        begin = self._begins[at]
        is_last = at + 1 == len(self._begins)
        row_count = (len(self.flags) if is_last else self._begins[at + 1]) - begin
        if len(tombstones) > 1 + row_count // _ROWS_PER_SEARCH:
            self._flag(at, Graves.of(tombstones))
            return
        for tombstone in tombstones:
            rows = self._parts[at].rows_named_by(tombstone)
            self.flags[begin + rows.start : begin + rows.stop] = b"\1" * len(rows)

    def _flag(self, at: int, graves: Graves) -> None:
        """Flag the rows of one part that lie in ``graves``."""
        begin = self._begins[at]
        hidden = graves.hides(self._parts[at].call_dots())
        # No name for the array: while one lives, the bytearray cannot grow.
        np.frombuffer(self.flags, np.uint8)[begin : begin + len(hidden)][hidden] = 1
