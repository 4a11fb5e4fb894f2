"""What every segment promises: the values of its calls can be found with it alone."""

from __future__ import annotations

from collections.abc import Iterable

from mandala_cas.log.segment import Segment
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import TagTarget, ValueRecord
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.api import ObjectStore


def segments_of(objects: ObjectStore) -> list[Segment]:
    """Return the segments of a store in the order of their times."""
    view = LogView(objects)
    view.refresh()
    assert view.damaged == {}
    return sorted(view.segments.values(), key=lambda segment: segment.name)


def rows_of(segment: Segment) -> list[ValueRecord]:
    """Return the values that a segment places."""
    return [segment.value_record(row) for row in range(segment.values.row_count)]


def contents_of(segment: Segment) -> set[ContentId]:
    """Return the values that the calls and tags of a segment use."""
    calls = [segment.call_record(row) for row in range(segment.calls.row_count)]
    tags = [segment.tag_record(row) for row in range(segment.tags.row_count)]
    slots = (slot for call in calls for slot in (*call.inputs, *call.outputs))
    refs = (tag for tag in tags if tag.target is TagTarget.REF)
    return {slot.content_id for slot in slots} | {tag.content_id for tag in refs}


def assert_self_contained(segments: Iterable[Segment]) -> None:
    """Check that each segment has one row for every value that it uses."""
    for segment in segments:
        placed = [row.content_id for row in rows_of(segment)]
        assert len(placed) == len(set(placed))
        assert contents_of(segment) <= set(placed)
