"""Tags in effect: what people gave a name and did not take it from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mandala_cas.log.graves import Graves
from mandala_cas.log.part import LogPart
from mandala_cas.model.entries import TagRecord
from mandala_cas.model.ids import Dot


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
    hidden = Graves.of(untag for part in known for untag in part.untags)
    found: dict[str, list[Tagged]] = defaultdict(list)
    for part in known:
        for row in np.flatnonzero(~hidden.hides(part.tag_dots())).tolist():
            record = part.tag_record(row)
            found[record.name].append(Tagged(record, part.tag_dot(row)))
    return {
        name: sorted(found[name], key=lambda tagged: (tagged.record.created_us, tagged.dot))
        for name in sorted(found)
    }
