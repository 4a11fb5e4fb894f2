"""What entries must satisfy: before they are taken into a batch, and after they were read.

The two halves ask the same, one entry at a time and one column at a time. So what a writer
accepted a reader accepts, and nothing that was accepted can fail to be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.envelope.packing import corruption
from mandala_cas.errors import CorruptionError, UnsupportedFormatError, UsageError
from mandala_cas.log.columns import LENGTH_MAX, Numbers
from mandala_cas.log.rows import CALLS, SLOTS, TAGS, TOMBS, UNTAGS, VALUES
from mandala_cas.log.tables import Table
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    TagRecord,
    TagTarget,
    Tier,
    Tombstone,
    TombstoneReason,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import HistoryId
from mandala_cas.objectstore.layout import BLOBS, check_payload_name

# Years 1 to 9999: what a datetime can hold.
TIME_MIN_US: Final = -62_135_596_800_000_000
TIME_MAX_US: Final = 253_402_300_799_999_999
SEQ_MAX: Final = (1 << 24) - 1
SIZE_MAX: Final = (1 << 62) - 1
PACKED_SIZE_MAX: Final = 64 << 20
# Far above what a record has, far below what a segment holds.
ENTRY_SIZE_MAX: Final = 16 << 20
TAG_NAME_MAX: Final = 200

# What a row takes besides its text and bytes, at most.
_CALL_SIZE: Final = 160
_SLOT_SIZE: Final = 64
_VALUE_SIZE: Final = 160
_TOMBSTONE_SIZE: Final = 32
_TAG_SIZE: Final = 64
_WORD_SIZE: Final = 8
_NO_TIER: Final = 255


def entry_size(entry: Entry) -> int:
    """Return how many bytes an entry adds to a segment at most.

    Raises:
        UsageError: the format has no place for it.
    """
    match entry:
        case CallRecord():
            size = _call_size(entry)
        case ValueRecord():
            size = _value_size(entry)
        case Tombstone(_, seq, first, last) | Untag(_, seq, first, last):
            if not (0 <= seq <= SEQ_MAX and 0 <= first <= last <= LENGTH_MAX):
                raise UsageError(f"a tombstone names rows of a segment, got {entry}", entry=entry)
            size = _TOMBSTONE_SIZE
        case TagRecord():
            size = _tag_size(entry)
    if size > ENTRY_SIZE_MAX:
        raise UsageError(
            f"an entry of the log has at most {ENTRY_SIZE_MAX} bytes, got {size}; "
            "what is larger belongs into a pack or a blob",
            entry=entry,
        )
    return size


def check_tables(tables: Mapping[str, Table], *, name: str) -> None:
    """Check what the types of columns do not say.

    Raises:
        CorruptionError: a row breaks a rule of the format; ``name`` says where.
    """
    check_calls(tables[CALLS], tables[SLOTS], name)
    _check_values(tables[VALUES], name)
    check_ranges(tables[TOMBS], name=name)
    check_ranges(tables[UNTAGS], name=name)
    check_tags(tables[TAGS], name)


def check_ranges(table: Table, *, name: str) -> None:
    """Check that tombstones or untags name rows of a segment.

    Raises:
        CorruptionError: one does not; ``name`` says where.
    """
    check_rule(name, table.name, table.numbers("seq") <= SEQ_MAX)
    check_rule(name, table.name, table.numbers("first") <= table.numbers("last"))
    if table.name == TOMBS:
        check_rule(name, table.name, table.numbers("reason") <= max(TombstoneReason))


def check_min_reader(
    header: Mapping[str, object],
    version: int,
    *,
    name: str,
    of: str = "the log",
    harm: str = "results would be missing",
) -> None:
    """Refuse what only readers of a later version than ``version`` may read.

    Raises:
        UnsupportedFormatError: so it is; the message says of what, and the harm of going on.
    """
    needed = header.get("min_reader")
    if isinstance(needed, int) and needed > version:
        raise UnsupportedFormatError(
            f"{name} needs a mandala-cas that reads version {needed} of {of}, this one reads "
            f"version {version}: upgrade it, {harm}",
            name=name,
        )


def is_time(value: object) -> bool:
    """Tell whether ``value`` is a time in microseconds that the format has a place for."""
    return isinstance(value, int) and TIME_MIN_US <= value <= TIME_MAX_US


def _call_size(call: CallRecord) -> int:
    """Return the size of a call that the format has a place for."""
    if not (is_time(call.started_us) and 0 <= call.duration_us <= TIME_MAX_US):
        raise UsageError(
            f"a call begins in the years 1 to 9999 and takes no negative time, "
            f"got {call.started_us} and {call.duration_us} microseconds",
            entry=call,
        )
    slots = call.inputs + call.outputs
    words = (call.op_name, call.op_version, call.module, *[slot[0] for slot in slots])
    return _CALL_SIZE + len(slots) * _SLOT_SIZE + _text_size(words, call)


def _value_size(value: ValueRecord) -> int:
    """Return the size of a value's record that the format has a place for."""
    inline_size = len(value.inline)
    if (
        # Nearly every value is of this kind, and there are two of them in every call.
        value.tier is Tier.INLINE
        and not (value.location or value.offset or value.stored_size)
        and inline_size == value.raw_size
        and 0 <= value.codec_version <= LENGTH_MAX
    ):
        size = _VALUE_SIZE + len(value.codec_header) + inline_size
        return size + _WORD_SIZE + _text_size((value.codec_name,), value)
    sizes = (value.offset, value.stored_size, value.raw_size)
    if min(sizes) < 0 or max(sizes) > SIZE_MAX or not 0 <= value.codec_version <= LENGTH_MAX:
        raise UsageError(
            f"sizes below 2^62 and a version below 2^32 were expected, got {sizes} and version "
            f"{value.codec_version}",
            entry=value,
        )
    match value.tier:
        case Tier.INLINE:
            fits = len(value.inline) == value.raw_size and not value.offset + value.stored_size
        case Tier.PACK:
            fits = not value.inline and value.stored_size <= PACKED_SIZE_MAX
        case Tier.LOOSE:
            fits = not value.inline and not value.offset
    if not fits or tier_of_location(value.location) != value.tier:
        raise UsageError(
            "an inline value has its payload and no place, any other a place and no payload; got "
            f"{value.tier.name} at {value.location!r} with {len(value.inline)} bytes, and offset, "
            f"stored and raw size {sizes}",
            entry=value,
        )
    size = _VALUE_SIZE + len(value.codec_header) + len(value.inline)
    return size + _text_size((value.location, value.codec_name), value)


