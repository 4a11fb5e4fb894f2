"""How long calls of an op took, on average over the calls on record."""

from __future__ import annotations

import numpy as np

from mandala_cas.index.kept_part import KeptPart
from mandala_cas.log.part import LogPart


class MeanDurations:
    """Sums of durations by op. Parts are read when somebody asks: most processes never do."""

    def __init__(self) -> None:
        """Start with no calls."""
        self._waiting: list[LogPart] = []
        self._sums: dict[str, tuple[int, int]] = {}

    def add(self, part: LogPart) -> None:
        """Count the calls of a part too."""
        self._waiting.append(part)

    def of(self, op_name: str) -> float | None:
        """Return the mean of an op in seconds, None where no call of it was computed."""
        while self._waiting:
            for op, (count, total_us) in sums_by_op(self._waiting.pop()).items():
                count_before, before_us = self._sums.get(op, (0, 0))
                self._sums[op] = (count_before + count, before_us + total_us)
        count, total_us = self._sums.get(op_name, (0, 0))
        return total_us / count / 1e6 if count else None


def sums_by_op(part: LogPart) -> dict[str, tuple[int, int]]:
    """Return how many calls of each op were computed, and the sum of their microseconds."""
    if isinstance(part, KeptPart):
        return part.durations
    calls = part.calls
    if not calls.row_count:
        return {}
    reused = np.frombuffer(calls.fixed("reused_from").data, np.uint64).reshape(-1, 2).any(axis=1)
    ops = calls.text("op")
    codes, durations = ops.codes[~reused], calls.numbers("duration_us")[~reused]
    counts = np.bincount(codes, minlength=len(ops.words)).tolist()
    # Sums of floats are off by less than anybody can see, and never overflow.
    totals = np.bincount(codes, durations, minlength=len(ops.words)).tolist()
    return {
        word: (count, int(total))
        for word, count, total in zip(ops.words, counts, totals, strict=True)
        if count
    }
