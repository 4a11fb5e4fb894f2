"""The pickles of a log that are in use: which ops gave them, who signed them.

Nothing of them is read; where they are not trusted, loading them is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from mandala_cas.errors import CorruptionError
from mandala_cas.index.prefixes import prefix_of
from mandala_cas.log.part import LogPart
from mandala_cas.model.ids import ContentId
from mandala_cas.upkeep.code_values import RunsCode, copy_in, rows_running_code, writer_of
from mandala_cas.upkeep.placed_values import ops_of
from mandala_cas.upkeep.verifying.live import LiveLog
from mandala_cas.upkeep.verifying.pickled import NO_OP, UNSIGNED, Pickles


def count_pickles(
    parts: Mapping[str, LogPart], live: LiveLog, runs_code: RunsCode, names: Mapping[str, str]
) -> Pickles:
    """Return the pickles that live calls and tags use. ``names`` are those of keys."""
    signers: dict[ContentId, set[str]] = defaultdict(set)
    for part in parts.values():
        rows = rows_running_code(part, runs_code)
        if not len(rows):
            continue
        content_ids = part.values.fixed("content_id")
        for row in rows[live.is_used(content_ids)[rows]].tolist():
            found = signers[ContentId(content_ids[row])]
            try:
                writer = writer_of(copy_in(part, row))
            except CorruptionError:
                # Forged, which is a problem of its own in the report.
                continue
            found.add(UNSIGNED if writer is None else str(writer))
    by_signer: dict[str, int] = defaultdict(int)
    for found in signers.values():
        for signer in found:
            by_signer[signer] += 1
    return Pickles(
        len(signers),
        _by_op(parts, list(signers)),
        _most_first(by_signer),
        {key: name for key, name in names.items() if key in by_signer},
    )


def _by_op(parts: Mapping[str, LogPart], content_ids: list[ContentId]) -> dict[str, int]:
    """Return how many of these values each op gave, or took where none gave them."""
    prefixes = np.unique(np.array([prefix_of(id_) for id_ in content_ids], np.uint64))
    names, ops = ops_of(prefixes, parts.values())
    counts: dict[str, int] = defaultdict(int)
    for op in ops.tolist():
        counts[names[op] if op >= 0 else NO_OP] += 1
    return _most_first(counts)


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts, the greatest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