def _tag_size(tag: TagRecord) -> int:
    """Return the size of a tag that the format has a place for."""
    if not (
        is_time(tag.created_us)
        and len(tag.history_id) == HistoryId.SIZE
        and 0 < len(tag.name) <= TAG_NAME_MAX
    ):
        raise UsageError(
            f"a tag has a name of 1 to {TAG_NAME_MAX} characters and a time in the years 1 to "
            f"9999, got {tag}",
            entry=tag,
        )
    return _TAG_SIZE + _text_size((tag.name,), tag)


def _text_size(words: tuple[str, ...], entry: Entry) -> int:
    """Return the size of words, each as if it were met for the first time."""
    try:
        return _words_size(words)
    except UnicodeEncodeError as error:
        raise UsageError(f"names must be text that UTF-8 can hold: {error}", entry=entry) from error


# Every call of an op brings the same words, and so does every value of a codec.
@lru_cache(maxsize=1 << 12)
def _words_size(words: tuple[str, ...]) -> int:
    """Return the size of words."""
    return sum(len(word.encode()) + _WORD_SIZE for word in words)


def tier_of_location(location: str) -> int:
    """Return the tier whose values lie at such a place; a number that is no tier if none do."""
    if not location:
        return Tier.INLINE
    try:
        check_payload_name(location)
    except CorruptionError:
        return _NO_TIER
    return Tier.LOOSE if location.startswith(BLOBS) else Tier.PACK


def check_calls(calls: Table, slots: Table, name: str) -> None:
    """Check that every slot is one call's, and that times are times."""
    started, duration = calls.numbers("started_us"), calls.numbers("duration_us")
    check_rule(name, "calls", (started >= TIME_MIN_US) & (started <= TIME_MAX_US))
    check_rule(name, "calls", (duration >= 0) & (duration <= TIME_MAX_US))
    starts = calls.numbers("slot_start")
    is_output = slots.numbers("is_output")
    check_rule(name, "slots", is_output <= 1)
    if not calls.row_count:
        check_rule(name, "slots", np.array([slots.row_count == 0]))
        return
    # Compared, not subtracted: these numbers have no sign.
    check_rule(name, "calls", starts[1:] >= starts[:-1])
    check_rule(name, "calls", np.array([starts[0] == 0, starts[-1] <= slots.row_count]))
    # An input after an output is the beginning of another call.
    begins = np.zeros(slots.row_count + 1, bool)
    begins[starts] = True
    check_rule(name, "slots", (is_output[1:] >= is_output[:-1]) | begins[1:-1])


def check_tags(tags: Table, name: str) -> None:
    """Check that every tag has a name, a time, and a target of a known kind."""
    check_rule(name, TAGS, tags.numbers("target") <= max(TagTarget))
    created = tags.numbers("created_us")
    check_rule(name, TAGS, (created >= TIME_MIN_US) & (created <= TIME_MAX_US))
    fits = [0 < len(word) <= TAG_NAME_MAX for word in tags.text("name").words]
    check_rule(name, TAGS, np.array(fits, bool))


def _check_values(values: Table, name: str) -> None:
    """Check that every value is at a place that its tier speaks of."""
    tier, location = values.numbers("tier"), values.text("location")
    offset, stored = values.numbers("offset"), values.numbers("stored_size")
    raw, inline = values.numbers("raw_size"), np.diff(values.bytes("inline").offsets)
    for sizes in (offset, stored, raw):
        check_rule(name, "values", sizes <= SIZE_MAX)
    places = np.array([tier_of_location(word) for word in location.words], np.uint8)
    # Without rows there may be no words to look up.
    if values.row_count:
        check_rule(name, "values", places[location.codes] == tier)
    is_inline = tier == Tier.INLINE
    check_rule(name, "values", np.where(is_inline, inline == raw, inline == 0))
    check_rule(name, "values", ~is_inline | (stored == 0))
    check_rule(name, "values", (tier == Tier.PACK) | (offset == 0))
    check_rule(name, "values", (tier != Tier.PACK) | (stored <= PACKED_SIZE_MAX))


def check_rule(name: str, table: str, holds: npt.NDArray[np.bool_] | Numbers) -> None:
    """Refuse a table that has a row for which a rule does not hold."""
    if not holds.all():
        row = int(np.argmin(holds))
        raise corruption(name, f"breaks a rule of the format in row {row} of {table}")
