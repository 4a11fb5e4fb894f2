"""Ranges of dots hide what they name, however many there are and however they overlap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mandala_cas.log.graves import Graves, merge_dots
from mandala_cas.log.part import Dots
from mandala_cas.model.entries import Tombstone, TombstoneReason
from mandala_cas.model.ids import Dot, WriterId

_LAST = 2**32 - 1
writers = st.sampled_from([WriterId(bytes(8)), WriterId(b"\0" * 7 + b"\1"), WriterId(b"\xff" * 8)])
rows = st.integers(0, 9) | st.sampled_from([_LAST - 1, _LAST])
dots = st.builds(Dot, writers, st.sampled_from([0, 1, 256, 2**24 - 1]), rows)
ranges = st.builds(
    lambda dot, row: Tombstone(dot.writer, dot.seq, min(dot.row, row), max(dot.row, row)),
    dots,
    rows,
)


def columns_of(items: list[Dot]) -> Dots:
    """Return dots as columns."""
    return Dots(
        np.array([int.from_bytes(dot.writer, "big") for dot in items], np.uint64),
        np.array([dot.seq for dot in items], np.uint32),
        np.array([dot.row for dot in items], np.uint32),
    )


def names(tombstone: Tombstone, dot: Dot) -> bool:
    """Tell whether a tombstone names a dot, by the words of its definition."""
    same_segment = (tombstone.writer, tombstone.seq) == (dot.writer, dot.seq)
    return same_segment and tombstone.first <= dot.row <= tombstone.last


@given(st.lists(ranges, max_size=12), st.lists(dots, max_size=20))
def test_a_dot_is_hidden_if_a_range_names_it(tombstones: list[Tombstone], found: list[Dot]) -> None:
    """All at once, or one by one."""
    hidden = Graves.of(tombstones).hides(columns_of(found))

    assert hidden.tolist() == [any(names(t, dot) for t in tombstones) for dot in found]


@given(st.lists(ranges, max_size=12))
def test_merged_ranges_are_sorted_and_apart(tombstones: list[Tombstone]) -> None:
    """So that one search finds the only range that can name a dot."""
    merged = Graves.of(tombstones).tombstones(TombstoneReason.LOST)

    assert merged == sorted(merged)
    assert {tombstone.reason for tombstone in merged} <= {TombstoneReason.LOST}
    for one, other in pairwise(merged):
        same_segment = (one.writer, one.seq) == (other.writer, other.seq)
        assert not same_segment or one.last + 1 < other.first


@given(st.lists(ranges, max_size=6), st.lists(ranges, max_size=6), st.lists(dots, max_size=20))
def test_a_union_hides_what_either_hides(
    one: list[Tombstone], other: list[Tombstone], found: list[Dot]
) -> None:
    """Parts arrive one by one."""
    union = Graves.union([Graves.of(one), Graves.of(other)])

    hidden = union.hides(columns_of(found))

    assert hidden.tolist() == Graves.of([*one, *other]).hides(columns_of(found)).tolist()


@given(st.sets(dots))
def test_merged_dots_name_those_dots_and_no_other(wanted: set[Dot]) -> None:
    """A drop hides what was asked for, and never its neighbour."""
    tombstones = merge_dots(wanted)

    named = [Dot(t.writer, t.seq, row) for t in tombstones for row in range(t.first, t.last + 1)]
    assert named == sorted(wanted)


def test_a_million_rows_in_a_row_are_one_tombstone() -> None:
    """Dropping all calls of an op must not write a log as large as theirs."""
    writer = WriterId(b"writer-1")

    tombstones = merge_dots(Dot(writer, 3, row) for row in range(10**5))

    assert tombstones == [Tombstone(writer, 3, 0, 10**5 - 1)]


@given(st.lists(ranges, max_size=12), st.lists(dots, max_size=8))
def test_hidden_rows_are_counted_as_they_are_hidden(
    tombstones: list[Tombstone], segments: list[Dot]
) -> None:
    """Conservation counts without looking at rows, and must count what a look would find."""
    columns = columns_of(segments)
    sizes = np.minimum(columns.rows, 12)

    counts = Graves.of(tombstones).count_below(columns.writers, columns.seqs, sizes)

    assert counts.tolist() == [
        sum(
            any(names(t, Dot(item.writer, item.seq, row)) for t in tombstones)
            for row in range(min(item.row, 12))
        )
        for item in segments
    ]


def test_what_lies_before_the_first_range_is_not_hidden() -> None:
    """There is no range before it to be in, and the last of all is no stand-in for one."""
    graves = Graves.of([Tombstone(WriterId(bytes(8)), 0, 5, 5)])

    hidden = graves.hides(columns_of([Dot(WriterId(bytes(8)), 0, row) for row in (4, 5, 6)]))

    assert hidden.tolist() == [False, True, False]
