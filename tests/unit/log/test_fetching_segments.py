"""Segments that are fetched for what only people ask of them."""

from __future__ import annotations

from mandala_cas.log.listing import Listing
from mandala_cas.log.reading import fetch_segments
from mandala_cas.log.segment import SEGMENT_SIZE_MAX
from mandala_cas.objectstore.api import ObjectInfo
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.counting import CountingObjectStore


def listing_of(**sizes: int) -> Listing:
    """Return a listing in which segments have these sizes."""
    segments = {name: ObjectInfo(name, size, 0.0) for name, size in sizes.items()}
    return Listing(segments, {}, {}, None)


def test_what_is_too_large_for_a_segment_is_not_fetched() -> None:
    """A bucket may list anything; memory is given to what can be a segment only."""
    objects = CountingObjectStore(MemoryObjectStore())

    found = list(fetch_segments(objects, listing_of(huge=SEGMENT_SIZE_MAX + 1), ["huge"]))

    assert found == []
    assert objects.requests.gets == 0


def test_what_is_gone_or_damaged_is_passed_over() -> None:
    """What can be read is given all the same."""
    objects = CountingObjectStore(MemoryObjectStore())
    objects.put("damaged", [b"no segment"])

    found = list(fetch_segments(objects, listing_of(damaged=10, gone=10), ["damaged", "gone"]))

    assert found == []
    assert objects.requests.gets == 2
