"""What the rows of a part of a run must satisfy beyond the types of their columns.

A part may be anyone's: whatever passes here can be used in every way.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mandala_cas.log.checks import (
    PACKED_SIZE_MAX,
    SEQ_MAX,
    SIZE_MAX,
    TIME_MAX_US,
    TIME_MIN_US,
    check_calls,
    check_rule,
    check_tags,
    tier_of_location,
)
from mandala_cas.log.packed import (
    DERIVED,
    INLINE,
    OUTPUT,
    REFERENCES,
    SEGMENTS,
    Tables,
)
from mandala_cas.log.rows import CALLS, SLOTS, TAGS, VALUES
from mandala_cas.log.tables import Table
from mandala_cas.model.entries import Tier


def check_part(tables: Tables, *, inline_count: int, name: str) -> None:
    """Check what the types of columns do not say.

    Raises:
        CorruptionError: a row breaks a rule of the format; ``name`` says where.
    """
    _check_segments(tables[SEGMENTS], name)
    # First of all: what follows looks up codes.
    for (table, column), (target, reserved) in REFERENCES.items():
        if column != "slot_start":
            count = inline_count if target == INLINE else tables[target].row_count
            check_rule(name, table, tables[table].numbers(column) < np.uint64(count + reserved))
    check_calls(tables[CALLS], tables[SLOTS], name)
    _check_dots(tables[CALLS], tables[SEGMENTS], name)
    slots = tables[SLOTS]
    check_rule(name, SLOTS, (slots.numbers("history") != OUTPUT) | slots.numbers("is_output"))
    check_tags(tables[TAGS], name)
    _check_dots(tables[TAGS], tables[SEGMENTS], name)
    _check_values(tables[VALUES], name)


def dot_groups(segments: Table) -> npt.NDArray[np.intp]:
    """Return a number for each segment, the same for those of one writer and number, ascending."""
    writers = np.frombuffer(segments.fixed("writer").data, ">u8")
    seqs = segments.numbers("seq")
    differs = np.ones(segments.row_count, bool)
    differs[1:] = (writers[1:] != writers[:-1]) | (seqs[1:] != seqs[:-1])
    return np.cumsum(differs) - 1


def _check_segments(segments: Table, name: str) -> None:
    """Check that segments are sorted, each there once."""
    check_rule(name, SEGMENTS, np.array([segments.row_count > 0]))
    created, seqs = segments.numbers("created_us"), segments.numbers("seq")
    check_rule(name, SEGMENTS, (created >= TIME_MIN_US) & (created <= TIME_MAX_US))
    check_rule(name, SEGMENTS, seqs <= SEQ_MAX)
    writers = np.frombuffer(segments.fixed("writer").data, ">u8")
    digests = np.frombuffer(segments.fixed("digest").data, ">u8")
    check_rule(name, SEGMENTS, _ascends(writers, seqs, digests))


def _check_dots(rows: Table, segments: Table, name: str) -> None:
    """Check that rows are sorted by dot, and that no dot is there twice."""
    codes = rows.numbers("segment")
    if rows.row_count:
        groups = dot_groups(segments)[codes]
        check_rule(name, rows.name, _ascends(groups, rows.numbers("row"), codes))


def _check_values(values: Table, name: str) -> None:
    """Check that every value is at a place that its tier speaks of."""
    tier, location = values.numbers("tier"), values.text("location")
    stored, offset = values.numbers("stored_size"), values.numbers("offset")
    check_rule(name, VALUES, tier <= max(Tier))
    check_rule(name, VALUES, values.numbers("is_own") <= 1)
    for column in ("offset", "stored_size", "raw_size"):
        check_rule(name, VALUES, values.numbers(column) <= SIZE_MAX)
    is_inline, is_derived = tier == Tier.INLINE, values.numbers("hash") == DERIVED
    check_rule(name, VALUES, is_inline == (values.numbers("inline") > 0))
    check_rule(name, VALUES, is_inline | ~is_derived)
    check_rule(name, VALUES, ~is_inline | (stored == 0))
    check_rule(name, VALUES, (tier == Tier.PACK) | (offset == 0))
    check_rule(name, VALUES, (tier != Tier.PACK) | (stored <= PACKED_SIZE_MAX))
    # Without rows there may be no words to look up.
    if values.row_count:
        places = np.array([tier_of_location(word) for word in location.words], np.uint8)
        at = places[location.codes]
        # Empty where loose: the place follows from the payload hash.
        fits = (at == tier) | ((tier == Tier.LOOSE) & (at == Tier.INLINE))
        check_rule(name, VALUES, fits)


def _ascends(*keys: npt.NDArray[np.number]) -> npt.NDArray[np.bool_]:
    """Tell of each row but the last whether the next is greater, by the first key that differs."""
    greater = np.zeros(max(len(keys[0]) - 1, 0), bool)
    equal = ~greater
    for key in keys:
        greater |= equal & (key[1:] > key[:-1])
        equal &= key[1:] == key[:-1]
    return greater
