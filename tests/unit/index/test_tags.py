"""Tags in effect: those that nobody took away, in whatever order the log arrived."""

from __future__ import annotations

from collections.abc import Callable

from mandala_cas.index.tags import tags_in_effect
from mandala_cas.index.unpublished import open_segments
from mandala_cas.log.segment import Segment
from mandala_cas.model.entries import Entry, TagRecord, TagTarget, Untag
from mandala_cas.model.ids import ContentId, Dot, WriterId

MakeSegment = Callable[..., Segment]
WRITER = WriterId((1).to_bytes(8, "big"))


def tag(name: str, created_us: int = 0) -> TagRecord:
    """Return a tag of a call."""
    return TagRecord(name, TagTarget.CALL, bytes(16), ContentId(bytes(32)), created_us)


def test_an_untag_hides_the_records_that_it_names_and_no_other(make_segment: MakeSegment) -> None:
    """What somebody else tagged meanwhile under the same name stays."""
    first, second = tag("best", 2), tag("best", 1)
    tagged = make_segment([tag("old"), first], writer=1)
    elsewhere = make_segment([second], writer=2)
    untag = make_segment([Untag(WRITER, 0, 0, 0)], writer=3)

    for parts in ([tagged, elsewhere, untag], [untag, elsewhere, tagged]):
        found = tags_in_effect(parts)

        assert {name: [item.record for item in items] for name, items in found.items()} == {
            "best": [second, first]
        }
        assert found["best"][1].dot == Dot(WRITER, 0, 1)


def test_tags_and_untags_of_the_open_batch_are_in_effect(make_segment: MakeSegment) -> None:
    """A person who tagged something asks for it before anything is committed."""
    published = make_segment([tag("old")], writer=1)
    dot = Dot(WriterId(b"writer-2"), 5, 0)
    batch: list[tuple[Entry, Dot | None]] = [(tag("new"), dot), (Untag(WRITER, 0, 0, 0), None)]

    found = tags_in_effect([published, *open_segments(batch)])

    assert {name: [item.dot for item in items] for name, items in found.items()} == {"new": [dot]}
