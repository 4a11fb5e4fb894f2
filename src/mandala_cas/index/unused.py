"""What the log still speaks of, and nothing that counts uses: refs and values left behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from mandala_cas.index.tags import tags_in_effect
from mandala_cas.log.columns import FixedColumn
from mandala_cas.log.graves import Flags, graves_of
from mandala_cas.log.part import LogPart
from mandala_cas.log.rows import slot_counts
from mandala_cas.model.entries import TagRecord, TagTarget
from mandala_cas.model.ids import CallId, ContentId, HistoryId

# Ids of one size, which NumPy sorts as they are.
_Ids = npt.NDArray[np.bytes_]


def unused_refs(parts: Sequence[LogPart]) -> set[HistoryId]:
    """Return the refs on record that no live call has as an input or output.

    They are those of calls that were dropped, as far as the log still has their records, and those
    that only a tag keeps.
    """
    live = _of_live_calls(parts, "history_id", HistoryId.SIZE, ())
    tags = [tag.history_id for tag in _tags(parts) if tag.target is TagTarget.REF]
    spoken_of = [_ids(part.slots.fixed("history_id")) for part in parts]
    return {
        HistoryId(raw)
        for ids in (*spoken_of, _array(tags, HistoryId.SIZE))
        for raw in _others(ids, live, HistoryId.SIZE)
    }


def unused_values(parts: Sequence[LogPart]) -> set[ContentId]:
    """Return the values on record that no live call uses and no tag keeps."""
    tags = _tags(parts)
    calls = [tag.history_id for tag in tags if tag.target is TagTarget.CALL]
    refs = [tag.content_id for tag in tags if tag.target is TagTarget.REF]
    used = _of_live_calls(parts, "content_id", ContentId.SIZE, calls)
    kept = np.union1d(used, _array(refs, ContentId.SIZE))
    return {
        ContentId(raw)
        for part in parts
        for raw in _others(_ids(part.values.fixed("content_id")), kept, ContentId.SIZE)
    }


def _tags(parts: Sequence[LogPart]) -> list[TagRecord]:
    """Return the tags that count."""
    return [tagged.record for named in tags_in_effect(parts).values() for tagged in named]


def _of_live_calls(
    parts: Sequence[LogPart], column: str, size: int, tagged_calls: Iterable[bytes]
) -> _Ids:
    """Return what slots of live calls and of tagged ones have in a column, each once."""
    graves = graves_of(parts)
    tagged = _array(tagged_calls, CallId.SIZE)
    found = [_array((), size)]
    for part in parts:
        counts: Flags = ~graves.hides(part.call_dots())
        # Also of a call that was dropped: what a tag names is kept.
        counts |= np.isin(_ids(part.calls.fixed("call_id")), tagged)
        of_such = np.repeat(counts, slot_counts(part.calls, part.slots))
        found.append(np.unique(_ids(part.slots.fixed(column))[of_such]))
    return np.unique(np.concatenate(found))


def _others(ids: _Ids, used: _Ids, size: int) -> Iterable[bytes]:
    """Return those of ``ids`` that are not among ``used``, each once."""
    # NumPy takes zeros at the end for padding.
    return (raw.ljust(size, b"\0") for raw in np.setdiff1d(ids, used).tolist())


def _ids(column: FixedColumn) -> _Ids:
    """Return a column of ids as something that NumPy sorts."""
    return np.frombuffer(column.data, f"S{column.width}")


def _array(ids: Iterable[bytes], size: int) -> _Ids:
    """Return ids as something that NumPy sorts."""
    return np.array(list(ids), f"S{size}")
