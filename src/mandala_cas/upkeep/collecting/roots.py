"""What must be kept: every object that holds a value of a call or a tag which still counts.

The log is the only root set. A value may lie at several places, and some segment or other relies
on each of them; so all places are roots, and not only the one that a reader would choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mandala_cas.index.prefixes import Prefixes, prefix_of, prefixes_of
from mandala_cas.index.sorting import among
from mandala_cas.index.tags import tags_in_effect
from mandala_cas.log.graves import graves_of
from mandala_cas.log.part import LogPart
from mandala_cas.log.rows import slot_counts
from mandala_cas.model.entries import TagTarget


@dataclass(frozen=True, slots=True)
class Roots:
    """Names of payload objects, exactly as the log has them.

    ``used`` hold values of live calls, inputs and outputs; ``tagged`` are kept by tags alone.
    """

    used: frozenset[str]
    tagged: frozenset[str]


def find_roots(parts: Iterable[LogPart]) -> Roots:
    """Return the objects that the log still needs.

    Values are compared by eight bytes of their content ids: where two are mixed up, an object
    is kept that could go.
    """
    everything = list(parts)
    used, tagged = find_live_values(everything)
    used_names: set[str] = set()
    tagged_names: set[str] = set()
    for part in everything:
        used_names |= _places(part, used)
        tagged_names |= _places(part, tagged)
    return Roots(frozenset(used_names), frozenset(tagged_names - used_names))


def find_live_values(parts: Sequence[LogPart]) -> tuple[Prefixes, Prefixes]:
    """Return the values that live calls use, and those that tags keep; both ascend."""
    tags = [tagged.record for named in tags_in_effect(parts).values() for tagged in named]
    refs = {prefix_of(tag.content_id) for tag in tags if tag.target is TagTarget.REF}
    calls = {prefix_of(tag.history_id) for tag in tags if tag.target is TagTarget.CALL}
    used, of_tagged_calls = _values_of_calls(parts, _ascending(calls))
    return used, np.union1d(of_tagged_calls, _ascending(refs))


def _values_of_calls(parts: Sequence[LogPart], tagged_calls: Prefixes) -> tuple[Prefixes, Prefixes]:
    """Return the values in slots of live calls, and those in slots of tagged ones."""
    graves = graves_of(parts)
    used, tagged = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for part in parts:
        contents, counts = (
            prefixes_of(part.slots.fixed("content_id")),
            slot_counts(part.calls, part.slots),
        )
        live = ~graves.hides(part.call_dots())
        used.append(np.unique(contents[np.repeat(live, counts)]))
        if len(tagged_calls):
            # Also of a call that was dropped: what a tag names is kept.
            is_tagged = among(prefixes_of(part.calls.fixed("call_id")), tagged_calls)
            tagged.append(np.unique(contents[np.repeat(is_tagged, counts)]))
    return np.unique(np.concatenate(used)), np.unique(np.concatenate(tagged))


def _places(part: LogPart, values: Prefixes) -> set[str]:
    """Return the objects in which a part places any of ``values``."""
    wanted = among(prefixes_of(part.values.fixed("content_id")), values)
    locations = part.values.text("location")
    names = {locations.words[code] for code in np.unique(locations.codes[wanted]).tolist()}
    # An inline value has no place.
    names.discard("")
    return names


def _ascending(prefixes: set[int]) -> Prefixes:
    """Return prefixes as an array that ascends."""
    return np.array(sorted(prefixes), np.uint64)
