"""Tags in effect: what people gave a name and did not take it from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mandala_cas.log.part import LogPart
from mandala_cas.model.entries import TagRecord, Untag
from mandala_cas.model.ids import Dot, WriterId


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag in effect, and the dot by which an untag names it."""

    record: TagRecord
    dot: Dot


def tags_in_effect(parts: Iterable[LogPart]) -> dict[str, list[Tagged]]:
    """Return the tags of ``parts`` that no untag hides, by name, the oldest first.

    The same for every order of ``parts``, the open batch among them. One thing that was tagged
    twice is there twice: whoever takes the tag away must name both records.
    """
    known = list(parts)
    hidden: dict[tuple[WriterId, int], list[Untag]] = defaultdict(list)
    for part in known:
        for untag in part.untags:
            hidden[untag.writer, untag.seq].append(untag)
    found: dict[str, list[Tagged]] = defaultdict(list)
    for part in known:
        for row in range(part.tags.row_count):
            dot = part.tag_dot(row)
            if not _is_hidden(dot, hidden.get((dot.writer, dot.seq), ())):
                record = part.tag_record(row)
                found[record.name].append(Tagged(record, dot))
    return {
        name: sorted(found[name], key=lambda tagged: (tagged.record.created_us, tagged.dot))
        for name in sorted(found)
    }


def _is_hidden(dot: Dot, untags: Sequence[Untag]) -> bool:
    """Tell whether one of ``untags`` names a record of their segment."""
    return any(untag.first <= dot.row <= untag.last for untag in untags)
